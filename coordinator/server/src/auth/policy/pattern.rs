//! Patterns with `*` (any text) and `?` (any one character), of actions and of ARNs.

use std::fmt;

use stepfleet_proto::Action;

/// Fields of an ARN: `arn`, partition, service, region, account, and what it names.
const ARN_FIELDS: usize = 6;

/// `service:Name`, or `*`. Upper and lower case are the same, as in IAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ActionPattern {
    /// Lower case; `*` is any.
    service: String,
    /// Lower case.
    name: String,
    written: String,
}

/// `*`, or patterns of the fields of an ARN: no field's pattern reaches into the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResourcePattern {
    Everything,
    Fields(Vec<String>),
}

impl ActionPattern {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (service, name) = if text == "*" {
            ("*", "*")
        } else {
            text.split_once(':')?
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let named = !name.is_empty() && name.chars().all(|c| plain(c) || c == '*' || c == '?');
        let served =
            service == "*" && text == "*" || (!service.is_empty() && service.chars().all(plain));
        (named && served).then(|| Self {
            service: service.to_ascii_lowercase(),
            name: name.to_ascii_lowercase(),
            written: text.to_owned(),
        })
    }

    pub(super) fn matches(&self, action: Action) -> bool {
        (self.service == "*" || self.service == action.service)
            && matches_by(&self.name, action.name, |pattern, c| {
                pattern == c.to_ascii_lowercase()
            })
    }

    /// Whether it is about actions that exist here.
    pub(super) fn is_ours(&self) -> bool {
        self.service == "states" || self.service == "stepfleet"
    }
}

impl fmt::Display for ActionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl ResourcePattern {
    pub(super) fn read(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everything);
        }
        let fields: Vec<String> = text.splitn(ARN_FIELDS, ':').map(str::to_owned).collect();
        (fields.len() == ARN_FIELDS && fields[0] == "arn").then_some(Self::Fields(fields))
    }

    pub(super) fn matches(&self, arn: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Fields(patterns) => {
                let mut fields = arn.splitn(ARN_FIELDS, ':');
                let all = patterns
                    .iter()
                    .all(|pattern| fields.next().is_some_and(|field| matches(pattern, field)));
                all && fields.next().is_none()
            }
        }
    }
}

/// Whether a whole text follows a pattern.
pub(in crate::auth) fn matches(pattern: &str, text: &str) -> bool {
    matches_by(pattern, text, |pattern, c| pattern == c)
}

/// Remembers the last `*` alone and tries more for it when the rest does not fit: time is the product of the lengths at
/// worst, and nothing grows.
fn matches_by(pattern: &str, text: &str, same: impl Fn(char, char) -> bool) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (mut next_pattern, mut next_text) = (pattern.clone(), text.clone());
        match (next_pattern.next(), next_text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((next_pattern.clone(), text.clone()));
                pattern = next_pattern;
                continue;
            }
            (Some(wanted), Some(c)) if wanted == '?' || same(wanted, c) => {
                (pattern, text) = (next_pattern, next_text);
                continue;
            }
            (Some(_), _) | (None, Some(_)) => {}
        }
        let Some((after, mut from)) = retry.take() else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        (pattern, text) = (after.clone(), from.clone());
        retry = Some((after, from));
    }
}
