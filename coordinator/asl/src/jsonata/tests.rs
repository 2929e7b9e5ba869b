//! Expressions, their reads, conversion, our functions and the texts of failures, as tables.

mod any;

use super::{Evaluation, Expression, Inputs, Limits, Marks, Problem, StatesMember, Template};
use crate::environment::EvalError;
use crate::environment::fixed::{Fixed, value};
use crate::value::Value;

const NOW_MS: i64 = 1_700_000_000_123;

fn with_evaluation<T>(check: impl FnOnce(&Evaluation<'_>) -> T) -> T {
    let (env, input) = (
        Fixed::new(),
        value(r#"{"a":1,"items":[{"p":2},{"p":3}],"one":[7]}"#),
    );
    let result = value(r#"{"ok":true}"#);
    let inputs = Inputs {
        env: &env,
        input: &input,
        result: Some(&result),
        error_output: None,
        now_ms: NOW_MS,
    };
    check(&Evaluation::new(inputs, Limits::default()))
}

fn eval(source: &str) -> Result<Value, Problem> {
    let expression = Expression::compile(source).unwrap_or_else(|why| panic!("{why}: {source}"));
    with_evaluation(|evaluation| expression.eval(evaluation))
}

fn check(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        let actual = match eval(source) {
            Ok(value) => value.to_text(),
            Err(problem) => problem.at("Output", source).cause.replace(
                &format!("The JSONata expression '{source}' specified for the field 'Output' "),
                "",
            ),
        };
        assert_eq!(&actual, expected, "{source}");
    }
}

#[test]
fn marks_tell_expressions_from_texts() {
    for (text, expected) in [
        ("{% $x %}", Marks::Expression("$x")),
        ("{%$x%}", Marks::Expression("$x")),
        ("{%%}", Marks::Expression("")),
        ("", Marks::Plain),
        ("$x", Marks::Plain),
        ("a {% b %} c", Marks::Plain),
        ("{% $x", Marks::Partial),
        ("$x %}", Marks::Partial),
        ("a {% $x %}", Marks::Partial),
        ("{% $x %} b", Marks::Partial),
        ("{%}", Marks::Partial),
    ] {
        assert_eq!(Marks::of(text), expected, "{text}");
    }
}

#[test]
fn expressions_read_states_and_variables() {
    check(&[
        ("$states.input.a", "1"),
        (
            "$states.input",
            r#"{"a":1,"items":[{"p":2},{"p":3}],"one":[7]}"#,
        ),
        ("$states.result.ok", "true"),
        ("$states.context.Execution.Id", r#""e1""#),
        ("$keys($states)", r#"["input","result","context"]"#),
        ("$count + 1", "4"),
        ("$user_1.name", r#""Ann""#),
        ("$sum($states.input.items.p)", "5"),
        ("$states.input.one", "[7]"),
        ("$states.input.items[p=2]", r#"{"p":2}"#),
        ("$states.input.items[p=2][]", r#"[{"p":2}]"#),
        ("($states := 5; $states)", "5"),
        ("$states.errorOutput", "returned nothing (undefined)."),
        ("$states.other", "returned nothing (undefined)."),
        ("$", "returned nothing (undefined)."),
        ("$$", "returned nothing (undefined)."),
        ("a", "returned nothing (undefined)."),
        ("$doesNotExist", "returned nothing (undefined)."),
    ]);
}

#[test]
fn numbers_are_printed_as_javascript_prints_them() {
    check(&[
        ("1.0", "1"),
        ("-0", "0"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("123.456", "123.456"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("1.5e300", "1.5e+300"),
        ("-1e21", "-1e+21"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("1.5e-10", "1.5e-10"),
        ("9007199254740992", "9007199254740992"),
        ("1152921504606846976", "1152921504606847000"),
        ("1/0", "returned an unsupported result type."),
    ]);
}

#[test]
fn what_is_no_json_value_is_refused() {
    check(&[
        ("function($x){$x}", "returned an unsupported result type."),
        ("$sum", "returned an unsupported result type."),
        ("[1, $sum]", "returned an unsupported result type."),
        (
            "{'f': function(){1}}",
            "returned an unsupported result type.",
        ),
        ("/a/", "returned an unsupported result type."),
        (
            "$undefinedFunction()",
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            "$randomSeeded(1)",
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        (
            "$error('no')",
            "threw an error during evaluation. D3137: no",
        ),
    ]);
}

#[test]
fn the_added_functions_follow_aws() {
    check(&[
        ("$partition([1,2,3,4,5], 2)", "[[1,2],[3,4],[5]]"),
        ("$partition([1,2,3], 2.9)", "[[1,2],[3]]"),
        ("$range(1, 9, 2)", "[1,3,5,7,9]"),
        ("$range(3, 1, -1)", "[3,2,1]"),
        ("$range(1, 3.9, 1.5)", "[1,2,3]"),
        (
            "$hash('input data', 'SHA-1')",
            r#""aaff4a450a104cd177d28d18d74485e8cae074b7""#,
        ),
        ("$parse('{\"a\":[1]}')", r#"{"a":[1]}"#),
        ("$map(['1','[2]'], $parse)", "[1,[2]]"),
        ("$length($uuid())", "36"),
        ("$random() >= 0 and $random() < 1", "true"),
        ("$random(5) = $random(5)", "true"),
        ("$random() = $random()", "false"),
        ("$millis()", "1700000000123"),
        ("$now()", r#""2023-11-14T22:13:20.123Z""#),
        ("$now('[Y0001]')", r#""2023""#),
        ("$sort($shuffle([3,1,2]))", "[1,2,3]"),
        ("$uuid() = $uuid()", "false"),
        (
            "$partition([1], 0)",
            "threw an error during evaluation. T0410: Argument 2 of function \"partition\" does not match function signature",
        ),
    ]);
}

#[test]
fn trap_15_memory_and_depth_are_bounded() {
    const MEMORY: &str = "threw an error during evaluation. Expression evaluation memory limit exceeded: Check for excessive memory usage";
    check(&[
        ("$max([1..873782])", "873782"),
        ("$max([1..873783])", MEMORY),
        ("$max($range(1, 873783, 1))", MEMORY),
        (
            "($f := function($n){$n = 0 ? 0 : 1 + $f($n - 1)}; $f(95))",
            "95",
        ),
        (
            "($f := function($n){$n = 0 ? 0 : 1 + $f($n - 1)}; $f(150))",
            "threw an error during evaluation. D1011: Stack overflow. Check for non-terminating recursive function. Consider rewriting as tail-recursive",
        ),
    ]);
}

#[test]
fn texts_are_bounded_however_they_grow() {
    const MEMORY: &str = "threw an error during evaluation. Expression evaluation memory limit exceeded: Check for excessive memory usage";
    check(&[
        (
            "'a' & 1 & null & $no & [1,'x'] & {'k':true}",
            r#""a1null[1,\"x\"]{\"k\":true}""#,
        ),
        (
            "($f := function($n, $s){$n = 0 ? $s & '!' : $f($n - 1, $s & 'x')}; $f(5, ''))",
            r#""xxxxx!""#,
        ),
        ("('a' & 'b')[0]", r#""ab""#),
        ("[1,2].('n' & $)", r#"["n1","n2"]"#),
        ("{'k' & 1: 2}", r#"{"k1":2}"#),
        (
            "'x' ~> 'a' & 'b'",
            "threw an error during evaluation. T2006: The right side of the function application operator ~> must be a function",
        ),
        ("['a','b'] ~> $join('-') ~> $pad(5, '#')", r##""a-b##""##),
        ("$map(['a','b'], $pad(?, 3, '.'))", r#"["a..","b.."]"#),
        ("$length($pad('', 10))", "10"),
        ("$join(['a','b'], '-')", r#""a-b""#),
        ("$reduce([1..40], function($a, $i){$a & $a}, 'xy')", MEMORY),
        ("$pad('', 1000000000000)", MEMORY),
        ("('x').$pad(-1000000000000)", MEMORY),
        (
            "$length($reduce([1..20], function($a, $i){[$a, $a]}, 'xy') & '')",
            MEMORY,
        ),
        (
            "$string($reduce([1..20], function($a, $i){[$a, $a]}, 'xy'))",
            MEMORY,
        ),
        (
            "$reduce([1..20], function($a, $i){[[$a, $a]]}, 'xy')",
            MEMORY,
        ),
    ]);
}

#[test]
fn trap_15_endless_expressions_are_cut_by_time() {
    let expression = Expression::compile("($f := function(){$f()}; $f())").unwrap();
    let (env, input) = (Fixed::new(), Value::Null);
    let inputs = Inputs {
        env: &env,
        input: &input,
        result: None,
        error_output: None,
        now_ms: 0,
    };
    let limits = Limits {
        timeout_ms: 20,
        ..Limits::default()
    };
    let problem = expression
        .eval(&Evaluation::new(inputs, limits))
        .unwrap_err();
    assert!(matches!(problem, Problem::Threw(text) if text.starts_with("D1012")));
    let cancel = super::CancelToken::new();
    cancel.cancel();
    let limits = Limits {
        cancel: Some(cancel),
        ..Limits::default()
    };
    let problem = expression
        .eval(&Evaluation::new(inputs, limits))
        .unwrap_err();
    assert!(matches!(problem, Problem::Threw(text) if text.starts_with("U1003")));
}

#[test]
fn trap_15_eval_and_bad_texts_are_refused_when_compiled() {
    for source in [
        "$eval('1')",
        "$map(['1'], $eval)",
        "($e := $eval; 1)",
        "[1",
        "",
        "1 +",
        "$x := ",
    ] {
        assert!(Expression::compile(source).is_err(), "{source}");
    }
}

#[test]
fn reads_are_free_variables_and_members_of_states() {
    for (source, variables, states, whole) in [
        ("$a + $b.c", "a b", "", false),
        ("($a := 1; $a + $b)", "b", "", false),
        ("($a := $a; $a)", "a", "", false),
        (
            "$map($list, function($v, $i){$v + $i + $n})",
            "list n",
            "",
            false,
        ),
        ("($f := function($n){$f($n)}; $f(1))", "", "", false),
        ("($a := 1); $b", "", "", false),
        ("$states.input.a[$x = 1]", "x", "input", false),
        (
            "$states.result & $states.errorOutput & $states.context.Execution.Id",
            "",
            "result errorOutput context",
            false,
        ),
        ("$states", "", "", true),
        ("$states[0].input", "", "", true),
        ("$map($l, $sum)", "l", "", false),
        ("$states.input.items@$i.$y[$i.p]", "y", "input", false),
        ("{'k': $k, $j: [$l]}", "j k l", "", false),
        ("$p ~> |a|{'b': $q}|", "p q", "", false),
        ("$a^(>$b)", "a b", "", false),
        ("$a ? $b : -$c", "a b c", "", false),
    ] {
        let Ok(expression) = Expression::compile(source) else {
            assert_eq!(source, "($a := 1); $b");
            continue;
        };
        let reads = expression.reads();
        let names: Vec<_> = reads.variables.iter().map(String::as_str).collect();
        assert_eq!(names.join(" "), variables, "{source}");
        let members: Vec<_> = reads.states.iter().map(|member| member.name()).collect();
        assert_eq!(members.join(" "), states, "{source}");
        assert_eq!(reads.states_whole, whole, "{source}");
    }
    let reads = Expression::compile("$states").unwrap();
    assert!(reads.reads().reads(StatesMember::Result));
}

#[test]
fn an_expression_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Expression>();
    shared::<Template>();
}

#[test]
fn templates_evaluate_strings_at_any_depth() {
    for (template, expected) in [
        (r#""{% $states.input.a %}""#, Ok("1")),
        (
            r#"{"x":["{% $count %}",{"y":"{% 1+1 %}"},"z"],"n":1.5}"#,
            Ok(r#"{"x":[3,{"y":2},"z"],"n":1.5}"#),
        ),
        (r#"{"{% a %}":1}"#, Ok(r#"{"{% a %}":1}"#)),
        (
            r#"{"result":"{% $doesNotExist %}"}"#,
            Err((
                "Output/result",
                "The JSONata expression '$doesNotExist' specified for the field 'Output/result' returned nothing (undefined).",
            )),
        ),
        (
            r#""{% $doesNotExist %}""#,
            Err((
                "Output",
                "The JSONata expression '$doesNotExist' specified for the field 'Output' returned nothing (undefined).",
            )),
        ),
        (
            r#"{"a":["x","{% $no %}"]}"#,
            Err((
                "Output/a[1]",
                "The JSONata expression '$no' specified for the field 'Output/a[1]' returned nothing (undefined).",
            )),
        ),
    ] {
        let compiled = Template::compile(&value(template)).unwrap();
        let actual = with_evaluation(|evaluation| compiled.eval("Output", evaluation));
        match (actual, expected) {
            (Ok(actual), Ok(expected)) => assert_eq!(actual.to_text(), expected),
            (Err(failure), Err((location, cause))) => {
                assert_eq!(
                    (failure.location.as_str(), failure.cause.as_str()),
                    (location, cause)
                );
                assert_eq!(
                    EvalError::from(failure).error,
                    "States.QueryEvaluationError"
                );
            }
            (actual, expected) => panic!("{template}: {actual:?}, not {expected:?}"),
        }
    }
}

#[test]
fn templates_report_everything_that_is_wrong() {
    let template = value(r#"{"a":"{% 1 + %}","b":["ok","{% x"],"c":{"d":"{% $eval('1') %}"}}"#);
    let problems = Template::compile(&template).unwrap_err();
    let places: Vec<_> = problems
        .iter()
        .map(|problem| problem.pointer.as_str())
        .collect();
    assert_eq!(places, ["/a", "/b[1]", "/c/d"]);
}

#[test]
fn templates_tell_what_they_hold() {
    let template = Template::compile(&value(r#"{"a":["{% $x %}"],"b":"{% $y %}","c":1}"#)).unwrap();
    let places: Vec<_> = template
        .expressions()
        .iter()
        .map(|(place, e)| format!("{place}={e}"))
        .collect();
    assert_eq!(places, ["/a[0]=$x", "/b=$y"]);
    assert!(!template.is_literal() && template.as_expression().is_none());
    assert!(
        Template::compile(&value(r#"{"a":["x"]}"#))
            .unwrap()
            .is_literal()
    );
    let whole = Template::compile(&value(r#""{% $x %}""#)).unwrap();
    assert_eq!(whole.as_expression().map(Expression::source), Some("$x"));
}

#[test]
fn a_wrong_type_is_told_as_recorded() {
    for (source, found, shown) in [
        ("true", "true", "'boolean' for value: true"),
        ("null", "null", "'null' for value: null"),
        ("1", "1", "'number' for value: 1"),
        (
            "{'foo': 'bar'}",
            r#"{"foo":"bar"}"#,
            r#"'object' for value: {"foo":"bar"}"#,
        ),
        ("'string'", r#""string""#, r#"'string' for value: "string""#),
    ] {
        let expression = Expression::compile(source).unwrap();
        let result = with_evaluation(|evaluation| expression.eval(evaluation)).unwrap();
        assert_eq!(result, value(found));
        assert_eq!(
            expression.unexpected_type("Items", "array", &result).cause,
            format!(
                "The JSONata expression '{source}' specified for the field 'Items' returned an unexpected result type. Expected 'array', but was {shown}"
            )
        );
    }
}
