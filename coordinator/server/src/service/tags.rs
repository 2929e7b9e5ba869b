//! Tags of state machines and activities, which exist: versions, aliases and executions have none.

use std::sync::Arc;

use super::api::{Caller, Tags};
use super::error::{ApiError, ErrorCode};
use super::{Conflicts, Service};
use crate::arn::{self, Resource};
use crate::catalog::records::{ActivityRecord, MachineRecord, Versioned};
use crate::shared::Shared;

/// Tags of one resource, as on AWS.
pub(crate) const TAGS_MAX: usize = 50;

/// What has tags, as it stands now.
enum Tagged {
    Machine(Arc<Versioned<MachineRecord>>),
    Activity(Arc<Versioned<ActivityRecord>>),
}

impl Tagged {
    fn tags(&self) -> &Tags {
        match self {
            Self::Machine(machine) => &machine.record.tags,
            Self::Activity(activity) => &activity.record.tags,
        }
    }

    /// Stores other tags, unless the resource has changed meanwhile.
    async fn put(self, shared: Arc<Shared>, tags: Tags) -> Result<(), ApiError> {
        match self {
            Self::Machine(machine) => {
                let record = MachineRecord {
                    tags,
                    ..machine.record.clone()
                };
                let put = shared
                    .catalog
                    .put_machine(record, Some(machine.version), None);
                put.await.map(drop)
            }
            Self::Activity(activity) => {
                let record = ActivityRecord {
                    tags,
                    ..activity.record.clone()
                };
                let put = shared.catalog.put_activity(record, Some(activity.version));
                put.await
            }
        }
    }
}

impl Service {
    /// The tags of a resource, in the order in which they were set.
    pub(crate) fn tags(&self, caller: &Caller, arn: &str) -> Result<Tags, ApiError> {
        Ok(self.tagged(caller, arn)?.tags().clone())
    }

    /// Sets tags; the others stay.
    pub(crate) async fn tag(
        &self,
        caller: &Caller,
        arn: &str,
        tags: &[(String, String)],
    ) -> Result<(), ApiError> {
        self.change_tags(caller, arn, |all| set_tags(all, tags.iter().cloned()))
            .await
    }

    /// Removes tags; a key that is not there is fine.
    pub(crate) async fn untag(
        &self,
        caller: &Caller,
        arn: &str,
        keys: &[String],
    ) -> Result<(), ApiError> {
        self.change_tags(caller, arn, |all| {
            all.retain(|(key, _)| !keys.contains(key));
        })
        .await
    }

    async fn change_tags(
        &self,
        caller: &Caller,
        arn: &str,
        change: impl Fn(&mut Tags),
    ) -> Result<(), ApiError> {
        let mut conflicts = Conflicts::default();
        loop {
            let tagged = self.tagged(caller, arn)?;
            let mut tags = tagged.tags().clone();
            change(&mut tags);
            check_tags(&tags)?;
            if tags == *tagged.tags() {
                return Ok(());
            }
            match self.change(move |shared| tagged.put(shared, tags)).await {
                Err(error) if conflicts.again(&error) => {}
                done => return done,
            }
        }
    }

    fn tagged(&self, caller: &Caller, text: &str) -> Result<Tagged, ApiError> {
        let arn = arn::parse(text)?;
        let catalog = &self.shared.catalog;
        let own = arn.account == caller.namespace.as_ref();
        let found = match arn.resource {
            Resource::StateMachine {
                name,
                qualifier: None,
            } if own => catalog
                .machine(&caller.namespace, name)
                .map(Tagged::Machine),
            Resource::Activity { .. } if own => catalog.activity(text).map(Tagged::Activity),
            Resource::StateMachine { .. } | Resource::Activity { .. } => None,
            other @ (Resource::Execution { .. } | Resource::Other { .. }) => {
                return Err(arn::wrong_kind(&other));
            }
        };
        found.ok_or_else(|| {
            let message = format!("Resource not found: '{text}'");
            ApiError::new(ErrorCode::ResourceNotFound, message)
        })
    }
}

pub(super) fn check_tags(tags: &[(String, String)]) -> Result<(), ApiError> {
    if tags.len() <= TAGS_MAX {
        return Ok(());
    }
    let message = format!("The number of tags exceeds the limit of {TAGS_MAX}.");
    Err(ApiError::new(ErrorCode::TooManyTags, message))
}

/// Sets tags among others: a new key comes last, a known one keeps its place.
pub(crate) fn set_tags(all: &mut Tags, tags: impl IntoIterator<Item = (String, String)>) {
    for (key, value) in tags {
        match all.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => all.push((key, value)),
        }
    }
}
