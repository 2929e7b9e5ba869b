//! What principals may do: the policies of this installation by name, its credentials, and the question that everything
//! asks. Policies are looked up whenever they are needed, so that a change of one counts at once, for open streams too.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use stepfleet_engine::Timestamp;
use stepfleet_proto::{Action, Subject};
use tokio::sync::watch;

use super::actions;
use super::audit::Audit;
use super::credentials::{Credentials, Issued, Shown};
use super::policy::{self, Decision, Policy, READY_MADE, Resource};
use super::records::{CredentialRecord, PolicyRecord};
use crate::arn::{self, ArnSpace};
use crate::catalog::records::Versioned;
use crate::clock::Clock;
use crate::config::{Config, Rights};
use crate::control::ControlStore;
use crate::service::error::ApiError;

/// See the module.
#[derive(Debug)]
pub(crate) struct Access {
    arns: ArnSpace,
    /// The installation's own account.
    operator: Arc<str>,
    /// Whether callers must say who they are.
    pub(crate) is_asked: bool,
    /// Those that every installation has, and those of the configuration.
    fixed: BTreeMap<String, Fixed>,
    stored: RwLock<BTreeMap<Key, Arc<Stored>>>,
    pub(crate) credentials: Credentials,
    configured: Vec<Configured>,
    /// Counts changes of policies and credentials.
    changes: watch::Sender<u64>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) audit: Audit,
}

/// Namespace and name.
type Key = (Arc<str>, Arc<str>);

/// A policy that no request changes.
#[derive(Debug)]
pub(crate) struct Fixed {
    pub(crate) text: String,
    pub(crate) is_ready_made: bool,
    policy: Arc<Policy>,
}

/// A policy that was put.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) stored: Versioned<PolicyRecord>,
    policy: Arc<Policy>,
}

/// A principal of the configuration.
#[derive(Debug)]
struct Configured {
    /// Of certificates, a pattern.
    name: String,
    namespace: Arc<str>,
    policies: Vec<Arc<str>>,
}

impl Access {
    /// The policies and principals of a checked configuration.
    ///
    /// # Errors
    /// The file of a policy cannot be read, or holds none.
    pub(crate) fn of(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        Ok(Self {
            arns: ArnSpace::of(config),
            operator: Arc::from(config.arn.account.as_str()),
            is_asked: config.authentication(),
            fixed: fixed(config)?,
            stored: RwLock::default(),
            credentials: Credentials::default(),
            configured: configured(config),
            changes: watch::Sender::new(0),
            clock,
            audit: Audit::default(),
        })
    }

    /// Writes down from now on what it is asked.
    pub(crate) fn audited(self, audit: Audit) -> Self {
        Self { audit, ..self }
    }

    /// Takes in what is stored.
    ///
    /// # Errors
    /// A record cannot be read.
    pub(crate) fn load(&self, control: &dyn ControlStore) -> Result<(), ApiError> {
        for (_, entry) in control.scan("policy/") {
            self.put_policy(Versioned::read(&entry)?);
        }
        for (_, entry) in control.scan("credential/") {
            self.put_credential(Versioned::read(&entry)?);
        }
        Ok(())
    }

    /// A policy is stored from now on.
    pub(crate) fn put_policy(&self, stored: Versioned<PolicyRecord>) {
        let record = &stored.record;
        // It was read when it was put; should a later release refuse it, it allows nothing.
        let Ok(policy) = Policy::read(&record.document) else {
            tracing::error!(policy.name = %record.name, "a stored policy cannot be read and allows nothing");
            return;
        };
        let key = (record.namespace.clone(), record.name.clone());
        let policy = Arc::new(policy);
        let mut all = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        if all
            .get(&key)
            .is_none_or(|known| known.stored.version < stored.version)
        {
            all.insert(key, Arc::new(Stored { stored, policy }));
        }
        drop(all);
        self.changed();
    }

    pub(crate) fn remove_policy(&self, namespace: &Arc<str>, name: &Arc<str>) {
        let mut all = self.stored.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(namespace.clone(), name.clone()));
        drop(all);
        self.changed();
    }

    /// A credential is stored from now on.
    pub(crate) fn put_credential(&self, stored: Versioned<CredentialRecord>) {
        self.credentials.put(stored);
        self.changed();
    }

    pub(crate) fn remove_credential(&self, issued: &Issued) {
        self.credentials.remove(issued);
        self.changed();
    }

    /// Policies that no request changes, by name.
    pub(crate) fn fixed(&self) -> &BTreeMap<String, Fixed> {
        &self.fixed
    }

    /// Stored policies of a namespace, by name.
    pub(crate) fn stored(&self, namespace: &str) -> Vec<Arc<Stored>> {
        let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        let own = stored.iter().filter(|((of, _), _)| **of == *namespace);
        own.map(|(_, policy)| policy.clone()).collect()
    }

    /// Whether the configuration has a principal of this very name.
    pub(crate) fn is_configured(&self, namespace: &str, name: &str) -> bool {
        let mut all = self.configured.iter();
        all.any(|configured| *configured.namespace == *namespace && configured.name == name)
    }

    /// Policies of a principal; none of one that nobody knows.
    pub(crate) fn policies_of(&self, namespace: &str, principal: &str) -> Option<Vec<Arc<str>>> {
        if let Some(issued) = self.credentials.named(namespace, principal) {
            return Some(issued.stored.record.policies.clone());
        }
        let of = |configured: &&Configured| {
            *configured.namespace == *namespace && policy::matches(&configured.name, principal)
        };
        let configured = self.configured.iter().find(of)?;
        Some(configured.policies.clone())
    }

    /// What these policies of a namespace say together. One that does not exist says nothing.
    pub(crate) fn decide(
        &self,
        namespace: &Arc<str>,
        names: &[Arc<str>],
        action: Action,
        resource: &Resource,
    ) -> Decision {
        let policies = self.policies(namespace, names);
        policy::decide(policies.iter().map(AsRef::as_ref), action, resource)
    }

    /// The same of what is not known yet.
    pub(super) fn decide_unseen(
        &self,
        namespace: &Arc<str>,
        names: &[Arc<str>],
        action: Action,
    ) -> Decision {
        let policies = self.policies(namespace, names);
        policy::decide_unseen(policies.iter().map(AsRef::as_ref), action)
    }

    /// What a request is on, in the one form that policies are held against: catalogues know things by account and
    /// name, so that an ARN of another region or partition must not be another thing here.
    pub(crate) fn resource(
        &self,
        namespace: &str,
        action: Action,
        subject: Subject<'_>,
    ) -> Resource {
        let plain = |arn| Resource {
            arn,
            qualifier: None,
        };
        match subject {
            Subject::Arn("") | Subject::Token(_) => plain("*".to_owned()),
            Subject::Arn(text) => self.canonical(text),
            Subject::Named { kind, name } => {
                plain(self.arns.of_service(action.service, namespace, kind, name))
            }
            Subject::All { kind } => {
                plain(self.arns.of_service(action.service, namespace, kind, "*"))
            }
        }
    }

    /// Whether a namespace is the installation's own, whose principals may be allowed what is about all of it.
    pub(super) fn is_operator(&self, namespace: &str) -> bool {
        *self.operator == *namespace
    }

    /// Wakes with every change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// When a credential that was shown once ends: never, or then; none when it has ended.
    pub(super) fn end_of(&self, shown: &Shown) -> Option<Option<Timestamp>> {
        self.credentials.end_of(shown, self.clock.now())
    }

    fn changed(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    fn policies(&self, namespace: &Arc<str>, names: &[Arc<str>]) -> Vec<Arc<Policy>> {
        let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        let find = |name: &Arc<str>| {
            let fixed = self.fixed.get(&**name).map(|fixed| &fixed.policy);
            let key = || (namespace.clone(), name.clone());
            fixed.or_else(|| stored.get(&key()).map(|stored| &stored.policy))
        };
        names.iter().filter_map(find).cloned().collect()
    }

    fn canonical(&self, text: &str) -> Resource {
        let Ok(parsed) = arn::parse(text) else {
            let arn = text.to_owned();
            return Resource {
                arn,
                qualifier: None,
            };
        };
        let account = parsed.account;
        let (arn, qualifier) = match parsed.resource {
            arn::Resource::StateMachine { name, qualifier } => {
                (self.arns.state_machine(account, name), qualifier)
            }
            arn::Resource::Execution { machine, name } => {
                (self.arns.execution(account, machine, name), None)
            }
            arn::Resource::Activity { name } => (self.arns.activity(account, name), None),
            arn::Resource::Other { .. } => {
                let rest = text.splitn(6, ':').last().unwrap_or_default();
                (format!("{}{rest}", self.arns.prefix(account)), None)
            }
        };
        Resource {
            arn,
            qualifier: qualifier.map(str::to_owned),
        }
    }
}

fn fixed(config: &Config) -> anyhow::Result<BTreeMap<String, Fixed>> {
    let mut fixed = BTreeMap::new();
    for (name, text) in READY_MADE {
        let policy = Policy::read(text).map_err(anyhow::Error::msg);
        let policy = Fixed {
            text: text.to_owned(),
            is_ready_made: true,
            policy: Arc::new(policy.context(name)?),
        };
        fixed.insert(name.to_owned(), policy);
    }
    for policy in &config.auth.policies {
        let text = match &policy.file {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("auth.policies: {}", path.display()))?,
            None => policy.document.clone().unwrap_or_default(),
        };
        let read = Policy::read(&text).map_err(anyhow::Error::msg);
        let read = read.with_context(|| format!("auth.policies: `{}`", policy.name))?;
        for action in read.unknown_actions(&actions::known()) {
            tracing::warn!(policy.name = %policy.name, action, "no action has this name");
        }
        let read = Fixed {
            text,
            is_ready_made: false,
            policy: Arc::new(read),
        };
        fixed.insert(policy.name.clone(), read);
    }
    Ok(fixed)
}

fn configured(config: &Config) -> Vec<Configured> {
    let auth = &config.auth;
    let one = |name: &str, rights: &Rights| Configured {
        name: name.to_owned(),
        namespace: Arc::from(config.namespace_of(rights.namespace.as_deref())),
        policies: rights
            .policies
            .iter()
            .map(|name| Arc::from(name.as_str()))
            .collect(),
    };
    let keys = auth.keys.iter();
    let keys = keys.map(|key| one(&key.name, &key.rights));
    let access_keys = auth.all_access_keys().map(|key| {
        let name = key.name.as_ref().unwrap_or(&key.id);
        one(name, &key.rights)
    });
    let rules = auth.certificates.iter();
    let rules = rules.map(|rule| one(&rule.name, &rule.rights));
    keys.chain(access_keys).chain(rules).collect()
}
