//! Values: text to value to text.

use proptest::prelude::*;

use super::*;
use crate::environment::fixed::value;
use crate::limits::JSON_DEPTH_MAX;

/// A text parses and prints as `expect`.
fn check(text: &str, expect: &str) {
    assert_eq!(value(text).to_text(), expect, "{text}");
    validate(text).unwrap_or_else(|error| panic!("{text}: {error}"));
}

/// A text is refused, by the parser and by the check alike.
fn check_error(text: &str, line: usize, column: usize, message: &str) {
    let error = Value::parse(text).expect_err(text);
    assert_eq!(
        (error.line, error.column, &*error.message),
        (line, column, message),
        "{text}"
    );
    assert_eq!(validate(text), Err(error), "{text}");
}

#[test]
fn printing_gives_compact_text_with_the_same_numbers() {
    for (text, expect) in [
        ("null", "null"),
        (" true ", "true"),
        ("false", "false"),
        (
            "\n{ \"b\" : 1 ,\t\"a\" : [ ] , \"c\" : { } }\r\n",
            r#"{"b":1,"a":[],"c":{}}"#,
        ),
        ("0", "0"),
        ("-0", "0"),
        ("-1", "-1"),
        ("1.0", "1.0"),
        ("1.50", "1.5"),
        ("-0.0", "-0.0"),
        ("100e-2", "1.0"),
        ("1E3", "1000.0"),
        ("1e30", "1.0E30"),
        ("0.1", "0.1"),
        // Java changes to an exponent below 10^-3 and from 10^7 on.
        ("0.001", "0.001"),
        ("0.0009", "9.0E-4"),
        ("9999999.5", "9999999.5"),
        ("10000000.0", "1.0E7"),
        ("-1234567890.125", "-1.234567890125E9"),
        ("1e-7", "1.0E-7"),
        ("5e-324", "5.0E-324"),
        ("1.7976931348623157e308", "1.7976931348623157E308"),
        // More digits than a float holds stay as they are.
        ("0.12345678901234567890123", "0.12345678901234567890123"),
        ("-3.14159265358979323846e0", "-3.14159265358979323846e0"),
        ("1.00000000000000000000000", "1.0"),
        ("9007199254740993.0", "9007199254740993.0"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "9223372036854775808"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        (
            "-123456789012345678901234567890",
            "-123456789012345678901234567890",
        ),
        ("1e999", "1e999"),
        (r#""""#, r#""""#),
        (r#""a\/b""#, r#""a/b""#),
        (r#""\u0041\u00e9\ud83d\ude00""#, "\"Aé😀\""),
        (
            r#""\"\\\b\f\n\r\t\u0000\u001f""#,
            r#""\"\\\b\f\n\r\t\u0000\u001F""#,
        ),
        ("\"\u{7f}\u{2028}\"", "\"\u{7f}\u{2028}\""),
        (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"\u0061":1}"#, r#"{"a":1}"#),
        (r#"[[],[[]],{"":{}}]"#, r#"[[],[[]],{"":{}}]"#),
    ] {
        check(text, expect);
    }
}

/// Texts that are not JSON: line, column, message.
const BROKEN: &[(&str, usize, usize, &str)] = &[
    ("", 1, 1, "Unexpected end-of-input"),
    ("{", 1, 1, "Unexpected end-of-input"),
    ("[1,", 1, 3, "Unexpected end-of-input"),
    ("\"a", 1, 2, "Unexpected end-of-input"),
    (
        "{'a':1}",
        1,
        2,
        "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
    ),
    (
        "{\"a\" 1}",
        1,
        6,
        "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value",
    ),
    (
        "{\n \"a\": 1\n \"b\": 2}",
        3,
        2,
        "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries",
    ),
    (
        "[1 2]",
        1,
        4,
        "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries",
    ),
    (
        "[1,]",
        1,
        4,
        "Unexpected character (']' (code 93)): a comma must be followed by an entry",
    ),
    (
        "1 2",
        1,
        3,
        "Unexpected character ('2' (code 50)): expected the end of the document",
    ),
    (
        "01",
        1,
        2,
        "Unexpected character ('1' (code 49)): not a valid number",
    ),
    ("1.", 1, 2, "Unexpected end-of-input"),
    (
        "\"\\x\"",
        1,
        3,
        "Unexpected character ('x' (code 120)): not a valid escape sequence",
    ),
    (
        r#""\ud800""#,
        1,
        8,
        "The escape sequence is half of a surrogate pair",
    ),
    (
        "\"\u{1}\"",
        1,
        2,
        "Unexpected character ('\u{1}' (code 1)): control characters must be escaped in strings",
    ),
];

#[test]
fn broken_text_is_refused_with_its_place() {
    let values = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";
    for &(text, line, column, message) in BROKEN {
        check_error(text, line, column, message);
    }
    for (text, column, found) in [
        ("not", 2, "not"),
        ("{\"a\": yes}", 7, "yes"),
        ("NaN", 1, "NaN"),
        ("nulL", 4, "nulL"),
    ] {
        check_error(
            text,
            1,
            column,
            &format!("Unrecognized token '{found}': was expecting {values}"),
        );
    }
    check_error(
        "[?]",
        1,
        2,
        &format!("Unexpected character ('?' (code 63)): expected a valid value {values}"),
    );
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    check(&nested(JSON_DEPTH_MAX), &nested(JSON_DEPTH_MAX));
    let error = Value::parse(&nested(JSON_DEPTH_MAX + 1)).unwrap_err();
    assert_eq!(error.message, "The document nests deeper than 128 levels");
    assert_eq!(validate(&nested(JSON_DEPTH_MAX + 1)), Err(error));
    assert!(value("[[1]]").nests_deeper_than(1));
    assert!(!value("[[1]]").nests_deeper_than(2));
    assert!(value(r#"{"a":{}}"#).nests_deeper_than(1));
}

#[test]
fn equality_is_by_value() {
    for (left, right, is_equal) in [
        ("1", "1.0", true),
        ("1", "2", false),
        ("0", "-0.0", true),
        ("9007199254740993", "9007199254740992.0", false),
        ("9223372036854775808", "9223372036854775808.0", true),
        ("9223372036854775808", "9223372036854775808", true),
        ("9223372036854775808", "1", false),
        ("1e999", "1e999", true),
        ("1e999", "10E998", true),
        ("1e999", "-1e999", false),
        ("9007199254740993", "9007199254740993.0", true),
        ("9007199254740992", "9007199254740993.0", false),
        // A float is compared as a float.
        ("0.1000000000000000000001", "0.1", true),
        ("100000000000000000000", "100000000000000000001", false),
        (r#"{"a":1,"b":[2]}"#, r#"{"b":[2.0],"a":1}"#, true),
        (r#"{"a":1}"#, r#"{"a":1,"b":null}"#, false),
        ("[1,2]", "[2,1]", false),
        ("null", "false", false),
        (r#""1""#, "1", false),
    ] {
        assert_eq!(value(left) == value(right), is_equal, "{left} {right}");
        assert_eq!(value(right) == value(left), is_equal, "{right} {left}");
    }
}

#[test]
fn accessors_answer_for_their_own_type() {
    let document = value(r#"{"n":null,"b":true,"i":7,"w":2.0,"f":2.5,"s":"x","a":[1]}"#);
    let get = |key: &str| document.get(key).unwrap();
    assert!(get("n").is_null());
    assert_eq!(get("b").as_bool(), Some(true));
    assert_eq!((get("i").as_i64(), get("i").as_f64()), (Some(7), Some(7.0)));
    assert_eq!(
        (get("w").as_i64(), get("f").as_i64(), get("f").as_f64()),
        (Some(2), None, Some(2.5))
    );
    assert_eq!((get("s").as_str(), get("s").as_i64()), (Some("x"), None));
    assert_eq!(get("a").as_array().map(|items| items.len()), Some(1));
    assert_eq!((document.get("zzz"), get("s").get("x")), (None, None));
    let names: Vec<_> = document
        .as_object()
        .unwrap()
        .values()
        .map(Value::type_name)
        .collect();
    assert_eq!(
        names,
        [
            "null", "boolean", "number", "number", "number", "string", "array"
        ]
    );
    assert_eq!(document.type_name(), "object");
}

#[test]
fn floats_outside_of_json_become_null() {
    assert!(Value::from(f64::NAN).is_null());
    assert!(Value::from(f64::INFINITY).is_null());
    assert_eq!(Value::from(1.5).to_text(), "1.5");
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9a-zA-Z\"\\\\\n\u{0}\u{1f}é😀]{0,8}".prop_map(Value::from),
        "[1-9][0-9]{20,40}".prop_map(|digits| Value::parse(&digits).unwrap()),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-c.'\\\\ é]{0,3}", inner), 0..5).prop_map(|members| {
                Value::from(
                    members
                        .into_iter()
                        .map(|(key, value)| (key.into(), value))
                        .collect::<Object>(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn printed_text_parses_back_to_the_same_text(value in any_value()) {
        let text = value.to_text();
        let again = Value::parse(&text).unwrap();
        prop_assert_eq!(again.to_text(), text.clone());
        prop_assert_eq!(again, value);
        prop_assert!(validate(&text).is_ok());
    }

    #[test]
    fn other_parsers_read_the_same_document(value in any_value()) {
        let theirs: serde_json::Value = serde_json::from_str(&value.to_text()).unwrap();
        let ours = Value::parse(&theirs.to_string()).unwrap();
        // serde_json rounds long numbers differently; everything else must agree.
        prop_assert_eq!(without_numbers(&ours).to_text(), without_numbers(&value).to_text());
    }

    #[test]
    fn integers_keep_every_digit(digits in "-?[1-9][0-9]{0,60}") {
        prop_assert_eq!(Value::parse(&digits).unwrap().to_text(), digits);
    }

    #[test]
    fn the_check_and_the_parser_accept_the_same_texts(text in r#"[\[\]{}:,"0-9.eE+\-truefalsnu \\/]{0,12}"#) {
        prop_assert_eq!(validate(&text), Value::parse(&text).map(drop));
    }
}

/// The value with null for every number.
fn without_numbers(value: &Value) -> Value {
    match value {
        Value::Number(_) => Value::Null,
        Value::Array(items) => Value::from(items.iter().map(without_numbers).collect::<Vec<_>>()),
        Value::Object(members) => Value::from(
            members
                .iter()
                .map(|(key, value)| (key.clone(), without_numbers(value)))
                .collect::<Object>(),
        ),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}
