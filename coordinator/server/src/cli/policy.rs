//! `stepfleet policy …`: what principals may do, as IAM writes it.

use clap::{Args, Subcommand};
use serde_json::json;
use stepfleet_sdk::api;

use super::client::Client;
use super::credential::NamespaceArgs;
use super::fault::{Fault, Outcome};
use super::output::{Output, Tone};
use super::{payload, table, time};

/// Policies.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Store a policy, or change it
    Put(PutArgs),
    /// List policies: those that are always there, and your own
    List(ListArgs),
    /// Show a policy
    Show(NamedArgs),
    /// Delete a policy that no credential has
    Delete(NamedArgs),
    /// Tell whether a principal may do something, without doing it
    Test(TestArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PutArgs {
    /// Its name
    name: String,
    /// The document (JSON); - reads standard input
    file: String,
    #[command(flatten)]
    of: NamespaceArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    of: NamespaceArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct NamedArgs {
    /// Its name
    name: String,
    #[command(flatten)]
    of: NamespaceArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TestArgs {
    /// Name of a credential, or of a key or certificate of the configuration
    principal: String,
    /// As in states:StartExecution
    action: String,
    /// ARN of what it would be on; everything without
    resource: Option<String>,
    #[command(flatten)]
    of: NamespaceArgs,
}

impl PolicyCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::Put(args) => format!("put the policy {}", args.name),
            Self::List(_) => "list policies".to_owned(),
            Self::Show(args) => format!("show the policy {}", args.name),
            Self::Delete(args) => format!("delete the policy {}", args.name),
            Self::Test(args) => format!("test what {} may do", args.principal),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        match self {
            Self::Put(args) => put(args, client, output).await,
            Self::List(args) => list(args, client, output).await,
            Self::Show(args) => show(args, client, output).await,
            Self::Delete(args) => {
                let request = api::DeletePolicyRequest {
                    name: args.name.clone(),
                    namespace: args.of.text(),
                };
                client.delete_policy(request).await?;
                output.deleted("policy", &args.name, &args.name)?;
                Ok(Outcome::Done)
            }
            Self::Test(args) => test(args, client, output).await,
        }
    }
}

async fn put(args: &PutArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let request = api::PutPolicyRequest {
        name: args.name.clone(),
        document: payload::read_file(&args.file)?,
        namespace: args.of.text(),
    };
    let put = client.put_policy(request).await?;
    for action in &put.unknown_actions {
        let warning = format!("warning: no action follows {action}");
        output.remark(output.paint_remark(Tone::Warning, warning));
    }
    if output.is_json() {
        output.document(&json!({"name": args.name, "unknownActions": put.unknown_actions}))?;
    } else {
        output.line(format!("put {}", args.name))?;
    }
    Ok(Outcome::Done)
}

async fn list(args: &ListArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let namespace = args.of.text();
    let policies = client
        .list_policies(api::ListPoliciesRequest { namespace })
        .await?
        .policies;
    if output.is_json() {
        let all: Vec<_> = policies.iter().map(info).collect();
        output.document(&json!({ "policies": all }))?;
        return Ok(Outcome::Done);
    }
    let mut rows = table::table(output, &["NAME", "FROM", "CHANGED"]);
    for policy in &policies {
        rows.add_row([
            policy.name.clone(),
            origin(policy).to_owned(),
            time::date(output, policy.update_date.as_ref()),
        ]);
    }
    output.line(table::text(&rows))?;
    Ok(Outcome::Done)
}

async fn show(args: &NamedArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let request = api::DescribePolicyRequest {
        name: args.name.clone(),
        namespace: args.of.text(),
    };
    let found = client.describe_policy(request).await?;
    // A policy is JSON in either form, so that it can be changed and put again.
    output.line(payload::pretty(&found.document))?;
    Ok(Outcome::Done)
}

async fn test(args: &TestArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let request = api::TestPolicyRequest {
        principal: args.principal.clone(),
        action: args.action.clone(),
        resource: args.resource.clone().unwrap_or_default(),
        namespace: args.of.text(),
    };
    let tested = client.test_policy(request).await?;
    let (word, allowed) = match tested.decision() {
        api::PolicyDecision::Allowed => ("allowed", true),
        api::PolicyDecision::ExplicitDeny => ("denied: a statement denies it", false),
        api::PolicyDecision::ImplicitDeny | api::PolicyDecision::Unspecified => {
            ("denied: no statement allows it", false)
        }
    };
    if output.is_json() {
        output.document(&json!({"allowed": allowed, "policies": tested.policies}))?;
    } else {
        let policies = tested.policies.join(", ");
        output.line(format!("{word} (policies: {policies})"))?;
    }
    Ok(if allowed {
        Outcome::Done
    } else {
        Outcome::Negative
    })
}

fn origin(policy: &api::PolicyInfo) -> &'static str {
    match policy.origin() {
        api::PolicyOrigin::ReadyMade => "always there",
        api::PolicyOrigin::Configuration => "configuration",
        api::PolicyOrigin::Stored | api::PolicyOrigin::Unspecified => "put",
    }
}

fn info(policy: &api::PolicyInfo) -> serde_json::Value {
    json!({
        "name": policy.name,
        "origin": policy.origin().as_str_name().trim_start_matches("POLICY_ORIGIN_"),
        "updated": time::utc(policy.update_date.as_ref()),
    })
}
