//! Credentials and policies: issuing, listing, rotating, revoking; putting, testing, deleting. Secrets leave in the one
//! answer that makes them.

use std::sync::Arc;

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};
use stepfleet_engine::Timestamp;
use stepfleet_proto::{Action, Subject};

use super::api::{Caller, Page, PageRequest};
use super::error::{ApiError, ErrorCode};
use super::{Conflicts, Service, page};
use crate::auth::credentials::{API_KEY_PREFIX, Issued};
use crate::auth::records::{CredentialRecord, Kind, PolicyRecord, Proof, SecretRecord, policy_key};
use crate::auth::seal::Owner;
use crate::auth::{Decision, Policy, actions};
use crate::catalog::control_error;
use crate::catalog::records::{self, Versioned};
use crate::config::{NAME_CHARS_MAX, is_account, is_policy_name};
use crate::control::ControlStore as _;
use crate::shared::Shared;

/// Credentials of one namespace that are good.
const CREDENTIALS_MAX: usize = 10_000;
/// Stored policies of one namespace.
const POLICIES_MAX: usize = 1000;
/// Policies of one credential, as IAM has it.
const POLICIES_OF_ONE_MAX: usize = 10;
/// Credentials named in a refusal.
const NAMED_MAX: usize = 10;
/// A week: a longer overlap is a second credential.
const OVERLAP_S_MAX: u32 = 7 * 86_400;

/// What to issue.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub namespace: Option<String>,
    pub name: String,
    pub kind: Kind,
    pub policies: Vec<String>,
    pub expires_at: Option<Timestamp>,
}

/// A credential with the secret that was made for it.
#[derive(Debug)]
pub(crate) struct WithSecret {
    pub issued: Arc<Issued>,
    pub secret: String,
}

/// A policy as it is listed.
#[derive(Clone, Debug)]
pub(crate) struct PolicyItem {
    pub name: String,
    pub origin: Origin,
    pub document: String,
}

/// Where a policy is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    ReadyMade,
    Configuration,
    Stored { updated_at: Timestamp },
}

/// What somebody's policies say.
#[derive(Debug)]
pub(crate) struct Tested {
    pub decision: Decision,
    pub policies: Vec<Arc<str>>,
}

impl Service {
    pub(crate) async fn issue_credential(
        &self,
        caller: &Caller,
        issue: Issue,
    ) -> Result<WithSecret, ApiError> {
        let access = &self.shared.access;
        if !access.is_asked {
            return Err(invalid(
                "this coordinator believes everybody, so that a credential would say nothing: add a first key with \
                 policies = [\"administrator\"] to its configuration ([[auth.keys]])",
            ));
        }
        let namespace = acting_in(caller, issue.namespace.as_deref())?;
        check_entity_name(&issue.name)?;
        self.check_policies(&namespace, &issue.policies)?;
        if access.is_configured(&namespace, &issue.name) {
            let message = format!("the configuration has a principal named '{}'", issue.name);
            return Err(ApiError::new(ErrorCode::ConflictException, message));
        }
        let now = self.shared.clock.now();
        if issue.expires_at.is_some_and(|at| at <= now) {
            return Err(invalid("the expiration date has passed"));
        }
        let before = access.credentials.named(&namespace, &issue.name);
        if before.as_ref().is_some_and(|before| is_good(before, now)) {
            let message = format!(
                "Credential already exists: '{}'; rotate or revoke it",
                issue.name
            );
            return Err(ApiError::new(ErrorCode::ConflictException, message));
        }
        let good = access.credentials.of(&namespace);
        if good.iter().filter(|issued| is_good(issued, now)).count() >= CREDENTIALS_MAX {
            let message = format!("The limit of {CREDENTIALS_MAX} credentials is reached.");
            return Err(ApiError::new(
                ErrorCode::ServiceQuotaExceededException,
                message,
            ));
        }
        let (secret, text) = self.draw(issue.kind, &namespace, &issue.name)?;
        let record = CredentialRecord {
            namespace,
            name: Arc::from(issue.name),
            kind: issue.kind,
            policies: issue
                .policies
                .iter()
                .map(|name| Arc::from(name.as_str()))
                .collect(),
            created_at: now.0,
            issued_by: caller.principal.clone(),
            expires_at: issue.expires_at.map(|at| at.0),
            revoked_at: None,
            used_at: None,
            secrets: vec![secret],
        };
        let expected = before.map(|before| before.stored.version);
        let issued = self.put_credential(record, expected).await?;
        let (name, by) = (&issued.stored.record.name, &caller.principal);
        tracing::info!(credential.name = %name, %by, "a credential was issued");
        Ok(WithSecret {
            issued,
            secret: text,
        })
    }

    pub(crate) fn list_credentials(
        &self,
        caller: &Caller,
        namespace: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<Arc<Issued>>, ApiError> {
        let namespace = acting_in(caller, namespace)?;
        let (limit, after) = page::open(request, "credentials", &namespace)?;
        let mut all = self.shared.access.credentials.of(&namespace);
        let name = |issued: &Arc<Issued>| issued.stored.record.name.to_string();
        all.retain(|issued| after.as_ref().is_none_or(|after| name(issued) > *after));
        all.truncate(limit + 1);
        Ok(page::close(all, limit, "credentials", &namespace, name))
    }

    pub(crate) async fn rotate_credential(
        &self,
        caller: &Caller,
        namespace: Option<&str>,
        name: &str,
        overlap_s: u32,
    ) -> Result<WithSecret, ApiError> {
        if overlap_s > OVERLAP_S_MAX {
            return Err(invalid(
                "an overlap is 7 days at most: issue a second credential",
            ));
        }
        let namespace = acting_in(caller, namespace)?;
        let issued = self.credential(&namespace, name)?;
        let now = self.shared.clock.now();
        if !is_good(&issued, now) {
            return Err(invalid(
                "the credential is revoked or expired: issue it again",
            ));
        }
        let mut record = issued.stored.record.clone();
        let (secret, text) = self.draw(record.kind, &namespace, name)?;
        // Of secrets that were replaced before, those that are still good stay as long as they would have.
        let until = now.0 + i64::from(overlap_s) * 1000;
        record
            .secrets
            .retain(|secret| secret.until.is_none_or(|until| until > now.0));
        for before in &mut record.secrets {
            before.until = Some(before.until.map_or(until, |known| known.min(until)));
        }
        record
            .secrets
            .retain(|secret| secret.until.is_none_or(|until| until > now.0));
        record.secrets.insert(0, secret);
        let issued = self
            .put_credential(record, Some(issued.stored.version))
            .await?;
        tracing::info!(credential.name = name, by = %caller.principal, "a credential was rotated");
        Ok(WithSecret {
            issued,
            secret: text,
        })
    }

    pub(crate) async fn revoke_credential(
        &self,
        caller: &Caller,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Arc<Issued>, ApiError> {
        let namespace = acting_in(caller, namespace)?;
        let mut conflicts = Conflicts::default();
        loop {
            let issued = self.credential(&namespace, name)?;
            let mut record = issued.stored.record.clone();
            if record.revoked_at.is_some() {
                return Ok(issued);
            }
            record.revoked_at = Some(self.shared.clock.now().0);
            match self
                .put_credential(record, Some(issued.stored.version))
                .await
            {
                Err(error) if conflicts.again(&error) => {}
                Err(error) => return Err(error),
                Ok(issued) => {
                    tracing::info!(credential.name = name, by = %caller.principal, "a credential was revoked");
                    return Ok(issued);
                }
            }
        }
    }

    /// Stores a policy; its patterns of actions that no action follows.
    pub(crate) async fn put_policy(
        &self,
        caller: &Caller,
        namespace: Option<&str>,
        name: &str,
        document: String,
    ) -> Result<Vec<String>, ApiError> {
        let namespace = acting_in(caller, namespace)?;
        check_entity_name(name)?;
        let access = &self.shared.access;
        if access.fixed().contains_key(name) {
            let message =
                format!("the policy `{name}` is there in every account; choose another name");
            return Err(invalid(&message));
        }
        let policy = Policy::read(&document).map_err(|fault| invalid(&fault))?;
        let stored = access.stored(&namespace);
        let before = stored
            .iter()
            .find(|stored| *stored.stored.record.name == *name);
        if before.is_none() && stored.len() >= POLICIES_MAX {
            let message = format!("The limit of {POLICIES_MAX} policies is reached.");
            return Err(ApiError::new(
                ErrorCode::ServiceQuotaExceededException,
                message,
            ));
        }
        let expected = before.map(|before| before.stored.version);
        let record = PolicyRecord {
            namespace,
            name: Arc::from(name),
            document,
            updated_at: self.shared.clock.now().0,
        };
        self.change(move |shared| async move {
            let key = policy_key(&record.namespace, &record.name);
            put(&shared, key, expected, Some(records::write(&record))).await?;
            let version = expected.unwrap_or(0) + 1;
            shared.access.put_policy(Versioned { version, record });
            Ok(())
        })
        .await?;
        tracing::info!(policy.name = name, by = %caller.principal, "a policy was put");
        Ok(policy.unknown_actions(&actions::known()))
    }

    /// Every policy that a namespace has, by name.
    pub(crate) fn list_policies(
        &self,
        caller: &Caller,
        namespace: Option<&str>,
    ) -> Result<Vec<PolicyItem>, ApiError> {
        let namespace = acting_in(caller, namespace)?;
        let access = &self.shared.access;
        let fixed = access.fixed().iter().map(|(name, fixed)| PolicyItem {
            name: name.clone(),
            origin: if fixed.is_ready_made {
                Origin::ReadyMade
            } else {
                Origin::Configuration
            },
            document: fixed.text.clone(),
        });
        let stored = access.stored(&namespace).into_iter().map(|stored| {
            let record = &stored.stored.record;
            PolicyItem {
                name: record.name.to_string(),
                origin: Origin::Stored {
                    updated_at: Timestamp(record.updated_at),
                },
                document: record.document.clone(),
            }
        });
        let mut all: Vec<PolicyItem> = fixed.chain(stored).collect();
        all.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(all)
    }

    pub(crate) fn policy(
        &self,
        caller: &Caller,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<PolicyItem, ApiError> {
        let all = self.list_policies(caller, namespace)?;
        let found = all.into_iter().find(|policy| policy.name == name);
        found.ok_or_else(|| missing("Policy", name))
    }

    /// Deletes a stored policy; one that is not there is fine.
    pub(crate) async fn delete_policy(
        &self,
        caller: &Caller,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(), ApiError> {
        let namespace = acting_in(caller, namespace)?;
        let access = &self.shared.access;
        if access.fixed().contains_key(name) {
            return Err(invalid("only policies that were put can be deleted"));
        }
        let now = self.shared.clock.now();
        let has = |issued: &&Arc<Issued>| {
            let policies = &issued.stored.record.policies;
            is_good(issued, now) && policies.iter().any(|policy| **policy == *name)
        };
        let credentials = access.credentials.of(&namespace);
        let owners: Vec<&str> = credentials
            .iter()
            .filter(has)
            .map(|issued| &*issued.stored.record.name)
            .take(NAMED_MAX)
            .collect();
        if !owners.is_empty() {
            let message = format!(
                "Credentials have the policy '{name}': {}",
                owners.join(", ")
            );
            return Err(ApiError::new(ErrorCode::ConflictException, message));
        }
        let stored = access.stored(&namespace);
        let Some(stored) = stored
            .into_iter()
            .find(|stored| *stored.stored.record.name == *name)
        else {
            return Ok(());
        };
        self.change(move |shared| async move {
            let record = &stored.stored.record;
            let key = policy_key(&record.namespace, &record.name);
            put(&shared, key, Some(stored.stored.version), None).await?;
            shared.access.remove_policy(&record.namespace, &record.name);
            Ok(())
        })
        .await?;
        tracing::info!(policy.name = name, by = %caller.principal, "a policy was deleted");
        Ok(())
    }

    /// What a principal's policies say about an action.
    pub(crate) fn test_policy(
        &self,
        caller: &Caller,
        namespace: Option<&str>,
        principal: &str,
        (action, resource): (&str, &str),
    ) -> Result<Tested, ApiError> {
        let namespace = acting_in(caller, namespace)?;
        let access = &self.shared.access;
        let action = named_action(action)?;
        let policies = access.policies_of(&namespace, principal);
        let policies = policies.ok_or_else(|| missing("Principal", principal))?;
        let resource = access.resource(&namespace, action, Subject::Arn(resource));
        Ok(Tested {
            decision: access.decide(&namespace, &policies, action, &resource),
            policies,
        })
    }

    /// Stores a record in the place of the version that is expected.
    async fn put_credential(
        &self,
        record: CredentialRecord,
        expected: Option<u64>,
    ) -> Result<Arc<Issued>, ApiError> {
        self.change(move |shared| async move {
            let (namespace, name) = (record.namespace.clone(), record.name.clone());
            store_credential(&shared, record, expected).await?;
            let issued = shared.access.credentials.named(&namespace, &name);
            issued.ok_or_else(|| missing("Credential", &name))
        })
        .await
    }

    fn credential(&self, namespace: &str, name: &str) -> Result<Arc<Issued>, ApiError> {
        let found = self.shared.access.credentials.named(namespace, name);
        found.ok_or_else(|| missing("Credential", name))
    }

    fn check_policies(&self, namespace: &str, names: &[String]) -> Result<(), ApiError> {
        if names.len() > POLICIES_OF_ONE_MAX {
            let message = format!("a credential has at most {POLICIES_OF_ONE_MAX} policies");
            return Err(invalid(&message));
        }
        let access = &self.shared.access;
        let stored = access.stored(namespace);
        let exists = |name: &String| {
            access.fixed().contains_key(name)
                || stored
                    .iter()
                    .any(|stored| *stored.stored.record.name == **name)
        };
        match names.iter().find(|name| !exists(name)) {
            Some(name) => Err(missing("Policy", name)),
            None => Ok(()),
        }
    }

    /// Draws a secret: what is kept of it, and the secret itself.
    fn draw(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<(SecretRecord, String), ApiError> {
        let entropy = &self.shared.entropy;
        let id = BASE32_NOPAD.encode(&entropy.bytes16()[..10]);
        let random = [entropy.bytes16(), entropy.bytes16()].concat();
        let (id, proof, text) = match kind {
            Kind::ApiKey => {
                let id = id.to_ascii_lowercase();
                let text = format!("{API_KEY_PREFIX}{id}_{}", BASE64URL_NOPAD.encode(&random));
                let hash = HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
                (id, Proof::Sha256(hash), text)
            }
            Kind::AccessKey => {
                let id = format!("SFAK{id}");
                // As long as AWS's.
                let text = BASE64.encode(&random[..30]);
                let seal = self.shared.access.credentials.seal();
                let seal = seal.ok_or_else(|| invalid("access keys cannot be sealed yet"))?;
                let owner = Owner {
                    namespace,
                    name,
                    secret_id: &id,
                };
                let proof = seal.seal(owner, &text, entropy.bytes16());
                (id, proof, text)
            }
        };
        let until = None;
        Ok((SecretRecord { id, proof, until }, text))
    }
}

/// Writes a record, and lets it count.
pub(crate) async fn store_credential(
    shared: &Shared,
    record: CredentialRecord,
    expected: Option<u64>,
) -> Result<(), ApiError> {
    put(
        shared,
        record.key(),
        expected,
        Some(records::write(&record)),
    )
    .await?;
    let version = expected.unwrap_or(0) + 1;
    shared.access.put_credential(Versioned { version, record });
    Ok(())
}

async fn put(
    shared: &Shared,
    key: String,
    expected: Option<u64>,
    value: Option<Vec<u8>>,
) -> Result<(), ApiError> {
    shared
        .control
        .put(key, expected, value)
        .await
        .map_err(|error| control_error(&error))
}

/// Whether a credential counts.
pub(crate) fn is_good(issued: &Issued, now: Timestamp) -> bool {
    issued.stored.record.ends_at().is_none_or(|end| end > now)
}

/// The namespace that is meant: the caller's, unless the caller operates the installation.
fn acting_in(caller: &Caller, namespace: Option<&str>) -> Result<Arc<str>, ApiError> {
    match namespace {
        None => Ok(caller.namespace.clone()),
        Some(named) if *named == *caller.namespace => Ok(caller.namespace.clone()),
        Some(named) => {
            caller.permit.check_operator("another namespace")?;
            if !is_account(named) {
                return Err(invalid("a namespace is an account id of twelve digits"));
            }
            Ok(Arc::from(named))
        }
    }
}

fn named_action(text: &str) -> Result<Action, ApiError> {
    let known = actions::known().into_iter();
    let mut known = known.filter(|action| action.to_string().eq_ignore_ascii_case(text));
    known.next().ok_or_else(|| {
        invalid(&format!(
            "no action is named '{text}'; one is `states:StartExecution`"
        ))
    })
}

fn check_entity_name(name: &str) -> Result<(), ApiError> {
    if is_policy_name(name) {
        return Ok(());
    }
    Err(invalid(&format!(
        "a name has 1 to {NAME_CHARS_MAX} letters, digits and `-_.@+=,`, not '{name}'"
    )))
}

fn missing(what: &str, name: &str) -> ApiError {
    ApiError::new(
        ErrorCode::ResourceNotFound,
        format!("{what} not found: '{name}'"),
    )
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(ErrorCode::ValidationException, message)
}
