//! What a Task's `Resource` names. Parsing only: whether an installation serves it is the registry's business.

mod services;

use std::sync::Arc;

/// A parsed `Resource`. `arn` is the text as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `arn:<partition>:states:<region>:<account>:activity:<name>`
    Activity { arn: Arc<str> },
    /// `arn:<partition>:lambda:<region>:<account>:function:<name>[:<qualifier>]`
    Lambda { arn: Arc<str> },
    /// `arn:<partition>:states:::<service>:<action>[.sync|.sync:2|.waitForTaskToken]`; `aws-sdk:<service>` is the
    /// service of SDK integrations.
    Integration(Arc<Integration>),
}

/// A service integration. `service` is the `resourceType` of history events (`sqs`, `aws-sdk:s3`, `stepfleet`),
/// `action` is the event's `resource` with its suffix (`sendMessage.waitForTaskToken`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    pub arn: Arc<str>,
    pub service: Arc<str>,
    pub action: Arc<str>,
    pub pattern: Pattern,
}

impl Integration {
    /// The name of the activity whose workers serve it as a connector, in all patterns: `connector.<service>.<action>`.
    pub fn connector(&self) -> String {
        let action = self.action.split('.').next().unwrap_or_default();
        format!("connector.{}.{action}", self.service.replace(':', "."))
    }
}

/// How a Task waits for its integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    RequestResponse,
    /// `.sync` and `.sync:2`
    RunJob,
    /// `.waitForTaskToken`
    Callback,
}

/// A `Resource` that is no ARN of a known form, or names a service or action that a Task cannot call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the resource is not \
     available in this region."
)]
pub struct UnrecognizedResource {
    pub arn: String,
}

impl Resource {
    /// Parses an activity ARN, a Lambda function ARN or a service integration of the known services.
    ///
    /// # Errors
    /// [`UnrecognizedResource`], whose text is the one of Step Functions.
    pub fn parse(arn: &str) -> Result<Resource, UnrecognizedResource> {
        recognize(arn, services::pattern_of).ok_or_else(|| UnrecognizedResource {
            arn: arn.to_owned(),
        })
    }

    /// Parses the ARN of an integration in the form of Amazon's that names any service and action: one that a fleet
    /// may serve as a connector.
    pub fn parse_connector(arn: &str) -> Option<Arc<Integration>> {
        match recognize(arn, services::own_pattern_of)? {
            Resource::Integration(integration) => Some(integration),
            Resource::Activity { .. } | Resource::Lambda { .. } => None,
        }
    }

    /// The text as written in the definition.
    pub fn arn(&self) -> &Arc<str> {
        match self {
            Resource::Activity { arn } | Resource::Lambda { arn } => arn,
            Resource::Integration(integration) => &integration.arn,
        }
    }

    /// How a Task waits for it: an activity or a function answers once, like a request.
    pub fn pattern(&self) -> Pattern {
        match self {
            Resource::Activity { .. } | Resource::Lambda { .. } => Pattern::RequestResponse,
            Resource::Integration(integration) => integration.pattern,
        }
    }
}

/// How an action of a service waits, of those that are known.
type PatternOf = fn(&str, &str) -> Option<Pattern>;

fn recognize(arn: &str, pattern_of: PatternOf) -> Option<Resource> {
    let mut parts = arn.splitn(6, ':');
    let (prefix, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
    if prefix != "arn" || !is_partition(partition) {
        return None;
    }
    match (service, region.is_empty(), account.is_empty()) {
        ("states", true, true) => integration(arn, rest, pattern_of),
        ("states", false, false) => {
            let name = rest.strip_prefix("activity:")?;
            is_name(name).then(|| Resource::Activity { arn: arn.into() })
        }
        ("lambda", false, false) => {
            let function = rest.strip_prefix("function:")?;
            is_function(function).then(|| Resource::Lambda { arn: arn.into() })
        }
        _ => None,
    }
}

fn integration(arn: &str, rest: &str, pattern_of: PatternOf) -> Option<Resource> {
    let (service, action) = match rest.strip_prefix("aws-sdk:") {
        Some(sdk) => {
            let (service, _) = sdk.split_once(':')?;
            rest.split_at_checked("aws-sdk:".len() + service.len())?
        }
        None => rest.split_at_checked(rest.find(':')?)?,
    };
    let action = action.strip_prefix(':')?;
    let pattern = pattern_of(service, action)?;
    Some(Resource::Integration(Arc::new(Integration {
        arn: arn.into(),
        service: service.into(),
        action: action.into(),
        pattern,
    })))
}

/// `aws`, `aws-cn`, `aws-us-gov`, or what an installation calls its own partition.
fn is_partition(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Names of activities: 1 to 80 characters without spaces, brackets, wildcards, most signs and control characters.
fn is_name(text: &str) -> bool {
    (1..=80).contains(&text.chars().count())
        && !text.chars().any(|c| {
            c.is_whitespace()
                || c.is_control()
                || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c)
                || matches!(c, '\u{fffe}'..='\u{ffff}' | '\u{10ffff}')
        })
}

/// `<name>` or `<name>:<qualifier>`.
fn is_function(text: &str) -> bool {
    let (name, qualifier) = text.split_once(':').unwrap_or((text, "$LATEST"));
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_$.".contains(c))
    };
    is_word(name) && is_word(qualifier)
}

#[cfg(test)]
mod tests;
