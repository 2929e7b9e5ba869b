//! Which types of history events the scripts show, and which wait for a feature.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;
use stepfleet_engine::history::HistoryKind;

/// Types that nothing writes yet.
const LATER: [(&str, &[&str]); 2] = [
    (
        "distributed Map",
        &[
            "MapRunAborted",
            "MapRunFailed",
            "MapRunRedriven",
            "MapRunStarted",
            "MapRunSucceeded",
        ],
    ),
    // An activity is looked up when its state is entered, and an integration refuses by failing its task.
    (
        "tasks that are refused before they start",
        &[
            "ActivityScheduleFailed",
            "LambdaFunctionScheduleFailed",
            "LambdaFunctionStartFailed",
            "TaskStartFailed",
            "TaskSubmitFailed",
        ],
    ),
];

#[test]
fn every_history_type_is_in_a_script_or_waits_for_a_feature() {
    let shown = shown();
    let later: Vec<&str> = LATER
        .iter()
        .flat_map(|(_, kinds)| *kinds)
        .copied()
        .collect();
    for kind in HistoryKind::ALL {
        let places = later
            .iter()
            .filter(|later| **later == kind.as_str())
            .count();
        let is_shown = shown.contains(kind.as_str());
        assert_eq!(
            places + usize::from(is_shown),
            1,
            "{kind:?}: in a script {is_shown}, waits for {places} features"
        );
    }
    let known = HistoryKind::ALL.map(HistoryKind::as_str);
    assert!(shown.iter().all(|kind| known.contains(&kind.as_str())));
    assert!(later.iter().all(|kind| known.contains(kind)));
}

/// The types in what the scripts print; that they print it is a test of its own.
fn shown() -> BTreeSet<String> {
    let line = Regex::new(r"(?m)^\d+<\d+ ([A-Za-z]+)").unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let scripts = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    scripts
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let found = line.captures_iter(&text).map(|found| found[1].to_owned());
            found.collect::<Vec<_>>()
        })
        .collect()
}
