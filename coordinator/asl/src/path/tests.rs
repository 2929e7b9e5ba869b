//! Paths over documents. Expectations follow Jayway; `reference.rs` has those of `ResultPath`.

mod reference;

use super::*;
use crate::environment::fixed::{Fixed, value};

const STORE: &str = r#"{"store":{"book":[
    {"category":"reference","author":"Nigel Rees","title":"Sayings of the Century","price":8.95},
    {"category":"fiction","author":"Evelyn Waugh","title":"Sword of Honour","price":12.99},
    {"category":"fiction","author":"Herman Melville","title":"Moby Dick","isbn":"0-553-21311-3","price":8.99},
    {"category":"fiction","author":"J. R. R. Tolkien","title":"The Lord of the Rings","isbn":"0-395-19395-8","price":22.99}],
    "bicycle":{"color":"red","price":19.95}},"expensive":10}"#;

const PLAIN: &str = r#"{"a":{"b":{"c":1}},"n":null,"s":"text","list":[10,20,30,40,50],"a-b":"hyphen","k.dot":"dotted",
    "with space":"blank","it's":"quote","e":[],"o":{},"deep":[[1,2],[3,[4,5]]],"x":[{"id":1,"v":"p"},{"id":2,"v":"q"},{"id":3}],
    "nums":[1,2.5,-3],"mixed":[1,"b",null,true,"c"],"names":{"x":1,"y":2,"z":3},"ü":{"ñ":"unicode"}}"#;

/// A path gives this JSON.
fn check(document: &str, path: &str, expect: &str) {
    let parsed = Path::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let found = parsed.eval(&value(document), &Fixed::new());
    let found = found.unwrap_or_else(|miss| panic!("{path}: {miss}"));
    assert_eq!(found.to_text(), value(expect).to_text(), "{path}");
}

/// A path finds nothing, in these words.
fn check_miss(document: &str, path: &str, expect: &str) {
    let parsed = Path::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let miss = parsed
        .eval(&value(document), &Fixed::new())
        .expect_err(path);
    assert_eq!(miss.detail, expect, "{path}");
}

fn check_error(path: &str, expect: &str) {
    assert_eq!(Path::parse(path).expect_err(path).message, expect, "{path}");
}

#[test]
fn a_definite_path_gives_the_element() {
    for (path, expect) in [
        ("$.a", r#"{"b":{"c":1}}"#),
        ("$.a.b.c", "1"),
        ("$['a']['b'].c", "1"),
        ("$[\"a\"].b['c']", "1"),
        ("$.['a'].b", r#"{"c":1}"#),
        ("$[ 'a' ][ \"b\" ]", r#"{"c":1}"#),
        ("$.n", "null"),
        ("$.a-b", r#""hyphen""#),
        (r"$.k\.dot", r#""dotted""#),
        ("$['k.dot']", r#""dotted""#),
        ("$['with space']", r#""blank""#),
        (r"$['it\'s']", r#""quote""#),
        ("$[\"it's\"]", r#""quote""#),
        ("$.it's", r#""quote""#),
        ("$.ü.ñ", r#""unicode""#),
        ("$.list[0]", "10"),
        ("$.list[ 4 ]", "50"),
        ("$.list[-1]", "50"),
        ("$.list[-5]", "10"),
        ("$.list[(@.length-1)]", "50"),
        ("$.list[(@.length() - 2)]", "40"),
        ("$.deep[1][1][0]", "4"),
        ("$.x[1].v", r#""q""#),
        ("$.e", "[]"),
        ("$['names']['x','z']", r#"{"x":1,"z":3}"#),
        ("$.names['z','nope']", r#"{"z":3}"#),
        ("$['n','s']", r#"{"n":null,"s":"text"}"#),
    ] {
        check(PLAIN, path, expect);
        assert!(Path::parse(path).unwrap().is_definite(), "{path}");
    }
    check(PLAIN, "$", PLAIN);
    check("[1,2]", "$[1]", "2");
    check("7", "$", "7");
}

#[test]
fn a_definite_path_that_misses_says_so_in_jayways_words() {
    for (path, expect) in [
        ("$.zzz", "No results for path: $['zzz']"),
        ("$.a.zzz", "No results for path: $['a']['zzz']"),
        ("$.a.zzz.c", "Missing property in path $['a']['zzz']"),
        ("$.zzz.b.c", "Missing property in path $['zzz']"),
        ("$['no'].x", "Missing property in path $['no']"),
        ("$.list[5]", "No results for path: $['list'][5]"),
        ("$.list[-6]", "No results for path: $['list'][-6]"),
        ("$.list[9].x", "No results for path: $['list'][9]['x']"),
        ("$.x[2].v", "No results for path: $['x'][2]['v']"),
        (
            "$.s.x",
            "Expected to find an object with property ['x'] in path $['s'] but found 'string'.",
        ),
        (
            "$.n.x",
            "Expected to find an object with property ['x'] in path $['n'] but found 'null'.",
        ),
        (
            "$.list.x.y",
            "Expected to find an object with property ['x'] in path $['list'] but found 'array'.",
        ),
        (
            "$.s[0]",
            "Filter: [0] can only be applied to arrays. Current context is: \"text\"",
        ),
        (
            "$.n[0]",
            "Filter: [0] can only be applied to arrays. Current context is: null",
        ),
    ] {
        check_miss(PLAIN, path, expect);
    }
    check_miss("[]", "$[0]", "No results for path: $[0]");
    check_miss(
        "null",
        "$.a",
        "Expected to find an object with property ['a'] in path $ but found 'null'.",
    );
}

#[test]
fn an_indefinite_path_always_gives_an_array() {
    for (path, expect) in [
        ("$.list[*]", "[10,20,30,40,50]"),
        ("$.list.*", "[10,20,30,40,50]"),
        ("$.names.*", "[1,2,3]"),
        ("$.names[*]", "[1,2,3]"),
        ("$.x[*].v", r#"["p","q"]"#),
        ("$.x[*].id", "[1,2,3]"),
        ("$.list[0,2]", "[10,30]"),
        ("$.list[0, -1, 99]", "[10,50]"),
        ("$.list[1:3]", "[20,30]"),
        ("$.list[:2]", "[10,20]"),
        ("$.list[3:]", "[40,50]"),
        ("$.list[-2:]", "[40,50]"),
        ("$.list[:-3]", "[10,20]"),
        ("$.list[1:-1]", "[20,30,40]"),
        ("$.list[2:1]", "[]"),
        ("$.list[0:99]", "[10,20,30,40,50]"),
        ("$.list[-99:2]", "[10,20]"),
        ("$.list[::2]", "[10,30,50]"),
        ("$.list[1:4:2]", "[20,40]"),
        ("$.list[::-1]", "[50,40,30,20,10]"),
        ("$.list[3:0:-2]", "[40,20]"),
        ("$.list[:]", "[10,20,30,40,50]"),
        ("$.e[:]", "[]"),
        ("$.e[::-1]", "[]"),
        ("$..c", "[1]"),
        ("$..id", "[1,2,3]"),
        ("$..['id']", "[1,2,3]"),
        ("$.x..v", r#"["p","q"]"#),
        ("$.deep[*][0]", "[1,3]"),
        ("$.deep..[0]", "[[1,2],1,3,4]"),
        ("$.deep..*", "[[1,2],[3,[4,5]],1,2,3,[4,5],4,5]"),
        ("$.deep[*][*]", "[1,2,3,[4,5]]"),
        (
            "$.x[*]['id','v']",
            r#"[{"id":1,"v":"p"},{"id":2,"v":"q"},{"id":3}]"#,
        ),
        ("$['a','names']['b','x']", r#"[{"b":{"c":1}},{"x":1}]"#),
        ("$['names','a'].x", "[1]"),
        // What is absent or of another type gives an empty array, never a failure.
        ("$.zzz[*]", "[]"),
        ("$.zzz[*].a", "[]"),
        ("$.zzz[0:2]", "[]"),
        ("$.zzz[?(@.a == 1)]", "[]"),
        ("$.zzz.y..b", "[]"),
        ("$.s[*]", "[]"),
        ("$.s..x", "[]"),
        ("$.n[*]", "[]"),
        ("$.e[*]", "[]"),
        ("$.e[*].a.b", "[]"),
        ("$.list[*].a", "[]"),
        ("$..zzz", "[]"),
    ] {
        check(PLAIN, path, expect);
        assert!(!Path::parse(path).unwrap().is_definite(), "{path}");
    }
    check("{}", "$[*]", "[]");
    check("null", "$[*]", "[]");
    check("[[1],[2]]", "$[*][0]", "[1,2]");
}

#[test]
fn the_store_of_the_jsonpath_articles_reads_as_published() {
    for (path, expect) in [
        (
            "$.store.book[*].author",
            r#"["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"]"#,
        ),
        (
            "$..author",
            r#"["Nigel Rees","Evelyn Waugh","Herman Melville","J. R. R. Tolkien"]"#,
        ),
        ("$.store..price", "[8.95,12.99,8.99,22.99,19.95]"),
        ("$..book[2].title", r#"["Moby Dick"]"#),
        ("$..book[-2].title", r#"["Moby Dick"]"#),
        ("$..book[0,1].price", "[8.95,12.99]"),
        ("$..book[:2].price", "[8.95,12.99]"),
        ("$..book[-2:].price", "[8.99,22.99]"),
        ("$..book[?(@.isbn)].price", "[8.99,22.99]"),
        ("$..book[?(!@.isbn)].price", "[8.95,12.99]"),
        (
            "$.store.book[?(@.price < 10)].title",
            r#"["Sayings of the Century","Moby Dick"]"#,
        ),
        (
            "$..book[?(@.price <= $['expensive'])].title",
            r#"["Sayings of the Century","Moby Dick"]"#,
        ),
        ("$..book[?(@.price<=$.expensive)].price", "[8.95,8.99]"),
        (
            "$..book[?(@.author =~ /.*REES/i)].author",
            r#"["Nigel Rees"]"#,
        ),
        ("$..book[?(@.author =~ /.*REES/)].author", "[]"),
        ("$..book[?(@.author =~ /Rees/)].author", "[]"),
        ("$..book.length()", "1"),
        ("$.store.book.length()", "4"),
        (
            "$.store.book[?(@.category=='fiction' && @.price < 10 || @.price > 20)].price",
            "[8.99,22.99]",
        ),
        (
            "$.store.book[?(@.category == 'fiction' && (@.price < 10 || @.price > 20))].price",
            "[8.99,22.99]",
        ),
        ("$..[?(@.color)].color", r#"["red"]"#),
        (
            "$.store.bicycle[?(@.color == 'red')]",
            r#"[{"color":"red","price":19.95}]"#,
        ),
        ("$.store.bicycle[?(@.color == 'blue')]", "[]"),
        ("$..price.sum()", "73.87"),
        ("$.store.book[*].price.max()", "22.99"),
        (
            "$.store.book[?(@.title.length() == null)].price",
            "[8.95,12.99,8.99,22.99]",
        ),
    ] {
        check(STORE, path, expect);
    }
}

/// Conditions, and the keys of the elements that pass.
const FILTERS: &[(&str, &str)] = &[
    ("@.n == 1", "[1]"),
    ("@.n==1.0", "[1]"),
    ("@.n == 2", "[2]"),
    ("@.n == '1'", "[1]"),
    ("@.s == 1", "[1]"),
    ("1 == @.n", "[1]"),
    ("@.n === 1", "[1]"),
    ("@.s === '1'", "[1]"),
    ("@.s === 1", "[]"),
    ("@.n === '1'", "[]"),
    ("@.s !== 1", "[1,2,3,4]"),
    ("@.n == null", "[3]"),
    ("@.n != 1", "[2,3,4]"),
    ("@.n !== 1", "[2,3,4]"),
    ("@.n != null", "[1,2,4]"),
    ("@.b == true", "[2]"),
    ("@.b == false", "[3]"),
    ("@.b != true", "[1,3,4]"),
    ("@.b", "[2,3]"),
    ("!@.b", "[1,4]"),
    ("!(@.b)", "[1,4]"),
    ("@.n", "[1,2,3]"),
    ("@.o.p", "[1]"),
    ("@['o']['p'] == 'x'", "[1]"),
    ("@.n > 1", "[2]"),
    ("@.n >= 1", "[1,2]"),
    ("@.n < 2", "[1]"),
    ("@.n <= 2", "[1,2]"),
    ("@.s > 'a'", "[2]"),
    ("@.s < 1", "[]"),
    ("@.s == \"b\"", "[2]"),
    ("@.s == ''", "[3]"),
    ("@.k in [1, 3]", "[1,3]"),
    ("@.s in ['b','1']", "[1,2]"),
    ("@.k IN [2]", "[2]"),
    ("@.k nin [1, 3]", "[2,4]"),
    ("@.n nin [1]", "[2,3,4]"),
    ("2 in @.l", "[1,3]"),
    ("@.s in @.l", "[1]"),
    ("@.l subsetof [1,2,3]", "[1,2]"),
    ("@.l anyof [1, 'z']", "[1,4]"),
    ("@.l noneof [1, 'z']", "[2,3]"),
    ("@.l contains 2", "[1,3]"),
    ("@.s contains 'x'", "[4]"),
    ("@.l all [2]", "[1,3]"),
    ("@.l size 2", "[1,4]"),
    ("@.s size 0", "[3]"),
    ("@.l empty true", "[2]"),
    ("@.s empty false", "[1,2,4]"),
    ("@.l == [1,2]", "[1]"),
    ("@.o == {'p':'x'}", "[1]"),
    ("@.l.length() > 1", "[1,3,4]"),
    ("@.l.length()>=3", "[3]"),
    ("@.l[0] == 2", "[3]"),
    ("@.l[?(@ == 'z')]", "[4]"),
    ("@.l[*]", "[1,3,4]"),
    ("@..p", "[1]"),
    (r"@.s =~ /\/x\//", "[4]"),
    ("@.s =~ /[a-z]/", "[2]"),
    ("@.k =~ /[12]/", "[1,2]"),
    ("@.s =~ /B/i", "[2]"),
    (r"@.s =~ /\w/", "[1,2]"),
    (r"@.s =~ /[\d\/x]+/", "[1,4]"),
    (r"@.s =~ /\D+/", "[2,4]"),
    // What is absent, null or an object matches as empty text.
    ("@.o =~ /.*/", "[1,2,3,4]"),
    ("@.n =~ /.+/", "[1,2]"),
    ("@.l =~ /[bz]/", "[4]"),
    ("@.l =~ /2/", "[1,3]"),
    ("/b/ =~ @.s", "[2]"),
    ("@.zzz == @.yyy", "[]"),
    ("@.zzz != @.yyy", "[1,2,3,4]"),
    ("@.k > 1 && @.k < 4", "[2,3]"),
    ("@.k == 1 || @.k == 4 && @.b", "[1]"),
    ("(@.k == 1 || @.k == 4) && !@.b", "[1,4]"),
    ("!(@.k == 1) && !(@.k == 2)", "[3,4]"),
    ("@.k < $[1].k", "[1]"),
    ("$[0].k == 1", "[1,2,3,4]"),
];

#[test]
fn filters_compare_as_jayway_does() {
    let document = r#"[{"k":1,"n":1,"s":"1","l":[1,2],"o":{"p":"x"}},{"k":2,"n":2.0,"s":"b","l":[],"b":true},
        {"k":3,"n":null,"s":"","l":[2,3,4],"b":false},{"k":4,"s":"/x/","l":["b","z"]}]"#;
    for &(filter, keys) in FILTERS {
        check(document, &format!("$[?({filter})].k"), keys);
        check(document, &format!("$[ ?( {filter} ) ]['k']"), keys);
    }
    check(r#"[1,"a",3,null]"#, "$[?(@ != 'a')]", "[1,3,null]");
    check("[1,2,3,4]", "$[?(@ > 1 && @ <= 3)]", "[2,3]");
    check(
        r#"{"users":[{"year":1997,"status":0},{"year":1998,"status":1}]}"#,
        "$.users[?(@.status == 0)]",
        r#"[{"year":1997,"status":0}]"#,
    );
}

#[test]
fn functions_end_a_path() {
    for (path, expect) in [
        ("$.list.length()", "5"),
        ("$.list.size()", "5"),
        ("$.names.length()", "3"),
        ("$.e.length()", "0"),
        ("$.s.length()", "null"),
        ("$.list[*].length()", "5"),
        ("$.zzz[*].length()", "0"),
        ("$.nums.min()", "-3.0"),
        ("$.nums.max()", "2.5"),
        ("$.nums.sum()", "0.5"),
        ("$.list.avg()", "30.0"),
        ("$.list.stddev()", "14.142135623730951"),
        ("$.mixed.sum()", "1.0"),
        ("$.nums.sum(10)", "10.5"),
        ("$.nums.sum($.list)", "150.5"),
        ("$.names.keys()", r#"["x","y","z"]"#),
        ("$.list.keys()", "null"),
        ("$.list.first()", "10"),
        ("$.list.last()", "50"),
        ("$.list.index(1)", "20"),
        ("$.list.index(-2)", "40"),
        ("$.mixed.concat()", r#""bc""#),
        ("$.mixed.concat('!', 7, $.s)", r#""bc!7text""#),
        ("$.e.append(1, 'x', $.n)", r#"[1,"x",null]"#),
        ("$.list.append(60).length()", "6"),
        ("$.names.keys().length()", "3"),
        ("$.x[*].id.last()", "3"),
        ("$..id.max()", "3.0"),
    ] {
        check(PLAIN, path, expect);
    }
    for (path, expect) in [
        ("$.zzz.length()", "No results for path: $['zzz']"),
        (
            "$.e.max()",
            "Aggregation function attempted to calculate value using empty array",
        ),
        (
            "$.s.sum()",
            "Aggregation function attempted to calculate value using empty array",
        ),
        (
            "$.e.first()",
            "Aggregation function attempted to calculate value using empty array",
        ),
        (
            "$.list.index(9)",
            "Target index:9 larger than object count:5",
        ),
        (
            "$.list.index()",
            "The function index() needs a whole number.",
        ),
        ("$.s.append(1)", "The function append() needs an array."),
    ] {
        check_miss(PLAIN, path, expect);
    }
}

#[test]
fn the_context_and_variables_are_other_roots() {
    check("{}", "$$.Execution.Id", r#""e1""#);
    check("{}", "$$['Map'].Item.Index", "2");
    check("{}", "$$.Execution.Input.a", "1");
    check("{}", "$$.Map.Item.*", r#"[2,"v"]"#);
    check("{}", "$count", "3");
    check("{}", "$user_1.name", r#""Ann""#);
    check("{}", "$user_1['tags'][1]", r#""y""#);
    check_miss(
        "{}",
        "$$.Execution.Input.no",
        "No results for path: $['Execution']['Input']['no']",
    );
    check_miss("{}", "$nobody.name", "No results for path: $nobody");
    check_miss("{}", "$user_1.age", "No results for path: $['age']");
    for (path, root) in [
        ("$.a", Root::Document),
        ("$", Root::Document),
        ("$[0]", Root::Document),
        ("$$", Root::Context),
        ("$$.a", Root::Context),
        ("$x", Root::Variable("x".into())),
        ("$x_2[0]", Root::Variable("x_2".into())),
    ] {
        assert_eq!(Path::parse(path).unwrap().root(), &root, "{path}");
    }
}

/// Texts that are no paths.
const BROKEN: &[(&str, &str)] = &[
    ("", "a path must start with '$'"),
    ("a.b", "a path must start with '$'"),
    (" $.a", "a path must start with '$'"),
    ("$.", "a path must not end with a '.' or '..'"),
    ("$.a.", "a path must not end with a '.' or '..'"),
    ("$..", "a path must not end with a '.' or '..'"),
    ("$...a", "unexpected '.' at character 4 of the path"),
    (
        "$.a b",
        "a name with blanks must be written in brackets: ['my name']",
    ),
    ("$.a]", "unexpected ']' at character 4 of the path"),
    ("$['a'", "the path ends too early"),
    ("$['a", "the path ends too early"),
    ("$[", "the path ends too early"),
    ("$[]", "unexpected ']' at character 3 of the path"),
    ("$[a]", "unexpected 'a' at character 3 of the path"),
    ("$['a',]", "unexpected ']' at character 7 of the path"),
    ("$[1,]", "unexpected ']' at character 5 of the path"),
    ("$[0:1:0]", "the stride of a slice must not be zero"),
    (
        "$[99999999999999999999]",
        "'99999999999999999999' is no index",
    ),
    ("$['a']b", "unexpected 'b' at character 7 of the path"),
    ("$.*b", "unexpected 'b' at character 4 of the path"),
    (
        "$[?]",
        "expected '(' but found ']' at character 4 of the path",
    ),
    ("$[?()]", "')' is neither a path nor a value"),
    ("$[?(@.a == )]", "')' is neither a path nor a value"),
    ("$[?(@.a == 'x)]", "the path ends too early"),
    (
        "$[?(@.a == 1]",
        "expected ')' but found ']' at character 13 of the path",
    ),
    (
        "$[?(1)]",
        "a filter must test a path: [?(@.name)] or [?(@.name == 1)]",
    ),
    ("$[?(@.a && )]", "')' is neither a path nor a value"),
    (
        "$[?(@.a foo 1)]",
        "expected ')' but found 'f' at character 9 of the path",
    ),
    ("$[?(@.a =~ /x/q)]", "'q' is no pattern flag"),
    (
        "$[(@.length*2)]",
        "the script '(@.length*2)' is not supported; write (@.length-n)",
    ),
    ("$.a.nope()", "Function with name: nope does not exist."),
    (
        "$.a.length().b",
        "a function must be the last part of a path",
    ),
    ("$.a.length(", "the path ends too early"),
    (r"$.a\", "a path must not end within an escape sequence"),
    ("$a-b", "'$a-b' is neither '$', '$$' nor a variable"),
    ("$1", "'$1' is neither '$', '$$' nor a variable"),
    ("$$$", "unexpected '$' at character 2 of the path"),
];

#[test]
fn broken_paths_are_refused() {
    for &(path, expect) in BROKEN {
        check_error(path, expect);
    }
    assert!(
        Path::parse("$[?(@.a =~ /(/)]")
            .unwrap_err()
            .message
            .starts_with("the pattern /(/ is refused")
    );
    let nested = format!("$[?({}@.a{})]", "(".repeat(40), ")".repeat(40));
    check_error(&nested, "a path nests deeper than 32");
}

#[test]
fn work_is_bounded() {
    // Each of 1200 elements is compared with a list of 1200.
    let wide = format!("[{}]", vec!["1"; 1200].join(","));
    let path = Path::parse("$[?(@ in $)]").unwrap();
    let miss = path.eval(&value(&wide), &Fixed::new()).unwrap_err();
    assert_eq!(miss.detail, "The path visits more than 1000000 values.");
}

#[test]
fn results_are_shared_with_the_document() {
    let document = value(PLAIN);
    let found = Path::parse("$.a.b")
        .unwrap()
        .eval(&document, &Fixed::new())
        .unwrap();
    let inside = document.get("a").and_then(|a| a.get("b")).unwrap();
    assert!(Arc::ptr_eq(
        found.as_object().unwrap(),
        inside.as_object().unwrap()
    ));
}

#[test]
fn paths_print_as_written() {
    let path = Path::parse("$['a'].b").unwrap();
    assert_eq!(path.to_string(), "$['a'].b");
    assert_eq!(path.source(), "$['a'].b");
    assert_eq!(format!("{:?}", path.clone()), r#"Path("$['a'].b")"#);
}

#[test]
fn trap_07_a_wildcard_over_what_is_missing_gives_no_items_and_a_definite_path_fails() {
    for document in ["{}", r#"{"rows":null}"#, r#"{"rows":[]}"#] {
        check(document, "$.rows[*]", "[]");
        check(document, "$.rows[*].id", "[]");
    }
    check_miss("{}", "$.rows", "No results for path: $['rows']");
    check_miss("{}", "$.rows.id", "Missing property in path $['rows']");
}

#[test]
fn trap_09_a_filter_stands_at_the_root_of_an_array() {
    let rows = r#"[{"x":"a","n":1},{"x":"b","n":2},{"n":3}]"#;
    check(rows, "$[?(@.x == 'b')]", r#"[{"x":"b","n":2}]"#);
    check(rows, "$[?(@.x != 'a')].n", "[2,3]");
    check(rows, "$[?(@.n > 1 && @.x)].n", "[2]");
}
