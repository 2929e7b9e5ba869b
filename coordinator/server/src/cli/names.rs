//! Names where the API wants ARNs: `orders`, `orders:order-17`. A name becomes an ARN by putting it behind the prefix
//! (partition, region, account) that the coordinator itself uses.

use super::client::Client;
use super::fault::Fault;

/// What a name stands for; the word is the ARN's resource type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    StateMachine,
    Execution,
    Activity,
    /// `MACHINE:NUMBER`
    Version,
    /// `MACHINE:ALIAS`
    Alias,
}

/// The ARN that `name` means; ARNs come back as they are.
pub(crate) async fn resolve(client: &Client, kind: Kind, name: &str) -> Result<String, Fault> {
    if name.starts_with("arn:") {
        return Ok(name.to_owned());
    }
    if name.is_empty() {
        return Err(Fault::Usage(format!(
            "the name of the {} is empty",
            kind.words()
        )));
    }
    if let Some((what, form)) = kind.form()
        && !name.contains(':')
    {
        return Err(Fault::Usage(format!(
            "'{name}' does not name {what}: write {form} or its ARN"
        )));
    }
    let prefix = client.arn_prefix().await?;
    Ok(format!("{prefix}{}:{name}", kind.resource_type()))
}

/// The last part of an ARN: a machine's or activity's name.
pub(crate) fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// The state machine's ARN in that of a version or alias.
pub(crate) fn machine_of(arn: &str) -> &str {
    arn.rsplit_once(':').map_or(arn, |(machine, _)| machine)
}

/// `machine:execution` of an execution's ARN.
pub(crate) fn short_execution(arn: &str) -> &str {
    arn.splitn(7, ':').nth(6).unwrap_or(arn)
}

impl Kind {
    fn resource_type(self) -> &'static str {
        match self {
            Self::StateMachine | Self::Version | Self::Alias => "stateMachine",
            Self::Execution => "execution",
            Self::Activity => "activity",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::StateMachine => "state machine",
            Self::Execution => "execution",
            Self::Activity => "activity",
            Self::Version => "version",
            Self::Alias => "state machine alias",
        }
    }

    /// What has two names, and how they are written.
    fn form(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::StateMachine | Self::Activity => None,
            Self::Execution => Some(("an execution", "MACHINE:EXECUTION")),
            Self::Version => Some(("a version", "MACHINE:NUMBER")),
            Self::Alias => Some(("a state machine alias", "MACHINE:ALIAS")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_come_apart() {
        let arn = "arn:aws:states:us-east-1:000000000000:execution:orders:order-17";
        assert_eq!(short_execution(arn), "orders:order-17");
        assert_eq!(name_of(arn), "order-17");
        assert_eq!(short_execution("odd"), "odd");
    }
}
