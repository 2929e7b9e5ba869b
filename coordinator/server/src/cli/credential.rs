//! `stepfleet credential …`: who may work here. A secret is shown once, by the command that makes it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use stepfleet_sdk::api;

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::output::{Output, Tone};
use super::{pages, table, time};

/// Credentials of workers, callers and partners.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Make a credential; its secret is shown once
    Issue(IssueArgs),
    /// List credentials
    List(ListArgs),
    /// Give a credential another secret; the one before stays good for a while
    Rotate(RotateArgs),
    /// End a credential at once, with its open streams and polls
    Revoke(NamedArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct IssueArgs {
    /// Whose it is, or what for: the principal's name
    name: String,
    /// What its owner may do; can be repeated (`stepfleet policy list`)
    #[arg(long = "policy", value_name = "POLICY", required = true)]
    policies: Vec<String>,
    /// What the secret is: an API key for everything, or an access key for AWS SDKs
    #[arg(long, default_value = "api-key")]
    kind: KindArg,
    /// How long it is good, as in 90d; for ever without
    #[arg(long, value_name = "TIME", value_parser = time::read)]
    expires: Option<SignedDuration>,
    #[command(flatten)]
    of: NamespaceArgs,
    #[command(flatten)]
    secret: SecretArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum KindArg {
    ApiKey,
    AccessKey,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct NamespaceArgs {
    /// Account id that it belongs to; your own without
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) namespace: Option<String>,
}

impl NamespaceArgs {
    pub(super) fn text(&self) -> String {
        self.namespace.clone().unwrap_or_default()
    }
}

#[derive(Args, Clone, Debug)]
struct SecretArgs {
    /// Write the secret into this file, for its owner alone, instead of showing it
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    of: NamespaceArgs,
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RotateArgs {
    /// Its name
    name: String,
    /// How long the secret of before stays good
    #[arg(long, value_name = "TIME", value_parser = time::read, default_value = "24h")]
    overlap: SignedDuration,
    #[command(flatten)]
    of: NamespaceArgs,
    #[command(flatten)]
    secret: SecretArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct NamedArgs {
    /// Its name
    name: String,
    #[command(flatten)]
    of: NamespaceArgs,
}

impl CredentialCommand {
    pub(crate) fn attempt(&self) -> String {
        match self {
            Self::Issue(args) => format!("issue the credential {}", args.name),
            Self::List(_) => "list credentials".to_owned(),
            Self::Rotate(args) => format!("rotate the credential {}", args.name),
            Self::Revoke(args) => format!("revoke the credential {}", args.name),
        }
    }

    pub(crate) async fn carry_out(
        &self,
        client: &Client,
        output: &mut Output,
    ) -> Result<Outcome, Fault> {
        match self {
            Self::Issue(args) => issue(args, client, output).await,
            Self::List(args) => list(args, client, output).await,
            Self::Rotate(args) => rotate(args, client, output).await,
            Self::Revoke(args) => revoke(args, client, output).await,
        }
    }
}

async fn issue(args: &IssueArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let kind = match args.kind {
        KindArg::ApiKey => api::CredentialKind::ApiKey,
        KindArg::AccessKey => api::CredentialKind::AccessKey,
    };
    let expires_at = args.expires.map(|expires| output.now() + expires);
    let request = api::IssueCredentialRequest {
        name: args.name.clone(),
        policies: args.policies.clone(),
        kind: kind.into(),
        expiration_date: expires_at.map(|at| prost_types::Timestamp {
            seconds: at.as_second(),
            nanos: at.subsec_nanosecond(),
        }),
        namespace: args.of.text(),
    };
    let place = args.secret.place()?;
    let made = place.keep_if(client.issue_credential(request).await)?;
    let credential = made.credential.unwrap_or_default();
    hand_over(&credential, &made.secret, place, output)
}

async fn rotate(args: &RotateArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let overlap_seconds = u32::try_from(args.overlap.as_secs())
        .map_err(|_| Fault::Usage("the overlap is too long".to_owned()))?;
    let request = api::RotateCredentialRequest {
        name: args.name.clone(),
        overlap_seconds,
        namespace: args.of.text(),
    };
    let place = args.secret.place()?;
    let made = place.keep_if(client.rotate_credential(request).await)?;
    let credential = made.credential.unwrap_or_default();
    if let Some(until) = &credential.previous_until_date {
        let until = time::date(output, Some(until));
        output.remark(format!("the secret of before is good until {until}"));
    }
    hand_over(&credential, &made.secret, place, output)
}

async fn revoke(args: &NamedArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let request = api::RevokeCredentialRequest {
        name: args.name.clone(),
        namespace: args.of.text(),
    };
    let revoked = client.revoke_credential(request).await?;
    if output.is_json() {
        output.document(&json(&revoked.credential.unwrap_or_default()))?;
    } else {
        output.line(format!("revoked {}", args.name))?;
    }
    Ok(Outcome::Done)
}

/// Gives the secret to whoever asked for it.
fn hand_over(
    credential: &api::Credential,
    secret: &str,
    place: Place<'_>,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let shown = place.file.is_none();
    if let Some((path, mut file)) = place.file {
        let written = file.write_all(secret.as_bytes());
        written.map_err(Fault::file(path))?;
    }
    if output.is_json() {
        let mut document = json(credential);
        if shown {
            document["secret"] = secret.into();
        }
        output.document(&document)?;
        return Ok(Outcome::Done);
    }
    let mut facts = vec![
        ("name", credential.name.clone()),
        ("policies", credential.policies.join(", ")),
        (
            "expires",
            time::date(output, credential.expiration_date.as_ref()),
        ),
    ];
    if credential.kind() == api::CredentialKind::AccessKey {
        facts.push(("access key id", credential.key_id.clone()));
    }
    if shown {
        facts.push(("secret", secret.to_owned()));
    }
    let facts = table::facts(output, &facts);
    output.line(facts)?;
    if shown {
        output.remark(output.paint_remark(Tone::Warning, "the secret is not shown again"));
    }
    Ok(Outcome::Done)
}

/// Where a secret goes. A file is made before the secret is, so that none is lost for want of a place.
struct Place<'a> {
    file: Option<(&'a Path, File)>,
}

impl SecretArgs {
    fn place(&self) -> Result<Place<'_>, Fault> {
        let Some(path) = &self.secret_file else {
            return Ok(Place { file: None });
        };
        let mut options = OpenOptions::new();
        let made = options.write(true).create_new(true).mode(0o600).open(path);
        let file = made.map_err(Fault::file(path))?;
        Ok(Place {
            file: Some((path, file)),
        })
    }
}

impl Place<'_> {
    /// Takes the file away again when there is nothing for it.
    fn keep_if<T>(&self, made: Result<T, Fault>) -> Result<T, Fault> {
        if made.is_err()
            && let Some((path, _)) = &self.file
        {
            // It is empty; the fault is what matters.
            let _left = std::fs::remove_file(path);
        }
        made
    }
}

async fn list(args: &ListArgs, client: &Client, output: &mut Output) -> Result<Outcome, Fault> {
    let listed = pages::collect(args.limit, |page_size, page_token| async move {
        let request = api::ListCredentialsRequest {
            page_size,
            page_token,
            namespace: args.of.text(),
        };
        let answer = client.list_credentials(request).await?;
        Ok((answer.credentials, answer.next_page_token))
    })
    .await?;
    let none = "no credentials; issue one with `stepfleet credential issue NAME --policy worker`";
    if pages::told(&listed.items, "credentials", json, none, output)? {
        return Ok(Outcome::Done);
    }
    let header = [
        "NAME",
        "KIND",
        "POLICIES",
        "CREATED",
        "EXPIRES",
        "LAST USED",
        "STATUS",
    ];
    let mut rows = table::table(output, &header);
    for credential in &listed.items {
        rows.add_row([
            credential.name.clone(),
            kind_name(credential).to_owned(),
            credential.policies.join(", "),
            time::date(output, credential.creation_date.as_ref()),
            time::date(output, credential.expiration_date.as_ref()),
            time::date(output, credential.last_used_date.as_ref()),
            status(credential, output),
        ]);
    }
    output.line(table::text(&rows))?;
    listed.remark_if_cut(output);
    Ok(Outcome::Done)
}

fn status(credential: &api::Credential, output: &Output) -> String {
    let past = |date: Option<&prost_types::Timestamp>| {
        time::instant(date).is_some_and(|at| at <= output.now())
    };
    if credential.revocation_date.is_some() {
        return format!(
            "revoked {}",
            time::date(output, credential.revocation_date.as_ref())
        );
    }
    if past(credential.expiration_date.as_ref()) {
        return "expired".to_owned();
    }
    let previous = credential.previous_until_date.as_ref();
    if previous.is_some() && !past(previous) {
        return format!("rotated, before until {}", time::date(output, previous));
    }
    "good".to_owned()
}

fn kind_name(credential: &api::Credential) -> &'static str {
    match credential.kind() {
        api::CredentialKind::AccessKey => "access key",
        api::CredentialKind::ApiKey | api::CredentialKind::Unspecified => "API key",
    }
}

fn json(credential: &api::Credential) -> serde_json::Value {
    let date = |date: &Option<prost_types::Timestamp>| time::utc(date.as_ref());
    serde_json::json!({
        "name": credential.name,
        "kind": credential.kind().as_str_name().trim_start_matches("CREDENTIAL_KIND_"),
        "policies": credential.policies,
        "keyId": credential.key_id,
        "created": date(&credential.creation_date),
        "expires": date(&credential.expiration_date),
        "lastUsed": date(&credential.last_used_date),
        "revoked": date(&credential.revocation_date),
        "previousUntil": date(&credential.previous_until_date),
    })
}
