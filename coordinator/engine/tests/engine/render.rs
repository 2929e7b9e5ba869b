//! Prints decisions for scripts.

use std::fmt::Write as _;

use stepfleet_asl::Value;
use stepfleet_engine::{
    Attempt, Command, Decision, Event, EventBody, EventId, Timestamp, next_deadline, project,
};

use crate::world::START;

/// Events, commands, then the status when closed, or the next deadline.
pub(crate) fn decision(decision: &Decision, before: EventId, now: Timestamp) -> String {
    let mut out = String::new();
    let mut id = before;
    for event in &decision.events {
        if event.body.is_public() {
            id.0 += 1;
        }
        out.push_str(&line(event, id, now));
    }
    for command in &decision.commands {
        out.push_str(&command_line(command));
    }
    let execution = &decision.execution;
    if !execution.is_running() {
        let _ = writeln!(out, "= {:?}", execution.status);
    } else if let Some(deadline) = next_deadline(execution) {
        let _ = writeln!(out, "= next deadline {}", after_start(deadline));
    }
    out
}

fn line(event: &Event, id: EventId, now: Timestamp) -> String {
    let Some(shown) = project(event, id, now) else {
        return format!("      ({})\n", internal(&event.body));
    };
    let json = shown.to_json(true);
    let details = shown.kind.details_field().and_then(|field| json.get(field));
    let mut text = format!("{}<{} {}", id.0, event.previous.0, shown.kind.as_str());
    for (key, value) in details
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|members| members.iter())
    {
        if !key.ends_with("Details") && &**key != "roleArn" && &**key != "region" {
            let shown = value
                .as_str()
                .map_or_else(|| value.to_text(), str::to_owned);
            let shown = shown.replace("arn:aws:states:us-east-1:111111111111:activity:", "");
            let _ = write!(text, " {key}={shown}");
        }
    }
    text.push('\n');
    text
}

fn internal(body: &EventBody) -> String {
    if let EventBody::WaitScheduled { until, .. } = body {
        format!("WaitScheduled {}", after_start(*until))
    } else if let EventBody::RetryScheduled { retrier, until, .. } = body {
        format!("RetryScheduled retrier={retrier} {}", after_start(*until))
    } else if let EventBody::BranchStarted { child, index, .. } = body {
        format!("BranchStarted frame={} index={index}", child.0)
    } else if let EventBody::BranchSucceeded { child, .. } = body {
        format!("BranchSucceeded frame={}", child.0)
    } else if let EventBody::BranchFailed { child, .. } = body {
        format!("BranchFailed frame={}", child.0)
    } else if let EventBody::ProgressRecorded { details, at, .. } = body {
        format!("ProgressRecorded {details} of {}", after_start(*at))
    } else {
        format!("{body:?}")
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

pub(crate) fn command_line(command: &Command) -> String {
    match command {
        Command::Offer {
            activity,
            attempt,
            input,
            ..
        } => {
            let name = activity.rsplit(':').next().unwrap_or_default();
            format!(
                "! Offer {name} {} {}\n",
                attempt_text(*attempt),
                input.payload.text()
            )
        }
        Command::StartTask {
            resource,
            attempt,
            parameters,
        } => format!(
            "! StartTask {}:{} {} {}\n",
            resource.service,
            resource.action,
            attempt_text(*attempt),
            parameters.payload.text()
        ),
        Command::Cancel { attempt } => format!("! Cancel {}\n", attempt_text(*attempt)),
        Command::Continue => "! Continue\n".to_owned(),
        Command::Closed => "! Closed\n".to_owned(),
    }
}

fn attempt_text(attempt: Attempt) -> String {
    let (entry, number) = (attempt.entry.0, attempt.attempt);
    match attempt.generation.checked_sub(Attempt::START) {
        Some(generation) => format!("{entry}.{number}.s{generation}"),
        None => format!("{entry}.{number}.{}", attempt.generation),
    }
}

fn after_start(time: Timestamp) -> String {
    format!("+{}ms", time.0 - START.0)
}
