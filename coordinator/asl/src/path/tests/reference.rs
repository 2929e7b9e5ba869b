//! Reference paths and `ResultPath` insertion.

use proptest::prelude::*;

use super::*;
use crate::value::tests::any_value;

/// Inserting `9` gives this document.
fn check_insert(raw: &str, path: &str, expect: &str) {
    let reference = ReferencePath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let inserted = reference.insert(&value(raw), Value::from(9)).unwrap();
    assert_eq!(inserted.to_text(), expect, "{raw} {path}");
}

fn check_refused(raw: &str, path: &str) {
    let error = ReferencePath::parse(path)
        .unwrap()
        .insert(&value(raw), Value::Null)
        .expect_err(path);
    assert_eq!(error.error, "States.ResultPathMatchFailure");
    assert_eq!(
        error.cause,
        format!("Unable to apply ReferencePath {path} to input {raw}")
    );
}

#[test]
fn reference_paths_hold_only_names_and_indices() {
    for path in [
        "$",
        "$.a",
        "$.a-b.c",
        "$['a'].b",
        "$['a:b']['c*']",
        "$.a[0]",
        "$[0][1].b",
        r"$.a\.b",
    ] {
        assert!(ReferencePath::parse(path).is_ok(), "{path}");
        assert!(Path::parse(path).unwrap().is_reference(), "{path}");
    }
    for path in [
        "$.a[*]",
        "$.*",
        "$..a",
        "$.a[-1]",
        "$.a[0,1]",
        "$.a[0:1]",
        "$['a','b']",
        "$.a[?(@.b)]",
        "$.a.length()",
        "$.a@b",
        "$.a:b",
        "$.a?",
        "$.a,b",
        "$.a*",
        "$[(@.length-1)]",
    ] {
        let error = ReferencePath::parse(path).expect_err(path);
        let expect =
            format!("'{path}' is not a reference path: it may hold only names and indices");
        assert_eq!(error.message, expect);
        assert!(!Path::parse(path).unwrap().is_reference(), "{path}");
    }
    for (path, expect) in [
        (
            "$$.a",
            "a reference path must not start at the context object",
        ),
        ("$name.a", "a reference path must not name a variable"),
        ("a", "a path must start with '$'"),
    ] {
        assert_eq!(ReferencePath::parse(path).unwrap_err().message, expect);
    }
}

#[test]
fn insertion_makes_the_objects_that_are_missing() {
    for (raw, path, expect) in [
        ("{}", "$", "9"),
        ("{}", "$.a", r#"{"a":9}"#),
        (r#"{"a":1,"b":2}"#, "$.a", r#"{"a":9,"b":2}"#),
        (r#"{"b":2}"#, "$.a", r#"{"b":2,"a":9}"#),
        ("{}", "$.a.b.c", r#"{"a":{"b":{"c":9}}}"#),
        (
            r#"{"a":{"x":1}}"#,
            "$.a.b.c",
            r#"{"a":{"x":1,"b":{"c":9}}}"#,
        ),
        (r#"{"a":{"b":1}}"#, "$['a']['b']", r#"{"a":{"b":9}}"#),
        (r#"{"a":[1,2]}"#, "$.a", r#"{"a":9}"#),
        (r#"{"a":[1,2]}"#, "$.a[1]", r#"{"a":[1,9]}"#),
        (
            r#"{"a":[{},{"b":1}]}"#,
            "$.a[0].b",
            r#"{"a":[{"b":9},{"b":1}]}"#,
        ),
        ("[1]", "$[0]", "[9]"),
        ("[[1]]", "$[0][0]", "[[9]]"),
        (r#"{"a.b":1}"#, r"$.a\.b", r#"{"a.b":9}"#),
    ] {
        check_insert(raw, path, expect);
    }
}

#[test]
fn insertion_is_refused_where_the_path_does_not_fit() {
    for (raw, path) in [
        (r#""text""#, "$.a"),
        ("1", "$.a"),
        ("null", "$.a"),
        ("[1]", "$.a"),
        (r#"{"a":1}"#, "$.a.b"),
        (r#"{"a":null}"#, "$.a.b"),
        (r#"{"a":[1]}"#, "$.a.b"),
        (r#"{"a":[1]}"#, "$.a[1]"),
        (r#"{"a":{}}"#, "$.a[0]"),
        ("{}", "$.a[0]"),
        ("[]", "$[0]"),
    ] {
        check_refused(raw, path);
    }
}

#[test]
fn insertion_copies_only_along_the_path() {
    let raw = value(r#"{"big":{"x":[1]},"a":{"other":{"y":1}}}"#);
    let inserted = ReferencePath::parse("$.a.new")
        .unwrap()
        .insert(&raw, Value::Null)
        .unwrap();
    let shared = |path: [&str; 2], name: &str| {
        let pick = |document: &Value| document.get(path[0]).and_then(|a| a.get(path[1])).cloned();
        match (pick(&raw), pick(&inserted)) {
            (Some(Value::Object(left)), Some(Value::Object(right))) => {
                assert!(Arc::ptr_eq(&left, &right), "{name}")
            }
            (Some(Value::Array(left)), Some(Value::Array(right))) => {
                assert!(Arc::ptr_eq(&left, &right), "{name}")
            }
            other => panic!("{name}: {other:?}"),
        }
    };
    shared(["big", "x"], "beside the path");
    shared(["a", "other"], "beside the last part");
}

proptest! {
    #[test]
    fn what_is_inserted_is_found_there(
        raw in any_value(),
        result in any_value(),
        names in prop::collection::vec("[a-c.' é]{1,3}", 0..4),
    ) {
        let mut source = String::from("$");
        for name in &names {
            source.push_str(&format!("['{}']", name.replace('\'', "\\'")));
        }
        if let Ok(document) = ReferencePath::parse(&source).unwrap().insert(&raw, result.clone()) {
            let found = Path::parse(&source).unwrap().eval(&document, &Fixed::new()).unwrap();
            prop_assert_eq!(found.to_text(), result.to_text());
        } else {
            prop_assert!(!names.is_empty());
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in r#"\$[$.@\[\]()?*:,'"a-z0-9 =!<>~/&|\\-]{0,24}"#) {
        if let Ok(path) = Path::parse(&text) {
            let _ = path.eval(&value(PLAIN), &Fixed::new());
        }
    }
}
