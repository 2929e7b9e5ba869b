//! Activities: create, delete, describe, list.

use std::collections::BTreeSet;
use std::sync::Arc;

use stepfleet_engine::Timestamp;
use stepfleet_proto::Subject;

use super::Service;
use super::api::{ActivityDescription, ActivityItem, Caller, Page, PageRequest, Tags};
use super::error::{ApiError, ErrorCode};
use super::page;
use super::tags::check_tags;
use super::workers::age_ms;
use crate::arn::{self, Resource, check_name};
use crate::auth::actions;
use crate::catalog::records::{ActivityRecord, ActivitySettings};

/// Activities of one installation, as on AWS.
const ACTIVITIES_MAX: usize = 100_000;

impl Service {
    /// Creates an activity; repeating it answers as the first time.
    pub(crate) async fn create_activity(
        &self,
        caller: &Caller,
        name: &str,
        tags: Tags,
        encryption: Option<String>,
    ) -> Result<ActivityItem, ApiError> {
        check_name(name)?;
        check_tags(&tags)?;
        let arn = self.shared.arns.activity(&caller.namespace, name);
        if !tags.is_empty() {
            caller.permit.check(actions::TAG, Subject::Arn(&arn))?;
        }
        if let Some(existing) = self.shared.catalog.activity(&arn) {
            if existing.record.encryption_configuration != encryption {
                let message = format!("Activity Already Exists: '{arn}'");
                return Err(ApiError::new(ErrorCode::ActivityAlreadyExists, message));
            }
            return Ok(item(&existing.record, false));
        }
        if self.shared.catalog.activity_count() >= ACTIVITIES_MAX {
            let message = format!("The limit of {ACTIVITIES_MAX} activities is reached.");
            return Err(ApiError::new(ErrorCode::ActivityLimitExceeded, message));
        }
        let record = ActivityRecord {
            namespace: caller.namespace.clone(),
            name: Arc::from(name),
            arn: Arc::from(arn),
            created_at: self.shared.clock.now().0,
            tags,
            encryption_configuration: encryption,
            settings: ActivitySettings::default(),
        };
        let created = item(&record, false);
        match self
            .change(move |shared| async move { shared.catalog.put_activity(record, None).await })
            .await
        {
            // Somebody created the same one in the same moment.
            Err(error) if error.code == ErrorCode::ConflictException => self
                .shared
                .catalog
                .activity(&created.arn)
                .map(|existing| item(&existing.record, false))
                .ok_or(error),
            result => result.map(|()| created),
        }
    }

    pub(crate) async fn delete_activity(&self, caller: &Caller, arn: &str) -> Result<(), ApiError> {
        check_activity_arn(caller, arn)?;
        let Some(activity) = self.shared.catalog.activity(arn) else {
            return Ok(());
        };
        self.change(move |shared| async move { shared.catalog.remove_activity(&activity).await })
            .await?;
        self.shared.configure(arn);
        self.shared.matching.forget(arn);
        Ok(())
    }

    pub(crate) async fn describe_activity(
        &self,
        caller: &Caller,
        arn: &str,
    ) -> Result<ActivityDescription, ApiError> {
        check_activity_arn(caller, arn)?;
        let activity = self
            .shared
            .catalog
            .activity(arn)
            .ok_or_else(|| activity_missing(arn))?;
        let report = self.shared.matching.queue(arn).report();
        let now = self.shared.clock.now();
        Ok(ActivityDescription {
            arn: arn.to_owned(),
            name: activity.record.name.to_string(),
            created_at: Timestamp(activity.record.created_at),
            queued: report.queued,
            oldest_age_ms: age_ms(report.oldest, now),
            workers: report.workers,
            unserved: self.shared.is_unserved(arn),
            settings: activity.record.settings.clone(),
            in_hand: report.in_hand,
            unplaceable: self
                .shared
                .unplaceable(arn)
                .iter()
                .map(|waiting| waiting.queued)
                .sum(),
            encryption_configuration: activity.record.encryption_configuration.clone(),
        })
    }

    pub(crate) async fn list_activities(
        &self,
        caller: &Caller,
        request: PageRequest,
    ) -> Result<Page<ActivityItem>, ApiError> {
        let (limit, after) = page::open(&request, "activities", &caller.namespace)?;
        let activities =
            self.shared
                .catalog
                .activities(&caller.namespace, after.as_deref(), limit + 1);
        let unserved = self.shared.unserved().into_iter().map(|of| of.arn);
        let unserved: BTreeSet<Arc<str>> = unserved.collect();
        let items = activities
            .iter()
            .map(|activity| item(&activity.record, unserved.contains(&activity.record.arn)))
            .collect();
        Ok(page::close(
            items,
            limit,
            "activities",
            &caller.namespace,
            |item| item.arn.clone(),
        ))
    }
}

fn item(record: &ActivityRecord, unserved: bool) -> ActivityItem {
    ActivityItem {
        arn: record.arn.to_string(),
        name: record.name.to_string(),
        created_at: Timestamp(record.created_at),
        unserved,
    }
}

/// Refuses what is no activity ARN of the caller's namespace.
pub(crate) fn check_activity_arn(caller: &Caller, text: &str) -> Result<(), ApiError> {
    let arn = arn::parse(text)?;
    match arn.resource {
        Resource::Activity { .. } if arn.account == caller.namespace.as_ref() => Ok(()),
        Resource::Activity { .. } => Err(activity_missing(text)),
        other @ (Resource::StateMachine { .. }
        | Resource::Execution { .. }
        | Resource::Other { .. }) => Err(arn::wrong_kind(&other)),
    }
}

pub(crate) fn activity_missing(arn: &str) -> ApiError {
    ApiError::new(
        ErrorCode::ActivityDoesNotExist,
        format!("Activity Does Not Exist: '{arn}'"),
    )
}
