//! Tags of a request.

use serde::Deserialize;

use crate::aws::check::{self, Checker};
use crate::service::api::Tags;
use crate::service::error::{ApiError, ErrorCode};

const TAGS_MAX: usize = 50;
const RESERVED_PREFIX: &str = "aws:";

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
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

/// The service's form.
pub(crate) fn into_tags(tags: Option<Vec<Tag>>) -> Tags {
    let pair = |tag: Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    tags.unwrap_or_default().into_iter().map(pair).collect()
}
