//! The state machines and payloads of the benchmarks.
//!
//! All activity tasks of an execution are of one activity. The payload carries the number of activities that are still to
//! come, so that the worker that takes the last one can say that the execution ends.

use serde_json::{Value, json};

/// Activity states of the machine `chain`.
pub(crate) const CHAIN_TASKS: u32 = 10;

/// Pass states of the machine `passes`.
pub(crate) const PASS_STATES: u32 = 100;

/// Bytes of every payload.
pub(crate) const PAYLOAD_BYTES: usize = 256;

const LEFT_AT: usize = r#"{"left":""#.len();

/// Ten tasks in a row, of these activities in turn.
pub(crate) fn chain(activities: &[String]) -> String {
    let states = (1..=CHAIN_TASKS).zip(activities.iter().cycle());
    let states = states.map(|(number, activity)| {
        let next = (number < CHAIN_TASKS).then(|| task_name(number + 1));
        (task_name(number), task(activity, next))
    });
    document(&task_name(1), states)
}

/// A hundred Pass states in a row, and one activity that tells the end.
pub(crate) fn passes(activities: &[String]) -> String {
    let name = |number: u32| format!("Pass{number}");
    let states = (1..=PASS_STATES)
        .map(|number| {
            let next = if number < PASS_STATES {
                name(number + 1)
            } else {
                task_name(1)
            };
            (name(number), json!({ "Type": "Pass", "Next": next }))
        })
        .chain(
            activities
                .first()
                .map(|activity| (task_name(1), task(activity, None))),
        );
    document(&name(1), states)
}

/// Pass states in a row.
pub(crate) fn pass_states(count: u32) -> String {
    let name = |number: u32| format!("Pass{number}");
    let states = (1..=count).map(|number| {
        let state = if number < count {
            json!({ "Type": "Pass", "Next": name(number + 1) })
        } else {
            json!({ "Type": "Pass", "End": true })
        };
        (name(number), state)
    });
    document(&name(1), states)
}

/// A Choice that reads the input, a Map of ten items with a Pass state each, and a Pass state.
pub(crate) fn choice_and_map() -> String {
    let item = json!({ "StartAt": "Item", "States": { "Item": { "Type": "Pass", "End": true } } });
    let rule = json!({ "Variable": "$.left", "IsPresent": true, "Next": "Items" });
    let items = json!({ "Type": "Pass", "Result": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "Next": "Map" });
    let map = json!({ "Type": "Map", "ItemProcessor": item, "End": true });
    let states = [
        ("Choose", json!({ "Type": "Choice", "Choices": [rule] })),
        ("Items", items),
        ("Map", map),
    ];
    document(
        "Choose",
        states.map(|(name, state)| (name.to_owned(), state)),
    )
}

/// One Pass state.
pub(crate) fn pass() -> String {
    let state = json!({ "Type": "Pass", "End": true });
    document("Pass", [("Pass".to_owned(), state)])
}

/// One task that starts an execution of another machine.
pub(crate) fn parent(resource: &str, child: &str) -> String {
    let state = json!({
        "Type": "Task",
        "Resource": resource,
        "Parameters": { "StateMachineArn": child, "Input.$": "$" },
        "End": true
    });
    document("Start", [("Start".to_owned(), state)])
}

/// One state that waits for its token to be completed.
pub(crate) fn parked() -> String {
    let state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::stepfleet:callback.waitForTaskToken",
        "Parameters": { "token.$": "$$.Task.Token" },
        "End": true,
    });
    document("Wait", [("Wait".to_owned(), state)])
}

/// One task whose worker tells every third of this time that it is alive.
pub(crate) fn alive(activities: &[String], heartbeat_seconds: u32) -> String {
    let task = activities.first().map(|activity| {
        let mut state = task(activity, None);
        state["HeartbeatSeconds"] = heartbeat_seconds.into();
        (task_name(1), state)
    });
    document(&task_name(1), task)
}

/// One task.
pub(crate) fn one_task(activities: &[String]) -> String {
    let task = activities.first().map(|activity| task(activity, None));
    document(&task_name(1), task.map(|state| (task_name(1), state)))
}

/// One state that waits.
pub(crate) fn wait(seconds: u32) -> String {
    let state = json!({ "Type": "Wait", "Seconds": seconds, "End": true });
    document("Wait", [("Wait".to_owned(), state)])
}

/// An input of an execution with this many activities to come (at most 10).
pub(crate) fn input(tasks: u32) -> String {
    let left = char::from_digit(tasks.saturating_sub(1), 10).expect("ten activities at most");
    let mut text = format!(r#"{{"left":"{left}","filler":""#);
    let filler = PAYLOAD_BYTES - text.len() - 2;
    text.extend(std::iter::repeat_n('x', filler));
    text.push_str(r#""}"#);
    text
}

/// The output of a task with this input: one activity fewer to come. `None` for the last task, whose output is its input.
pub(crate) fn next_payload(payload: &mut String) -> Option<u8> {
    let left = payload
        .as_bytes()
        .get(LEFT_AT)
        .copied()?
        .checked_sub(b'0')
        .filter(|left| *left > 0)?;
    let digit = char::from(b'0' + left - 1);
    payload.replace_range(LEFT_AT..=LEFT_AT, digit.encode_utf8(&mut [0; 4]));
    Some(left - 1)
}

fn task_name(number: u32) -> String {
    format!("Activity{number}")
}

fn task(activity: &str, next: Option<String>) -> Value {
    let mut state = json!({ "Type": "Task", "Resource": activity });
    match next {
        Some(next) => state["Next"] = next.into(),
        None => state["End"] = true.into(),
    }
    state
}

fn document(start_at: &str, states: impl IntoIterator<Item = (String, Value)>) -> String {
    let states: serde_json::Map<String, Value> = states.into_iter().collect();
    json!({ "StartAt": start_at, "States": states }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_has_256_bytes_of_json() {
        let text = input(CHAIN_TASKS);
        assert_eq!(text.len(), PAYLOAD_BYTES);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["left"], "9");
    }

    #[test]
    fn the_last_of_ten_tasks_is_recognised() {
        let mut payload = input(CHAIN_TASKS);
        let mut tasks = 1;
        while next_payload(&mut payload).is_some() {
            tasks += 1;
        }
        assert_eq!(tasks, CHAIN_TASKS);
        assert_eq!(payload.len(), PAYLOAD_BYTES);
    }

    #[test]
    fn every_state_is_reached() {
        let activities = ["a".to_owned(), "b".to_owned()];
        for text in [
            chain(&activities),
            passes(&activities),
            pass_states(5),
            parked(),
            wait(1),
        ] {
            let document: Value = serde_json::from_str(&text).unwrap();
            let mut name = document["StartAt"].as_str().unwrap().to_owned();
            let mut seen = 1;
            while let Some(next) = document["States"][&name]["Next"].as_str() {
                name = next.to_owned();
                seen += 1;
            }
            assert_eq!(document["States"][&name]["End"], true);
            assert_eq!(document["States"].as_object().unwrap().len(), seen);
        }
    }
}
