//! ARNs: reading what clients send, writing what they get. Values of other regions and accounts are taken literally.

use std::sync::Arc;

use crate::config::Config;
use crate::service::error::{ApiError, ErrorCode};

/// Partition, region and account of the ARNs that this installation makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArnSpace {
    pub partition: Arc<str>,
    pub region: Arc<str>,
}

/// A parsed ARN of Step Functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub account: &'a str,
    pub resource: Resource<'a>,
}

/// What it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    /// `stateMachine:<name>[:<qualifier>]`
    StateMachine {
        name: &'a str,
        qualifier: Option<&'a str>,
    },
    /// `execution:<machine>:<name>`
    Execution { machine: &'a str, name: &'a str },
    /// `activity:<name>`
    Activity { name: &'a str },
    /// `express:…`, `mapRun:…` and whatever else.
    Other { kind: &'a str },
}

impl ArnSpace {
    /// Of a configuration.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            partition: Arc::from(&*config.arn.partition),
            region: Arc::from(&*config.arn.region),
        }
    }

    /// The ARN of something of another service: `stepfleet` is ours.
    pub(crate) fn of_service(
        &self,
        service: &str,
        account: &str,
        kind: &str,
        name: &str,
    ) -> String {
        let Self { partition, region } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{kind}:{name}")
    }

    /// What every ARN of an account begins with.
    pub(crate) fn prefix(&self, account: &str) -> String {
        format!("arn:{}:states:{}:{account}:", self.partition, self.region)
    }

    pub(crate) fn state_machine(&self, account: &str, name: &str) -> String {
        self.resource(account, "stateMachine", name)
    }

    pub(crate) fn execution(&self, account: &str, machine: &str, name: &str) -> String {
        format!(
            "arn:{}:states:{}:{account}:execution:{machine}:{name}",
            self.partition, self.region
        )
    }

    /// As AWS names an execution of an Express machine, which the context object of `TestState` tells of.
    pub(crate) fn express(&self, account: &str, machine: &str, name: &str) -> String {
        self.resource(account, &format!("express:{machine}"), name)
    }

    /// Whether an ARN of ours is an Express execution's.
    pub(crate) fn is_express(&self, arn: &str) -> bool {
        arn.split(':').nth(5) == Some("express")
    }

    pub(crate) fn activity(&self, account: &str, name: &str) -> String {
        self.resource(account, "activity", name)
    }

    fn resource(&self, account: &str, kind: &str, name: &str) -> String {
        format!(
            "arn:{}:states:{}:{account}:{kind}:{name}",
            self.partition, self.region
        )
    }
}

/// Reads any ARN of Step Functions.
pub(crate) fn parse(text: &str) -> Result<Arn<'_>, ApiError> {
    let refuse = |why: &str| {
        Err(ApiError::new(
            ErrorCode::InvalidArn,
            format!("Invalid Arn: '{why}'"),
        ))
    };
    let Some(rest) = text.strip_prefix("arn:") else {
        return refuse(&format!("Invalid ARN prefix: {text}"));
    };
    let mut parts = rest.splitn(5, ':');
    let (Some(_partition), Some(service), Some(_region), Some(account), Some(resource)) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return refuse(&format!("Invalid ARN: {text}"));
    };
    if service != "states" {
        return refuse(&format!("ARN is not of service 'states': {text}"));
    }
    let Some((kind, name)) = resource
        .split_once(':')
        .filter(|(_, name)| !name.is_empty())
    else {
        return refuse(&format!("Resource is missing in: {text}"));
    };
    let resource = match kind {
        "stateMachine" => {
            let (name, qualifier) = name
                .split_once(':')
                .map_or((name, None), |(n, q)| (n, Some(q)));
            Resource::StateMachine { name, qualifier }
        }
        "execution" => match name.split_once(':') {
            Some((machine, name)) => Resource::Execution { machine, name },
            None => return refuse(&format!("Execution name is missing in: {text}")),
        },
        "activity" => Resource::Activity { name },
        other => Resource::Other { kind: other },
    };
    Ok(Arn { account, resource })
}

/// The refusal of an ARN of the wrong kind.
pub(crate) fn wrong_kind(resource: &Resource<'_>) -> ApiError {
    let kind = match resource {
        Resource::StateMachine { .. } => "stateMachine",
        Resource::Execution { .. } => "execution",
        Resource::Activity { .. } => "activity",
        Resource::Other { kind } => kind,
    };
    let message = format!("Invalid Arn: 'Resource type not valid in this context: {kind}'");
    ApiError::new(ErrorCode::InvalidArn, message)
}

/// Checks a name of a state machine, execution or activity against AWS's character set.
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    let forbidden = |c: char| {
        c.is_whitespace()
            || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c)
            || c.is_control()
            || ('\u{fffe}'..='\u{ffff}').contains(&c)
            || c == '\u{10ffff}'
    };
    let length = name.chars().count();
    if length == 0 || length > 80 || name.chars().any(forbidden) {
        return Err(ApiError::new(
            ErrorCode::InvalidName,
            format!("Invalid Name: '{name}'"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_read_into_their_parts() {
        let machine = parse("arn:aws:states:us-east-1:000000000000:stateMachine:a-b:3").unwrap();
        assert_eq!(
            machine.resource,
            Resource::StateMachine {
                name: "a-b",
                qualifier: Some("3")
            }
        );
        let execution = parse("arn:aws:states:us-east-1:1:execution:m:x").unwrap();
        assert_eq!(
            execution,
            Arn {
                account: "1",
                resource: Resource::Execution {
                    machine: "m",
                    name: "x"
                }
            }
        );
    }

    #[test]
    fn what_is_no_arn_is_refused_in_recorded_words() {
        let error = parse("nothing").unwrap_err();
        assert_eq!(error.message, "Invalid Arn: 'Invalid ARN prefix: nothing'");
        for text in [
            "arn:",
            "arn:aws:states",
            "arn:aws:states:r:1:execution:m",
            "arn:aws:sqs:r:1:stateMachine:m",
            "arn:aws:states:r:1:stateMachine:",
        ] {
            assert_eq!(
                parse(text).unwrap_err().code,
                ErrorCode::InvalidArn,
                "{text}"
            );
        }
        let express = parse("arn:aws:states:r:1:express:m:x:u").unwrap();
        assert_eq!(
            wrong_kind(&express.resource).message,
            "Invalid Arn: 'Resource type not valid in this context: express'"
        );
    }

    #[test]
    fn trap_25_names_follow_the_recorded_character_set() {
        for good in ["a", "A-b_c.d", "émile", "(x)", &"n".repeat(80)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a/b",
            "a:b",
            "a\u{1}b",
            "a\u{85}",
            "a\u{7f}",
            "a\u{0}",
            "a\u{ffff}",
            "[",
            &"n".repeat(81),
        ] {
            assert_eq!(
                check_name(bad).unwrap_err().code,
                ErrorCode::InvalidName,
                "{bad}"
            );
        }
    }
}
