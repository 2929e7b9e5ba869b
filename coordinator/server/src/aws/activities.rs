//! The activity operations.

use serde::Serialize;
use serde_json::value::RawValue;

use super::Call;
use super::answer::{Seconds, body, empty};
use super::input::ListInput;
use super::input::activities::{ActivityInput, CreateActivityInput};
use super::input::settings::ENCRYPTION_DEFAULT;
use super::state_machines::raw;
use crate::service::api::ActivityItem;
use crate::service::error::ApiError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    activity_arn: String,
    creation_date: Seconds,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    activity_arn: &'a str,
    name: &'a str,
    creation_date: Seconds,
    encryption_configuration: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    activities: Vec<Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    activity_arn: String,
    name: String,
    creation_date: Seconds,
}

impl Call<'_> {
    pub(super) async fn create_activity(&self) -> Result<Vec<u8>, ApiError> {
        let new = self.read::<CreateActivityInput>()?.check()?;
        let item = self
            .service
            .create_activity(self.caller, &new.name, new.tags, new.encryption)
            .await?;
        body(&Created {
            activity_arn: item.arn,
            creation_date: Seconds(item.created_at),
        })
    }

    pub(super) async fn delete_activity(&self) -> Result<Vec<u8>, ApiError> {
        let arn = self.read::<ActivityInput>()?.check()?;
        self.face.delete_activity(self.caller, &arn).await?;
        Ok(empty())
    }

    pub(super) async fn describe_activity(&self) -> Result<Vec<u8>, ApiError> {
        let arn = self.read::<ActivityInput>()?.check()?;
        let activity = self.service.describe_activity(self.caller, &arn).await?;
        body(&Description {
            activity_arn: &activity.arn,
            name: &activity.name,
            creation_date: Seconds(activity.created_at),
            encryption_configuration: raw(activity
                .encryption_configuration
                .as_deref()
                .unwrap_or(ENCRYPTION_DEFAULT))?,
        })
    }

    pub(super) async fn list_activities(&self) -> Result<Vec<u8>, ApiError> {
        let request = self.read::<ListInput>()?.check()?;
        let page = self.service.list_activities(self.caller, request).await?;
        let activities = page.items.into_iter().map(Item::from).collect();
        body(&List {
            activities,
            next_token: page.next_token,
        })
    }
}

impl From<ActivityItem> for Item {
    fn from(item: ActivityItem) -> Self {
        Self {
            activity_arn: item.arn,
            name: item.name,
            creation_date: Seconds(item.created_at),
        }
    }
}
