//! Tags of a request.

use serde::Deserialize;

use crate::aws::check::{self, Checker};
use crate::service::api::Tags;
use crate::service::error::{ApiError, ErrorCode};
use crate::service::tags::{TAGS_MAX, set_tags};

const RESERVED_PREFIX: &str = "aws:";

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
}

/// `ListTagsForResource`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListTagsInput {
    pub(crate) resource_arn: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagResourceInput {
    pub(crate) resource_arn: Option<String>,
    pub(crate) tags: Option<Vec<Tag>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UntagResourceInput {
    pub(crate) resource_arn: Option<String>,
    pub(crate) tag_keys: Option<Vec<String>>,
}

impl TagResourceInput {
    /// The ARN and the tags.
    pub(crate) fn check(self) -> Result<(String, Tags), ApiError> {
        let mut checker = Checker::default();
        checker.required("resourceArn", self.resource_arn.as_deref(), check::ARN);
        if self.tags.is_none() {
            checker.null("tags");
        }
        check_tags(&mut checker, self.tags.as_deref());
        checker.finish()?;
        let arn = self.resource_arn.unwrap_or_default();
        limit_tags(self.tags.as_deref(), &arn)?;
        Ok((arn, into_tags(self.tags)))
    }
}

impl UntagResourceInput {
    /// The ARN and the keys.
    pub(crate) fn check(self) -> Result<(String, Vec<String>), ApiError> {
        let mut checker = Checker::default();
        checker.required("resourceArn", self.resource_arn.as_deref(), check::ARN);
        if self.tag_keys.is_none() {
            checker.null("tagKeys");
        }
        for (number, key) in (1..).zip(self.tag_keys.as_deref().unwrap_or_default()) {
            let field = format!("tagKeys.{number}.member");
            checker.text(&field, Some(key), check::TAG_KEY);
            checker.pattern(&field, Some(key), check::TAG_TEXT);
        }
        checker.finish()?;
        Ok((
            self.resource_arn.unwrap_or_default(),
            self.tag_keys.unwrap_or_default(),
        ))
    }
}

/// Lengths and characters of every tag.
pub(crate) fn check_tags(checker: &mut Checker, tags: Option<&[Tag]>) {
    for (number, tag) in (1..).zip(tags.unwrap_or_default()) {
        let field = format!("tags.{number}.member.key");
        checker.required(&field, tag.key.as_deref(), check::TAG_KEY);
        checker.pattern(&field, tag.key.as_deref(), check::TAG_TEXT);
        let field = format!("tags.{number}.member.value");
        checker.text(&field, tag.value.as_deref(), check::TAG_VALUE);
        checker.pattern(&field, tag.value.as_deref(), check::TAG_TEXT);
    }
}

/// Everything about tags that came without a request.
pub(crate) fn checked_tags(tags: &[Tag], resource: &str) -> Result<(), ApiError> {
    let mut checker = Checker::default();
    check_tags(&mut checker, Some(tags));
    checker.finish()?;
    limit_tags(Some(tags), resource)
}

/// Their number and the reserved prefix.
pub(crate) fn limit_tags(tags: Option<&[Tag]>, resource: &str) -> Result<(), ApiError> {
    let tags = tags.unwrap_or_default();
    if tags.len() > TAGS_MAX {
        let message = format!(
            "Too many tags on '{resource}': {} of at most {TAGS_MAX}",
            tags.len()
        );
        return Err(ApiError::new(ErrorCode::TooManyTags, message));
    }
    let reserved = tags
        .iter()
        .filter_map(|tag| tag.key.as_deref())
        .find(|key| {
            key.get(..RESERVED_PREFIX.len())
                .is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED_PREFIX))
        });
    match reserved {
        Some(key) => Err(ApiError::new(
            ErrorCode::ValidationException,
            format!("Tag key '{key}' is reserved: keys must not begin with '{RESERVED_PREFIX}'"),
        )),
        None => Ok(()),
    }
}

/// The service's form: of a key that stands twice the last value counts.
pub(crate) fn into_tags(tags: Option<Vec<Tag>>) -> Tags {
    let pair = |tag: Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    let mut all = Tags::new();
    set_tags(&mut all, tags.unwrap_or_default().into_iter().map(pair));
    all
}
