//! Tables without borders (they survive pipes) and the colours of statuses.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use stepfleet_sdk::api::{ExecutionRedriveStatus, ExecutionStatus, StateMachineType};

use super::output::{Output, Tone};

/// An empty table with its header.
pub(crate) fn table(output: &Output, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    match output.look().columns {
        Some(columns) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(columns);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    if output.look().colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(
        header
            .iter()
            .map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
    );
    table
}

/// The table's text without trailing spaces and without the padding of its first column.
pub(crate) fn text(table: &Table) -> String {
    table
        .trim_fmt()
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A cell with the status in its colour.
pub(crate) fn status_cell(status: i32) -> Cell {
    let name = status_name(status);
    let cell = Cell::new(&name);
    match status_tone(status) {
        Tone::Good => cell.fg(Color::Green),
        Tone::Bad => cell.fg(Color::Red),
        Tone::Warning => cell.fg(Color::Yellow),
        Tone::Busy => cell.fg(Color::Cyan),
        Tone::Plain | Tone::Strong | Tone::Faint => cell,
    }
}

/// The tone of a wire status.
pub(crate) fn status_tone(status: i32) -> Tone {
    match ExecutionStatus::try_from(status).unwrap_or(ExecutionStatus::Unspecified) {
        ExecutionStatus::Unspecified => Tone::Plain,
        ExecutionStatus::Running | ExecutionStatus::PendingRedrive => Tone::Busy,
        ExecutionStatus::Succeeded => Tone::Good,
        ExecutionStatus::Failed | ExecutionStatus::TimedOut => Tone::Bad,
        ExecutionStatus::Aborted => Tone::Warning,
    }
}

/// `RUNNING`, `SUCCEEDED`, …; a number that this release does not know stays a number.
pub(crate) fn status_name(status: i32) -> String {
    match ExecutionStatus::try_from(status) {
        Ok(known) => short_name(known.as_str_name(), "EXECUTION_STATUS_"),
        Err(_) => status.to_string(),
    }
}

/// `REDRIVABLE` or `NOT_REDRIVABLE`.
pub(crate) fn redrive_status(status: i32) -> String {
    match ExecutionRedriveStatus::try_from(status) {
        Ok(known) => short_name(known.as_str_name(), "EXECUTION_REDRIVE_STATUS_"),
        Err(_) => status.to_string(),
    }
}

/// `STANDARD` or `EXPRESS`.
pub(crate) fn type_name(machine_type: i32) -> String {
    match StateMachineType::try_from(machine_type) {
        Ok(known) => short_name(known.as_str_name(), "STATE_MACHINE_TYPE_"),
        Err(_) => machine_type.to_string(),
    }
}

/// Lines `key  value` with aligned values; later lines of a value are indented like its first.
pub(crate) fn facts(output: &Output, facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (key, value) in facts {
        let mut parts = value.lines();
        let padded = format!("{key:<width$}");
        lines.push(format!(
            "{}  {}",
            output.paint(Tone::Faint, padded),
            parts.next().unwrap_or("-")
        ));
        lines.extend(parts.map(|part| format!("{:width$}  {part}", "")));
    }
    lines.join("\n")
}

fn short_name(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_owned()
}
