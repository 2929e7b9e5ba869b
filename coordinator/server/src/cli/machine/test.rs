//! `stepfleet machine test`: a definition against a file of cases. The engine of the coordinator runs it here, without a
//! coordinator: tasks are mocked, and the clock moves by itself.
//!
//! Files: `case` reads the file, `rehearsal` runs a whole machine, `single` one state, `verdict` compares.

mod case;
mod rehearsal;
mod single;
#[cfg(test)]
mod tests;
mod verdict;

use clap::Args;
use serde_json::value::RawValue;
use stepfleet_asl::{Diagnostic, Program, Value};

use super::super::fault::{Fault, Outcome};
use super::super::output::{Output, Tone};
use super::super::payload;
use super::validate::{diagnostic_json, render};
use crate::catalog;
use crate::rpc::diagnostics;
use crate::service::api::MachineType;
use case::Case;
use verdict::{Seen, Verdict};

#[derive(Args, Clone, Debug)]
pub(crate) struct TestArgs {
    /// The definition, of a state machine or of one state: a file, or - for standard input
    #[arg(value_name = "FILE")]
    pub(super) file: String,
    /// The cases: a JSON file
    #[arg(long, value_name = "FILE")]
    pub(super) cases: String,
    /// Run only the cases whose name has this text
    #[arg(long, value_name = "TEXT")]
    pub(super) only: Option<String>,
}

/// What the definition is of.
enum Subject {
    Machine(Box<Program>),
    State,
}

pub(super) fn test(args: &TestArgs, output: &mut Output) -> Result<Outcome, Fault> {
    let definition = payload::read_file(&args.file)?;
    let cases = case::read(&args.cases, &payload::read_file(&args.cases)?)?;
    let subject = match compile(&definition) {
        Ok(subject) => subject,
        Err(findings) => {
            let findings = diagnostics(findings);
            if output.is_json() {
                let findings = findings
                    .iter()
                    .map(|each| diagnostic_json(each, &definition));
                let findings: Vec<serde_json::Value> = findings.collect();
                output.document(&serde_json::json!({ "diagnostics": findings }))?;
            } else {
                for finding in findings {
                    let text = render(output, &finding, &args.file, &definition);
                    output.line(text)?;
                }
            }
            let message = format!("{} is not a valid definition", args.file);
            return Err(Fault::Usage(message));
        }
    };
    let only = args.only.as_deref().unwrap_or("");
    let chosen: Vec<&Case> = cases
        .iter()
        .filter(|case| case.name.contains(only))
        .collect();
    if chosen.is_empty() {
        let message = format!("{} has no case whose name has '{only}'", args.cases);
        return Err(Fault::Usage(message));
    }
    for case in &chosen {
        check(case, &subject).map_err(|why| {
            let (file, name) = (&args.cases, &case.name);
            Fault::Usage(format!("{file}: case '{name}': {why}"))
        })?;
    }
    let now_ms = output.now().as_millisecond();
    let verdicts: Vec<Verdict> = chosen
        .into_iter()
        .map(|case| verdict::judge(case, run(case, &subject, &definition, now_ms)))
        .collect();
    report(&verdicts, output)
}

fn compile(definition: &str) -> Result<Subject, Vec<Diagnostic>> {
    let document = Value::parse(definition).unwrap_or_default();
    if document.get("Type").is_some() && document.get("States").is_none() {
        return Ok(Subject::State);
    }
    let registry = crate::integrations::Registry::default();
    let program = catalog::compile(definition, MachineType::Standard, &registry, &|_| true)?;
    Ok(Subject::Machine(Box::new(program)))
}

/// Whether a case can be one of this subject, before any is run.
fn check(case: &Case, subject: &Subject) -> Result<(), String> {
    match subject {
        Subject::State if case.state.is_some() => {
            Err("state: the definition is of one state, so that no other can be named".to_owned())
        }
        Subject::State => case.check_single(),
        Subject::Machine(_) if case.state.is_some() => case.check_single(),
        Subject::Machine(program) => {
            case.check_whole()?;
            rehearsal::check(case, program)
        }
    }
}

fn run(case: &Case, subject: &Subject, definition: &str, now_ms: i64) -> Result<Seen, String> {
    let now_ms = case.start_ms()?.unwrap_or(now_ms);
    match subject {
        Subject::Machine(program) if case.state.is_none() => rehearsal::run(case, program, now_ms),
        Subject::Machine(_) | Subject::State => single::run(case, definition, now_ms),
    }
}

fn report(verdicts: &[Verdict], output: &mut Output) -> Result<Outcome, Fault> {
    let failed = verdicts.iter().filter(|verdict| !verdict.passed()).count();
    let passed = verdicts.len() - failed;
    if output.is_json() {
        output.document(&serde_json::json!({
            "cases": verdicts.iter().map(Verdict::json).collect::<Vec<Box<RawValue>>>(),
            "passed": passed,
            "failed": failed,
        }))?;
    } else {
        for verdict in verdicts {
            let (word, tone) = if verdict.passed() {
                ("ok  ", Tone::Good)
            } else {
                ("FAIL", Tone::Bad)
            };
            let head = output.paint(tone, word);
            output.line(format!("{head}  {}", verdict.name))?;
            for line in verdict.explanation().lines() {
                output.line(format!("      {line}").trim_end())?;
            }
        }
        output.line(format!("{passed} passed, {failed} failed"))?;
    }
    Ok(if failed == 0 {
        Outcome::Done
    } else {
        Outcome::Negative
    })
}
