//! Walks `testdata/definition/*.txt`: each line there is a definition, or the part of one that the section's `wrap`
//! leaves open, and the findings stand indented below it. Run with `UPDATE_TESTDATA=1` to rewrite them, and read the
//! difference.

use std::fs;
use std::path::{Path, PathBuf};

use stepfleet_asl::definition::{self, MachineType, Options};
use stepfleet_asl::resource::{Pattern, Resource};
use stepfleet_asl::{Diagnostic, Severity};

const HOLE: &str = "…";

/// What the lines of a section stand for.
#[derive(Clone)]
struct Section {
    wrap: String,
    machine_type: MachineType,
}

impl Default for Section {
    fn default() -> Section {
        Section {
            wrap: HOLE.to_owned(),
            machine_type: MachineType::Standard,
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/definition")
}

fn check(name: &str) {
    let path = folder().join(name);
    let text = fs::read_to_string(&path).expect("a file of testdata/definition");
    let rendered = render(&text);
    if std::env::var_os("UPDATE_TESTDATA").is_some() {
        fs::write(&path, &rendered).expect("testdata can be written");
        return;
    }
    for (i, (have, want)) in rendered.lines().zip(text.lines()).enumerate() {
        assert_eq!(have, want, "{name}, line {}", i + 1);
    }
    assert_eq!(rendered, text, "{name}");
}

/// The file again, with the findings that the definitions have now.
fn render(text: &str) -> String {
    let mut section = Section::default();
    let mut out = String::new();
    for line in text.lines().filter(|line| !line.starts_with("    ")) {
        out.push_str(line);
        out.push('\n');
        if line.starts_with("== ") {
            section = Section::default();
        } else if let Some(wrap) = line.strip_prefix("wrap: ") {
            assert!(wrap.contains(HOLE), "a wrap leaves a hole: {wrap}");
            section.wrap = wrap.to_owned();
        } else if line == "express" {
            section.machine_type = MachineType::Express;
        } else if !line.is_empty() && !line.starts_with('#') {
            for finding in findings(&section, line) {
                out.push_str("    ");
                out.push_str(&finding);
                out.push('\n');
            }
        }
    }
    out
}

fn findings(section: &Section, line: &str) -> Vec<String> {
    let inner = section.wrap.replace(HOLE, line);
    // A lone state stands beside a Succeed, so that it has somewhere to go.
    let is_state = section.wrap != HOLE && !section.wrap.starts_with(r#"{"StartAt""#);
    let text = if is_state {
        format!(r#"{{"StartAt":"S","States":{{"S":{inner},"N":{{"Type":"Succeed"}}}}}}"#)
    } else {
        inner
    };
    let options = Options {
        machine_type: section.machine_type,
        served: &served,
        connects: &|_| false,
    };
    let all = definition::validate(&text, &options);
    assert_eq!(
        definition::compile(&text, &options).is_ok(),
        !all.iter().any(Diagnostic::is_error),
        "a program comes out exactly when nothing is an error: {text}"
    );
    let shown = all
        .iter()
        .filter(|finding| !(is_state && finding.message == "State \"N\" is not reachable."));
    let lines: Vec<String> = shown.map(describe).collect();
    if lines.is_empty() {
        vec!["ok".to_owned()]
    } else {
        lines
    }
}

/// An installation with activities, nested executions, HTTP and callbacks.
fn served(resource: &Resource) -> bool {
    match resource {
        Resource::Activity { .. } => true,
        Resource::Lambda { .. } => false,
        Resource::Integration(integration) => {
            ["states", "http", "stepfleet"].contains(&&*integration.service)
                && (integration.pattern != Pattern::RunJob || &*integration.service == "states")
        }
    }
}

/// As the API prints it, without the commonest code.
fn describe(finding: &Diagnostic) -> String {
    let text = finding.to_string();
    let text = text
        .strip_prefix("SCHEMA_VALIDATION_FAILED: ")
        .unwrap_or(&text);
    match finding.severity {
        Severity::Error => text.to_owned(),
        Severity::Warning => format!("WARNING {text}"),
    }
}

#[test]
fn every_file_of_the_folder_is_walked() {
    let mut found: Vec<String> = fs::read_dir(folder())
        .expect("testdata/definition")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    found.sort();
    assert_eq!(found, FILES);
}

const FILES: &[&str] = &[
    "choice.txt",
    "data.txt",
    "document.txt",
    "graph.txt",
    "jsonata.txt",
    "later.txt",
    "map.txt",
    "parallel.txt",
    "retry_catch.txt",
    "state.txt",
    "task.txt",
    "text.txt",
    "variables.txt",
    "wait_fail_pass.txt",
];

#[test]
fn choice_states_are_checked() {
    check("choice.txt");
}

#[test]
fn data_flow_fields_are_checked() {
    check("data.txt");
}

#[test]
fn documents_are_checked() {
    check("document.txt");
}

#[test]
fn transitions_are_checked() {
    check("graph.txt");
}

#[test]
fn later_features_are_refused_in_plain_words() {
    check("later.txt");
}

#[test]
fn map_states_are_checked() {
    check("map.txt");
}

#[test]
fn parallel_states_are_checked() {
    check("parallel.txt");
}

#[test]
fn retriers_and_catchers_are_checked() {
    check("retry_catch.txt");
}

#[test]
fn fields_belong_to_state_types() {
    check("state.txt");
}

#[test]
fn task_states_are_checked() {
    check("task.txt");
}

#[test]
fn what_is_not_json_is_located() {
    check("text.txt");
}

#[test]
fn variables_are_checked() {
    check("variables.txt");
}

#[test]
fn wait_fail_and_pass_states_are_checked() {
    check("wait_fail_pass.txt");
}

#[test]
fn nothing_is_said_of_what_is_below_a_name_that_is_too_long() {
    let name = "n".repeat(300_000);
    let broken: Vec<String> = (0..5_000)
        .map(|i| format!(r#""S{i}":{{"Type":"?"}}"#))
        .collect();
    let text = format!(
        r#"{{"StartAt":"{name}","States":{{"{name}":{{"Type":"Parallel","End":true,"Branches":[{{"StartAt":"S0","States":{{{}}}}}]}}}}}}"#,
        broken.join(",")
    );
    let options = Options {
        machine_type: MachineType::Standard,
        served: &|_| true,
        connects: &|_| false,
    };
    let findings = definition::validate(&text, &options);
    assert_eq!(findings.len(), 1, "only the name is wrong");
    assert!(findings[0].message.starts_with("State name must have"));
}
