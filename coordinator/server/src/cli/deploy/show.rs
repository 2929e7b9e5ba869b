//! A plan as people and programs read it.

use serde_json::{Value, json};

use super::evaluation::Out;
use super::inventory::short;
use super::plan::{Action, NEXT, Plan, Removal, Step};
use super::template::Skipped;
use crate::cli::fault::Fault;
use crate::cli::output::{Output, Tone};
use crate::cli::table;

/// What is shown of a deployment.
#[derive(Debug)]
pub(super) struct Shown<'s> {
    pub(super) stack: &'s str,
    pub(super) plan: &'s Plan,
    pub(super) skipped: &'s [Skipped],
}

impl Shown<'_> {
    /// The plan as a table, and what is skipped.
    pub(super) fn tell(&self, output: &mut Output) -> Result<(), Fault> {
        for skipped in self.skipped {
            let head = output.paint_remark(Tone::Faint, "skipped");
            output.remark(format!("{head} {}: {}", skipped.at, skipped.what));
        }
        if output.is_json() || self.plan.is_empty() {
            return Ok(());
        }
        let mut rows = table::table(
            output,
            &["CHANGE", "RESOURCE", "TYPE", "NAME", "PROPERTIES"],
        );
        let kept = |step: &&Step| step.action == Action::Keep;
        for step in self.plan.steps.iter().filter(|step| !kept(step)) {
            rows.add_row([
                word(&step.action),
                &step.logical_id,
                kind(&step.type_name),
                &name(&step.arn),
                &properties(&step.action).join(", "),
            ]);
        }
        for removal in &self.plan.removals {
            rows.add_row([
                removal_word(removal),
                &removal.logical_id,
                kind(removal.what.type_name()),
                &removal.what.name(),
                why(removal),
            ]);
        }
        output.line(table::text(&rows))?;
        let kept = self.plan.steps.iter().filter(kept).count();
        if kept > 0 {
            output.line(format!("{kept} unchanged"))?;
        }
        Ok(())
    }

    /// The same as a document; `outputs` when it was carried out or there was nothing to do.
    pub(super) fn document(&self, outputs: Option<&[Out]>) -> Value {
        let step = |step: &Step| {
            json!({
                "action": word(&step.action),
                "logicalId": step.logical_id,
                "type": step.type_name,
                "arn": (!step.arn.ends_with(NEXT)).then_some(&step.arn),
                "properties": properties(&step.action),
            })
        };
        let removal = |removal: &Removal| {
            json!({
                "action": removal_word(removal),
                "logicalId": removal.logical_id,
                "type": removal.what.type_name(),
                "arn": removal.what.arn(),
                "replaced": removal.replaced,
            })
        };
        let changes: Vec<Value> = self.plan.steps.iter().map(step).collect();
        let removals: Vec<Value> = self.plan.removals.iter().map(removal).collect();
        let skipped = |skipped: &Skipped| json!({"path": skipped.at, "reason": skipped.what});
        let skipped: Vec<Value> = self.skipped.iter().map(skipped).collect();
        let outputs = outputs.map(|outputs| {
            let pairs = outputs
                .iter()
                .map(|out| (out.name.clone(), out.value.clone()));
            Value::Object(pairs.collect())
        });
        json!({
            "stack": self.stack,
            "resources": changes,
            "removals": removals,
            "skipped": skipped,
            "outputs": outputs,
        })
    }
}

/// The outputs of the template, after everything was done.
pub(super) fn tell_outputs(outputs: &[Out], output: &mut Output) -> Result<(), Fault> {
    if outputs.is_empty() {
        return Ok(());
    }
    let mut rows = table::table(output, &["OUTPUT", "VALUE"]);
    for out in outputs {
        let value = match &out.value {
            Value::String(text) => text.clone(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => out.value.to_string(),
        };
        rows.add_row([&out.name, &value]);
    }
    output.line(table::text(&rows))
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update(_) => "update",
        Action::Replace(_) => "replace",
        Action::Keep => "keep",
    }
}

fn removal_word(removal: &Removal) -> &'static str {
    if removal.retain { "retain" } else { "delete" }
}

fn why(removal: &Removal) -> &'static str {
    match (removal.with_machine, removal.replaced, removal.retain) {
        (true, _, _) => "with its state machine",
        (false, true, true) => "replaced; it stays, and leaves the stack",
        (false, true, false) => "replaced",
        (false, false, true) => "it stays, and leaves the stack",
        (false, false, false) => "",
    }
}

fn properties(action: &Action) -> &[String] {
    match action {
        Action::Update(properties) | Action::Replace(properties) => properties,
        Action::Create | Action::Keep => &[],
    }
}

/// `AWS::StepFunctions::Activity` is told as `Activity`.
fn kind(type_name: &str) -> &str {
    type_name.rsplit("::").next().unwrap_or(type_name)
}

fn name(arn: &str) -> String {
    short(arn).replace(NEXT, "(next)")
}
