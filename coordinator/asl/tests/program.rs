//! The compiled form of definitions, and the bounds of the compiler.

use stepfleet_asl::definition::{self, MachineType, Options};
use stepfleet_asl::program::{
    Bound, Jitter, Kind, Program, ResultPath, ScopeId, Selection, State, StateId, Text, Transition,
    Wait,
};
use stepfleet_asl::resource::Resource;
use stepfleet_asl::{Diagnostic, Severity};

const STANDARD: Options<'_> = Options {
    machine_type: MachineType::Standard,
    served: &|_| true,
    connects: &|_| false,
};

fn program(text: &str) -> Program {
    definition::compile(text, &STANDARD).expect("the definition is sound")
}

/// The only state of a definition, beside a Succeed state N.
fn state(text: &str) -> State {
    let text = format!(r#"{{"StartAt":"S","States":{{"S":{text},"N":{{"Type":"Succeed"}}}}}}"#);
    program(&text).states.remove(0)
}

/// One line a state: id, name, scope, where it leads, what it is.
fn outline(program: &Program) -> Vec<String> {
    let line = |(id, state): (usize, &State)| {
        let next = match state.transition {
            Transition::Next(StateId(next)) => format!("-> {next}"),
            Transition::End => "end".to_owned(),
            Transition::Terminal => "terminal".to_owned(),
        };
        format!(
            "{id} {} scope {} {next} {}",
            state.name,
            state.scope.0,
            work(&state.kind)
        )
    };
    program.states.iter().enumerate().map(line).collect()
}

fn work(kind: &Kind) -> String {
    match kind {
        Kind::Pass(_) => "Pass".to_owned(),
        Kind::Task(task) => format!("Task {}", task.resource.arn()),
        Kind::Choice(choice) => {
            let next: Vec<u32> = choice.branches.iter().map(|branch| branch.next.0).collect();
            format!("Choice {next:?} else {:?}", choice.default.map(|id| id.0))
        }
        Kind::Wait(_) => "Wait".to_owned(),
        Kind::Succeed => "Succeed".to_owned(),
        Kind::Fail(_) => "Fail".to_owned(),
        Kind::Parallel(parallel) => {
            format!(
                "Parallel {:?}",
                parallel.branches.iter().map(|id| id.0).collect::<Vec<_>>()
            )
        }
        Kind::Map(map) => format!("Map {}", map.processor.0),
    }
}

#[test]
fn states_of_all_blocks_stand_in_one_table() {
    let program = program(
        r#"{"StartAt":"P","TimeoutSeconds":90,"States":{
            "End":{"Type":"Succeed"},
            "P":{"Type":"Parallel","Next":"M","Branches":[
                {"StartAt":"B1","States":{"B1":{"Type":"Pass","Next":"B1b"},"B1b":{"Type":"Wait","Seconds":1,"End":true}}},
                {"StartAt":"B2","States":{"B2":{"Type":"Fail"}}}]},
            "M":{"Type":"Map","Next":"C","ItemProcessor":{"StartAt":"I","States":{
                "I":{"Type":"Task","Resource":"arn:aws:states:us-east-1:1:activity:a","End":true}}}},
            "C":{"Type":"Choice","Default":"P","Choices":[{"Variable":"$.a","IsPresent":true,"Next":"End"}]}}}"#,
    );
    assert_eq!(
        outline(&program),
        [
            "0 End scope 0 terminal Succeed",
            "1 P scope 0 -> 2 Parallel [1, 2]",
            "2 M scope 0 -> 3 Map 3",
            "3 C scope 0 terminal Choice [0] else Some(1)",
            "4 B1 scope 1 -> 5 Pass",
            "5 B1b scope 1 end Wait",
            "6 B2 scope 2 terminal Fail",
            "7 I scope 3 end Task arn:aws:states:us-east-1:1:activity:a",
        ]
    );
    let scopes: Vec<_> = program
        .scopes
        .iter()
        .map(|scope| (scope.start_at.0, scope.owner.map(|id| id.0)))
        .collect();
    assert_eq!(
        scopes,
        [(1, None), (4, Some(1)), (6, Some(1)), (7, Some(2))]
    );
    assert_eq!(program.timeout_seconds, Some(90));
    assert_eq!(program.states[7].scope, ScopeId(3));
    assert_eq!(
        &*program.states[7].pointer,
        "/States/M/ItemProcessor/States/I"
    );
    assert_eq!(
        &*program.states[6].pointer,
        "/States/P/Branches[1]/States/B2"
    );
    assert!(program.warnings.is_empty());
}

#[test]
fn absent_fields_carry_their_defaults() {
    let state = state(r#"{"Type":"Task","Resource":"arn:aws:states:::http:invoke","End":true}"#);
    assert!(matches!(state.input_path, Selection::All));
    assert!(matches!(state.output_path, Selection::All));
    assert!(matches!(state.result_path, ResultPath::Replace));
    assert!(state.parameters.is_none() && state.result_selector.is_none());
    assert!(state.retriers.is_empty() && state.catchers.is_empty());
    let Kind::Task(task) = state.kind else {
        panic!("a Task")
    };
    assert!(matches!(task.resource, Resource::Integration(_)));
    assert!(task.timeout.is_none() && task.heartbeat.is_none() && task.credentials.is_none());
}

#[test]
fn null_paths_select_nothing_and_discard() {
    let state = state(
        r#"{"Type":"Pass","InputPath":null,"OutputPath":null,"ResultPath":null,"Result":null,"End":true}"#,
    );
    assert!(matches!(state.input_path, Selection::Nothing));
    assert!(matches!(state.output_path, Selection::Nothing));
    assert!(matches!(state.result_path, ResultPath::Discard));
    let Kind::Pass(pass) = state.kind else {
        panic!("a Pass")
    };
    assert_eq!(
        pass.result.expect("a null Result is a Result").text(),
        "null"
    );
}

#[test]
fn whole_document_paths_are_the_defaults() {
    let state =
        state(r#"{"Type":"Pass","InputPath":"$","OutputPath":"$","ResultPath":"$","End":true}"#);
    assert!(matches!(state.input_path, Selection::All));
    assert!(matches!(state.output_path, Selection::All));
    assert!(matches!(state.result_path, ResultPath::Replace));
}

#[test]
fn a_pass_result_is_printed_once_and_literally() {
    let state = state(r#"{"Type":"Pass","Result":{"a.$":"$.b", "c": [1, 2.50]},"End":true}"#);
    let Kind::Pass(pass) = state.kind else {
        panic!("a Pass")
    };
    assert_eq!(
        pass.result.expect("a result").text(),
        r#"{"a.$":"$.b","c":[1,2.5]}"#
    );
}

#[test]
fn retriers_and_catchers_keep_their_order_and_defaults() {
    let state = state(
        r#"{"Type":"Task","Resource":"arn:aws:states:us-east-1:1:activity:a","Next":"N","Retry":[
            {"ErrorEquals":["A","B"],"IntervalSeconds":3,"MaxAttempts":0,"BackoffRate":1,"MaxDelaySeconds":9,"JitterStrategy":"FULL"},
            {"ErrorEquals":["States.ALL"]}],
            "Catch":[{"ErrorEquals":["A"],"Next":"S","ResultPath":"$.e"},{"ErrorEquals":["States.ALL"],"Next":"N"}]}"#,
    );
    let [first, second] = &state.retriers[..] else {
        panic!("two retriers")
    };
    assert_eq!(
        first
            .error_equals
            .iter()
            .map(|name| &**name)
            .collect::<Vec<_>>(),
        ["A", "B"]
    );
    assert_eq!((first.interval_seconds, first.max_attempts), (3, 0));
    assert_eq!(
        (first.backoff_rate, first.max_delay_seconds),
        (1.0, Some(9))
    );
    assert_eq!(first.jitter, Jitter::Full);
    assert_eq!((second.interval_seconds, second.max_attempts), (1, 3));
    assert_eq!((second.backoff_rate, second.max_delay_seconds), (2.0, None));
    assert_eq!(second.jitter, Jitter::None);
    let [first, second] = &state.catchers[..] else {
        panic!("two catchers")
    };
    assert_eq!((first.next, second.next), (StateId(0), StateId(1)));
    assert!(matches!(&first.result_path, ResultPath::Insert(path) if path.source() == "$.e"));
    assert!(matches!(second.result_path, ResultPath::Replace));
}

#[test]
fn bounds_are_literal_or_a_path() {
    let state = state(
        r#"{"Type":"Task","Resource":"arn:aws:states:us-east-1:1:activity:a","End":true,"TimeoutSeconds":60,"HeartbeatSecondsPath":"$.h"}"#,
    );
    let Kind::Task(task) = state.kind else {
        panic!("a Task")
    };
    assert!(matches!(task.timeout, Some(Bound::Literal(60))));
    assert!(matches!(task.heartbeat, Some(Bound::Path(path)) if path.source() == "$.h"));
}

#[test]
fn each_form_of_wait_compiles() {
    let wait = |fields: &str| {
        let state = state(&format!(r#"{{"Type":"Wait","End":true,{fields}}}"#));
        let Kind::Wait(wait) = state.kind else {
            panic!("a Wait")
        };
        wait
    };
    assert!(matches!(wait(r#""Seconds":7"#), Wait::Seconds(7)));
    assert!(matches!(
        wait(r#""Timestamp":"1970-01-01T00:00:01.5Z""#),
        Wait::Timestamp(1500)
    ));
    assert!(matches!(
        wait(r#""SecondsPath":"$.a""#),
        Wait::SecondsPath(_)
    ));
    assert!(matches!(
        wait(r#""TimestampPath":"$.a""#),
        Wait::TimestampPath(_)
    ));
}

#[test]
fn a_fail_keeps_the_text_of_its_expressions() {
    let state = state(r#"{"Type":"Fail","Error":"E","CausePath":"States.Format('{}', $.c)"}"#);
    let Kind::Fail(fail) = state.kind else {
        panic!("a Fail")
    };
    assert!(matches!(fail.error, Some(Text::Literal(text)) if &*text == "E"));
    assert!(
        matches!(fail.cause, Some(Text::Expression { source, .. }) if &*source == "States.Format('{}', $.c)")
    );
}

#[test]
fn a_map_reads_its_old_names_and_has_no_parameters_of_its_own() {
    let state = state(
        r#"{"Type":"Map","End":true,"Parameters":{"a":1},"ItemsPath":"$.i","MaxConcurrencyPath":"$.c",
            "Iterator":{"StartAt":"I","States":{"I":{"Type":"Succeed"}}}}"#,
    );
    assert!(state.parameters.is_none());
    let Kind::Map(map) = state.kind else {
        panic!("a Map")
    };
    assert!(map.item_selector.is_some());
    assert_eq!(map.items_path.expect("ItemsPath").source(), "$.i");
    assert!(matches!(map.max_concurrency, Bound::Path(_)));
}

#[test]
fn an_unbounded_map_has_concurrency_zero() {
    let state = state(
        r#"{"Type":"Map","End":true,"ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Succeed"}}}}"#,
    );
    let Kind::Map(map) = state.kind else {
        panic!("a Map")
    };
    assert!(map.item_selector.is_none() && map.items_path.is_none());
    assert!(matches!(map.max_concurrency, Bound::Literal(0)));
}

#[test]
fn warnings_stay_with_the_program() {
    let text = r#"{"StartAt":"T","States":{
        "T":{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:s3:listBuckets","End":true},
        "U":{"Type":"Succeed"}}}"#;
    let options = Options {
        served: &|_| false,
        connects: &|_| false,
        ..STANDARD
    };
    let program = definition::compile(text, &options).expect("warnings refuse nothing");
    let codes: Vec<_> = program
        .warnings
        .iter()
        .map(|warning| warning.code)
        .collect();
    assert_eq!(codes, ["UNSERVED_INTEGRATION", "MISSING_TRANSITION_TARGET"]);
    assert!(
        program
            .warnings
            .iter()
            .all(|warning| warning.severity == Severity::Warning)
    );
    assert_eq!(definition::validate(text, &options), program.warnings);
}

#[test]
fn the_message_of_a_refusal_joins_the_errors_only() {
    let text = r#"{"StartAt":"A","Version":"2","States":{"A":{"Type":"Wait","End":true},"B":{"Type":"Succeed"}}}"#;
    let findings = definition::compile(text, &STANDARD).expect_err("it has errors");
    assert_eq!(findings.len(), 3);
    assert_eq!(
        definition::invalid_definition_message(&findings),
        "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: The field 'Version' should have one of these \
         values: [1.0] at /Version, SCHEMA_VALIDATION_FAILED: One of these fields is required: [Seconds, Timestamp, \
         SecondsPath, TimestampPath] at /States/A'"
    );
}

#[test]
fn a_definition_that_is_too_long_is_not_read() {
    let text = " ".repeat(1_048_577);
    assert_eq!(
        messages(&text),
        ["The definition is longer than 1048576 bytes"]
    );
}

#[test]
fn blank_text_is_a_missing_definition() {
    for text in ["", " ", "\n\t"] {
        let findings = definition::validate(text, &STANDARD);
        assert_eq!(
            definition::invalid_definition_message(&findings),
            "Invalid State Machine Definition: 'MISSING_DESCRIPTION: The definition is empty'"
        );
    }
}

#[test]
fn a_long_source_is_quoted_in_part() {
    let findings = definition::validate(&format!("\n{}", "é".repeat(600)), &STANDARD);
    let location = findings[0].location.as_deref().expect("a location");
    assert!(location.starts_with("[Source: (String)\"\n"), "{location}");
    assert!(
        location.ends_with("\"[truncated 101 chars]; line: 2, column: 601]"),
        "{location}"
    );
}

#[test]
fn deep_nesting_is_refused_not_overflowed() {
    let depth = 10_000;
    let open =
        r#"{"StartAt":"A","States":{"A":{"Type":"Map","End":true,"ItemProcessor":"#.repeat(depth);
    let findings = definition::validate(&format!("{open}{}", "}}}".repeat(depth)), &STANDARD);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code, "INVALID_JSON_DESCRIPTION");
}

#[test]
fn the_deepest_document_that_parses_compiles() {
    let mut text = r#"{"Type":"Succeed"}"#.to_owned();
    for depth in 0..40 {
        text = format!(
            r#"{{"Type":"Map","End":true,"ItemProcessor":{{"StartAt":"S{depth}","States":{{"S{depth}":{text}}}}}}}"#
        );
    }
    let program = program(&format!(r#"{{"StartAt":"T","States":{{"T":{text}}}}}"#));
    assert_eq!((program.states.len(), program.scopes.len()), (41, 41));
}

#[test]
fn many_blocks_inside_one_with_many_variables_compile() {
    let names: Vec<String> = (0..20_000).map(|i| format!(r#""v{i}":1"#)).collect();
    let branches: Vec<String> = (0..10_000)
        .map(|i| format!(r#"{{"StartAt":"{i}","States":{{"{i}":{{"Type":"Succeed"}}}}}}"#))
        .collect();
    let program = program(&format!(
        r#"{{"StartAt":"P","States":{{"P":{{"Type":"Parallel","End":true,"Assign":{{{}}},"Branches":[{}]}}}}}}"#,
        names.join(","),
        branches.join(",")
    ));
    assert_eq!(program.scopes.len(), 10_001);
}

#[test]
fn the_number_of_findings_is_bounded() {
    let states: Vec<String> = (0..3_000)
        .map(|i| format!(r#""S{i}":{{"Type":"Wait","End":true}}"#))
        .collect();
    let text = format!(r#"{{"StartAt":"S0","States":{{{}}}}}"#, states.join(","));
    let findings = definition::validate(&text, &STANDARD);
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    assert_eq!((errors, findings.len() - errors), (1_000, 1_000));
    assert!(definition::compile(&text, &STANDARD).is_err());
}

fn messages(text: &str) -> Vec<String> {
    let findings: Vec<Diagnostic> = definition::validate(text, &STANDARD);
    findings
        .into_iter()
        .map(|finding| finding.message)
        .collect()
}

#[test]
fn trap_16_a_state_may_turn_to_jsonata_and_never_back() {
    let machine = |outer: &str, inner: &str| {
        format!(
            r#"{{"QueryLanguage":"{outer}","StartAt":"S","States":{{"S":{{"Type":"Pass","QueryLanguage":"{inner}","End":true}}}}}}"#
        )
    };
    for (outer, inner, expect) in [
        ("JSONPath", "JSONata", ""),
        ("JSONPath", "JSONPath", ""),
        ("JSONata", "JSONata", ""),
        (
            "JSONata",
            "JSONPath",
            "SCHEMA_VALIDATION_FAILED: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine at /States/S",
        ),
    ] {
        let errors = definition::compile(&machine(outer, inner), &STANDARD)
            .err()
            .map(|findings| definition::invalid_definition_message(&findings));
        let message = errors.unwrap_or_default();
        assert!(
            message.contains(expect) && message.is_empty() == expect.is_empty(),
            "{outer} {inner}: {message}"
        );
    }
}
