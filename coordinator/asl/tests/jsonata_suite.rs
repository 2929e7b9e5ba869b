//! The official suite of JSONata, through our evaluation. Cases that do not hold under AWS's rules, or that the suite
//! words for JavaScript alone, are listed with the reason; a listed case that passes fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use stepfleet_asl::Value;
use stepfleet_asl::environment::{Environment, Patience};
use stepfleet_asl::jsonata::{Evaluation, Expression, Inputs, Limits, Problem};

const EVAL: &str = "AWS refuses $eval";
const MEMORY: &str = "AWS holds at most 873782 items";
const HALF_PAIR: &str = "half of a surrogate pair is no text of JSON as we read it";
const TODAY: &str =
    "a time without a date takes the day of the machine, while $now is the caller's time";

/// Cases that fail here, by name, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("function-encodeUrl/case002", HALF_PAIR),
    ("function-encodeUrlComponent/case002", HALF_PAIR),
    ("function-eval/case000", EVAL),
    ("function-eval/case001", EVAL),
    ("function-eval/case002", EVAL),
    ("function-eval/case003", EVAL),
    ("function-eval/case004", EVAL),
    ("function-eval/case005", EVAL),
    ("function-eval/case006", EVAL),
    ("function-eval/case007", EVAL),
    ("function-eval/case008/0", EVAL),
    ("function-eval/case008/1", EVAL),
    ("function-eval/case008/2", EVAL),
    ("function-eval/case008/3", EVAL),
    ("function-tomillis/parseDateTime/28", TODAY),
    ("range-operator/case021", MEMORY),
    ("range-operator/case024", MEMORY),
];

/// The suite stops endless recursion from outside, with a code of its own; the evaluator's own bounds have these.
const STOPPED: &str = "U1001";
const BOUNDS: [&str; 2] = ["D1011", "D1012"];

/// Time that a case may take when it names none, in milliseconds. Its own limits are the suite's, for its own machine.
const TIMEOUT_MS: u64 = 2_000;

/// One case, or a file that is no JSON.
struct Case {
    name: String,
    folder: PathBuf,
    fields: Result<Value, String>,
}

/// A case's bindings.
struct Bindings {
    context: Value,
    variables: Value,
}

impl Environment for Bindings {
    fn patience(&self) -> Patience {
        Patience::Full
    }

    fn evaluating(&self) {}

    fn timed_out(&self) {}

    fn now_ms(&self) -> i64 {
        0
    }

    fn context(&self) -> &Value {
        &self.context
    }

    fn variable(&self, name: &str) -> Option<Value> {
        self.variables.get(name).cloned()
    }

    fn random_u64(&self) -> u64 {
        0x0123_4567_89ab_cdef
    }
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/jsonata")
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the suite stands in the repository");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry of a folder").path())
        .collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    let name = path.file_stem().expect("a file has a name");
    name.to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    Value::parse(&text).map_err(|error| error.to_string())
}

/// Names are `group/case`, with the place in the list for cases that share a file.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for folder in sorted(&suite().join("groups")) {
        let files = sorted(&folder);
        for file in files
            .iter()
            .filter(|file| file.extension().is_some_and(|e| e == "json"))
        {
            let name = format!("{}/{}", stem(&folder), stem(file));
            let case = |name: String, fields| Case {
                name,
                folder: folder.clone(),
                fields,
            };
            match read(file) {
                Ok(Value::Array(list)) => cases.extend(
                    list.iter()
                        .enumerate()
                        .map(|(n, fields)| case(format!("{name}/{n}"), Ok(fields.clone()))),
                ),
                fields => cases.push(case(name, fields)),
            }
        }
    }
    cases
}

/// Runs one case; the error says how it went wrong.
fn run(case: &Case, datasets: &BTreeMap<String, Value>) -> Result<(), String> {
    let fields = case.fields.as_ref().map_err(String::clone)?;
    let source = match fields.get("expr-file").and_then(Value::as_str) {
        Some(file) => fs::read_to_string(case.folder.join(file)).expect("the file of a case"),
        None => {
            let source = fields.get("expr").and_then(Value::as_str);
            source.expect("a case has an expression").to_owned()
        }
    };
    let outcome = match Expression::compile(&source) {
        Ok(expression) => eval(&expression, fields, datasets),
        Err(why) => Err(Problem::Threw(why)),
    };
    judge(fields, outcome)
}

fn eval(
    expression: &Expression,
    fields: &Value,
    datasets: &BTreeMap<String, Value>,
) -> Result<Value, Problem> {
    let env = Bindings {
        context: Value::empty_object(),
        variables: fields
            .get("bindings")
            .cloned()
            .unwrap_or(Value::empty_object()),
    };
    let inputs = Inputs {
        env: &env,
        input: &Value::Null,
        result: None,
        error_output: None,
        now_ms: 1_700_000_000_123,
    };
    let limits = Limits {
        timeout_ms: TIMEOUT_MS,
        ..Limits::default()
    };
    let evaluation = Evaluation::new(inputs, limits);
    let shared = fields
        .get("dataset")
        .and_then(Value::as_str)
        .and_then(|name| datasets.get(name));
    match fields.get("data").or(shared) {
        Some(data) => expression.eval(&evaluation.over(data)),
        None => expression.eval(&evaluation),
    }
}

fn judge(fields: &Value, outcome: Result<Value, Problem>) -> Result<(), String> {
    let code = fields
        .get("code")
        .or_else(|| fields.get("error").and_then(|error| error.get("code")))
        .and_then(Value::as_str);
    match (outcome, code, fields.get("result")) {
        (Err(Problem::Undefined), None, None) => Ok(()),
        (Err(Problem::Threw(message)), Some(code), _) if message.contains(code) => Ok(()),
        (Err(Problem::Threw(message)), Some(STOPPED), _)
            if BOUNDS.iter().any(|code| message.starts_with(code)) =>
        {
            Ok(())
        }
        (Ok(value), None, Some(expected)) if value == *expected => Ok(()),
        (Ok(value), None, Some(expected))
            if fields.get("unordered").is_some() && texts(&value) == texts(expected) =>
        {
            Ok(())
        }
        (Ok(value), ..) => Err(format!("gave {}", value.to_text())),
        (Err(problem), ..) => Err(format!("{problem:?}")),
    }
}

/// The items' texts, sorted.
fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().map_or(&[][..], |items| items);
    let mut texts: Vec<_> = items.iter().map(Value::to_text).collect();
    texts.sort();
    texts
}

#[test]
fn the_suite_passes_but_for_what_aws_refuses() {
    let datasets = sorted(&suite().join("datasets"));
    let datasets: BTreeMap<_, _> = datasets
        .iter()
        .map(|file| (stem(file), read(file).expect("a dataset is JSON")))
        .collect();
    let exceptions: BTreeMap<_, _> = EXCEPTIONS.iter().copied().collect();
    assert_eq!(exceptions.len(), EXCEPTIONS.len(), "a case is listed twice");
    let cases = cases();
    let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
    let mut wrong: Vec<_> = exceptions
        .keys()
        .filter(|name| !names.contains(**name))
        .map(|name| format!("{name}: is listed but there is no such case"))
        .collect();
    let mut passed = 0;
    for case in &cases {
        let outcome = run(case, &datasets);
        passed += usize::from(outcome.is_ok());
        match (outcome, exceptions.get(case.name.as_str())) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Ok(()), Some(_)) => wrong.push(format!("{}: passes but is listed", case.name)),
            (Err(how), None) => wrong.push(format!("{}: {how}", case.name)),
        }
    }
    let figures = format!("{passed} of {} cases pass", cases.len());
    assert!(wrong.is_empty(), "{figures}\n{}", wrong.join("\n"));
    insta::assert_snapshot!(figures, @"1669 of 1686 cases pass");
}
