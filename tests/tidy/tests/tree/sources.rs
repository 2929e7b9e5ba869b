//! How sources look: their first lines, their attributes, their tests.

use regex::Regex;
use stepfleet_tidy::{File, Findings, Source, rust_files};

/// Where real processes are waited for: the harness' one clock.
const MAY_WAIT: &[&str] = &["tests/e2e/src/condition.rs"];

#[test]
fn every_file_says_what_it_owns() {
    let mut findings = Findings::default();
    for file in rust_files() {
        let text = file.text();
        let lines = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .count();
        // Crate roots add data flow and glossary, and the library's first page.
        let cap = if file.path.ends_with("/src/lib.rs") {
            60
        } else {
            6
        };
        if lines == 0 || lines > cap {
            findings.add(&file.path, format!("opens with {lines} lines of `//!`"));
        }
    }
    findings.check("open the file with 1 to 6 lines of `//!`: what it owns, what it must not do");
}

#[test]
fn lints_are_expected_and_not_allowed() {
    each_code_line(&Regex::new(r"#!?\[(cfg_attr\(.*)?allow\(").unwrap(), |_| {
        true
    })
    .check("write `#[expect(lint, reason = \"…\")]`");
}

#[test]
fn expected_lints_say_why() {
    let mut findings = Findings::default();
    let start = Regex::new(r"#!?\[expect\(").unwrap();
    for file in rust_files() {
        let text = file.text();
        let source = Source::new(&text);
        for found in start.find_iter(&source.code) {
            let end = source.code[found.start()..].find(")]").unwrap_or_default() + found.start();
            if !source.code[found.start()..end].contains("reason") {
                findings.add(place(&file, &source.code, found.start()), "no reason");
            }
        }
    }
    findings.check("add `reason = \"…\"`");
}

#[test]
fn nothing_is_left_to_do_without_saying_where_it_is_tracked() {
    let mark = Regex::new(r"\b(TO-?DO|FIX-?ME|XXX|HACK)\b").unwrap();
    let mut findings = Findings::default();
    for file in rust_files() {
        let source = Source::new(&file.text());
        for (n, line) in source.comments.lines().enumerate() {
            if mark.is_match(line) && !line.contains('#') {
                findings.add(format!("{}:{}", file.path, n + 1), line.trim());
            }
        }
    }
    findings.check("do it, or name the issue (`#123`)");
}

#[test]
fn tests_are_named_as_sentences() {
    let mut findings = Findings::default();
    for file in rust_files() {
        for function in Source::new(&file.text()).functions() {
            let is_test =
                function.attributes.contains("test]") || function.attributes.contains("test(");
            let words = function.name.split('_').count();
            if is_test && (function.name.starts_with("test_") || words < 2) {
                findings.add(format!("{}:{}", file.path, function.line), &function.name);
            }
        }
    }
    findings.check("name what holds: `late_heartbeat_is_rejected`");
}

#[test]
fn tests_do_not_sleep() {
    let sleep = Regex::new(r"(thread|time)::sleep|\bsleep\(|sleep_until").unwrap();
    let in_tests = |file: &File| file.is_test() && !MAY_WAIT.contains(&file.path.as_str());
    each_code_line(&sleep, in_tests)
        .check("wait for the condition: channels, paused time, or `condition::until`");
}

#[test]
fn modules_of_tests_do_not_sleep() {
    let sleep = Regex::new(r"(thread|time)::sleep|\bsleep\(").unwrap();
    let mut findings = Findings::default();
    for file in rust_files().iter().filter(|file| !file.is_test()) {
        let source = Source::new(&file.text());
        let Some(start) = source.tests_line() else {
            continue;
        };
        for (n, line) in source.code.lines().enumerate().skip(start) {
            if sleep.is_match(line) {
                findings.add(format!("{}:{}", file.path, n + 1), line.trim());
            }
        }
    }
    findings.check("wait for the condition: channels or paused time");
}

#[test]
fn tests_are_not_ignored_and_do_not_wait_for_panics() {
    each_code_line(&Regex::new(r"#\[(ignore|should_panic)").unwrap(), |_| true)
        .check("assert today's behaviour; match the error that is returned");
}

#[test]
fn programs_print_only_where_printing_is_their_work() {
    // `tests/` print figures and findings; build scripts speak to cargo.
    let speaks = |file: &File| {
        !file.is_test() && !file.path.starts_with("tests/") && !file.path.ends_with("build.rs")
    };
    let print = Regex::new(r"\b(dbg!|e?print!\(|e?println!\()").unwrap();
    let mut findings = Findings::default();
    for file in rust_files().iter().filter(|file| speaks(file)) {
        let source = Source::new(&file.text());
        // A clippy expectation with a reason is the way to ask.
        if source.code.contains("clippy::print_") {
            continue;
        }
        let end = source.tests_line().unwrap_or(usize::MAX);
        for (n, line) in source
            .code
            .lines()
            .enumerate()
            .take_while(|(n, _)| n + 1 < end)
        {
            if print.is_match(line) && !file.path.contains("/examples/") {
                findings.add(format!("{}:{}", file.path, n + 1), line.trim());
            }
        }
    }
    findings.check("log through `tracing`, or write to the command's Output");
}

fn each_code_line(pattern: &Regex, applies: impl Fn(&File) -> bool) -> Findings {
    let mut findings = Findings::default();
    for file in rust_files().iter().filter(|file| applies(file)) {
        let source = Source::new(&file.text());
        for (n, line) in source.code.lines().enumerate() {
            if pattern.is_match(line) {
                findings.add(format!("{}:{}", file.path, n + 1), line.trim());
            }
        }
    }
    findings
}

fn place(file: &File, code: &str, at: usize) -> String {
    format!("{}:{}", file.path, code[..at].matches('\n').count() + 1)
}
