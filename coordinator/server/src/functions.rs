//! What Lambda functions are here, by the configuration: activities, or HTTP endpoints.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arn::ArnSpace;
use crate::config::Config;
use crate::connections::{Connection, Connections};

/// All of them, by account and name; a name may have a qualifier.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    by_name: BTreeMap<(String, String), Target>,
}

/// What does a function's work.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The workers of an activity: its ARN.
    Activity(Arc<str>),
    Endpoint {
        url: Arc<str>,
        connection: Option<Arc<Connection>>,
    },
}

/// A function as a task names it: `name`, `name:qualifier`, `account:function:name[:qualifier]` or an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    name: &'a str,
    qualifier: Option<&'a str>,
}

impl<'a> Named<'a> {
    pub(crate) fn read(reference: &'a str, qualifier: Option<&'a str>) -> Self {
        let name = match reference.split_once("function:") {
            Some((before, name)) if before.is_empty() || before.ends_with(':') => name,
            Some(_) | None => reference,
        };
        match name.split_once(':') {
            Some((name, qualifier)) => Self {
                name,
                qualifier: Some(qualifier),
            },
            None => Self { name, qualifier },
        }
    }

    /// What answers call the version: what was asked for, or the newest.
    pub(crate) fn version(&self) -> &'a str {
        self.qualifier.unwrap_or("$LATEST")
    }

    /// As errors name it.
    pub(crate) fn arn(&self, arns: &ArnSpace, namespace: &str) -> String {
        let qualifier = self.qualifier.map(|qualifier| format!(":{qualifier}"));
        format!(
            "arn:{}:lambda:{}:{namespace}:function:{}{}",
            arns.partition,
            arns.region,
            self.name,
            qualifier.unwrap_or_default()
        )
    }
}

impl Functions {
    /// Those of a checked configuration.
    pub(crate) fn of(config: &Config, arns: &ArnSpace, connections: &Connections) -> Self {
        let functions = config.all_functions().filter_map(|function| {
            let namespace = config.namespace_of(function.namespace.as_deref());
            let target = match (&function.activity, &function.endpoint) {
                (Some(activity), _) => Target::Activity(arns.activity(namespace, activity).into()),
                (None, Some(url)) => Target::Endpoint {
                    url: url.as_str().into(),
                    connection: function
                        .connection
                        .as_deref()
                        .and_then(|name| connections.by_name(namespace, name)),
                },
                (None, None) => return None,
            };
            Some(((namespace.to_owned(), function.name.clone()), target))
        });
        Self {
            by_name: functions.collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// What a function of an account is. A qualifier of its own wins over the name alone.
    pub(crate) fn find(&self, namespace: &str, named: Named<'_>) -> Option<&Target> {
        let of = |name: String| self.by_name.get(&(namespace.to_owned(), name));
        let qualified = named.qualifier;
        qualified
            .and_then(|qualifier| of(format!("{}:{qualifier}", named.name)))
            .or_else(|| of(named.name.to_owned()))
    }

    /// Whether any account has a function of this name.
    pub(crate) fn knows(&self, named: Named<'_>) -> bool {
        let mut accounts = self.by_name.keys().map(|(account, _)| account);
        accounts.any(|account| self.find(account, named).is_some())
    }
}
