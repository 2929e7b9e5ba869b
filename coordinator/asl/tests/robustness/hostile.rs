//! Texts whose size is within the limits and whose work was not: each ended in an overflow of the stack, in gigabytes
//! or after minutes. They must end soon, whatever their answer.

use std::time::Instant;

use stepfleet_asl::definition::{self, MachineType, Options};
use stepfleet_asl::intrinsic::Intrinsic;
use stepfleet_asl::path::Path;
use stepfleet_asl::template::Template;
use stepfleet_asl::{Value, limits};

use crate::{LONG, Surroundings, value};

#[expect(clippy::disallowed_methods, reason = "the test measures real time")]
fn soon<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let result = work();
    assert!(begin.elapsed() < LONG, "{what} took {:?}", begin.elapsed());
    result
}

fn numbers(count: usize) -> String {
    format!("[{}]", vec!["1"; count].join(","))
}

/// Evaluates a path if it is one. The text of what went wrong.
fn refusal(path: &str, document: &str) -> String {
    let document = value(document);
    let what = &path[..path.len().min(60)];
    soon(what, || match Path::parse(path) {
        Err(error) => error.message,
        Ok(path) => match path.eval(&document, &Surroundings::new()) {
            Err(miss) => miss.detail,
            Ok(found) => format!("found {}", found.type_name()),
        },
    })
}

const TOO_MANY_STEPS: &str = "The path visits more than 1000000 values.";

#[test]
fn a_long_chain_of_filters_does_not_exhaust_the_stack() {
    let path = format!("${}", "[?(@.a)]".repeat(100_000));
    assert_eq!(
        refusal(&path, r#"{"a":1}"#),
        "a path has more than 256 parts"
    );
    let longest = format!("${}", "[?(@)]".repeat(limits::PATH_SEGMENTS_MAX));
    assert_eq!(refusal(&longest, r#"{"a":1}"#), "found array");
    let deep = format!(
        "{}1{}",
        "[".repeat(limits::JSON_DEPTH_MAX),
        "]".repeat(limits::JSON_DEPTH_MAX)
    );
    let scans = format!("${}", "..[0]".repeat(limits::PATH_SEGMENTS_MAX / 2));
    assert_eq!(refusal(&scans, &deep), TOO_MANY_STEPS);
    let nested = format!("${}{}", "..[?($".repeat(30), ")]".repeat(30));
    let inside = deep[1..deep.len() - 1].replace('1', r#"{"a":1}"#);
    assert_eq!(
        refusal(&nested, &inside),
        "The path goes deeper than 512 levels."
    );
    let negated = format!("$[?({}@)]", "!".repeat(500_000));
    assert_eq!(refusal(&negated, "[]"), "a path nests deeper than 32");
}

#[test]
fn the_work_of_a_union_is_counted() {
    let names = format!("$[*]['{}']", vec!["a"; 60_000].join("','"));
    assert_eq!(
        refusal(&names, &format!("[{}]", vec!["{}"; 50_000].join(","))),
        TOO_MANY_STEPS
    );
    let indices = format!("$[*][{}]", vec!["9"; 200_000].join(","));
    assert_eq!(
        refusal(&indices, &format!("[{}]", vec!["[]"; 50_000].join(","))),
        TOO_MANY_STEPS
    );
}

#[test]
fn a_miss_inside_a_filter_prints_nothing() {
    let document = format!(
        r#"{{"rows":{},"big":{{"text":"{}"}}}}"#,
        numbers(50_000),
        "x".repeat(100_000)
    );
    assert_eq!(refusal("$.rows[?($.big[0])]", &document), "found array");
    let long_name = format!("$.rows[?($['{}'])]", "n".repeat(200_000));
    assert_eq!(refusal(&long_name, &document), "found array");
}

#[test]
fn the_work_of_a_comparison_is_counted() {
    let text = "x".repeat(100_000);
    let document = format!(
        r#"{{"rows":{},"b":"{text}","c":"{text}","d":[{}]}}"#,
        numbers(30_000),
        numbers(2_000)
    );
    for filter in [
        "$.b <= $.c",
        "$.b == $.c",
        "$.d == $.d",
        "$.b =~ /(x|y|xy)*z/",
    ] {
        assert_eq!(
            refusal(&format!("$.rows[?({filter})]"), &document),
            TOO_MANY_STEPS,
            "{filter}"
        );
    }
}

#[test]
fn the_work_of_functions_is_counted() {
    let appended = format!("${}", ".append(1)".repeat(limits::PATH_SEGMENTS_MAX));
    assert_eq!(refusal(&appended, &numbers(50_000)), TOO_MANY_STEPS);
    let document = format!(r#"{{"l":["{}"]}}"#, "x".repeat(200_000));
    let text = format!("$.l.concat({})", vec!["$.l"; 100_000].join(","));
    assert_eq!(refusal(&text, &document), "a path has more than 256 parts");
    let text = format!("$.concat({})", vec!["$"; 200_000].join(","));
    assert_eq!(
        refusal(&text, &format!(r#"["{}"]"#, "x".repeat(200_000))),
        TOO_MANY_STEPS
    );
}

#[test]
fn patterns_are_bounded_in_size_and_number() {
    let large = r"$[?(@.a =~ /(([a-z]{60}){60}){60}/)]";
    assert!(
        refusal(large, "[]").contains("refused"),
        "{}",
        refusal(large, "[]")
    );
    let many = vec![r"@.a =~ /x/"; 40].join(" || ");
    assert_eq!(
        refusal(&format!("$[?({many})]"), "[]"),
        "a path has more than 32 patterns"
    );
    let states: Vec<String> = (0..20_000)
        .map(|n| {
            format!(r#""{n}":{{"Type":"Pass","InputPath":"$[?(@ =~ /.{{500}}/)]","End":true}}"#)
        })
        .collect();
    let text = format!(
        r#"{{"StartAt":"0","States":{{{}}}}}"#,
        &states[..8_000].join(",")
    );
    assert_eq!(
        findings(&text),
        ["The definition has more than 500 strings with patterns (=~)"]
    );
}

#[test]
fn an_intrinsic_cannot_make_more_than_its_bound() {
    let big = value(&format!(r#"{{"text":"{}"}}"#, "x".repeat(200_000)));
    let many = vec!["$.text"; 100_000].join(",");
    let holes = "{}".repeat(100_000);
    for call in [
        format!("States.Format('{holes}',{many})"),
        format!("States.Array({many})"),
        format!("States.JsonToString(States.Array({many}))"),
        format!("States.StringSplit(States.Array({many}),'x')"),
        format!("States.ArrayUnique(States.Array({many}))"),
    ] {
        let error = soon(&call[..30], || {
            Intrinsic::parse(&call)
                .unwrap()
                .eval(&big, &Surroundings::new())
                .unwrap_err()
        });
        assert_eq!(error.error, "States.IntrinsicFailure");
        assert!(
            error
                .cause
                .ends_with("The result is larger than 16777216 bytes")
        );
    }
}

#[test]
fn splitting_by_many_separators_is_quick() {
    let document = value(&format!(
        r#"{{"t":"{}","s":"{}y"}}"#,
        "x".repeat(250_000),
        "z".repeat(250_000)
    ));
    let call = Intrinsic::parse("States.StringSplit($.t, $.s)").unwrap();
    let parts = soon("StringSplit", || {
        call.eval(&document, &Surroundings::new()).unwrap()
    });
    assert_eq!(parts.as_array().unwrap().len(), 1);
}

#[test]
fn the_places_of_a_template_are_printed_only_for_problems() {
    let key = "k".repeat(400_000);
    let text = format!(r#"{{"{key}":[{}]}}"#, vec!["{}"; 150_000].join(","));
    let parsed = value(&text);
    assert!(soon("template", || Template::compile(&parsed).unwrap()).is_literal());
    let text = format!(
        r#"{{"{key}":[{}]}}"#,
        vec![r#"{"a.$":1}"#; 50_000].join(",")
    );
    let parsed = value(&text);
    let problems = soon("template", || Template::compile(&parsed).unwrap_err());
    assert!(problems.len() <= limits::DIAGNOSTICS_MAX);
}

fn findings(text: &str) -> Vec<String> {
    let options = Options {
        machine_type: MachineType::Standard,
        served: &|_| true,
        connects: &|_| false,
    };
    soon("definition", || {
        let found = definition::validate(text, &options);
        found.into_iter().map(|finding| finding.message).collect()
    })
}

#[test]
fn a_definition_of_endless_names_has_findings_of_bounded_size() {
    let name = "s".repeat(150_000);
    let branch = r#"{"StartAt":"a","States":{"a":{}}}"#.to_owned();
    let branches = vec![branch; 20_000].join(",");
    let text = format!(
        r#"{{"StartAt":"{name}","States":{{"{name}":{{"Type":"Parallel","Branches":[{branches}],"End":true}}}}}}"#
    );
    assert!(text.len() < limits::DEFINITION_BYTES_MAX);
    let found = findings(&text);
    assert!(found.iter().map(String::len).sum::<usize>() < 2 * limits::DIAGNOSTICS_BYTES_MAX);
    let keys: Vec<String> = (0..80_000).map(|n| format!("\"key{n}\":1")).collect();
    assert!(findings(&format!("{{{}}}", keys.join(","))).len() <= limits::DIAGNOSTICS_MAX);
}

#[test]
fn deep_documents_are_refused_and_not_followed() {
    for (open, close) in [
        ("[", "]"),
        (r#"{"a":"#, "}"),
        (r#"{"Not":"#, "}"),
        (r#"{"And":["#, "]}"),
    ] {
        let text = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let error = soon("deep", || Value::parse(&text).unwrap_err());
        assert_eq!(error.message, "The document nests deeper than 128 levels");
        assert_eq!(findings(&text).len(), 1);
    }
}
