//! Choice rules: the recorded truth tables, then what they leave open.

use super::*;
use crate::environment::fixed::{Fixed, value};

const INPUT: &str = r#"{"s":"hello","n":5,"f":5.0,"b":true,"z":null,"t":"2020-01-01T00:00:00Z","t2":"2020-01-01T01:00:00+01:00",
    "o":{"x":1},"l":[1,"a"],"e":[],"num":"5","star":"a*b","path":"a\\b","empty":""}"#;

fn eval(rule: &str) -> Result<bool, EvalError> {
    let compiled =
        Rule::compile(&value(rule)).unwrap_or_else(|problems| panic!("{rule}: {problems:?}"));
    compiled.eval(&value(INPUT), &Fixed::new())
}

/// A comparison of a variable, written without its outer braces.
fn check(variable: &str, test: &str, expect: bool) {
    let rule = format!(r#"{{"Variable":"{variable}",{test}}}"#);
    assert_eq!(eval(&rule), Ok(expect), "{rule}");
}

fn check_problems(rule: &str, expect: &[(&str, &str)]) {
    let problems = Rule::compile(&value(rule)).expect_err(rule);
    let found: Vec<_> = problems
        .iter()
        .map(|p| (&*p.pointer, &*p.message))
        .collect();
    assert_eq!(found, expect, "{rule}");
}

/// Every recorded case of one `Choices` entry, its input, and the state that AWS chose.
#[test]
fn recorded_truth_tables_hold() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/fixtures/aws-recorded/cases.jsonl"
    );
    let text = std::fs::read_to_string(file).unwrap();
    let mut compared = 0;
    for case in text
        .lines()
        .map(value)
        .filter(|case| case.get("category") == Some(&"choice_operators".into()))
    {
        let steps = case.get("steps").unwrap().as_array().unwrap();
        let params = |operation: &str, field: &str| -> Vec<Value> {
            let is_wanted = |step: &&Value| step.get("op") == Some(&operation.into());
            let text = |step: &Value| {
                value(
                    step.get("params")
                        .unwrap()
                        .get(field)
                        .unwrap()
                        .as_str()
                        .unwrap(),
                )
            };
            steps.iter().filter(is_wanted).map(text).collect()
        };
        let definitions = params("CreateStateMachine", "definition");
        let inputs = params("StartExecution", "input");
        let answers = case
            .get("expect")
            .unwrap()
            .get("cases")
            .unwrap()
            .as_array()
            .unwrap();
        assert_eq!(
            (definitions.len(), inputs.len()),
            (answers.len(), answers.len())
        );
        for ((definition, input), answer) in definitions.iter().zip(&inputs).zip(answers.iter()) {
            let state = definition
                .get("States")
                .unwrap()
                .get("CheckValues")
                .unwrap();
            let rule = &state.get("Choices").unwrap().as_array().unwrap()[0];
            let chosen = Rule::compile(rule)
                .unwrap()
                .eval(input, &Fixed::new())
                .unwrap();
            let output = answer.get("output").unwrap();
            let output = output.as_str().map_or_else(|| output.clone(), value);
            let recorded = output.get("TestResult.$") == Some(&"ConditionTrue".into());
            assert_eq!(chosen, recorded, "{} {}", rule.to_text(), input.to_text());
            compared += 1;
        }
    }
    assert_eq!(compared, 207);
}

#[test]
fn strings_compare_by_utf16_units() {
    for (test, expect) in [
        (r#""StringEquals":"hello""#, true),
        (r#""StringEquals":"Hello""#, false),
        (r#""StringLessThan":"help""#, true),
        (r#""StringLessThan":"hello""#, false),
        (r#""StringLessThanEquals":"hello""#, true),
        (r#""StringGreaterThan":"hell""#, true),
        (r#""StringGreaterThanEquals":"hellp""#, false),
        (r#""StringEqualsPath":"$.s""#, true),
        (r#""StringLessThanPath":"$.num""#, false),
        (r#""StringGreaterThanPath":"$.n""#, false),
    ] {
        check("$.s", test, expect);
    }
    // A supplementary character is a pair of surrogates, which stand before U+FF5E.
    let rule = Rule::compile(&value(r#"{"Variable":"$","StringLessThan":"\uff5e"}"#)).unwrap();
    assert_eq!(rule.eval(&Value::from("😀"), &Fixed::new()), Ok(true));
}

#[test]
fn patterns_match_whole_strings() {
    for (variable, pattern, expect) in [
        ("$.s", "hello", true),
        ("$.s", "*", true),
        ("$.s", "h*", true),
        ("$.s", "*o", true),
        ("$.s", "h*l*o", true),
        ("$.s", "h*e*l*l*o", true),
        ("$.s", "**hello**", true),
        ("$.s", "hel", false),
        ("$.s", "H*", false),
        ("$.s", "*lll*", false),
        ("$.s", "hello*hello", false),
        ("$.s", "hell*ello", false),
        ("$.s", "h?llo", false),
        ("$.s", "", false),
        ("$.empty", "", true),
        ("$.empty", "*", true),
        ("$.star", r"a\\*b", true),
        ("$.s", r"h\\*o", false),
        ("$.path", r"a\\\\b", true),
        ("$.path", r"a\\b", true),
        ("$.path", r"*\\\\*", true),
        ("$.n", "*", false),
        ("$.z", "*", false),
    ] {
        check(variable, &format!(r#""StringMatches":"{pattern}""#), expect);
    }
}

#[test]
fn numbers_and_booleans_compare_by_value() {
    for (variable, test, expect) in [
        ("$.n", r#""NumericEquals":5"#, true),
        ("$.n", r#""NumericEquals":5.0"#, true),
        ("$.f", r#""NumericEquals":5"#, true),
        ("$.num", r#""NumericEquals":5"#, false),
        ("$.n", r#""NumericLessThan":5.5"#, true),
        ("$.n", r#""NumericGreaterThan":5"#, false),
        ("$.n", r#""NumericGreaterThanEquals":5"#, true),
        ("$.n", r#""NumericLessThanEquals":4"#, false),
        ("$.n", r#""NumericEqualsPath":"$.f""#, true),
        ("$.n", r#""NumericLessThanPath":"$.s""#, false),
        ("$.n", r#""NumericEqualsPath":"$$.Map.Item.Index""#, false),
        ("$$.Map.Item.Index", r#""NumericEquals":2"#, true),
        ("$count", r#""NumericEquals":3"#, true),
        ("$.b", r#""BooleanEquals":true"#, true),
        ("$.b", r#""BooleanEquals":false"#, false),
        ("$.z", r#""BooleanEquals":false"#, false),
        ("$.b", r#""BooleanEqualsPath":"$.b""#, true),
    ] {
        check(variable, test, expect);
    }
}

#[test]
fn timestamps_compare_as_instants() {
    for (variable, test, expect) in [
        ("$.t", r#""TimestampEquals":"2020-01-01T00:00:00Z""#, true),
        ("$.t2", r#""TimestampEquals":"2020-01-01T00:00:00Z""#, true),
        ("$.t", r#""TimestampEqualsPath":"$.t2""#, true),
        (
            "$.t",
            r#""TimestampLessThan":"2020-01-01T00:00:00.000000001Z""#,
            true,
        ),
        (
            "$.t",
            r#""TimestampGreaterThan":"2019-12-31T23:59:59Z""#,
            true,
        ),
        (
            "$.t",
            r#""TimestampLessThanEquals":"2019-12-31T23:59:59Z""#,
            false,
        ),
        (
            "$.t",
            r#""TimestampGreaterThanEquals":"2020-01-01T00:00:00+00:00""#,
            true,
        ),
        ("$.s", r#""TimestampEquals":"2020-01-01T00:00:00Z""#, false),
        ("$.t", r#""TimestampEqualsPath":"$.s""#, false),
    ] {
        check(variable, test, expect);
    }
}

#[test]
fn types_are_tested() {
    for (variable, kinds) in [
        ("$.s", "IsString"),
        ("$.n", "IsNumeric"),
        ("$.f", "IsNumeric"),
        ("$.b", "IsBoolean"),
        ("$.z", "IsNull"),
        ("$.t", "IsString IsTimestamp"),
        ("$.o", ""),
        ("$.l", ""),
    ] {
        for kind in [
            "IsNull",
            "IsNumeric",
            "IsString",
            "IsBoolean",
            "IsTimestamp",
        ] {
            let holds = kinds.split(' ').any(|other| other == kind);
            check(variable, &format!(r#""{kind}":true"#), holds);
            check(variable, &format!(r#""{kind}":false"#), !holds);
        }
        check(variable, r#""IsPresent":true"#, true);
        check(variable, r#""IsPresent":false"#, false);
    }
    for (variable, is_present) in [
        ("$.zzz", false),
        ("$.zzz.y", false),
        ("$.s.y", false),
        ("$.l[0]", true),
        ("$.l[5]", false),
        ("$.e[*]", false),
        ("$.l[*]", true),
        ("$.e", true),
    ] {
        check(variable, r#""IsPresent":true"#, is_present);
        check(variable, r#""IsPresent":false"#, !is_present);
    }
}

#[test]
fn a_missing_variable_fails_the_state() {
    for (rule, path) in [
        (r#"{"Variable":"$.zzz","StringEquals":"x"}"#, "$.zzz"),
        (r#"{"Variable":"$.zzz","IsNull":true}"#, "$.zzz"),
        (r#"{"Variable":"$.n","NumericEqualsPath":"$.o.y"}"#, "$.o.y"),
        (r#"{"Not":{"Variable":"$.zzz","IsString":true}}"#, "$.zzz"),
        (
            r#"{"And":[{"Variable":"$.n","IsNumeric":true},{"Variable":"$.zzz","IsString":true}]}"#,
            "$.zzz",
        ),
    ] {
        let error = eval(rule).unwrap_err();
        assert_eq!(error.error, "States.Runtime");
        assert_eq!(
            error.cause,
            format!(
                "Invalid path '{path}': The choice state's condition path references an invalid value."
            )
        );
    }
}

#[test]
fn rules_combine_and_stop_early() {
    let yes = r#"{"Variable":"$.n","IsNumeric":true}"#;
    let no = r#"{"Variable":"$.n","IsString":true}"#;
    let broken = r#"{"Variable":"$.zzz","IsString":true}"#;
    for (rule, expect) in [
        (format!(r#"{{"And":[{yes},{yes}]}}"#), true),
        (format!(r#"{{"And":[{yes},{no}]}}"#), false),
        (format!(r#"{{"And":[{no},{broken}]}}"#), false),
        (format!(r#"{{"Or":[{no},{yes},{broken}]}}"#), true),
        (format!(r#"{{"Or":[{no},{no}]}}"#), false),
        (format!(r#"{{"Not":{no}}}"#), true),
        (
            format!(r#"{{"Not":{{"Or":[{no},{{"And":[{yes},{{"Not":{no}}}]}}]}}}}"#),
            false,
        ),
        (
            format!(r#"{{"Not":{no},"Next":"S","Comment":"c","Assign":{{}}}}"#),
            true,
        ),
        (
            format!(r#"{{"Not":{{"Comment":"inner",{}}}"#, &no[1..]),
            true,
        ),
    ] {
        assert_eq!(eval(&rule), Ok(expect), "{rule}");
    }
}

/// Rules, and what is wrong with them.
const BROKEN: &[(&str, &[(&str, &str)])] = &[
    ("7", &[("", "A choice rule must be an object")]),
    (
        "{}",
        &[("", "A choice rule must have a comparison operator")],
    ),
    (
        r#"{"Variable":"$.a","Next":"S"}"#,
        &[("", "A choice rule must have a comparison operator")],
    ),
    (
        r#"{"StringEquals":"x"}"#,
        &[("", "These fields are required: [Variable]")],
    ),
    (
        r#"{"Variable":"$.a","IsNull":true,"IsString":true}"#,
        &[("", "A choice rule must have exactly one operator")],
    ),
    (
        r#"{"Variable":"$.a","StringLike":"x"}"#,
        &[
            ("", "Field 'StringLike' is not supported"),
            ("", "A choice rule must have a comparison operator"),
        ],
    ),
    (
        r#"{"Variable":"$.a","BooleanLessThan":true}"#,
        &[
            ("", "Field 'BooleanLessThan' is not supported"),
            ("", "A choice rule must have a comparison operator"),
        ],
    ),
    (
        r#"{"Variable":"$.a","StringMatchesPath":"$.b"}"#,
        &[
            ("", "Field 'StringMatchesPath' is not supported"),
            ("", "A choice rule must have a comparison operator"),
        ],
    ),
    (
        r#"{"Variable":"a","StringEquals":1}"#,
        &[
            ("/StringEquals", "Expected value of type String"),
            ("/Variable", "Value is not a Reference Path"),
        ],
    ),
    (
        r#"{"Variable":"$.a","NumericEquals":"1"}"#,
        &[("/NumericEquals", "Expected value of type Number")],
    ),
    (
        r#"{"Variable":"$.a","BooleanEquals":"true"}"#,
        &[("/BooleanEquals", "Expected value of type Boolean")],
    ),
    (
        r#"{"Variable":"$.a","IsNull":"true"}"#,
        &[("/IsNull", "Expected value of type Boolean")],
    ),
    (
        r#"{"Variable":"$.a","StringMatches":1}"#,
        &[("/StringMatches", "Expected value of type String")],
    ),
    (
        r#"{"Variable":"$.a","TimestampEquals":"today"}"#,
        &[(
            "/TimestampEquals",
            "String does not match RFC3339 timestamp",
        )],
    ),
    (
        r#"{"Variable":"$.a","StringEqualsPath":"b"}"#,
        &[("/StringEqualsPath", "Value is not a Reference Path")],
    ),
    (r#"{"And":[]}"#, &[("/And", "Value cannot be empty")]),
    (r#"{"Or":{}}"#, &[("/Or", "Expected value of type Array")]),
    (
        r#"{"Not":[]}"#,
        &[("/Not", "A choice rule must be an object")],
    ),
    (
        r#"{"And":[{"Variable":"$.a","IsNull":true,"Next":"S"}]}"#,
        &[("/And/0", "Field 'Next' is not supported")],
    ),
    (
        r#"{"Or":[{"Variable":"$.a","IsNull":1},{"Not":{"Variable":"x","IsNull":true}}]}"#,
        &[
            ("/Or/0/IsNull", "Expected value of type Boolean"),
            ("/Or/1/Not/Variable", "Value is not a Reference Path"),
        ],
    ),
];

#[test]
fn broken_rules_are_refused_with_their_places() {
    for &(rule, expect) in BROKEN {
        check_problems(rule, expect);
    }
    let nested = format!(
        "{}{{\"Variable\":\"$\",\"IsNull\":true}}{}",
        "{\"Not\":".repeat(65),
        "}".repeat(65)
    );
    check_problems(
        &nested,
        &[(&"/Not".repeat(65), "Rules nest deeper than 64")],
    );
}

#[test]
fn every_operator_of_the_language_is_known() {
    let mut comparisons = 0;
    for (kind, operand) in [
        ("String", "\"x\""),
        ("Numeric", "1"),
        ("Timestamp", "\"2020-01-01T00:00:00Z\""),
    ] {
        for relation in [
            "Equals",
            "LessThan",
            "GreaterThan",
            "LessThanEquals",
            "GreaterThanEquals",
        ] {
            for (suffix, operand) in [("", operand), ("Path", "\"$.n\"")] {
                let rule = format!(r#"{{"Variable":"$.n","{kind}{relation}{suffix}":{operand}}}"#);
                assert!(Rule::compile(&value(&rule)).is_ok(), "{rule}");
                comparisons += 1;
            }
        }
    }
    assert_eq!(
        comparisons
            + "BooleanEquals BooleanEqualsPath StringMatches"
                .split(' ')
                .count()
            + 6,
        39
    );
}
