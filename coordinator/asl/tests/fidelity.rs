//! Numbers, text and order of members go through every way that a document can take, unharmed, and print as the JSON
//! library of AWS (Jackson) prints them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use stepfleet_asl::intrinsic::Intrinsic;
use stepfleet_asl::path::{Path, ReferencePath};
use stepfleet_asl::template::Template;
use stepfleet_asl::{Environment, Patience, Value};

struct Nothing(Value);

impl Environment for Nothing {
    fn patience(&self) -> Patience {
        Patience::Full
    }

    fn evaluating(&self) {}

    fn timed_out(&self) {}

    fn now_ms(&self) -> i64 {
        0
    }

    fn context(&self) -> &Value {
        &self.0
    }

    fn variable(&self, _name: &str) -> Option<Value> {
        Some(self.0.clone())
    }

    fn random_u64(&self) -> u64 {
        1
    }
}

/// Values, and how they print.
const VALUES: &[(&str, &str)] = &[
    ("1", "1"),
    ("1.0", "1.0"),
    ("1.10", "1.1"),
    ("-0", "0"),
    ("-0.0", "-0.0"),
    ("1e2", "100.0"),
    ("1E+2", "100.0"),
    ("1.5e-3", "0.0015"),
    ("1.5e-4", "1.5E-4"),
    ("12345678.5", "1.23456785E7"),
    ("1e10", "1.0E10"),
    ("6.02214076e23", "6.02214076E23"),
    ("9007199254740993", "9007199254740993"),
    ("9223372036854775807", "9223372036854775807"),
    ("-9223372036854775809", "-9223372036854775809"),
    ("18446744073709551616", "18446744073709551616"),
    (
        "123456789012345678901234567890123456789",
        "123456789012345678901234567890123456789",
    ),
    ("0.1", "0.1"),
    ("3.141592653589793", "3.141592653589793"),
    (
        "3.14159265358979323846264338327950288",
        "3.14159265358979323846264338327950288",
    ),
    ("1e400", "1e400"),
    (r#""\ud83d\ude00""#, "\"😀\""),
    (
        r#""\u2028\u2029\u00e9\u007f""#,
        "\"\u{2028}\u{2029}é\u{7f}\"",
    ),
    (
        r#""\u0000\u001b\u0008\t\n\f\r\"\\\/""#,
        r#""\u0000\u001B\b\t\n\f\r\"\\/""#,
    ),
    (
        r#"{"z":1,"a":{"y":[2.0],"b":3},"10":4,"9":5}"#,
        r#"{"z":1,"a":{"y":[2.0],"b":3},"10":4,"9":5}"#,
    ),
    (
        r#"{"b":1,"a":2,"b":{"c":3,"c":4}}"#,
        r#"{"b":{"c":4},"a":2}"#,
    ),
    (
        r#"[null,true,false,[],{},""]"#,
        r#"[null,true,false,[],{},""]"#,
    ),
];

fn check(expression: &str, document: &str, expect: &str) {
    let document = Value::parse(document).unwrap();
    let surroundings = Nothing(document.clone());
    let found = if expression.starts_with('$') {
        Path::parse(expression)
            .unwrap()
            .eval(&document, &surroundings)
            .unwrap()
    } else {
        Intrinsic::parse(expression)
            .unwrap()
            .eval(&document, &surroundings)
            .unwrap()
    };
    assert_eq!(
        found.to_text(),
        expect,
        "{expression} over {}",
        document.to_text()
    );
}

fn text_of(json: &str) -> String {
    Value::from(json).to_text()
}

#[test]
fn paths_and_intrinsics_keep_values() {
    for (value, printed) in VALUES {
        let document = format!(
            r#"{{"v":{value},"l":[0,{value}],"o":{{"k":{value}}},"t":{}}}"#,
            text_of(value)
        );
        for (expression, expect) in [
            ("$.v", "{}"),
            ("$$.v", "{}"),
            ("$some.v", "{}"),
            ("$.l[1]", "{}"),
            ("$.l[-1:]", "[{}]"),
            ("$.o.*", "[{}]"),
            ("$..k", "[{}]"),
            ("$['v','l']", r#"{"v":{},"l":[0,{}]}"#),
            ("$.l.last()", "{}"),
            ("$.l.append($.v)", "[0,{},{}]"),
            ("States.Array($.v, $.v)", "[{},{}]"),
            ("States.ArrayPartition($.l, 1)", "[[0],[{}]]"),
            ("States.ArrayGetItem($.l, 1)", "{}"),
            ("States.ArrayContains($.l, $.v)", "true"),
            (
                "States.ArrayUnique(States.Array($.v, 'other', $.v))",
                r#"[{},"other"]"#,
            ),
            ("States.JsonMerge($.o, $.o, false)", r#"{"k":{}}"#),
            ("States.StringToJson($.t)", "{}"),
            ("States.StringToJson(States.JsonToString($.v))", "{}"),
        ] {
            check(expression, &document, &expect.replace("{}", printed));
        }
        check("States.JsonToString($.v)", &document, &text_of(printed));
    }
}

#[test]
fn templates_and_result_paths_keep_values() {
    for (value, printed) in VALUES {
        let document = Value::parse(&format!(r#"{{"v":{value}}}"#)).unwrap();
        let template =
            format!(r#"{{"z":{value},"in":[{{"v.$":"$.v"}},{value}],"a.$":"States.Array($.v)"}}"#);
        let filled = Template::compile(&Value::parse(&template).unwrap()).unwrap();
        let filled = filled.eval(&document, &Nothing(Value::Null)).unwrap();
        let expect = r#"{"z":{},"in":[{"v":{}},{}],"a":[{}]}"#.replace("{}", printed);
        assert_eq!(filled.to_text(), expect);
        let placed = ReferencePath::parse("$.w.x").unwrap();
        let placed = placed
            .insert(&document, document.get("v").unwrap().clone())
            .unwrap();
        assert_eq!(
            placed.to_text(),
            r#"{"v":{},"w":{"x":{}}}"#.replace("{}", printed)
        );
    }
}

#[test]
fn numbers_are_formatted_and_compared_as_they_print() {
    for (call, expect) in [
        (
            "States.Format('{} {}', 1.0, $.big)",
            r#""1.0 18446744073709551617""#,
        ),
        ("States.Format('{}', $.exp)", r#""1.0E10""#),
        (
            "States.ArrayUnique(States.Array(1, 1.0, $.big, $.other))",
            "[1,18446744073709551617,18446744073709551616]",
        ),
        (
            "States.ArrayContains(States.Array($.other), $.big)",
            "false",
        ),
        ("States.MathAdd(1.5, -2.5)", "0"),
        (
            "$.l[?(@ == 18446744073709551617)]",
            "[18446744073709551617]",
        ),
        ("$.l[?(@ > 18446744073709551616)]", "[18446744073709551617]"),
        ("$.l[?(@ < 1.5)]", "[1]"),
        ("$.l[?(@ == 1.0)]", "[1]"),
        ("$.l[?(@ == '1')]", "[1]"),
        ("$.l[?(@ == 'x')]", "[]"),
        ("$.l[?(@ > '0')]", "[]"),
    ] {
        let document = r#"{"big":18446744073709551617,"other":18446744073709551616,"exp":1e10,
            "l":[1,18446744073709551616,18446744073709551617]}"#;
        check(call, document, expect);
    }
}
