//! `stepfleet machine validate`: what the coordinator finds in a definition, shown at its place in the file.

use clap::Args;
use stepfleet_sdk::api;
use stepfleet_sdk::api::diagnostic::Severity;

use super::super::client::Client;
use super::super::fault::{Fault, Outcome};
use super::super::output::{Output, Tone};
use super::super::payload;
use super::MachineType;
use super::locate::{Span, locate};

#[derive(Args, Clone, Debug)]
pub(crate) struct ValidateArgs {
    /// The definition: a file, or - for standard input
    #[arg(value_name = "FILE")]
    pub(super) file: String,
    /// Type of the state machine that it is meant for
    #[arg(long, value_enum, default_value = "standard")]
    r#type: MachineType,
    /// Do not show warnings
    #[arg(long)]
    errors_only: bool,
}

pub(super) async fn validate(
    args: &ValidateArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    let definition = payload::read_file(&args.file)?;
    let request = api::ValidateStateMachineDefinitionRequest {
        definition: definition.clone(),
        r#type: args.r#type.wire(),
        include_warnings: !args.errors_only,
    };
    let answer = client.validate_state_machine_definition(request).await?;
    if output.is_json() {
        output.document(&json(&answer, &definition))?;
    } else {
        let file = if args.file == "-" {
            "<stdin>"
        } else {
            &args.file
        };
        for diagnostic in &answer.diagnostics {
            let text = render(output, diagnostic, file, &definition);
            output.line(text)?;
        }
        output.line(summary(output, &answer, file))?;
    }
    Ok(if answer.ok {
        Outcome::Done
    } else {
        Outcome::Negative
    })
}

fn summary(
    output: &Output,
    answer: &api::ValidateStateMachineDefinitionResponse,
    file: &str,
) -> String {
    let warnings = answer
        .diagnostics
        .iter()
        .filter(|d| d.severity() == Severity::Warning)
        .count();
    let errors = answer.diagnostics.len() - warnings;
    let more = if answer.truncated {
        " (and more that are not shown)"
    } else {
        ""
    };
    let verdict = if answer.ok {
        output.paint(Tone::Good, "valid")
    } else {
        output.paint(Tone::Bad, "invalid")
    };
    match (errors, warnings) {
        (0, 0) => format!("{file} is {verdict}{more}"),
        (errors, warnings) => format!(
            "{file} is {verdict}: {}, {}{more}",
            count(errors, "error"),
            count(warnings, "warning")
        ),
    }
}

fn count(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

/// A diagnostic with the line that it is about, and a caret under the place.
pub(super) fn render(
    output: &Output,
    diagnostic: &api::Diagnostic,
    file: &str,
    definition: &str,
) -> String {
    let (word, tone) = match diagnostic.severity() {
        Severity::Warning => ("warning", Tone::Warning),
        Severity::Error | Severity::Unspecified => ("error", Tone::Bad),
    };
    let head = output.paint(tone, format!("{word}[{}]", diagnostic.code));
    let mut lines = vec![format!("{head}: {}", diagnostic.message)];
    let at = &diagnostic.location;
    let Some(span) = locate(definition, at) else {
        let place = if at.is_empty() {
            file.to_owned()
        } else {
            format!("{file} at {at}")
        };
        lines.push(format!("  --> {place}"));
        return lines.join("\n");
    };
    let pointer = if at.starts_with('/') {
        format!("  {at}")
    } else {
        String::new()
    };
    lines.push(format!(
        "  --> {file}:{}:{}{pointer}",
        span.line, span.column
    ));
    let source = definition.lines().nth(span.line - 1).unwrap_or_default();
    let (source, indent, width) = window(source, span);
    let gutter = span.line.to_string();
    let blank = " ".repeat(gutter.len());
    let caret = output.paint(tone, "^".repeat(width));
    lines.push(format!(" {gutter} | {source}"));
    lines.push(format!(" {blank} | {}{caret}", " ".repeat(indent)));
    lines.join("\n")
}

/// Long lines (definitions without line breaks) are cut around the place.
fn window(source: &str, span: Span) -> (String, usize, usize) {
    const BEFORE: usize = 40;
    const WIDTH: usize = 100;
    let start = span.column - 1;
    let skip = if source.chars().count() <= WIDTH {
        0
    } else {
        start.saturating_sub(BEFORE)
    };
    let text: String = source.chars().skip(skip).take(WIDTH).map(untab).collect();
    let indent = start - skip;
    let room = text.chars().count().saturating_sub(indent).max(1);
    (text, indent, span.width.clamp(1, room))
}

/// Tabs count as one column, so that the caret stands where it should.
fn untab(c: char) -> char {
    if c == '\t' { ' ' } else { c }
}

fn json(
    answer: &api::ValidateStateMachineDefinitionResponse,
    definition: &str,
) -> serde_json::Value {
    let diagnostics = answer
        .diagnostics
        .iter()
        .map(|d| diagnostic_json(d, definition));
    serde_json::json!({
        "result": if answer.ok { "OK" } else { "FAIL" },
        "diagnostics": diagnostics.collect::<Vec<_>>(),
        "truncated": answer.truncated,
    })
}

/// A diagnostic as a JSON object, with its place in the file.
pub(super) fn diagnostic_json(diagnostic: &api::Diagnostic, definition: &str) -> serde_json::Value {
    let severity = match diagnostic.severity() {
        Severity::Warning => "WARNING",
        Severity::Error | Severity::Unspecified => "ERROR",
    };
    let mut value = serde_json::json!({
        "severity": severity,
        "code": diagnostic.code,
        "message": diagnostic.message,
        "location": diagnostic.location,
    });
    if let Some(span) = locate(definition, &diagnostic.location) {
        value["line"] = span.line.into();
        value["column"] = span.column.into();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;

    const DEFINITION: &str = "{\n  \"StartAt\": \"A\",\n  \"States\": {\n    \"A\": {\n      \"Type\": \"Tusk\"\n    }\n  }\n}\n";

    fn diagnostic(severity: Severity, message: &str, location: &str) -> api::Diagnostic {
        api::Diagnostic {
            severity: severity.into(),
            code: "SCHEMA_VALIDATION_FAILED".into(),
            message: message.into(),
            location: location.into(),
        }
    }

    #[test]
    fn diagnostics_point_at_their_place() {
        let (output, _) = testing::output();
        let source = "[Source: (String)\"{…\"; line: 2, column: 14]";
        let cases = [
            diagnostic(
                Severity::Error,
                "The field 'Type' is wrong",
                "/States/A/Type",
            ),
            diagnostic(Severity::Warning, "The state is odd", "/States/A"),
            diagnostic(
                Severity::Error,
                "These fields are required: [Next]",
                "/States/A/Next",
            ),
            diagnostic(Severity::Error, "Unexpected character", source),
            diagnostic(Severity::Error, "Something else", ""),
        ];
        let texts: Vec<_> = cases
            .iter()
            .map(|case| render(&output, case, "machine.json", DEFINITION))
            .collect();
        insta::assert_snapshot!(texts.join("\n\n"));
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let line = format!("{}\"Type\": 1{}", " ".repeat(300), " ".repeat(300));
        let (text, indent, width) = window(
            &line,
            Span {
                line: 1,
                column: 301,
                width: 6,
            },
        );
        assert_eq!(text.get(indent..indent + width), Some("\"Type\""));
        assert_eq!(text.chars().count(), 100);
    }
}
