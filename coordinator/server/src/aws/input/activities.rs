//! Inputs of the activity operations.

use serde::Deserialize;

use super::settings::EncryptionConfiguration;
use super::tags::{Tag, check_tags, into_tags, limit_tags};
use crate::aws::check::{self, Checker};
use crate::service::api::Tags;
use crate::service::error::ApiError;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateActivityInput {
    pub(crate) name: Option<String>,
    pub(crate) tags: Option<Vec<Tag>>,
    pub(crate) encryption_configuration: Option<EncryptionConfiguration>,
}

/// A checked `CreateActivity`.
#[derive(Debug)]
pub(crate) struct NewActivity {
    pub(crate) name: String,
    pub(crate) tags: Tags,
    pub(crate) encryption: Option<String>,
}

/// `DeleteActivity` and `DescribeActivity`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActivityInput {
    pub(crate) activity_arn: Option<String>,
}

impl CreateActivityInput {
    pub(crate) fn check(self) -> Result<NewActivity, ApiError> {
        let mut checker = Checker::default();
        checker.required("name", self.name.as_deref(), check::NAME);
        check_tags(&mut checker, self.tags.as_deref());
        if let Some(encryption) = &self.encryption_configuration {
            encryption.check(&mut checker);
        }
        checker.finish()?;
        let name = self.name.unwrap_or_default();
        limit_tags(self.tags.as_deref(), &name)?;
        let encryption = self
            .encryption_configuration
            .map(EncryptionConfiguration::into_text)
            .transpose()?;
        Ok(NewActivity {
            name,
            tags: into_tags(self.tags),
            encryption: encryption.flatten(),
        })
    }
}

impl ActivityInput {
    pub(crate) fn check(self) -> Result<String, ApiError> {
        super::check_arn("activityArn", self.activity_arn)
    }
}
