//! Payload templates: filling, sharing, and what is wrong with them.

use super::*;
use crate::environment::fixed::{Fixed, value};

const INPUT: &str = r#"{"a":{"b":1},"list":[1,2],"s":"x"}"#;

/// A template over `INPUT` gives this JSON.
fn check(template: &str, expect: &str) {
    let compiled =
        Template::compile(&value(template)).unwrap_or_else(|problems| panic!("{problems:?}"));
    let filled = compiled.eval(&value(INPUT), &Fixed::new()).unwrap();
    assert_eq!(filled.to_text(), expect, "{template}");
}

fn check_problems(template: &str, expect: &[(&str, &str)]) {
    let problems = Template::compile(&value(template)).expect_err(template);
    let found: Vec<_> = problems
        .iter()
        .map(|p| (&*p.pointer, &*p.message))
        .collect();
    assert_eq!(found, expect, "{template}");
}

#[test]
fn keys_with_the_suffix_are_evaluated() {
    for (template, expect) in [
        ("{}", "{}"),
        (r#"{"x":1,"y":"$.a"}"#, r#"{"x":1,"y":"$.a"}"#),
        (r#"{"x.$":"$.a"}"#, r#"{"x":{"b":1}}"#),
        (
            r#"{"x.$":"$"}"#,
            r#"{"x":{"a":{"b":1},"list":[1,2],"s":"x"}}"#,
        ),
        (
            r#"{"k":0,"x.$":"$.s","l":[true]}"#,
            r#"{"k":0,"x":"x","l":[true]}"#,
        ),
        (
            r#"{"o":{"deep":{"x.$":"$.list[1]"}}}"#,
            r#"{"o":{"deep":{"x":2}}}"#,
        ),
        (r#"{"x.$":"$$.Execution.Id"}"#, r#"{"x":"e1"}"#),
        (r#"{"x.$":"$count"}"#, r#"{"x":3}"#),
        (r#"{"x.$":"States.Array($.s, 1)"}"#, r#"{"x":["x",1]}"#),
        (r#"{"x.$":"$.zzz[*]"}"#, r#"{"x":[]}"#),
        // Strings in arrays are literal; objects in arrays are templates.
        (
            r#"{"l":["$.s","States.UUID()",{"x.$":"$.s"}]}"#,
            r#"{"l":["$.s","States.UUID()",{"x":"x"}]}"#,
        ),
        (r#"[{"x.$":"$.s"}]"#, r#"[{"x":"x"}]"#),
        (r#"{".$":"$.s"}"#, r#"{"":"x"}"#),
        ("7", "7"),
        (r#""$.s""#, r#""$.s""#),
    ] {
        check(template, expect);
    }
}

#[test]
fn only_templates_without_expressions_are_literal() {
    for (template, is_literal) in [
        ("{}", true),
        (r#"{"a":[{"b":"$.c"}]}"#, true),
        (r#"{"a":[{"b.$":"$.c"}]}"#, false),
        (r#"{"b.$":"$"}"#, false),
    ] {
        assert_eq!(
            Template::compile(&value(template)).unwrap().is_literal(),
            is_literal,
            "{template}"
        );
    }
}

#[test]
fn constant_parts_are_shared() {
    let source = value(r#"{"constant":{"big":[1]},"x.$":"$.a"}"#);
    let input = value(INPUT);
    let filled = Template::compile(&source)
        .unwrap()
        .eval(&input, &Fixed::new())
        .unwrap();
    let same = |left: &Value, right: &Value| {
        Arc::ptr_eq(left.as_object().unwrap(), right.as_object().unwrap())
    };
    assert!(same(
        filled.get("constant").unwrap(),
        source.get("constant").unwrap()
    ));
    assert!(same(filled.get("x").unwrap(), input.get("a").unwrap()));
}

#[test]
fn a_path_that_finds_nothing_is_named_with_its_field() {
    for (template, path, field) in [
        (r#"{"value.$":"$.no"}"#, "$.no", "value.$"),
        (r#"{"o":{"deep.$":"$.a.c"}}"#, "$.a.c", "deep.$"),
        (
            r#"{"value.$":"$$.Execution.Input.no"}"#,
            "$$.Execution.Input.no",
            "value.$",
        ),
    ] {
        let compiled = Template::compile(&value(template)).unwrap();
        let error = compiled.eval(&value(INPUT), &Fixed::new()).unwrap_err();
        assert_eq!(error.error, "States.Runtime");
        assert_eq!(
            error.cause,
            format!(
                "The JSONPath '{path}' specified for the field '{field}' could not be found in the input '{INPUT}'"
            )
        );
    }
    let failing = Template::compile(&value(r#"{"x.$":"States.ArrayLength($.s)"}"#)).unwrap();
    let error = failing.eval(&value(INPUT), &Fixed::new()).unwrap_err();
    assert_eq!(error.error, "States.IntrinsicFailure");
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = |key: &str| {
        format!(
            "The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call"
        )
    };
    check_problems(r#"{"k.$":"plain"}"#, &[("/k.$", &text("k.$"))]);
    check_problems(r#"{"k.$":7}"#, &[("/k.$", &text("k.$"))]);
    check_problems(r#"{"k.$":{"x":1}}"#, &[("/k.$", &text("k.$"))]);
    check_problems(r#"{"k.$":""}"#, &[("/k.$", &text("k.$"))]);
    check_problems(
        r#"{"a":{"b.$":"$."},"l":[1,{"c.$":"States.Format('\\d')"}]}"#,
        &[("/a/b.$", &text("b.$")), ("/l/1/c.$", &text("c.$"))],
    );
    check_problems(
        r#"{"a":1,"a.$":"$"}"#,
        &[("/a.$", "The fields 'a' and 'a.$' cannot both be specified")],
    );
}

#[test]
fn expressions_are_paths_or_intrinsics() {
    assert!(matches!(Expression::parse("$.a"), Ok(Expression::Path(_))));
    assert!(matches!(Expression::parse("$$.a"), Ok(Expression::Path(_))));
    assert!(matches!(Expression::parse("$v"), Ok(Expression::Path(_))));
    assert!(matches!(
        Expression::parse("States.UUID()"),
        Ok(Expression::Intrinsic(_))
    ));
    assert!(Expression::parse("text").is_err());
    let miss = Expression::parse("$.zzz")
        .unwrap()
        .eval(&value(INPUT), &Fixed::new());
    let detail = "No results for path: $['zzz']".to_owned();
    assert_eq!(miss, Err(ExpressionError::Miss(PathMiss { detail })));
}
