//! `stepfleet machine …`: state machines.

mod locate;
mod test;
mod validate;
mod watched;

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::value::RawValue;
use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::names::{self, Kind};
use super::output::{Output, Tone};
use super::{pages, payload, table, time};
use watched::{WatchedArgs, logging_text, tracing_text};

/// State machines.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MachineCommand {
    /// Create a state machine from an Amazon States Language file
    Create(CreateArgs),
    /// Change a state machine; running executions keep the definition they started with
    Update(UpdateArgs),
    /// List state machines
    List(ListArgs),
    /// Show a state machine
    Show(ShowArgs),
    /// Check a definition without creating anything; exit code 1 when it has errors
    Validate(validate::ValidateArgs),
    /// Run a definition against cases, with mocked tasks and without waiting; exit code 1 when one fails
    Test(test::TestArgs),
    /// Delete a state machine
    Delete(DeleteArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CreateArgs {
    /// The definition: a file, or - for standard input
    #[arg(value_name = "FILE")]
    file: String,
    /// Name of the state machine [default: the file's name up to its first dot]
    #[arg(long)]
    name: Option<String>,
    /// Role ARN; kept and given back, without effect here
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// Type of its executions
    #[arg(long, value_enum, default_value = "standard")]
    r#type: MachineType,
    /// A tag; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = super::parse_tag)]
    tags: Vec<(String, String)>,
    #[command(flatten)]
    watched: WatchedArgs,
    #[command(flatten)]
    publication: PublicationArgs,
}

#[derive(Args, Clone, Debug)]
struct PublicationArgs {
    /// Publish a version in the same step
    #[arg(long)]
    publish: bool,
    /// Description of the version
    #[arg(long, value_name = "TEXT", requires = "publish")]
    version_description: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct UpdateArgs {
    /// Name or ARN
    machine: String,
    /// The new definition: a file, or - for standard input
    #[arg(value_name = "FILE", required_unless_present_any = ["role_arn", "log", "trace"])]
    file: Option<String>,
    /// New role ARN
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    #[command(flatten)]
    watched: WatchedArgs,
    #[command(flatten)]
    publication: PublicationArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    /// Name or ARN
    machine: String,
    /// Print the definition alone, exactly as it was given
    #[arg(long)]
    definition: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DeleteArgs {
    /// Name or ARN
    machine: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MachineType {
    Standard,
    Express,
}

impl MachineType {
    fn wire(self) -> i32 {
        match self {
            Self::Standard => api::StateMachineType::Standard.into(),
            Self::Express => api::StateMachineType::Express.into(),
        }
    }
}

impl MachineCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::Create(args) => format!("create a state machine from {}", args.file),
            Self::Update(args) => format!("update the state machine {}", args.machine),
            Self::List(_) => "list state machines".into(),
            Self::Show(args) => format!("show the state machine {}", args.machine),
            Self::Validate(args) => format!("validate {}", args.file),
            Self::Test(args) => format!("test {}", args.file),
            Self::Delete(args) => format!("delete the state machine {}", args.machine),
        }
    }

    /// Carries out what needs no coordinator; none when it is not such a command.
    pub(crate) fn carry_out_alone(&self, output: &mut Output) -> Option<Result<Outcome, Fault>> {
        match self {
            Self::Test(args) => Some(test::test(args, output)),
            Self::Create(_)
            | Self::Update(_)
            | Self::List(_)
            | Self::Show(_)
            | Self::Validate(_)
            | Self::Delete(_) => None,
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        match self {
            Self::Create(args) => create(args, client, output).await,
            Self::Update(args) => update(args, client, output).await,
            Self::List(args) => list(args, client, output).await,
            Self::Show(args) => show(args, client, output).await,
            Self::Validate(args) => validate::validate(args, client, output).await,
            Self::Test(args) => test::test(args, output),
            Self::Delete(args) => delete(args, client, output).await,
        }
    }
}

async fn create(args: &CreateArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_from_file(&args.file)?,
    };
    let logging = args.watched.logging(client, &name).await?;
    let request = api::CreateStateMachineRequest {
        name: name.clone(),
        logging_configuration: logging.unwrap_or_default(),
        tracing_configuration: args.watched.tracing().unwrap_or_default(),
        definition: payload::read_file(&args.file)?,
        role_arn: args.role_arn.clone().unwrap_or_default(),
        r#type: args.r#type.wire(),
        tags: args.tags.iter().cloned().collect(),
        publish: args.publication.publish,
        version_description: args.publication.version_description.clone(),
        ..Default::default()
    };
    let answer = client.create_state_machine(request).await?;
    warn(output, &answer.warnings);
    if output.is_json() {
        let mut document = serde_json::json!({
            "stateMachineArn": answer.state_machine_arn,
            "creationDate": time::utc(answer.creation_date.as_ref()),
        });
        add_version(&mut document, &answer.state_machine_version_arn);
        output.document(&document)?;
    } else {
        let done = output.paint(Tone::Good, "created");
        output.line(format!(
            "{done} state machine {name}  {}",
            answer.state_machine_arn
        ))?;
        tell_version(output, &answer.state_machine_version_arn)?;
    }
    Ok(Outcome::Done)
}

async fn update(args: &UpdateArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let definition = args.file.as_deref().map(payload::read_file).transpose()?;
    let state_machine_arn = names::resolve(client, Kind::StateMachine, &args.machine).await?;
    let name = names::name_of(&state_machine_arn);
    let request = api::UpdateStateMachineRequest {
        state_machine_arn: state_machine_arn.clone(),
        logging_configuration: args.watched.logging(client, name).await?,
        tracing_configuration: args.watched.tracing(),
        definition,
        role_arn: args.role_arn.clone(),
        publish: args.publication.publish,
        version_description: args.publication.version_description.clone(),
        ..Default::default()
    };
    let answer = client.update_state_machine(request).await?;
    warn(output, &answer.warnings);
    if output.is_json() {
        let mut document = serde_json::json!({
            "stateMachineArn": state_machine_arn,
            "updateDate": time::utc(answer.update_date.as_ref()),
        });
        if !answer.revision_id.is_empty() {
            document["revisionId"] = answer.revision_id.into();
        }
        add_version(&mut document, &answer.state_machine_version_arn);
        output.document(&document)?;
    } else {
        let done = output.paint(Tone::Good, "updated");
        let revision = revision_name(&answer.revision_id);
        output.line(format!("{done} state machine {name}  revision {revision}"))?;
        tell_version(output, &answer.state_machine_version_arn)?;
    }
    Ok(Outcome::Done)
}

async fn list(args: &ListArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let machines = pages::collect(args.limit, |page_size, page_token| async move {
        let request = api::ListStateMachinesRequest {
            page_size,
            page_token,
        };
        let answer = client.list_state_machines(request).await?;
        Ok((answer.state_machines, answer.next_page_token))
    })
    .await?;
    let none = "no state machines; create one with `stepfleet machine create FILE`";
    if pages::told(&machines.items, "stateMachines", item_json, none, output)? {
        return Ok(Outcome::Done);
    }
    let mut rows = table::table(output, &["NAME", "TYPE", "CREATED", "ARN"]);
    for machine in &machines.items {
        rows.add_row([
            machine.name.clone(),
            table::type_name(machine.r#type),
            time::date(output, machine.creation_date.as_ref()),
            machine.state_machine_arn.clone(),
        ]);
    }
    output.line(table::text(&rows))?;
    machines.remark_if_cut(output);
    Ok(Outcome::Done)
}

async fn show(args: &ShowArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let state_machine_arn = names::resolve(client, Kind::StateMachine, &args.machine).await?;
    let machine = client
        .describe_state_machine(api::DescribeStateMachineRequest { state_machine_arn })
        .await?;
    if args.definition {
        output.line(machine.definition.trim_end())?;
    } else if output.is_json() {
        output.document(&description_json(&machine))?;
    } else {
        let facts = [
            ("name", machine.name.clone()),
            ("arn", machine.state_machine_arn.clone()),
            ("type", table::type_name(machine.r#type)),
            ("status", machine_status(machine.status)),
            (
                "created",
                time::date(output, machine.creation_date.as_ref()),
            ),
            ("revision", revision_name(&machine.revision_id).to_owned()),
            ("role", machine.role_arn.clone()),
            ("log", logging_text(&machine.logging_configuration)),
            (
                "trace",
                tracing_text(&machine.tracing_configuration).to_owned(),
            ),
            ("definition", payload::pretty(&machine.definition)),
        ];
        let text = table::facts(output, &facts);
        output.line(text)?;
    }
    Ok(Outcome::Done)
}

async fn delete(args: &DeleteArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let state_machine_arn = names::resolve(client, Kind::StateMachine, &args.machine).await?;
    // The API is content with unknown ARNs; a person who mistyped a name is not.
    let request = api::DescribeStateMachineRequest {
        state_machine_arn: state_machine_arn.clone(),
    };
    client.describe_state_machine(request).await?;
    let request = api::DeleteStateMachineRequest {
        state_machine_arn: state_machine_arn.clone(),
    };
    client.delete_state_machine(request).await?;
    let name = names::name_of(&state_machine_arn);
    output.deleted("state machine", &state_machine_arn, name)?;
    Ok(Outcome::Done)
}

/// The first revision has no id.
fn revision_name(id: &str) -> &str {
    if id.is_empty() { "first" } else { id }
}

fn add_version(document: &mut serde_json::Value, arn: &str) {
    if !arn.is_empty() {
        document["stateMachineVersionArn"] = arn.into();
    }
}

fn tell_version(output: &mut Output, arn: &str) -> Result<(), Fault> {
    if arn.is_empty() {
        return Ok(());
    }
    let done = output.paint(Tone::Good, "published");
    let number = names::name_of(arn);
    output.line(format!("{done} version {number}  {arn}"))?;
    Ok(())
}

/// `archive-folder.asl.json` names the machine `archive-folder`.
fn name_from_file(file: &str) -> Result<String, Fault> {
    let name = Path::new(file)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    if stem.is_empty() || file == "-" {
        return Err(Fault::Usage(
            "give the state machine a name: --name NAME".into(),
        ));
    }
    Ok(stem.to_owned())
}

fn warn(output: &mut Output, warnings: &[api::Diagnostic]) {
    for warning in warnings {
        let head = output.paint_remark(Tone::Warning, "warning:");
        output.remark(format!(
            "{head} {}: {} {}",
            warning.code, warning.message, warning.location
        ));
    }
}

fn machine_status(status: i32) -> String {
    match api::StateMachineStatus::try_from(status) {
        Ok(known) => known
            .as_str_name()
            .trim_start_matches("STATE_MACHINE_STATUS_")
            .to_owned(),
        Err(_) => status.to_string(),
    }
}

fn item_json(machine: &api::StateMachineListItem) -> serde_json::Value {
    serde_json::json!({
        "stateMachineArn": machine.state_machine_arn,
        "name": machine.name,
        "type": table::type_name(machine.r#type),
        "creationDate": time::utc(machine.creation_date.as_ref()),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DescriptionJson<'a> {
    state_machine_arn: &'a str,
    name: &'a str,
    status: String,
    #[serde(rename = "type")]
    machine_type: String,
    creation_date: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    revision_id: &'a str,
    role_arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logging_configuration: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracing_configuration: Option<Box<RawValue>>,
    definition: Box<RawValue>,
}

fn description_json(machine: &api::DescribeStateMachineResponse) -> DescriptionJson<'_> {
    DescriptionJson {
        state_machine_arn: &machine.state_machine_arn,
        name: &machine.name,
        status: machine_status(machine.status),
        machine_type: table::type_name(machine.r#type),
        creation_date: time::utc(machine.creation_date.as_ref()),
        revision_id: &machine.revision_id,
        role_arn: &machine.role_arn,
        logging_configuration: payload::raw_some(Some(&machine.logging_configuration)),
        tracing_configuration: payload::raw_some(Some(&machine.tracing_configuration)),
        definition: payload::raw(&machine.definition),
    }
}
