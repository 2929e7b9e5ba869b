//! A metric that is declared is recorded.

use regex::Regex;
use stepfleet_tidy::{Findings, Source, root, rust_files};

const DECLARATIONS: &str = "coordinator/server/src/metrics.rs";

#[test]
fn every_declared_metric_is_recorded() {
    let text = std::fs::read_to_string(root().join(DECLARATIONS)).unwrap();
    let declared = Source::new(&text);
    let function = Regex::new(r"pub fn (\w+)\(\s*&self").unwrap();
    let uses: String = rust_files()
        .iter()
        .filter(|file| file.path.starts_with("coordinator/server/src/"))
        .filter(|file| file.path != DECLARATIONS && !file.is_test())
        .map(|file| Source::new(&file.text()).code)
        .collect();
    let mut findings = Findings::default();
    for name in function
        .captures_iter(&declared.code)
        .map(|found| found[1].to_owned())
    {
        let call = Regex::new(&format!(r"metrics(\(\))?\s*\.\s*{name}\(")).unwrap();
        if !call.is_match(&uses) {
            findings.add(DECLARATIONS, format!("nobody calls `metrics.{name}`"));
        }
    }
    findings.check("record it where it happens, or delete it");
}

#[test]
fn every_metric_has_one_name_and_a_help_text() {
    let text = std::fs::read_to_string(root().join(DECLARATIONS)).unwrap();
    let register = Regex::new(r#"register(?:_with_unit)?\(\s*"(\w+)",\s*"([^"]*)""#).unwrap();
    let mut names = std::collections::BTreeSet::new();
    let mut findings = Findings::default();
    for found in register.captures_iter(&text) {
        if !names.insert(found[1].to_owned()) {
            findings.add(DECLARATIONS, format!("`{}` is registered twice", &found[1]));
        }
        if found[2].is_empty() {
            findings.add(DECLARATIONS, format!("`{}` has no help text", &found[1]));
        }
    }
    assert!(!names.is_empty(), "{DECLARATIONS} registers nothing");
    findings.check("one metric, one line of help");
}
