//! What a task asks of its worker. It stands in the task's input, as the member `stepfleet:task`: AWS takes it for data,
//! so that the definition stays one of AWS's, and `Parameters` or `Arguments` can make it of what the execution knows.

use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::sticky::{STICKY_MS_MAX, STICKY_WAIT_MS_MAX, StickySetting};
use crate::fleet::session::Labels;

/// The member's name.
pub(crate) const MEMBER: &str = "stepfleet:task";
/// Between the first and the last priority.
const PRIORITY_DEFAULT: u8 = 5;
const PRIORITY_MAX: u8 = 9;
/// How long a task that says no more keeps to the worker of the one before.
const KEPT_DEFAULT_MS: i64 = 5 * 60_000;

/// What a task asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// Labels that its worker must have.
    pub requires: Arc<Labels>,
    /// 0 to 9; greater ones come first among the tasks of a state machine.
    pub priority: u8,
    /// Whether it goes to the worker that had the execution's last task.
    pub keeps: Keeps,
}

/// Whether a task keeps to the worker that had the execution's last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// As its activity says.
    #[default]
    AsActivity,
    /// It goes to anybody, and changes nothing for the others.
    Never,
    /// It does, as its activity says or else in this way.
    Unless(StickySetting),
    /// It does, in this way.
    So(StickySetting),
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            requires: no_labels(),
            priority: PRIORITY_DEFAULT,
            keeps: Keeps::AsActivity,
        }
    }
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow, rename = "stepfleet:task")]
    task: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    requires: Labels,
    priority: Option<u8>,
    sticky: Option<Value>,
}

/// `sticky` with more to say than whether.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Kept {
    for_seconds: Option<i64>,
    wait_seconds: Option<i64>,
}

/// The member's text in a task's input, if there is one.
pub(crate) fn member(input: &str) -> Option<&str> {
    // Nearly all inputs end here.
    if !input.contains(MEMBER) || !input.trim_start().starts_with('{') {
        return None;
    }
    let input: Input<'_> = serde_json::from_str(input).ok()?;
    input.task.map(RawValue::get)
}

impl Placement {
    /// What the member's text asks for; why it cannot be understood.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text else {
            return Ok(Self::default());
        };
        let asked: Asked = serde_json::from_str(text)
            .map_err(|error| format!("the input's member '{MEMBER}' is not understood: {error}"))?;
        let priority = asked.priority.unwrap_or(PRIORITY_DEFAULT);
        if priority > PRIORITY_MAX {
            return Err(format!(
                "the priority in the input's member '{MEMBER}' is 0 to {PRIORITY_MAX}, not {priority}"
            ));
        }
        Ok(Self {
            requires: Arc::new(asked.requires),
            priority,
            keeps: keeps(asked.sticky)?,
        })
    }
}

fn keeps(sticky: Option<Value>) -> Result<Keeps, String> {
    let default = StickySetting {
        for_ms: KEPT_DEFAULT_MS,
        wait_ms: 0,
    };
    match sticky {
        None => Ok(Keeps::AsActivity),
        Some(Value::Bool(false)) => Ok(Keeps::Never),
        Some(Value::Bool(true)) => Ok(Keeps::Unless(default)),
        Some(object @ Value::Object(_)) => kept(object).map(Keeps::So),
        Some(Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_)) => Err(format!(
            "`sticky` in the input's member '{MEMBER}' is true, false, or an object with `forSeconds` and `waitSeconds`"
        )),
    }
}

fn kept(object: Value) -> Result<StickySetting, String> {
    let kept: Kept = serde_json::from_value(object).map_err(|error| {
        format!("`sticky` in the input's member '{MEMBER}' is not understood: {error}")
    })?;
    let ms = |seconds: Option<i64>, default| seconds.map_or(default, |it| it.saturating_mul(1000));
    let for_ms = ms(kept.for_seconds, KEPT_DEFAULT_MS);
    let wait_ms = ms(kept.wait_seconds, 0);
    if !(1..=STICKY_MS_MAX).contains(&for_ms) || !(0..=STICKY_WAIT_MS_MAX).contains(&wait_ms) {
        let (longest, wait) = (STICKY_MS_MAX / 1000, STICKY_WAIT_MS_MAX / 1000);
        return Err(format!(
            "`sticky` in the input's member '{MEMBER}' keeps for 1 to {longest} and waits for 0 to {wait} seconds"
        ));
    }
    Ok(StickySetting { for_ms, wait_ms })
}

/// One for all that have none.
pub(crate) fn no_labels() -> Arc<Labels> {
    static NONE: LazyLock<Arc<Labels>> = LazyLock::new(Arc::default);
    NONE.clone()
}

/// Whether a worker with these labels has all that are asked for.
pub(crate) fn satisfies(labels: &Labels, asked: &Labels) -> bool {
    asked
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_member_of_an_input_is_found() {
        let check =
            |input: &str, expect: Option<&str>| assert_eq!(member(input), expect, "{input}");
        check(r#"{"a": 1}"#, None);
        check(r#""stepfleet:task""#, None);
        check(r#"["stepfleet:task"]"#, None);
        check(r#"{"a": {"stepfleet:task": {}}}"#, None);
        check(
            r#"{"a": 1, "stepfleet:task": {"priority": 3}}"#,
            Some(r#"{"priority": 3}"#),
        );
    }

    #[test]
    fn what_a_task_asks_for_is_understood_or_refused() {
        let parse = |text| Placement::parse(Some(text));
        assert_eq!(Placement::parse(None), Ok(Placement::default()));
        let asked = parse(r#"{"requires": {"region": "eu", "gpu": ""}, "priority": 9}"#).unwrap();
        assert_eq!((asked.requires.len(), asked.priority), (2, 9));
        for (text, part) in [
            (r#"{"require": {}}"#, "unknown field `require`"),
            (r#"{"requires": {"gpu": true}}"#, "expected a string"),
            (r#"{"priority": 10}"#, "0 to 9, not 10"),
            (r#"[1]"#, "is not understood"),
            (
                r#"{"sticky": "yes"}"#,
                "`sticky` in the input's member 'stepfleet:task' is true, false, or",
            ),
            (r#"{"sticky": {"for": 1}}"#, "unknown field `for`"),
            (r#"{"sticky": {"forSeconds": "1"}}"#, "expected i64"),
            (
                r#"{"sticky": {"forSeconds": 0}}"#,
                "for 1 to 86400 and waits for 0 to 3600 seconds",
            ),
            (
                r#"{"sticky": {"waitSeconds": 9223372036854775807}}"#,
                "waits for 0 to 3600 seconds",
            ),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn a_task_says_whether_it_keeps_to_its_worker() {
        let keeps = |sticky: &str| {
            let text = format!(r#"{{"sticky": {sticky}}}"#);
            Placement::parse(Some(&text)).unwrap().keeps
        };
        let setting = |for_ms, wait_ms| StickySetting { for_ms, wait_ms };
        assert_eq!(keeps("false"), Keeps::Never);
        assert_eq!(keeps("true"), Keeps::Unless(setting(300_000, 0)));
        assert_eq!(keeps("{}"), Keeps::So(setting(300_000, 0)));
        let object = r#"{"forSeconds": 60, "waitSeconds": 2}"#;
        assert_eq!(keeps(object), Keeps::So(setting(60_000, 2000)));
    }

    #[test]
    fn a_worker_has_every_label_or_does_not_serve() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            let pairs = pairs.iter();
            pairs
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let worker = labels(&[("region", "eu"), ("gpu", "")]);
        assert!(satisfies(&worker, &labels(&[])));
        assert!(satisfies(
            &worker,
            &labels(&[("gpu", ""), ("region", "eu")])
        ));
        assert!(!satisfies(&worker, &labels(&[("region", "us")])));
        assert!(!satisfies(&worker, &labels(&[("disk", "")])));
    }
}
