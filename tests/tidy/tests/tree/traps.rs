//! Where coordinators of this language are known to differ from AWS: each point has a test of its own, named after its
//! number, or waits for a feature.

use regex::Regex;
use stepfleet_tidy::{Findings, files};

/// Number, what goes wrong, and the feature that it waits for.
const TRAPS: &[(&str, &str, Option<&str>)] = &[
    (
        "01",
        "previous ids of the first state and behind a Map iteration",
        None,
    ),
    ("02", "a timed out execution and a timed out task", None),
    ("03", "the machine's timeout over whatever is open", None),
    ("04", "an activity that nobody polls", None),
    ("05", "which names catch which error", None),
    ("06", "result fields of a caught error", None),
    ("07", "wildcards over a missing array", None),
    ("08", "ErrorPath and CausePath", None),
    ("09", "filters at the root of an array", None),
    ("10", "ResultPath into a child that is not there", None),
    ("11", "counters of retriers, errors out of branches", None),
    ("12", "an error's own name and raw cause", None),
    (
        "12b",
        "an error's own name and raw cause, of a function",
        Some("Lambda functions"),
    ),
    ("13", "no exit after an uncaught failure", None),
    ("14", "TaskStateAborted of the failing task", None),
    ("15", "bounds of JSONata", None),
    ("16", "JSONata by state", None),
    ("17", "values that Assign and Output see", None),
    ("18", "waits that are too long or no whole seconds", None),
    ("19", "concurrency and aborts of an inline Map", None),
    (
        "19b",
        "concurrency of a distributed Map",
        Some("distributed Map"),
    ),
    (
        "20",
        "a distributed Map that runs twice",
        Some("distributed Map"),
    ),
    (
        "21",
        "an error inside a child execution of a Map",
        Some("distributed Map"),
    ),
    ("22", "the error text of a missed heartbeat", None),
    ("23", "a failure without error and cause", None),
    ("24", "creating the same again", None),
    ("25", "characters of names", None),
    ("26", "page tokens and page sizes", None),
    ("27", "the host prefix of synchronous calls", None),
    (
        "27b",
        "a synchronous execution by that prefix",
        Some("Express"),
    ),
    ("28", "digits of numbers, order of members", None),
    ("29", "a poller that goes away", None),
    ("30", "how soon a poller gets its task", None),
    ("31", "order of a Map's results", None),
    ("32", "ARNs of Express executions", Some("Express")),
];

#[test]
fn every_trap_has_a_test_or_waits_for_a_feature() {
    let pattern = Regex::new(r"(?m)^\s*(?:async )?(?:fn |def test_)trap_(\d\d[a-z]?)_\w+").unwrap();
    let texts = files()
        .into_iter()
        .filter(|file| file.path.ends_with(".rs") || file.path.ends_with(".py"))
        .map(|file| (file.path.clone(), file.text()));
    let mut named = Vec::new();
    let mut findings = Findings::default();
    for (path, text) in texts {
        for found in pattern.captures_iter(&text) {
            let number = found[1].to_owned();
            if !TRAPS.iter().any(|(known, ..)| *known == number) {
                findings.add(&path, format!("no trap {number} is listed"));
            }
            named.push(number);
        }
    }
    for (number, what, waits_for) in TRAPS {
        let is_tested = named.iter().any(|name| name == number);
        match (is_tested, waits_for) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => findings.add(number, format!("no test proves: {what}")),
            (true, Some(feature)) => {
                findings.add(number, format!("tested, no longer waits for {feature}"))
            }
        }
    }
    findings.check("name the test trap_NN_… and keep the list");
}
