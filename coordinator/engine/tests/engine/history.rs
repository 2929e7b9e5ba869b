//! Compares a history with a recording: names, ids and dates that the recording replaced are wildcards, and events
//! inside a Parallel have no fixed order.

use regex::Regex;
use serde_json::{Map, Value as Json};

/// Fields that no two executions share.
const DROPPED: [&str; 3] = ["timestamp", "RedriveCount", "redriveCount"];

/// The id of an event whose place is not compared.
const UNPLACED: u64 = 0;

const WILD: [&str; 13] = [
    "date",
    "timestamp",
    "start-time",
    "datetime",
    "map_run_arn",
    "entered-time",
    "start-date",
    "stop-date",
    "role",
    "activity_arn",
    "snf_role_arn",
    "sfn_role_arn",
    "RandomNumberGenerated",
];

/// Texts that are JSON become JSON, dates become one word, fields that differ by nature are dropped.
pub(crate) fn normal(value: &Json) -> Json {
    let date = Regex::new(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|\+[0-9:]+)?|<date:\d+>").unwrap();
    let uuid =
        Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|<uuid:[0-9]+>")
            .unwrap();
    let text = parsed(value).to_string();
    let text = date.replace_all(&text, "<date>");
    serde_json::from_str(&uuid.replace_all(&text, "<uuid>")).unwrap()
}

/// The first difference.
pub(crate) fn compare(want: &Json, got: &Json) -> Option<String> {
    let (want, got) = (want.as_array().unwrap(), got.as_array().unwrap());
    let unordered = want
        .iter()
        .any(|event| event["id"] == 0 || event["id"] == serde_json::json!([0]));
    if unordered {
        let (want, got) = (sorted_runs(want.clone()), sorted_runs(without_order(got)));
        return difference(&Json::Array(want), &Json::Array(got), "events");
    }
    difference(
        &Json::Array(want.clone()),
        &Json::Array(got.clone()),
        "events",
    )
}

fn parsed(value: &Json) -> Json {
    match value {
        Json::Object(members) => members
            .iter()
            .filter(|(key, _)| !DROPPED.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), parsed(value)))
            .collect::<Map<_, _>>()
            .into(),
        Json::Array(items) => items.iter().map(parsed).collect::<Vec<_>>().into(),
        Json::String(text) if text.starts_with(['{', '[']) => serde_json::from_str::<Json>(text)
            .map_or_else(|_| value.clone(), |inner| parsed(&inner)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.clone(),
    }
}

/// The recordings sorted what happened inside each Parallel, took its ids away and, by walking a list while changing
/// it, lost some of the ends. The same is done to a fresh history, step for step.
fn without_order(events: &[Json]) -> Vec<Json> {
    let mut list = events.to_vec();
    let (mut start, mut inside, mut sub) = (None, false, Vec::new());
    let mut index = 0;
    while index < list.len() {
        let kind = list[index]["type"].as_str().unwrap_or_default().to_owned();
        let ends = ["Succeeded", "Aborted", "Exited", "Failed"];
        let is_end = ends
            .iter()
            .any(|end| kind.strip_prefix("ParallelState") == Some(end));
        if let (true, Some(start)) = (is_end, start) {
            list.splice(start..index.max(start), sub.iter().cloned());
            inside = false;
        } else if kind == "ParallelStateStarted" {
            inside = true;
            sub.clear();
            start = Some(index + 1);
        } else if inside {
            list[index]["id"] = UNPLACED.into();
            list[index]["previousEventId"] = UNPLACED.into();
            sub.push(list[index].clone());
        }
        index += 1;
    }
    list
}

/// Sorts events without a place among each other.
fn sorted_runs(mut events: Vec<Json>) -> Vec<Json> {
    for event in &mut events {
        if event["id"] == serde_json::json!([0]) {
            event["id"] = UNPLACED.into();
        }
    }
    let unplaced = |event: &Json| event["id"] == UNPLACED;
    for run in events.chunk_by_mut(|one, other| unplaced(one) && unplaced(other)) {
        if unplaced(&run[0]) {
            run.sort_by_key(canonical);
        }
    }
    events
}

fn canonical(value: &Json) -> String {
    match value {
        Json::Object(members) => {
            let mut parts: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{key:?}:{}", canonical(value)))
                .collect();
            parts.sort();
            parts.join(",")
        }
        Json::Array(items) => items.iter().map(canonical).collect::<Vec<_>>().join(","),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.to_string(),
    }
}

fn difference(want: &Json, got: &Json, path: &str) -> Option<String> {
    match (want, got) {
        (Json::String(want), _) if WILD.contains(&want.trim_matches('"')) => None,
        (Json::String(want_text), Json::String(got_text)) => {
            let placeholder = Regex::new(r"<[A-Za-z][\w:.-]*>").unwrap();
            let is_same =
                want_text == got_text || matches_pattern(&placeholder, want_text, got_text);
            (!is_same).then(|| differs(path, want, got))
        }
        (Json::Object(want), Json::Object(got)) => {
            let extra = got.keys().find(|key| !want.contains_key(*key));
            if let Some(key) = extra {
                return Some(format!("{path}/{key}: unexpected {}", got[key]));
            }
            want.iter().find_map(|(key, want)| match got.get(key) {
                None => Some(format!("{path}/{key}: missing, want {want}")),
                Some(got) => difference(want, got, &format!("{path}/{key}")),
            })
        }
        (Json::Array(want_items), Json::Array(got_items)) => {
            let items = want_items.iter().zip(got_items).enumerate();
            items
                .into_iter()
                .find_map(|(index, (want, got))| difference(want, got, &format!("{path}[{index}]")))
                .or_else(|| {
                    (want_items.len() != got_items.len()).then(|| {
                        format!(
                            "{path}: {} items, want {}",
                            got_items.len(),
                            want_items.len()
                        )
                    })
                })
        }
        (Json::Number(a), Json::Number(b)) => {
            (a.as_f64() != b.as_f64()).then(|| differs(path, want, got))
        }
        _ => (want != got && bare(want) != bare(got)).then(|| differs(path, want, got)),
    }
}

/// Recordings wrote some numbers as text.
fn bare(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn matches_pattern(placeholder: &Regex, want: &str, got: &str) -> bool {
    if !placeholder.is_match(want) {
        return false;
    }
    let parts: Vec<String> = placeholder.split(want).map(regex::escape).collect();
    Regex::new(&format!("(?s)^{}$", parts.join(".*?")))
        .unwrap()
        .is_match(got)
}

fn differs(path: &str, want: &Json, got: &Json) -> String {
    format!("{path}: want {want}, got {got}")
}
