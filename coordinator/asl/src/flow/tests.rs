//! Data flow: what each field does to a document, and the recorded texts when it cannot.

use super::*;
use crate::choice::Rule;
use crate::environment::fixed::{Fixed, value};
use crate::path::ReferencePath;
use crate::program::{Bound, ChoiceBranch, Kind, ScopeId, Text, Transition, Wait};
use crate::template::{Expression, Template};

/// A Pass state without fields.
fn pass() -> State {
    State {
        name: "S".into(),
        scope: ScopeId(0),
        pointer: "/States/S".into(),
        input_path: Selection::All,
        parameters: None,
        result_selector: None,
        result_path: ResultPath::Replace,
        output_path: Selection::All,
        assign: None,
        language: Language::JsonPath,
        arguments: None,
        output: None,
        retriers: Vec::new(),
        catchers: Vec::new(),
        transition: Transition::End,
        kind: Kind::Pass(Pass { result: None }),
    }
}

fn selection(text: &str) -> Selection {
    match text {
        "$" => Selection::All,
        "null" => Selection::Nothing,
        path => Selection::Path(Path::parse(path).unwrap()),
    }
}

fn result_path(text: &str) -> ResultPath {
    match text {
        "$" => ResultPath::Replace,
        "null" => ResultPath::Discard,
        path => ResultPath::Insert(ReferencePath::parse(path).unwrap()),
    }
}

fn template(json: &str) -> Option<Template> {
    (!json.is_empty()).then(|| Template::compile(&value(json)).unwrap())
}

fn payload(json: &str) -> Payload {
    Payload::parse(json).unwrap()
}

fn map(items_path: Option<&str>, item_selector: &str) -> Map {
    Map {
        processor: ScopeId(1),
        items_path: items_path.map(|path| Path::parse(path).unwrap()),
        items: None,
        item_selector: template(item_selector).map(Selector::JsonPath),
        max_concurrency: Bound::Literal(0),
        distributed: None,
    }
}

/// A catcher that says only this.
fn catcher(place: &str) -> Catcher {
    Catcher {
        error_equals: vec!["States.ALL".into()],
        next: StateId(1),
        result_path: result_path(place),
        assign: None,
        output: None,
    }
}

fn runtime(cause: &str) -> EvalError {
    EvalError::runtime(cause)
}

#[test]
fn the_effective_input_is_selected_then_templated() {
    let raw = payload(r#"{"a":{"b":1},"n":null}"#);
    for (input_path, parameters, expect) in [
        ("$", "", r#"{"a":{"b":1},"n":null}"#),
        ("null", "", "{}"),
        ("$.a", "", r#"{"b":1}"#),
        ("$.n", "", "null"),
        ("$.a.*", "", "[1]"),
        ("$$.Execution.Input", "", r#"{"a":1}"#),
        ("$", r#"{"x.$":"$.a.b"}"#, r#"{"x":1}"#),
        ("$.a", r#"{"x.$":"$.b","y":[]}"#, r#"{"x":1,"y":[]}"#),
        ("null", r#"{"all.$":"$"}"#, r#"{"all":{}}"#),
    ] {
        let state = State {
            input_path: selection(input_path),
            parameters: template(parameters),
            ..pass()
        };
        let input = effective_input(&state, &raw, &Fixed::new()).unwrap();
        assert_eq!(input.text(), expect, "{input_path} {parameters}");
    }
}

#[test]
fn the_output_is_shaped_placed_and_selected() {
    let raw = payload(r#"{"in":1,"o":{}}"#);
    let result = payload(r#"{"r":2}"#);
    for (selector, place, output_path, expect) in [
        ("", "$", "$", r#"{"r":2}"#),
        (r#"{"only.$":"$.r"}"#, "$", "$", r#"{"only":2}"#),
        ("", "null", "$", r#"{"in":1,"o":{}}"#),
        ("", "$.res", "$", r#"{"in":1,"o":{},"res":{"r":2}}"#),
        (
            "",
            "$.o.deep.res",
            "$",
            r#"{"in":1,"o":{"deep":{"res":{"r":2}}}}"#,
        ),
        ("", "$.res", "$.res.r", "2"),
        (r#"{"x.$":"$.r"}"#, "$.in", "$.in", r#"{"x":2}"#),
        ("", "$", "null", "{}"),
        ("", "null", "$.in", "1"),
        ("", "$", "$$.Execution.Id", r#""e1""#),
    ] {
        let state = State {
            result_selector: template(selector),
            result_path: result_path(place),
            output_path: selection(output_path),
            ..pass()
        };
        let found = output(&state, &raw, &result, &Fixed::new()).unwrap();
        assert_eq!(found.text(), expect, "{selector} {place} {output_path}");
    }
}

#[test]
fn a_document_that_passes_through_keeps_its_text() {
    let raw = payload("{ \"a\" : 1.50 }");
    let env = Fixed::new();
    let input = effective_input(&pass(), &raw, &env).unwrap();
    assert!(input.ptr_eq(&raw));
    assert!(output(&pass(), &raw, &input, &env).unwrap().ptr_eq(&raw));
    let discard = State {
        result_path: ResultPath::Discard,
        ..pass()
    };
    assert!(
        output(&discard, &raw, &payload("7"), &env)
            .unwrap()
            .ptr_eq(&raw)
    );
    assert!(
        caught(&catcher("null"), &raw, &payload("null"), &env)
            .unwrap()
            .ptr_eq(&raw)
    );
}

#[test]
fn a_pass_result_is_literal() {
    let raw = payload(r#"{"a":1}"#);
    let literal = Pass {
        result: Some(payload(r#"{"x.$": "$.a"}"#)),
    };
    let env = Fixed::new();
    assert_eq!(
        pass_result(&pass(), &literal, &raw, &env).unwrap().text(),
        r#"{"x.$": "$.a"}"#
    );
    assert_eq!(
        pass_result(&pass(), &Pass { result: None }, &raw, &env).unwrap(),
        raw
    );
}

#[test]
fn a_caught_error_goes_where_the_catcher_says() {
    let raw = payload(r#"{"a":1}"#);
    let env = Fixed::new();
    let error = payload(r#"{"Error":"E","Cause":"C"}"#);
    for (place, expect) in [
        ("$", r#"{"Error":"E","Cause":"C"}"#),
        ("null", r#"{"a":1}"#),
        ("$.err", r#"{"a":1,"err":{"Error":"E","Cause":"C"}}"#),
    ] {
        assert_eq!(
            caught(&catcher(place), &raw, &error, &env).unwrap().text(),
            expect
        );
    }
    let refused = caught(&catcher("$.a.b"), &raw, &error, &env).unwrap_err();
    assert_eq!(refused.error, "States.ResultPathMatchFailure");
}

#[test]
fn paths_that_find_nothing_fail_in_the_recorded_words() {
    let raw = payload(r#"{"int-literal":0}"#);
    let env = Fixed::new();
    let input_path = State {
        input_path: selection("$.NoSuchInputPath"),
        ..pass()
    };
    assert_eq!(
        effective_input(&input_path, &raw, &env),
        Err(runtime(
            "Invalid path '$.NoSuchInputPath' : No results for path: $['NoSuchInputPath']"
        ))
    );
    let output_path = State {
        output_path: selection("$.no.such"),
        ..pass()
    };
    assert_eq!(
        output(&output_path, &raw, &raw, &env),
        Err(runtime(
            "Invalid path '$.no.such' : Missing property in path $['no']"
        ))
    );
    let parameters = State {
        parameters: template(r#"{"value.$":"$.no_such_jsonpath"}"#),
        ..pass()
    };
    assert_eq!(
        effective_input(&parameters, &raw, &env),
        Err(runtime(
            "The JSONPath '$.no_such_jsonpath' specified for the field 'value.$' could not be found in the input '{\"int-literal\":0}'"
        ))
    );
}

#[test]
fn a_document_never_nests_deeper_than_it_can_be_read() {
    let state = State {
        parameters: template(r#"{"a.$":"$"}"#),
        ..pass()
    };
    let env = Fixed::new();
    let mut document = payload("{}");
    for _ in 1..JSON_DEPTH_MAX {
        document = effective_input(&state, &document, &env).unwrap();
    }
    assert!(Value::parse(document.text()).is_ok());
    let error = effective_input(&state, &document, &env).unwrap_err();
    assert_eq!(error, runtime("The document nests deeper than 128 levels."));
}

#[test]
fn bounds_are_whole_numbers() {
    let env = Fixed::new();
    let at = |path: &str| Bound::Path(Path::parse(path).unwrap());
    let input = payload(r#"{"n":7,"w":7.0,"neg":-1,"f":1.5,"s":"x","z":null,"big":4294967296}"#);
    let read = |bounded: &Bound| bound(bounded, &input, &env, "MaxConcurrencyPath");
    assert_eq!(read(&Bound::Literal(3)), Ok(3));
    assert_eq!(
        (read(&at("$.n")), read(&at("$.w")), read(&at("$count"))),
        (Ok(7), Ok(7), Ok(3))
    );
    for (path, shown) in [
        ("$.neg", "-1"),
        ("$.f", "1.5"),
        ("$.s", "x"),
        ("$.z", "null"),
        ("$.big", "4294967296"),
    ] {
        let cause = format!(
            "The MaxConcurrencyPath field refers to value \"{shown}\" which is not a valid integer: {path}"
        );
        assert_eq!(read(&at(path)), Err(runtime(&cause)));
    }
    assert_eq!(
        read(&at("$.zzz")),
        Err(runtime(
            "Invalid path '$.zzz' : No results for path: $['zzz']"
        ))
    );
}

#[test]
fn waits_end_at_an_instant() {
    let env = Fixed::new();
    let path = |path: &str| Path::parse(path).unwrap();
    let input = payload(
        r#"{"s":5,"zero":0,"neg":-1,"f":1.5,"nf":-1.5,"t":"1970-01-01T00:01:00Z","bad":"soon","long":2147483648,"far":"2100-01-01T00:00:00Z"}"#,
    );
    let until = |wait: &Wait| wait_until(wait, &input, &env, 1_000);
    assert_eq!(until(&Wait::Seconds(10)), Ok(11_000));
    assert_eq!(until(&Wait::Timestamp(500)), Ok(500));
    assert_eq!(until(&Wait::SecondsPath(path("$.s"))), Ok(6_000));
    assert_eq!(until(&Wait::SecondsPath(path("$.zero"))), Ok(1_000));
    assert_eq!(until(&Wait::TimestampPath(path("$.t"))), Ok(60_000));
    assert_eq!(until(&Wait::Seconds(2_147_483_647)), Ok(2_147_483_648_000));
    for (wait, cause) in [
        (
            Wait::SecondsPath(path("$.neg")),
            "The SecondsPath parameter references a negative value: $.neg == -1",
        ),
        (
            Wait::SecondsPath(path("$.f")),
            "The SecondsPath parameter cannot be parsed as a long value: $.f == 1.5",
        ),
        (
            Wait::SecondsPath(path("$.nf")),
            "The SecondsPath parameter cannot be parsed as a long value: $.nf == -1.5",
        ),
        (
            Wait::SecondsPath(path("$.bad")),
            "The SecondsPath parameter cannot be parsed as a long value: $.bad == soon",
        ),
        (
            Wait::SecondsPath(path("$.zzz")),
            "The SecondsPath parameter does not reference an input value: $.zzz",
        ),
        (
            Wait::TimestampPath(path("$.zzz")),
            "The TimestampPath parameter does not reference an input value: $.zzz",
        ),
        (
            Wait::TimestampPath(path("$.bad")),
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: $.bad == soon",
        ),
        (
            Wait::TimestampPath(path("$.s")),
            "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: $.s == 5",
        ),
        (
            Wait::SecondsPath(path("$.long")),
            "Wait state delay is too long.",
        ),
        (
            Wait::TimestampPath(path("$.far")),
            "Wait state delay is too long.",
        ),
        (Wait::Seconds(u64::MAX), "Wait state delay is too long."),
    ] {
        assert_eq!(until(&wait), Err(runtime(cause)));
    }
}

#[test]
fn fail_texts_are_strings() {
    let env = Fixed::new();
    let input = payload(r#"{"Error":"error-value","n":1}"#);
    let read = |source: &str| {
        let expression = Expression::parse(source).unwrap();
        fail_text(
            &Text::Expression {
                source: source.into(),
                expression,
            },
            "ErrorPath",
            &input,
            &env,
        )
    };
    assert_eq!(
        fail_text(&Text::Literal("E".into()), "Error", &input, &env),
        Ok("E".into())
    );
    assert_eq!(read("$.Error"), Ok("error-value".into()));
    assert_eq!(
        read("States.Format('{}!', $.Error)"),
        Ok("error-value!".into())
    );
    assert_eq!(read("$$.Execution.Id"), Ok("e1".into()));
    assert_eq!(
        read("$.ErrorX"),
        Err(runtime(
            "The JSONPath '$.ErrorX' specified for the field 'ErrorPath' could not be found in the input '{\"Error\":\"error-value\",\"n\":1}'"
        ))
    );
    assert_eq!(
        read("$.n"),
        Err(runtime(
            "The ErrorPath field refers to value \"1\" which is not a string: $.n"
        ))
    );
}

#[test]
fn a_map_takes_an_array() {
    let env = Fixed::new();
    let input = payload(r#"{"l":[1,{"x":2}],"s":"text","e":[]}"#);
    let read = |path: Option<&str>, input: &Payload| {
        items(&pass(), &map(path, ""), input, &env)
            .map(|items| items.iter().map(Value::to_text).collect::<Vec<_>>())
    };
    assert_eq!(
        read(None, &payload("[1,2]")),
        Ok(vec!["1".into(), "2".into()])
    );
    assert_eq!(
        read(Some("$.l"), &input),
        Ok(vec!["1".into(), r#"{"x":2}"#.into()])
    );
    assert_eq!(read(Some("$.e"), &input), Ok(vec![]));
    assert_eq!(
        read(Some("$.l[?(@.x)]"), &input),
        Ok(vec![r#"{"x":2}"#.into()])
    );
    assert_eq!(
        read(None, &input),
        Err(runtime("Reference path \"$\" must point to array."))
    );
    assert_eq!(
        read(Some("$.s"), &input),
        Err(runtime("Reference path \"$.s\" must point to array."))
    );
    assert_eq!(
        read(Some("$.no"), &input),
        Err(runtime(
            "Invalid path '$.no' : No results for path: $['no']"
        ))
    );
}

#[test]
fn an_item_is_selected_from_the_input_and_the_context() {
    let env = Fixed::new();
    let input = payload(r#"{"partner":"UQS"}"#);
    let plain = item(&map(None, ""), &input, &value(r#"{"x":1}"#), &env).unwrap();
    assert_eq!(plain.text(), r#"{"x":1}"#);
    let selector = r#"{"i.$":"$$.Map.Item.Index","v.$":"$$.Map.Item.Value","p.$":"$.partner"}"#;
    let selected = item(&map(None, selector), &input, &Value::Null, &env).unwrap();
    assert_eq!(selected.text(), r#"{"i":2,"v":"v","p":"UQS"}"#);
}

#[test]
fn the_first_true_rule_wins() {
    let rule = |json: &str| Rule::compile(&value(json)).unwrap();
    let branch = |json: &str, next: u32| ChoiceBranch {
        condition: Condition::Rule(rule(json)),
        next: StateId(next),
        assign: None,
        output: None,
    };
    let env = Fixed::new();
    let mut choice = Choice {
        branches: vec![
            branch(r#"{"Variable":"$.n","NumericEquals":1}"#, 1),
            branch(r#"{"Variable":"$.n","NumericLessThan":9}"#, 2),
        ],
        default: Some(StateId(3)),
    };
    for (input, next) in [
        (r#"{"n":1}"#, 1),
        (r#"{"n":2}"#, 2),
        (r#"{"n":9}"#, 3),
        (r#"{"n":"x"}"#, 3),
    ] {
        let chosen = choose(&choice, &payload(input), &env).unwrap().unwrap();
        let found = match chosen {
            Chosen::Branch(branch) => branch.next,
            Chosen::Default(next) => next,
        };
        assert_eq!(found, StateId(next), "{input}");
    }
    choice.default = None;
    assert!(
        choose(&choice, &payload(r#"{"n":9}"#), &env)
            .unwrap()
            .is_none()
    );
    assert!(choose(&choice, &payload("{}"), &env).is_err());
}

#[test]
fn variables_are_values_of_a_template() {
    let env = Fixed::new();
    let read = |json: &str, document: &str| {
        let assign = Assign::JsonPath(template(json).unwrap());
        let document = payload(document);
        assigned(&assign, &document, &Given::Input(&document), &env).map(|found| {
            let texts = found
                .iter()
                .map(|(name, it)| format!("{name}={}", it.text()));
            texts.collect::<Vec<_>>().join(" ")
        })
    };
    let json = r#"{"z":"$.n","all.$":"$","count.$":"States.MathAdd($count, $.n)","o":{"id.$":"$$.Execution.Id"}}"#;
    assert_eq!(
        read(json, r#"{"n":4}"#).unwrap(),
        r#"z="$.n" all={"n":4} count=7 o={"id":"e1"}"#
    );
    let missing = "The JSONPath '$nobody.x' specified for the field 'a.$' could not be found in the input '[1]'";
    assert_eq!(read(r#"{"a.$":"$nobody.x"}"#, "[1]"), Err(runtime(missing)));
}
