//! Texts that are nearly of the language: grammars that go deep, then random damage.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A JSON document of a few small names, so that paths find something.
pub(crate) fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec![
            "null",
            "true",
            "false",
            "0",
            "1",
            "1.0",
            "-2.5",
            "1e3",
            "9223372036854775807",
            "9223372036854775808",
            "0.1234567890123456789",
            r#""""#,
            r#""x""#,
            r#""1""#,
            r#""\ud83d\ude00\u2028""#,
            r#""2024-02-29T12:00:00.5Z""#,
            r#""{\"a\":1}""#,
            "[]",
            "{}",
        ])
        .prop_map(str::to_owned),
        (-9..99_i64).prop_map(|number| number.to_string()),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            vec((name(), inner), 0..6).prop_map(|members| {
                let members: Vec<String> = members
                    .iter()
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

pub(crate) fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c", "x", "a-b", "ü", "length"])
}

fn index() -> impl Strategy<Value = String> {
    prop_oneof![
        (-4..6_i64).prop_map(|index| index.to_string()),
        select(vec![
            "9223372036854775807",
            "-9223372036854775808",
            "99999999999999999999",
            "-",
            ""
        ])
        .prop_map(str::to_owned),
    ]
}

fn literal() -> impl Strategy<Value = String> {
    select(vec![
        "1",
        "1.0",
        "'x'",
        "\"x\"",
        "''",
        "null",
        "true",
        "[1,2,'x']",
        "[]",
        "{'a':1}",
        "/x.*/i",
        r"/[\d\w]+/",
        r"/\//",
        "1e400",
        "-0",
        r"'it\'s'",
    ])
    .prop_map(str::to_owned)
}

/// A path with filters in filters and functions at its end.
pub(crate) fn path() -> impl Strategy<Value = String> {
    let root = select(vec!["$", "$$", "$a", "@", ""]);
    (root, segments()).prop_map(|(root, segments)| format!("{root}{segments}"))
}

fn segments() -> impl Strategy<Value = String> {
    let plain = prop_oneof![
        4 => name().prop_map(|name| format!(".{name}")),
        2 => name().prop_map(|name| format!("['{name}']")),
        2 => index().prop_map(|index| format!("[{index}]")),
        1 => (index(), index(), index()).prop_map(|(a, b, c)| format!("[{a}:{b}:{c}]")),
        1 => vec(index(), 1..4).prop_map(|indices| format!("[{}]", indices.join(","))),
        1 => vec(name(), 1..4).prop_map(|names| format!("['{}']", names.join("','"))),
        1 => select(vec![
            ".*", "[*]", "..", "..a", "..*", "..[0]", "[(@.length-1)]", ".length()", ".keys()", ".sum()", ".max()",
            ".avg()", ".stddev()", ".first()", ".last()", ".index(0)", ".append(1)", ".concat('x',$.a)", r".\u", ".",
        ])
        .prop_map(str::to_owned),
    ];
    let chain = vec(plain.clone(), 0..5).prop_map(|parts| parts.concat());
    chain.prop_recursive(5, 40, 4, move |inner| {
        let side = prop_oneof![
            2 => (select(vec!["@", "$", "@."]), inner.clone()).prop_map(|(root, chain)| format!("{root}{chain}")),
            1 => literal(),
        ];
        let operator = select(vec![
            "==", "!=", "===", "!==", "<", "<=", ">", ">=", "=~", "in", "nin", "subsetof", "anyof", "noneof",
            "contains", "all", "size", "empty", "",
        ]);
        let test = (side.clone(), operator, side).prop_map(|(left, operator, right)| format!("{left} {operator} {right}"));
        let condition = prop_oneof![
            3 => test.clone(),
            1 => inner.clone().prop_map(|chain| format!("@{chain}")),
            1 => test.clone().prop_map(|test| format!("!({test})")),
            1 => (test.clone(), select(vec!["&&", "||"]), test).prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
        ];
        (inner, condition, vec(plain.clone(), 0..3))
            .prop_map(|(chain, condition, rest)| format!("{chain}[?({condition})]{}", rest.concat()))
    })
}

/// A call of intrinsic functions in one another.
pub(crate) fn intrinsic() -> impl Strategy<Value = String> {
    let argument = prop_oneof![
        path(),
        select(vec![
            "1",
            "-1.5",
            "0",
            "99999999999",
            "1e400",
            "null",
            "true",
            "false",
            "'x'",
            "'{}'",
            r"'\'\{\}\\'",
            "''",
            r"'\n'",
            "'a,b;c'",
            "'MD5'",
            "'SHA-256'",
            r#"'{"a":[1]}'"#,
            "'eA=='",
            "'",
            "",
        ])
        .prop_map(str::to_owned),
    ];
    argument.prop_recursive(4, 30, 4, |inner| {
        let function = select(vec![
            "Format",
            "StringToJson",
            "JsonToString",
            "Array",
            "ArrayPartition",
            "ArrayContains",
            "ArrayRange",
            "ArrayGetItem",
            "ArrayLength",
            "ArrayUnique",
            "Base64Encode",
            "Base64Decode",
            "Hash",
            "JsonMerge",
            "MathRandom",
            "MathAdd",
            "StringSplit",
            "UUID",
            "Nope",
        ]);
        (function, vec(inner, 0..4)).prop_map(|(function, arguments)| {
            format!("States.{function}({})", arguments.join(", "))
        })
    })
}

/// A JSON text with the string escaped.
pub(crate) fn quoted(text: &str) -> String {
    stepfleet_asl::Value::from(text).to_text()
}

/// A choice rule with `And`, `Or` and `Not` in one another.
pub(crate) fn rule() -> impl Strategy<Value = String> {
    let operator = select(vec![
        "StringEquals",
        "StringLessThanPath",
        "StringMatches",
        "NumericEquals",
        "NumericGreaterThanEqualsPath",
        "BooleanEquals",
        "BooleanEqualsPath",
        "TimestampLessThan",
        "TimestampEqualsPath",
        "IsNull",
        "IsPresent",
        "IsNumeric",
        "IsString",
        "IsBoolean",
        "IsTimestamp",
        "Nope",
    ]);
    let operand = prop_oneof![
        path().prop_map(|path| quoted(&path)),
        select(vec![
            "1",
            "true",
            "null",
            "[]",
            r#""*x\\*y*""#,
            r#""2024-02-29T12:00:00Z""#,
            r#""\\""#
        ])
        .prop_map(str::to_owned),
    ];
    let test = (path(), operator, operand).prop_map(|(path, operator, operand)| {
        format!(
            "{{\"Variable\":{},\"{operator}\":{operand}}}",
            quoted(&path)
        )
    });
    test.prop_recursive(5, 30, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|rule| format!("{{\"Not\":{rule}}}")),
            (select(vec!["And", "Or"]), vec(inner, 0..4))
                .prop_map(|(word, rules)| format!("{{\"{word}\":[{}]}}", rules.join(","))),
        ]
    })
}

/// A template whose expressions are paths and calls.
pub(crate) fn template() -> impl Strategy<Value = String> {
    let expression = prop_oneof![path(), intrinsic()].prop_map(|text| quoted(&text));
    let field = prop_oneof![
        3 => (name(), expression).prop_map(|(name, text)| format!("\"{name}.$\":{text}")),
        1 => (name(), document()).prop_map(|(name, value)| format!("\"{name}\":{value}")),
        1 => (name(), document()).prop_map(|(name, value)| format!("\"{name}.$\":{value}")),
    ];
    let object = vec(field, 0..4).prop_map(|fields| format!("{{{}}}", fields.join(",")));
    object.prop_recursive(4, 20, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3)
                .prop_map(|items| format!("{{\"list\":[{}]}}", items.join(","))),
            inner.prop_map(|inner| format!("{{\"in\":{inner}}}")),
        ]
    })
}

/// A field of a state, right or wrong.
fn field() -> impl Strategy<Value = String> {
    let paths = select(vec![
        "InputPath",
        "OutputPath",
        "ResultPath",
        "ItemsPath",
        "SecondsPath",
        "Next",
        "Comment",
        "ErrorPath",
    ]);
    let values = select(vec![
        "Seconds",
        "TimeoutSeconds",
        "MaxConcurrency",
        "Timestamp",
        "End",
        "Assign",
        "Retry",
        "Catch",
        "Mode",
    ]);
    prop_oneof![
        (paths, path()).prop_map(|(field, path)| format!("\"{field}\":{}", quoted(&path))),
        (
            select(vec![
                "Parameters",
                "ResultSelector",
                "ItemSelector",
                "Result"
            ]),
            template()
        )
            .prop_map(|(field, template)| format!("\"{field}\":{template}")),
        (values, document()).prop_map(|(field, value)| format!("\"{field}\":{value}")),
        rule().prop_map(|rule| format!("\"Choices\":[{rule}]")),
        jsonata(),
        Just(r#""Retry":[{"ErrorEquals":["States.ALL"],"BackoffRate":1e400}]"#.to_owned()),
    ]
}

/// A field that belongs to JSONata, or the language itself.
fn jsonata() -> impl Strategy<Value = String> {
    let fields = select(vec!["Output", "Arguments", "Items", "Condition", "Seconds"]);
    let expressions = select(vec![
        "{% $states.input.a %}",
        "{% $states.result %}",
        "{% $eval('1') %}",
        "{% [1..9].(`x` := 2) %}",
        "{% 1 +",
        "{%%}",
    ]);
    let field = (fields, damaged(expressions.prop_map(str::to_owned))).prop_map(|(field, text)| {
        format!(
            "\"QueryLanguage\":\"JSONata\",\"{field}\":{}",
            quoted(&text)
        )
    });
    prop_oneof![
        3 => field,
        1 => Just(r#""QueryLanguage":"JSONPath""#.to_owned()),
    ]
}

/// A `States` block of such states.
fn block(state: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    vec((name(), state), 0..4).prop_map(|states| {
        let states: Vec<String> = states
            .iter()
            .map(|(name, state)| format!("\"{name}\":{state}"))
            .collect();
        format!("{{\"StartAt\":\"a\",\"States\":{{{}}}}}", states.join(","))
    })
}

/// A definition with every kind of state, blocks in blocks, and fields that may be wrong.
pub(crate) fn definition() -> impl Strategy<Value = String> {
    let kind = select(vec![
        "Pass", "Wait", "Task", "Choice", "Succeed", "Fail", "Parallel", "Map", "Nope",
    ]);
    let state = (kind, vec(field(), 0..5)).prop_map(|(kind, fields)| {
        let fields: String = fields.iter().map(|field| format!(",{field}")).collect();
        format!("{{\"Type\":\"{kind}\",\"End\":true,\"Resource\":\"arn:aws:states:::activity\"{fields}}}")
    });
    let nested = state.prop_recursive(4, 24, 3, move |inner| {
        let inner = block(inner.boxed()).boxed();
        prop_oneof![
            inner.clone().prop_map(|block| format!(
                "{{\"Type\":\"Map\",\"ItemProcessor\":{block},\"End\":true}}"
            )),
            vec(inner, 0..3).prop_map(|blocks| format!(
                "{{\"Type\":\"Parallel\",\"Branches\":[{}],\"End\":true}}",
                blocks.join(",")
            )),
        ]
    });
    block(nested.boxed())
}

/// The text with characters taken out, doubled or put in.
pub(crate) fn damaged(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let wounds = vec(
        (
            any::<prop::sample::Index>(),
            select(
                "$@.[](){}'\"\\,:?*=~&|!/- 0x\u{0}é😀\n"
                    .chars()
                    .collect::<Vec<_>>(),
            ),
        ),
        0..4,
    );
    (text, wounds, 0..3_u8).prop_map(|(text, wounds, kind)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (place, c) in wounds {
            let at = place.index(chars.len() + 1);
            match kind {
                0 => chars.insert(at, c),
                1 if at < chars.len() => drop(chars.remove(at)),
                _ => chars.truncate(at.max(1)),
            }
        }
        chars.into_iter().collect()
    })
}
