//! The definitions that AWS accepted or refused, given to the compiler. What AWS accepted may only be refused because
//! it needs a later release; what AWS refused is refused with the same words in the same place.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use stepfleet_asl::Diagnostic;
use stepfleet_asl::definition::{self, MachineType, Options};

const LATER: &str = "Stepfleet does not support ";

/// One call of a recording that carries a definition.
struct Call {
    case: Json,
    definition: String,
    machine_type: MachineType,
}

fn cases(kind: &str) -> Vec<Json> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/aws-recorded/cases.jsonl");
    let text = fs::read_to_string(path).expect("the recorded cases stand in the repository");
    let cases = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a case is JSON"));
    cases.filter(|case: &Json| case["kind"] == kind).collect()
}

fn calls(kind: &str, op: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for case in cases(kind) {
        for step in case["steps"]
            .as_array()
            .expect("a case has steps")
            .iter()
            .filter(|step| step["op"] == op)
        {
            let params = &step["params"];
            let Some(definition) = params["definition"].as_str() else {
                continue;
            };
            let machine_type = match params["type"].as_str() {
                Some("EXPRESS") => MachineType::Express,
                Some(_) | None => MachineType::Standard,
            };
            let definition = definition.to_owned();
            calls.push(Call {
                case: case.clone(),
                definition,
                machine_type,
            });
        }
    }
    calls
}

impl Call {
    fn id(&self) -> &str {
        self.case["id"].as_str().expect("a case has an id")
    }

    fn errors(&self) -> Vec<Diagnostic> {
        let options = Options {
            machine_type: self.machine_type,
            served: &|_| true,
            connects: &|_| false,
        };
        let findings = definition::validate(&self.definition, &options);
        findings.into_iter().filter(Diagnostic::is_error).collect()
    }

    /// What AWS answered instead of taking the definition.
    fn refusal(&self) -> Option<String> {
        let mut texts = Vec::new();
        strings(&self.case["expect"], &mut texts);
        let text = texts
            .into_iter()
            .find(|text| text.contains("Invalid State Machine Definition"))?;
        let start = text.find("Invalid State Machine Definition")?;
        Some(text[start..].replace("<partition>", "aws"))
    }
}

fn strings<'a>(value: &'a Json, out: &mut Vec<&'a str>) {
    match value {
        Json::String(text) => out.push(text),
        Json::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Json::Object(members) => members.values().for_each(|member| strings(member, out)),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn is_later(error: &Diagnostic) -> bool {
    error.message.starts_with(LATER)
}

/// Compares every call with AWS's answer. Returns those that need a later release, one line a case.
fn later_lines(kind: &str, op: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for call in calls(kind, op) {
        let (later, errors): (Vec<_>, Vec<_>) = call.errors().into_iter().partition(is_later);
        match call.refusal() {
            // The call that AWS refused ends its case, and no case of a later release is about a refusal.
            Some(refusal) => {
                assert_eq!(
                    definition::invalid_definition_message(&errors),
                    refusal,
                    "{}",
                    call.id()
                );
            }
            None => assert_eq!(errors, [], "{}: {}", call.id(), call.definition),
        }
        let features: BTreeSet<&str> = later
            .iter()
            .map(|error| &error.message[LATER.len()..])
            .collect();
        if !features.is_empty() {
            let features: Vec<&str> = features.into_iter().collect();
            lines.push(format!("{kind} {} ({})\n", call.id(), features.join(", ")));
        }
    }
    lines.dedup();
    lines
}

#[test]
fn what_aws_accepts_compiles_or_stands_in_the_list_for_later_releases() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/aws_recorded_later.txt");
    let mut list = String::new();
    for kind in ["exec", "exec-multi", "sync", "api"] {
        for op in ["CreateStateMachine", "UpdateStateMachine"] {
            list.extend(later_lines(kind, op));
        }
    }
    if std::env::var_os("UPDATE_TESTDATA").is_some() {
        fs::write(&path, &list).expect("testdata can be written");
    }
    assert_eq!(fs::read_to_string(&path).expect("the list"), list);
}

#[test]
fn variable_references_are_those_that_aws_shows() {
    let mut compared = 0;
    let series = calls("exec-multi", "CreateStateMachine").into_iter();
    for call in series.chain(calls("api", "CreateStateMachine")) {
        let recorded = &call.case["expect"]["describe_response"];
        if !call.id().contains("test_base_variable_references") || !call.errors().is_empty() {
            continue;
        }
        let options = Options {
            machine_type: call.machine_type,
            served: &|_| true,
            connects: &|_| false,
        };
        let program = definition::compile(&call.definition, &options).expect("no errors");
        let ours: serde_json::Map<String, Json> = program
            .variable_references()
            .iter()
            .map(|(state, names)| {
                let names: Vec<&str> = names.iter().map(|name| &**name).collect();
                (state.to_string(), names.into())
            })
            .collect();
        let recorded = recorded["variableReferences"].as_object().cloned();
        assert_eq!(ours, recorded.unwrap_or_default(), "{}", call.id());
        compared += 1;
    }
    assert_eq!(compared, 17);
}

#[test]
fn validation_agrees_with_aws() {
    let mut compared = 0;
    for call in calls("validate", "ValidateStateMachineDefinition") {
        let errors = call.errors();
        if errors.iter().any(is_later) {
            assert!(call.id().contains("QUERY_LANGUAGE"), "{}", call.id());
            continue;
        }
        let answer = &call.case["expect"]["validation_response"];
        assert_eq!(answer["result"] == "OK", errors.is_empty(), "{}", call.id());
        let ours: Vec<Json> = errors.iter().map(as_aws).collect();
        assert_eq!(answer["diagnostics"], Json::Array(ours), "{}", call.id());
        compared += 1;
    }
    assert_eq!(compared, 9);
}

fn as_aws(error: &Diagnostic) -> Json {
    serde_json::json!({
        "code": error.code,
        "location": error.location,
        "message": error.message,
        "severity": "ERROR",
    })
}
