//! Where Jayway and RFC 9535 agree, our paths find what `serde_json_path` finds, in the same order. What the
//! generators leave out, and why, stands at `segment`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json_path::JsonPath;
use stepfleet_asl::path::Path;

use crate::{Surroundings, config, value};

fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0..4_i64).prop_map(|number| number.to_string()),
        select(vec!["\"x\"", "\"y\"", "null", "true", "1.5"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 60, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map(select(vec!["a", "b", "c"]), inner, 0..4).prop_map(
                |members| {
                    let members: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("\"{name}\":{value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }
            ),
        ]
    })
}

fn bound() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        (-6..7_i64).prop_map(|bound| bound.to_string())
    ]
}

/// Parts that mean the same in both. The dialects differ, so that these are left out:
/// - a definite path: Jayway gives the element or fails, the RFC gives a list of one or none (compared after wrapping);
/// - `['a','b']`: Jayway gives an object of those members, the RFC two nodes;
/// - `..` with a union, a slice or a filter behind it is the same set, but the RFC visits the children of a node before
///   it applies a bracket to each of them, and Jayway applies it to the node on the way down (compared unordered);
/// - a filter on an object: Jayway tests the object, the RFC its members;
/// - `1 == '1'` is true in Jayway; an absent value equals nothing in Jayway and another absent one in the RFC;
/// - functions, `=~`, `in` and the other words exist only in Jayway; `length()` stands before its argument in the RFC;
/// - names with hyphens, blanks and escapes outside brackets are errors in the RFC;
/// - a negative stride that starts beyond the end, and integers beyond 2^53, are errors or differ in the RFC.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => select(vec![".a", ".b", ".c", "['a']", "[\"b\"]", "['c']"]).prop_map(str::to_owned),
        2 => (-3..4_i64).prop_map(|index| format!("[{index}]")),
        2 => select(vec![".*", "[*]"]).prop_map(str::to_owned),
        2 => vec(-3..4_i64, 2..4).prop_map(|indices| {
            let texts: Vec<String> = indices.iter().map(i64::to_string).collect();
            format!("[{}]", texts.join(","))
        }),
        2 => (bound(), bound()).prop_map(|(start, end)| format!("[{start}:{end}]")),
        1 => (bound(), bound(), 1..4_i64).prop_map(|(start, end, stride)| format!("[{start}:{end}:{stride}]")),
        2 => select(vec!["..a", "..b", "..*", "..['c']"]).prop_map(str::to_owned),
    ]
}

/// A comparison of a member with a literal of one type, on arrays only.
fn filter() -> impl Strategy<Value = String> {
    let operator = select(vec!["==", "<", "<=", ">", ">="]);
    let literal = select(vec!["0", "1", "2.5", "'x'", "'y'", "true"]);
    let test = (select(vec!["@.a", "@.b", "@['c']", "@"]), operator, literal)
        .prop_filter(
            "an order of booleans is not in both",
            |(_, operator, literal)| *literal != "true" || *operator == "==",
        )
        .prop_map(|(path, operator, literal)| format!("{path} {operator} {literal}"));
    let exists = select(vec!["@.a", "!@.b", "@.c.a", "@.a[0]"]).prop_map(str::to_owned);
    let condition = prop_oneof![test, exists];
    (condition.clone(), select(vec!["", "&&", "||"]), condition).prop_map(|(left, sign, right)| {
        if sign.is_empty() {
            format!("[?({left})]")
        } else {
            format!("[?({left} {sign} {right})]")
        }
    })
}

/// What both find. A definite path of ours gives one node, or none when it misses.
fn compare(path: &str, document: &str, ordered: bool) {
    let ours = Path::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let found = ours.eval(&value(document), &Surroundings::new());
    let mut ours: Vec<String> = match (ours.is_definite(), found) {
        (true, Ok(found)) => vec![found.to_text()],
        (true, Err(_)) => vec![],
        (false, found) => found
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.to_text())
            .collect(),
    };
    let json: serde_json::Value = serde_json::from_str(document).unwrap();
    let theirs = JsonPath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut theirs: Vec<String> = theirs
        .query(&json)
        .iter()
        .map(ToString::to_string)
        .collect();
    if !ordered {
        ours.sort();
        theirs.sort();
    }
    assert_eq!(ours, theirs, "{path} over {document}");
}

proptest! {
    #![proptest_config(config(1_500))]

    #[test]
    fn paths_find_what_another_implementation_finds(
        segments in vec(segment(), 1..5), document in document(),
    ) {
        // Several descents visit shared nodes in another order; see above.
        let descents = segments.iter().filter(|segment| segment.starts_with("..")).count();
        compare(&format!("${}", segments.concat()), &document, descents == 0);
    }

    #[test]
    fn filters_keep_what_another_implementation_keeps(
        rows in vec(document(), 0..6), filter in filter(), rest in vec(segment(), 0..2),
    ) {
        let rest: String = rest.into_iter().filter(|segment| !segment.starts_with("..")).collect();
        compare(&format!("$.rows{filter}{rest}"), &format!(r#"{{"rows":[{}]}}"#, rows.join(",")), true);
    }
}

#[test]
fn descents_go_through_the_document_in_its_order() {
    let document = r#"{"a":{"b":1,"c":{"b":2}},"d":[{"b":3},{"e":{"b":[{"b":4}]}}]}"#;
    compare("$..b", document, true);
    compare("$..c.b", document, true);
    compare("$.d[*]..b", document, true);
    compare("$..b[*].b", document, true);
}
