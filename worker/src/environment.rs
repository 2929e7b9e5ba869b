//! What of the worker's own environment a command sees. What is meant for the worker alone is never part of it.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;

/// The environment of a command, all of it.
pub(crate) type Variables = BTreeMap<OsString, OsString>;

/// Keys, settings and sockets of the worker itself.
const OWN_PREFIXES: &[&str] = &["STEPFLEET_", "OTEL_", "WATCHDOG_", "LISTEN_"];
const OWN: &[&str] = &["NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "TRACEPARENT"];

/// Which variables are handed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Inherit {
    /// All but the worker's own.
    #[default]
    All,
    /// These; one that ends with `*` stands for all that begin so.
    Only(Vec<String>),
}

impl Inherit {
    /// An error is a sentence for people.
    pub(crate) fn check(names: Vec<String>) -> Result<Self, String> {
        for name in &names {
            let bare = name.strip_suffix('*').unwrap_or(name);
            if bare.contains(['*', '=', '\0']) || name.is_empty() {
                return Err(format!("inherit: `{name}` is no name of a variable"));
            }
            if is_own(bare) {
                return Err(format!(
                    "inherit: `{name}` is the worker's own; give a value in [activity.environment] if a handler needs it"
                ));
            }
        }
        Ok(Self::Only(names))
    }

    pub(crate) fn variables(&self) -> Variables {
        let handed = |name: &OsString| {
            let name = name.to_string_lossy();
            !is_own(&name) && self.names(&name)
        };
        env::vars_os().filter(|(name, _)| handed(name)).collect()
    }

    fn names(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(begin) => name.starts_with(begin),
                None => name == pattern,
            }),
        }
    }
}

fn is_own(name: &str) -> bool {
    OWN.contains(&name) || OWN_PREFIXES.iter().any(|begin| name.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_beginnings_are_handed_on() {
        let some = Inherit::check(vec!["PATH".to_owned(), "LC_*".to_owned()]).unwrap();
        assert!(some.names("PATH") && some.names("LC_ALL"));
        assert!(!some.names("PATHS") && !some.names("HOME"));
        assert!(
            Inherit::All
                .variables()
                .contains_key(&OsString::from("PATH"))
        );
        assert!(
            some.variables()
                .keys()
                .all(|name| some.names(name.to_str().unwrap()))
        );
    }

    #[test]
    fn what_is_the_workers_own_is_not() {
        assert!(is_own("STEPFLEET_API_KEY") && is_own("NOTIFY_SOCKET"));
        let refusal = Inherit::check(vec!["STEPFLEET_*".to_owned()]).unwrap_err();
        assert!(refusal.contains("is the worker's own"), "{refusal}");
        assert!(Inherit::check(vec!["A=B".to_owned()]).is_err());
        let all = Inherit::check(vec!["*".to_owned()]).unwrap();
        assert!(all.names("HOME"));
    }
}
