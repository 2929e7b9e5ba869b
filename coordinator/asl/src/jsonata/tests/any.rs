//! What holds for any text and any value.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::environment::fixed::Fixed;
use crate::jsonata::convert::{from_jvalue, to_jvalue};
use crate::jsonata::{Evaluation, Expression, Inputs, Limits};
use crate::value::{Object, Value};

/// Pieces that together are often close to an expression.
const PIECES: &[&str] = &[
    "$states.input",
    "$x",
    "$",
    "$$",
    "a",
    "'s'",
    "1",
    "-2.5",
    "1e9",
    "null",
    "true",
    "[1..9]",
    "function($v){$v}",
    "λ($n){$n + 1}",
    "$map",
    "$filter",
    "$reduce",
    "$string",
    "$now",
    "$partition",
    "$range",
    "$hash",
    "$parse",
    "$random",
    "$uuid",
    "$shuffle",
    "$eval",
    "/a+/i",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ",",
    ";",
    ":",
    ":=",
    "?",
    "??",
    "?:",
    "&",
    "+",
    "-",
    "*",
    "**",
    "/",
    "%",
    "=",
    "!=",
    "<",
    ">=",
    " and ",
    " or ",
    " in ",
    "^",
    "@$i",
    "#$j",
    "~>",
    "|",
    "..",
    "\\",
    "`",
    "/*",
    "é😀",
];

fn text() -> impl Strategy<Value = String> {
    let pieces = vec(prop::sample::select(PIECES), 0..12).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => pieces, 1 => any::<String>()]
}

/// Values whose numbers a double holds.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53)..=1_i64 << 53).prop_map(Value::from),
        (prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO)
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let members = vec((any::<String>(), inner.clone()), 0..4);
        let object = members.prop_map(|members| {
            let members = members.into_iter().map(|(key, value)| (key.into(), value));
            Value::from(members.collect::<Object>())
        });
        prop_oneof![vec(inner, 0..4).prop_map(Value::from), object]
    })
}

/// Keys in their order, at any depth; equality of objects does not look at it.
fn keys(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for item in value.as_array().into_iter().flat_map(|items| items.iter()) {
        found.extend(keys(item));
    }
    for (key, member) in value
        .as_object()
        .into_iter()
        .flat_map(|members| members.iter())
    {
        found.push(key.to_string());
        found.extend(keys(member));
    }
    found
}

/// `STEPFLEET_FUZZ_CASES=100000` makes a long run.
fn config() -> ProptestConfig {
    let asked = std::env::var("STEPFLEET_FUZZ_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|text| text.parse().ok()).unwrap_or(256),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_text_panics(source in text()) {
        let (env, input) = (Fixed::new(), Value::Null);
        let inputs = Inputs { env: &env, input: &input, result: None, error_output: None, now_ms: 0 };
        let limits = Limits { timeout_ms: 50, ..Limits::default() };
        if let Ok(expression) = Expression::compile(&source) {
            let _ = expression.eval(&Evaluation::new(inputs, limits));
        }
    }

    #[test]
    fn values_come_back_as_they_went(value in json()) {
        let back = from_jvalue(&to_jvalue(&value)).expect("a JSON value comes back");
        prop_assert_eq!(keys(&back), keys(&value));
        // Beyond 2^53 the digits are JavaScript's: another integer, but the same double.
        prop_assert_eq!(to_jvalue(&back), to_jvalue(&value));
        let read = Value::parse(&back.to_text()).expect("what we print is JSON");
        prop_assert_eq!(to_jvalue(&read), to_jvalue(&value));
    }
}
