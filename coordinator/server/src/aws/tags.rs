//! The operations on tags.

use serde::Serialize;

use super::Call;
use super::answer::{body, empty};
use super::input::check_arn;
use super::input::tags::{ListTagsInput, TagResourceInput, UntagResourceInput};
use crate::service::error::ApiError;

#[derive(Serialize)]
struct List<'a> {
    tags: Vec<Tag<'a>>,
}

#[derive(Serialize)]
struct Tag<'a> {
    key: &'a str,
    value: &'a str,
}

impl Call<'_> {
    pub(super) async fn list_tags(&self) -> Result<Vec<u8>, ApiError> {
        let input = self.read::<ListTagsInput>()?;
        let arn = check_arn("resourceArn", input.resource_arn)?;
        let tags = self.service.tags(self.caller, &arn)?;
        let tags = tags.iter().map(|(key, value)| Tag { key, value });
        body(&List {
            tags: tags.collect(),
        })
    }

    pub(super) async fn tag_resource(&self) -> Result<Vec<u8>, ApiError> {
        let (arn, tags) = self.read::<TagResourceInput>()?.check()?;
        self.service.tag(self.caller, &arn, &tags).await?;
        Ok(empty())
    }

    pub(super) async fn untag_resource(&self) -> Result<Vec<u8>, ApiError> {
        let (arn, keys) = self.read::<UntagResourceInput>()?.check()?;
        self.service.untag(self.caller, &arn, &keys).await?;
        Ok(empty())
    }
}
