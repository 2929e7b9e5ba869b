//! `stepfleet task …`: tasks that wait for someone to complete their token.

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::value::RawValue;
use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::names::{self, Kind};
use super::output::{Output, Tone};
use super::{pages, payload, table, time};

/// Characters of a token in a table; the hint tells how to see all.
const TOKEN_CHARS: usize = 16;
const PARAMETERS_CHARS: usize = 60;
const PROGRESS_CHARS: usize = 40;

/// Callback tasks and their tokens.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List the tasks that wait for their token to be completed, oldest first
    List(ListArgs),
    /// Show one open callback whole
    Show(ShowArgs),
    /// Complete a task with an output
    #[command(visible_alias = "complete")]
    Success(SuccessArgs),
    /// Fail a task
    #[command(visible_alias = "fail")]
    Failure(FailureArgs),
    /// Tell that a task is still being worked on
    Heartbeat(HeartbeatArgs),
    /// Let a callback URL count no more; its task goes on waiting
    RevokeUrl(RevokeUrlArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    /// Only tasks of this execution (MACHINE:EXECUTION or ARN)
    #[arg(long)]
    execution: Option<String>,
    /// Only tasks of executions of this state machine (name or ARN)
    #[arg(long)]
    machine: Option<String>,
    /// Only tasks that have waited at least this long (90s, 1h30m, 2d)
    #[arg(long, value_name = "AGE", value_parser = time::read)]
    older_than: Option<SignedDuration>,
    /// Show tokens whole
    #[arg(long)]
    tokens: bool,
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

/// Which task: by its token, or as the open callback of an execution.
#[derive(Args, Clone, Debug)]
pub(crate) struct Which {
    /// The task token
    #[arg(required_unless_present = "execution", conflicts_with = "execution")]
    token: Option<String>,
    /// Instead of a token: the open callback of this execution (MACHINE:EXECUTION or ARN)
    #[arg(long)]
    execution: Option<String>,
    /// The state that waits, when the execution has several open callbacks
    #[arg(long, requires = "execution")]
    state: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SuccessArgs {
    #[command(flatten)]
    which: Which,
    /// The task's output: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON", default_value = "{}")]
    output: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct FailureArgs {
    #[command(flatten)]
    which: Which,
    /// Error name, for Retry and Catch
    #[arg(long)]
    error: Option<String>,
    /// Explanation for people
    #[arg(long)]
    cause: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct HeartbeatArgs {
    #[command(flatten)]
    which: Which,
    /// Progress of the task: JSON, @FILE, or - for standard input
    #[arg(long, value_name = "JSON")]
    details: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RevokeUrlArgs {
    /// The callback URL, whole; - reads it from standard input
    #[arg(value_name = "URL")]
    url: String,
}

impl TaskCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::List(_) => "list open callbacks".into(),
            Self::Show(args) => format!("show {}", args.which.words()),
            Self::Success(args) => format!("complete {}", args.which.words()),
            Self::Failure(args) => format!("fail {}", args.which.words()),
            Self::Heartbeat(args) => format!("send a heartbeat for {}", args.which.words()),
            Self::RevokeUrl(_) => "revoke the callback URL".into(),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        match self {
            Self::List(args) => list(args, client, output).await,
            Self::Show(args) => show(&args.which.callback(client).await?, output),
            Self::Success(args) => {
                let text = payload::read_json("the output", &args.output)?;
                let task_token = args.which.token(client).await?;
                let request = api::SendTaskSuccessRequest {
                    task_token,
                    output: text,
                };
                client.send_task_success(request).await?;
                done(output, "completed", &args.which)
            }
            Self::Failure(args) => {
                let task_token = args.which.token(client).await?;
                let (error, cause) = (args.error.clone(), args.cause.clone());
                client
                    .send_task_failure(api::SendTaskFailureRequest {
                        task_token,
                        error,
                        cause,
                    })
                    .await?;
                done(output, "failed", &args.which)
            }
            Self::Heartbeat(args) => {
                let details = match &args.details {
                    Some(details) => payload::read_json("the details", details)?,
                    None => String::new(),
                };
                let task_token = args.which.token(client).await?;
                client
                    .send_task_heartbeat(api::SendTaskHeartbeatRequest {
                        task_token,
                        details,
                    })
                    .await?;
                done(output, "sent a heartbeat for", &args.which)
            }
            Self::RevokeUrl(args) => revoke(args, client, output).await,
        }
    }
}

impl Which {
    fn words(&self) -> String {
        match (&self.execution, &self.state) {
            (Some(execution), Some(state)) => {
                format!("the callback of state '{state}' of {execution}")
            }
            (Some(execution), None) => format!("the callback of {execution}"),
            (None, _) => "the task".into(),
        }
    }

    async fn token(&self, client: &Client) -> Result<String, Fault> {
        match &self.token {
            Some(token) => Ok(token.clone()),
            None => Ok(self.callback(client).await?.task_token),
        }
    }

    async fn callback(&self, client: &Client) -> Result<api::Callback, Fault> {
        let mut request = api::ListCallbacksRequest::default();
        if let Some(execution) = &self.execution {
            request.execution_arn = names::resolve(client, Kind::Execution, execution).await?;
        }
        let mut open = callbacks(client, request, usize::MAX).await?.items;
        if let Some(token) = &self.token {
            open.retain(|callback| &callback.task_token == token);
        }
        if let Some(state) = &self.state {
            open.retain(|callback| &callback.state_name == state);
        }
        if open.len() > 1 {
            return Err(Fault::Usage(ambiguous(&open)));
        }
        open.pop().ok_or_else(|| {
            Fault::Failed(match &self.execution {
                Some(execution) => {
                    format!("nothing waits there; {execution} has no such open callback")
                }
                None => "nothing waits for this token".to_owned(),
            })
        })
    }
}

/// Iterations of a Map wait in the same state, so that a state's name may not be enough.
fn ambiguous(several: &[api::Callback]) -> String {
    let mut states: Vec<_> = several
        .iter()
        .map(|callback| callback.state_name.as_str())
        .collect();
    states.dedup();
    format!(
        "{} callbacks are open there, in {}; choose one by --state, or by its token from `stepfleet task list --tokens`",
        several.len(),
        states.join(", ")
    )
}

fn done(output: &mut Output, verb: &str, which: &Which) -> Result<Outcome, Fault> {
    if output.is_json() {
        output.document(&serde_json::json!({}))?;
    } else {
        output.line(format!("{verb} {}", which.words()))?;
    }
    Ok(Outcome::Done)
}

async fn revoke(
    args: &RevokeUrlArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let url = match args.url.as_str() {
        "-" => payload::read_file("-")?.trim().to_owned(),
        url => url.to_owned(),
    };
    client
        .revoke_callback_url(api::RevokeCallbackUrlRequest { url })
        .await?;
    if output.is_json() {
        output.document(&serde_json::json!({}))?;
    } else {
        output.line("revoked the callback URL; the token of its task stays good")?;
    }
    Ok(Outcome::Done)
}

async fn callbacks(
    client: &Client,
    filter: api::ListCallbacksRequest,
    limit: usize,
) -> Result<pages::Listed<api::Callback>, Fault> {
    pages::collect(limit, |page_size, page_token| {
        let request = api::ListCallbacksRequest {
            page_size,
            page_token,
            ..filter.clone()
        };
        async move {
            let answer = client.list_callbacks(request).await?;
            Ok((answer.callbacks, answer.next_page_token))
        }
    })
    .await
}

impl ListArgs {
    async fn filter(
        &self,
        client: &Client,
        output: &Output,
    ) -> Result<api::ListCallbacksRequest, Fault> {
        let mut filter = api::ListCallbacksRequest::default();
        if let Some(name) = &self.execution {
            filter.execution_arn = names::resolve(client, Kind::Execution, name).await?;
        }
        if let Some(name) = &self.machine {
            filter.state_machine_arn = names::resolve(client, Kind::StateMachine, name).await?;
        }
        if let Some(age) = self.older_than {
            let since = output.now().checked_sub(age);
            let since = since.map_err(|error| Fault::Usage(format!("--older-than: {error}")))?;
            filter.scheduled_before = Some(prost_types::Timestamp {
                seconds: since.as_second(),
                nanos: since.subsec_nanosecond(),
            });
        }
        Ok(filter)
    }
}

fn show(callback: &api::Callback, output: &mut Output) -> Result<Outcome, Fault> {
    if output.is_json() {
        output.document(&json(callback))?;
        return Ok(Outcome::Done);
    }
    let scheduled = time::date(output, callback.scheduled_date.as_ref());
    let mut facts = vec![
        (
            "execution",
            names::short_execution(&callback.execution_arn).to_owned(),
        ),
        ("arn", callback.execution_arn.clone()),
        ("state", callback.state_name.clone()),
        ("resource", callback.resource.clone()),
        ("scheduled", scheduled),
        ("age", time::age(output, callback.scheduled_date.as_ref())),
    ];
    if callback.deadline.is_some() {
        let deadline = time::until(output, callback.deadline.as_ref());
        facts.push(("deadline", deadline));
    }
    facts.push(("parameters", payload::pretty(&callback.parameters)));
    if !callback.progress.is_empty() {
        let age = time::age(output, callback.progress_date.as_ref());
        let said = payload::pretty(&callback.progress);
        facts.push(("progress", said));
        facts.push(("told", format!("{age} ago")));
    }
    facts.push(("token", callback.task_token.clone()));
    let text = table::facts(output, &facts);
    output.line(text)?;
    Ok(Outcome::Done)
}

async fn list(args: &ListArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let filter = args.filter(client, output).await?;
    let listed = callbacks(client, filter, args.limit).await?;
    if output.is_json() {
        let items: Vec<_> = listed.items.iter().map(json).collect();
        output.document(&serde_json::json!({ "callbacks": items }))?;
        return Ok(Outcome::Done);
    }
    if listed.items.is_empty() {
        output.remark("no open callbacks");
        return Ok(Outcome::Done);
    }
    let text = rows(args, &listed.items, output);
    output.line(text)?;
    if !args.tokens {
        let hint = output.paint_remark(
            Tone::Faint,
            "tokens are shortened; --tokens shows them whole",
        );
        output.remark(hint);
    }
    listed.remark_if_cut(output);
    Ok(Outcome::Done)
}

fn rows(args: &ListArgs, callbacks: &[api::Callback], output: &Output) -> String {
    let told = callbacks.iter().any(|it| !it.progress.is_empty());
    let mut header = vec!["EXECUTION", "STATE", "AGE", "DEADLINE"];
    header.extend(told.then_some("PROGRESS"));
    header.extend(["PARAMETERS", "TOKEN"]);
    let mut rows = table::table(output, &header);
    for callback in callbacks {
        let token = &callback.task_token;
        // The token usually stands in the parameters too; there it says nothing to a reader.
        let parameters = callback.parameters.replace(token, "<token>");
        let mut row = vec![
            names::short_execution(&callback.execution_arn).to_owned(),
            callback.state_name.clone(),
            time::age(output, callback.scheduled_date.as_ref()),
            time::until(output, callback.deadline.as_ref()),
        ];
        row.extend(told.then(|| payload::short(&callback.progress, PROGRESS_CHARS)));
        row.push(payload::short(&parameters, PARAMETERS_CHARS));
        row.push(if args.tokens {
            token.clone()
        } else {
            payload::short(token, TOKEN_CHARS)
        });
        rows.add_row(row);
    }
    if args.tokens {
        // A token that is broken over lines cannot be copied.
        rows.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    }
    table::text(&rows)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallbackJson<'a> {
    task_token: &'a str,
    execution_arn: &'a str,
    state_name: &'a str,
    resource: &'a str,
    parameters: Box<RawValue>,
    scheduled_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress_date: Option<String>,
}

fn json(callback: &api::Callback) -> CallbackJson<'_> {
    CallbackJson {
        task_token: &callback.task_token,
        execution_arn: &callback.execution_arn,
        state_name: &callback.state_name,
        resource: &callback.resource,
        parameters: payload::raw(&callback.parameters),
        scheduled_date: time::utc(callback.scheduled_date.as_ref()),
        deadline: time::utc(callback.deadline.as_ref()),
        progress: payload::raw_told(&callback.progress),
        progress_date: time::utc(callback.progress_date.as_ref()),
    }
}
