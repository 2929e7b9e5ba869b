//! What principals may do: the policies of this installation by name, and the question that everything asks. Policies
//! are looked up whenever they are needed, so that a change of one counts at once, for open streams too.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use stepfleet_proto::{Action, Subject};

use super::actions;
use super::policy::{self, Decision, Policy, READY_MADE, Resource};
use crate::arn::{self, ArnSpace};
use crate::config::Config;

/// See the module.
#[derive(Debug)]
pub(crate) struct Access {
    arns: ArnSpace,
    /// The installation's own account.
    operator: Arc<str>,
    /// Ready-made ones, and those of the configuration.
    fixed: BTreeMap<String, Arc<Policy>>,
    /// By namespace and name.
    stored: RwLock<BTreeMap<Key, Arc<Policy>>>,
}

/// Namespace and name.
type Key = (Arc<str>, Arc<str>);

impl Access {
    /// The policies of a checked configuration.
    ///
    /// # Errors
    /// The file of a policy cannot be read, or holds none.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        let mut fixed = BTreeMap::new();
        for (name, text) in READY_MADE {
            let policy = Policy::read(text).map_err(anyhow::Error::msg);
            fixed.insert(name.to_owned(), Arc::new(policy.context(name)?));
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
            fixed.insert(policy.name.clone(), Arc::new(read));
        }
        Ok(Self {
            arns: ArnSpace::of(config),
            operator: Arc::from(config.arn.account.as_str()),
            fixed,
            stored: RwLock::default(),
        })
    }

    /// What these policies of a namespace say together. One that does not exist says nothing.
    pub(super) fn decide(
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
    pub(super) fn resource(
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

    fn policies(&self, namespace: &Arc<str>, names: &[Arc<str>]) -> Vec<Arc<Policy>> {
        let stored = self.stored.read().unwrap_or_else(PoisonError::into_inner);
        let find = |name: &Arc<str>| {
            let fixed = self.fixed.get(&**name);
            fixed.or_else(|| stored.get(&(namespace.clone(), name.clone())))
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
