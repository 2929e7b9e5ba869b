//! `stepfleet alias …`: names that lead to versions, and how starts are shared between two of them.

use clap::{Args, Subcommand};
use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::names::{self, Kind};
use super::output::{Output, Tone};
use super::{pages, table, time};

/// Aliases of state machines.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum AliasCommand {
    /// Lead an alias to one version, or to two that share the starts; it is created if it is not there
    Set(SetArgs),
    /// List the aliases of a state machine, newest first
    List(ListArgs),
    /// Show an alias
    Show(AliasArgs),
    /// Delete an alias; its versions stay
    Delete(AliasArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SetArgs {
    /// MACHINE:ALIAS or ARN
    alias: String,
    /// A version's number, or two as NUMBER=PERCENT
    #[arg(value_name = "VERSION", required = true, num_args = 1..=2, value_parser = parse_route)]
    routes: Vec<(u64, Option<i32>)>,
    /// Description of the alias
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Name or ARN of the state machine; MACHINE:NUMBER for the aliases of a version
    machine: String,
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AliasArgs {
    /// MACHINE:ALIAS or ARN
    alias: String,
}

impl AliasCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::Set(args) => format!("set the alias {}", args.alias),
            Self::List(args) => format!("list the aliases of {}", args.machine),
            Self::Show(args) => format!("show the alias {}", args.alias),
            Self::Delete(args) => format!("delete the alias {}", args.alias),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        match self {
            Self::Set(args) => set(args, client, output).await,
            Self::List(args) => list(args, client, output).await,
            Self::Show(args) => show(args, client, output).await,
            Self::Delete(args) => delete(args, client, output).await,
        }
    }
}

async fn set(args: &SetArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let arn = names::resolve(client, Kind::Alias, &args.alias).await?;
    let machine = names::machine_of(&arn);
    let routing_configuration = routes(machine, &args.routes)?;
    let update = api::UpdateStateMachineAliasRequest {
        state_machine_alias_arn: arn.clone(),
        description: args.description.clone(),
        routing_configuration: routing_configuration.clone(),
    };
    let word = match client.update_state_machine_alias(update).await {
        Ok(_) => "updated",
        Err(Fault::Refused { reason, .. }) if reason == "ResourceNotFound" => {
            let create = api::CreateStateMachineAliasRequest {
                name: names::name_of(&arn).to_owned(),
                description: args.description.clone(),
                routing_configuration,
            };
            client.create_state_machine_alias(create).await?;
            "created"
        }
        Err(fault) => return Err(fault),
    };
    let alias = describe(client, arn).await?;
    if output.is_json() {
        output.document(&document(&alias))?;
    } else {
        let done = output.paint(Tone::Good, word);
        let name = names::short_execution(&alias.state_machine_alias_arn);
        output.line(format!("{done} alias {name}  {}", shares(&alias)))?;
    }
    Ok(Outcome::Done)
}

async fn list(args: &ListArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let arn = names::resolve(client, Kind::StateMachine, &args.machine).await?;
    let aliases = pages::collect(args.limit, |page_size, page_token| {
        let request = api::ListStateMachineAliasesRequest {
            state_machine_arn: arn.clone(),
            page_size,
            page_token,
        };
        async move {
            let answer = client.list_state_machine_aliases(request).await?;
            Ok((answer.state_machine_aliases, answer.next_page_token))
        }
    })
    .await?;
    let json = |alias: &api::StateMachineAliasListItem| {
        serde_json::json!({
            "stateMachineAliasArn": alias.state_machine_alias_arn,
            "creationDate": time::utc(alias.creation_date.as_ref()),
        })
    };
    let none = "no aliases; create one with `stepfleet alias set MACHINE:ALIAS VERSION`";
    if pages::told(&aliases.items, "stateMachineAliases", json, none, output)? {
        return Ok(Outcome::Done);
    }
    let arns = aliases
        .items
        .iter()
        .map(|item| &item.state_machine_alias_arn);
    let described = pages::each(arns.map(|arn| describe(client, arn.clone()))).await?;
    let mut rows = table::table(output, &["ALIAS", "VERSIONS", "CREATED", "ARN"]);
    for alias in &described {
        rows.add_row([
            alias.name.clone(),
            shares(alias),
            time::date(output, alias.creation_date.as_ref()),
            alias.state_machine_alias_arn.clone(),
        ]);
    }
    output.line(table::text(&rows))?;
    aliases.remark_if_cut(output);
    Ok(Outcome::Done)
}

async fn show(args: &AliasArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let arn = names::resolve(client, Kind::Alias, &args.alias).await?;
    let alias = describe(client, arn).await?;
    if output.is_json() {
        output.document(&document(&alias))?;
        return Ok(Outcome::Done);
    }
    let facts = [
        ("name", alias.name.clone()),
        ("arn", alias.state_machine_alias_arn.clone()),
        ("versions", shares(&alias)),
        ("description", alias.description.clone()),
        ("created", time::date(output, alias.creation_date.as_ref())),
        ("updated", time::date(output, alias.update_date.as_ref())),
    ];
    let text = table::facts(output, &facts);
    output.line(text)?;
    Ok(Outcome::Done)
}

async fn delete(args: &AliasArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let arn = names::resolve(client, Kind::Alias, &args.alias).await?;
    // The API is content with unknown ARNs; a person who mistyped a name is not.
    describe(client, arn.clone()).await?;
    let request = api::DeleteStateMachineAliasRequest {
        state_machine_alias_arn: arn.clone(),
    };
    client.delete_state_machine_alias(request).await?;
    output.deleted("alias", &arn, names::short_execution(&arn))?;
    Ok(Outcome::Done)
}

async fn describe(
    client: &Client,
    state_machine_alias_arn: String,
) -> Result<api::DescribeStateMachineAliasResponse, Fault> {
    let request = api::DescribeStateMachineAliasRequest {
        state_machine_alias_arn,
    };
    client.describe_state_machine_alias(request).await
}

/// One version takes all starts; of two, both shares must be told.
fn routes(
    machine: &str,
    wanted: &[(u64, Option<i32>)],
) -> Result<Vec<api::RoutingConfigurationItem>, Fault> {
    let item = |&(number, weight): &(u64, Option<i32>)| {
        let weight = weight.or((wanted.len() == 1).then_some(100));
        let weight = weight.ok_or_else(|| {
            let message = "two versions need their shares: 3=90 4=10, which add up to 100";
            Fault::Usage(message.into())
        })?;
        Ok(api::RoutingConfigurationItem {
            state_machine_version_arn: format!("{machine}:{number}"),
            weight,
        })
    };
    wanted.iter().map(item).collect()
}

/// `3`, or `3=90`.
fn parse_route(text: &str) -> Result<(u64, Option<i32>), String> {
    let parse = || {
        let (number, weight) = match text.split_once('=') {
            Some((number, weight)) => (number, Some(weight)),
            None => (text, None),
        };
        let weight = weight.map(|weight| weight.trim_end_matches('%').parse());
        Some((number.parse().ok()?, weight.transpose().ok()?))
    };
    parse().ok_or_else(|| "a version is its number, or NUMBER=PERCENT".into())
}

/// `3 (90 %), 4 (10 %)`
fn shares(alias: &api::DescribeStateMachineAliasResponse) -> String {
    let share = |route: &api::RoutingConfigurationItem| {
        let number = names::name_of(&route.state_machine_version_arn);
        format!("{number} ({} %)", route.weight)
    };
    let shares: Vec<String> = alias.routing_configuration.iter().map(share).collect();
    shares.join(", ")
}

fn document(alias: &api::DescribeStateMachineAliasResponse) -> serde_json::Value {
    let route = |route: &api::RoutingConfigurationItem| {
        serde_json::json!({
            "stateMachineVersionArn": route.state_machine_version_arn,
            "weight": route.weight,
        })
    };
    let routes: Vec<_> = alias.routing_configuration.iter().map(route).collect();
    serde_json::json!({
        "stateMachineAliasArn": alias.state_machine_alias_arn,
        "name": alias.name,
        "description": alias.description,
        "routingConfiguration": routes,
        "creationDate": time::utc(alias.creation_date.as_ref()),
        "updateDate": time::utc(alias.update_date.as_ref()),
    })
}
