//! Versions of state machines: numbers for revisions, and what a qualified ARN leads to.

use std::sync::Arc;

use stepfleet_engine::Timestamp;

use super::api::{Caller, Page, PageRequest, PublishVersion, PublishedVersion};
use super::error::{ApiError, ErrorCode};
use super::{Conflicts, Service, machine_missing, machine_name, page};
use crate::arn::{self, Resource};
use crate::catalog::records::{AliasRecord, MachineRecord, Published, VersionRecord, Versioned};

/// Versions of one state machine, as on AWS.
pub(crate) const VERSIONS_MAX: usize = 1000;
/// What `PublishStateMachineVersion` calls the revision that a state machine began with, which has no id.
const INITIAL: &str = "INITIAL";

/// What stands behind a state machine's name in a qualified ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Qualifier<'a> {
    Version(u64),
    Alias(&'a str),
}

/// A state machine ARN of the caller's namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MachineRef<'a> {
    pub name: &'a str,
    pub qualifier: Option<Qualifier<'a>>,
}

/// What such an ARN leads to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named<'m> {
    /// The current revision.
    Current,
    Version(&'m VersionRecord),
    Alias(&'m AliasRecord),
}

impl<'a> MachineRef<'a> {
    /// Reads an ARN; one of another account names nothing.
    pub(crate) fn parse(caller: &Caller, text: &'a str) -> Result<Self, ApiError> {
        let arn = arn::parse(text)?;
        match arn.resource {
            Resource::StateMachine { name, qualifier }
                if arn.account == caller.namespace.as_ref() =>
            {
                let qualifier = qualifier.map(Qualifier::of);
                Ok(Self { name, qualifier })
            }
            Resource::StateMachine { .. } => Err(machine_missing(text)),
            other @ (Resource::Execution { .. }
            | Resource::Activity { .. }
            | Resource::Other { .. }) => Err(arn::wrong_kind(&other)),
        }
    }

    /// What it leads to, if that exists.
    pub(crate) fn find<'m>(&self, machine: &'m MachineRecord) -> Option<Named<'m>> {
        let published = &machine.published;
        match self.qualifier {
            None => Some(Named::Current),
            Some(Qualifier::Version(number)) => published.version(number).map(Named::Version),
            Some(Qualifier::Alias(name)) => published.alias(name).map(Named::Alias),
        }
    }
}

impl<'a> Qualifier<'a> {
    /// An alias has a character that is no digit; a number that no version can have names nothing.
    fn of(text: &'a str) -> Self {
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::Version(text.parse().unwrap_or(0))
        } else {
            Self::Alias(text)
        }
    }
}

/// The ARN of a version or alias.
pub(crate) fn qualified(machine: &MachineRecord, qualifier: impl std::fmt::Display) -> String {
    format!("{}:{qualifier}", machine.arn)
}

/// The number in the ARN of a version of the caller's namespace, with the name of its state machine.
pub(crate) fn version_name<'a>(caller: &Caller, text: &'a str) -> Result<(&'a str, u64), ApiError> {
    let machine = MachineRef::parse(caller, text)?;
    match machine.qualifier {
        Some(Qualifier::Version(number)) => Ok((machine.name, number)),
        Some(Qualifier::Alias(_)) | None => {
            let message = format!("Invalid Arn: 'Not the ARN of a state machine version: {text}'");
            Err(ApiError::new(ErrorCode::InvalidArn, message))
        }
    }
}

/// Publishes the current revision, unless it has a version; the version's ARN parts.
pub(super) fn publish(
    machine: &MachineRecord,
    published: &mut Published,
    now: Timestamp,
    description: Option<&str>,
) -> Result<VersionRecord, ApiError> {
    if let Some(version) = published.version_of(machine.revision) {
        return Ok(version.clone());
    }
    if published.versions.len() >= VERSIONS_MAX {
        let message = format!(
            "The limit of {VERSIONS_MAX} versions is reached for the state machine '{}'. Delete versions that are no \
             longer used.",
            machine.arn
        );
        return Err(ApiError::new(
            ErrorCode::ServiceQuotaExceededException,
            message,
        ));
    }
    let description = description.map(ToOwned::to_owned);
    Ok(published
        .publish(machine.revision, now.0, description)
        .clone())
}

impl Service {
    pub(crate) async fn publish_version(
        &self,
        caller: &Caller,
        request: PublishVersion,
    ) -> Result<PublishedVersion, ApiError> {
        let name = machine_name(caller, &request.machine_arn)?;
        let now = self.shared.clock.now();
        let change = |machine: &MachineRecord, published: &mut Published| {
            if let Some(wanted) = request.revision_id.as_deref().filter(|id| !id.is_empty()) {
                self.check_revision(machine, wanted)?;
            }
            let version = publish(machine, published, now, request.description.as_deref())?;
            Ok(PublishedVersion {
                arn: qualified(machine, version.number),
                created_at: Timestamp(version.created_at),
            })
        };
        self.change_published(caller, name, &request.machine_arn, change)
            .await
    }

    fn check_revision(&self, machine: &MachineRecord, wanted: &str) -> Result<(), ApiError> {
        let catalog = &self.shared.catalog;
        let revision = catalog.revision(&machine.namespace, &machine.name, machine.revision)?;
        let current = if machine.revision == machine.first_revision {
            INITIAL
        } else {
            &revision.revision_id
        };
        if wanted == current {
            return Ok(());
        }
        let message = format!(
            "Failed to publish the State Machine version for revision {wanted}. The current State Machine revision is \
             {current}."
        );
        Err(ApiError::new(ErrorCode::ConflictException, message))
    }

    /// Deletes a version; one that is not there is fine, one that an alias leads to stays.
    pub(crate) async fn delete_version(&self, caller: &Caller, arn: &str) -> Result<(), ApiError> {
        let (name, number) = version_name(caller, arn)?;
        if self
            .shared
            .catalog
            .machine(&caller.namespace, name)
            .is_none()
        {
            return Ok(());
        }
        let change = |_: &MachineRecord, published: &mut Published| {
            let names: Vec<&str> = published
                .aliases_of(number)
                .map(|alias| alias.name.as_str())
                .collect();
            if names.is_empty() {
                published
                    .versions
                    .retain(|version| version.number != number);
                return Ok(());
            }
            let message = format!(
                "Version to be deleted must not be referenced by an alias. Current list of aliases referencing this \
                 version: [{}]",
                names.join(", ")
            );
            Err(ApiError::new(ErrorCode::ConflictException, message))
        };
        self.change_published(caller, name, arn, change).await
    }

    /// Versions of a state machine, newest first.
    pub(crate) fn list_versions(
        &self,
        caller: &Caller,
        machine_arn: &str,
        request: &PageRequest,
    ) -> Result<Page<PublishedVersion>, ApiError> {
        let name = machine_name(caller, machine_arn)?;
        let machine = self.known_machine(caller, name, machine_arn)?;
        let (limit, token) = page::open(request, "versions", machine_arn)?;
        let before = token
            .map(|token| token.parse::<u64>().map_err(|_error| page::invalid()))
            .transpose()?;
        let versions = machine.record.published.versions.iter().rev();
        let items = versions
            .filter(|version| before.is_none_or(|before| version.number < before))
            .take(limit + 1);
        let page = page::close(
            items.collect(),
            limit,
            "versions",
            machine_arn,
            |version: &&VersionRecord| version.number.to_string(),
        );
        let item = |version: &VersionRecord| PublishedVersion {
            arn: qualified(&machine.record, version.number),
            created_at: Timestamp(version.created_at),
        };
        Ok(Page {
            items: page.items.into_iter().map(item).collect(),
            next_token: page.next_token,
        })
    }

    /// Changes what is published of a state machine, all at once or not at all.
    pub(super) async fn change_published<T>(
        &self,
        caller: &Caller,
        name: &str,
        arn: &str,
        change: impl Fn(&MachineRecord, &mut Published) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut conflicts = Conflicts::default();
        loop {
            let machine = self.live_machine(caller, name, arn)?;
            let mut published = Published::clone(&machine.record.published);
            let answer = change(&machine.record, &mut published)?;
            if published == *machine.record.published {
                return Ok(answer);
            }
            match self.put_published(&machine, published).await {
                Ok(()) => return Ok(answer),
                Err(error) if conflicts.again(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn put_published(
        &self,
        machine: &Versioned<MachineRecord>,
        published: Published,
    ) -> Result<(), ApiError> {
        let record = MachineRecord {
            published: Arc::new(published),
            ..machine.record.clone()
        };
        let version = machine.version;
        self.change(move |shared| async move {
            let put = shared.catalog.put_machine(record, Some(version), None);
            put.await.map(drop)
        })
        .await
    }
}
