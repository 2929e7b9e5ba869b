//! How long files and functions may be.

use stepfleet_tidy::{Findings, Source, rust_files};

/// Lines of a file without its test module.
const FILE_LINES_MAX: usize = 600;
const TEST_FILE_LINES_MAX: usize = 1000;
/// Lines of code between the braces of a function.
const FUNCTION_LINES_MAX: usize = 70;
/// A test module in a file of code.
const TEST_MODULE_LINES_MAX: usize = 200;

#[test]
fn no_file_is_longer_than_its_cap() {
    let mut findings = Findings::default();
    for file in rust_files() {
        let text = file.text();
        let source = Source::new(&text);
        let all = text.lines().count();
        let (lines, cap) = if file.is_test() {
            (all, TEST_FILE_LINES_MAX)
        } else {
            (
                source.tests_line().map_or(all, |line| line - 1),
                FILE_LINES_MAX,
            )
        };
        if lines > cap {
            findings.add(&file.path, format!("{lines} lines; the cap is {cap}"));
        }
    }
    findings.check("one concept, one file: split it");
}

#[test]
fn long_test_modules_have_a_file_of_their_own() {
    let mut findings = Findings::default();
    for file in rust_files().iter().filter(|file| !file.is_test()) {
        let text = file.text();
        if let Some(start) = Source::new(&text).tests_line() {
            let lines = text.lines().count() - start;
            if lines > TEST_MODULE_LINES_MAX {
                findings.add(&file.path, format!("{lines} lines of tests"));
            }
        }
    }
    findings.check("move them to `foo/tests.rs`");
}

#[test]
fn no_function_is_longer_than_its_cap() {
    let mut findings = Findings::default();
    for file in rust_files() {
        for function in Source::new(&file.text()).functions() {
            let excused = function.attributes.contains("clippy::too_many_lines");
            if function.lines > FUNCTION_LINES_MAX && !excused {
                let place = format!("{}:{}", file.path, function.line);
                findings.add(
                    place,
                    format!("`{}` has {} lines", function.name, function.lines),
                );
            }
        }
    }
    findings.check(
        "keep the branching, move straight-line work to helpers with names a reader would look for",
    );
}
