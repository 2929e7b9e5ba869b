//! One line of the watch as text.

use super::super::super::output::{Output, Tone};
use super::super::super::{payload, time};
use super::tracker::{Line, Mark, bracketed};

/// Characters of a note when the terminal's width is not known.
const NOTE_CHARS: usize = 160;
const INDENT: &str = "  ";

pub(super) fn render(line: &Line, output: &Output) -> String {
    let (symbol, tone) = look(line.mark);
    let offset = format!("{:>9}", time::fine(line.offset));
    let indent = INDENT.repeat(line.depth);
    let name = format!("{}{}", line.name, bracketed(&line.indexes));
    let took = line.took.map(time::fine).unwrap_or_default();
    let used = offset.len() + indent.len() + name.chars().count() + took.len() + 8;
    let room = output.look().columns.map_or(NOTE_CHARS, |columns| {
        usize::from(columns).saturating_sub(used).max(20)
    });
    let mut parts = vec![
        output.paint(Tone::Faint, offset),
        format!(
            "{indent}{} {}",
            output.paint(tone, symbol),
            output.paint(name_tone(line.mark), name)
        ),
    ];
    if !took.is_empty() {
        parts.push(output.paint(Tone::Faint, took));
    }
    if !line.note.is_empty() {
        parts.push(output.paint(note_tone(line.mark), payload::short(&line.note, room)));
    }
    parts.join("  ")
}

fn look(mark: Mark) -> (&'static str, Tone) {
    match mark {
        Mark::Entered => ("▸", Tone::Busy),
        Mark::Succeeded => ("✓", Tone::Good),
        Mark::Progress => ("·", Tone::Good),
        Mark::Failed => ("✗", Tone::Bad),
        Mark::Retried => ("↻", Tone::Warning),
        Mark::Caught => ("↷", Tone::Warning),
        Mark::Waiting => ("…", Tone::Busy),
        Mark::Aborted => ("⊘", Tone::Warning),
    }
}

fn name_tone(mark: Mark) -> Tone {
    match mark {
        Mark::Entered | Mark::Waiting => Tone::Strong,
        Mark::Succeeded
        | Mark::Progress
        | Mark::Failed
        | Mark::Retried
        | Mark::Caught
        | Mark::Aborted => Tone::Plain,
    }
}

fn note_tone(mark: Mark) -> Tone {
    match mark {
        Mark::Failed => Tone::Bad,
        Mark::Retried | Mark::Caught | Mark::Waiting | Mark::Aborted => Tone::Warning,
        Mark::Entered | Mark::Succeeded | Mark::Progress => Tone::Faint,
    }
}
