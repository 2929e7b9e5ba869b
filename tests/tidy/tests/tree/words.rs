//! The words of the tree: Step Functions' own, and about the product alone.

use regex::{Regex, RegexBuilder};
use stepfleet_tidy::{FOREIGN, File, Findings, SYNONYMS, files};

/// Recorded data speaks as it was recorded; the lists of words name them.
const EXEMPT: &[&str] = &[
    "tests/fixtures/",
    "tests/tidy/src/words.rs",
    "Cargo.lock",
    "LICENSE",
    "coordinator/asl/src/resource/services.rs",
];

#[test]
fn things_are_called_what_step_functions_calls_them() {
    let mut findings = Findings::default();
    let texts: Vec<(File, String)> = kept_files()
        .map(|file| (file.clone(), file.text()))
        .collect();
    for synonym in SYNONYMS {
        // As a word, and as a part of an identifier in either case: `word_id`, `wordId`, `WordId`.
        let camel = capitalized(synonym.word);
        let pattern = format!(
            r"\b{0}s?\b|\b{0}s?_|_{0}s?\b|_{0}s?_|{camel}s?([A-Z]|\b)",
            synonym.word
        );
        let pattern = Regex::new(&pattern).unwrap();
        for (file, text) in &texts {
            for (n, line) in text
                .lines()
                .enumerate()
                .filter(|(_, line)| pattern.is_match(line))
            {
                let excused = synonym
                    .allowed
                    .iter()
                    .any(|phrase| line.contains(phrase) || file.path.starts_with(phrase));
                if !excused {
                    let what = format!("`{}`: write {}", line.trim(), synonym.instead);
                    findings.add(format!("{}:{}", file.path, n + 1), what);
                }
            }
        }
    }
    findings
        .check("use Step Functions' word; terms of other services go into tests/tidy/src/words.rs");
}

#[test]
fn the_tree_speaks_of_the_product_alone() {
    let words: Vec<String> = FOREIGN.iter().map(|word| rot13(word)).collect();
    let pattern = format!(r"\b({})s?\b", words.join("|"));
    let pattern = RegexBuilder::new(&pattern)
        .case_insensitive(true)
        .build()
        .unwrap();
    each_line(&pattern).check("say what the code does and why, not how it came about");
}

#[test]
fn no_path_of_somebodys_machine_is_in_the_tree() {
    // Put together here so that this file is no finding itself.
    let folders = [
        "work",
        "root",
        "home/[a-z]+",
        "Users/[A-Za-z]+",
        "tmp/t-",
        "tmp/brief",
    ];
    let pattern = format!(r#"(^|[\s"'`(=:])/({})(/|\b)"#, folders.join("|"));
    each_line(&Regex::new(&pattern).unwrap())
        .check("name paths from the root of the tree, or use a temporary folder");
}

fn each_line(pattern: &Regex) -> Findings {
    let mut findings = Findings::default();
    for file in kept_files() {
        for (n, line) in file.text().lines().enumerate() {
            if pattern.is_match(line) {
                findings.add(format!("{}:{}", file.path, n + 1), line.trim());
            }
        }
    }
    findings
}

fn kept_files() -> impl Iterator<Item = File> {
    let exempt = |file: &File| EXEMPT.iter().any(|prefix| file.path.starts_with(prefix));
    files().into_iter().filter(move |file| !exempt(file))
}

fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

fn rot13(word: &str) -> String {
    let turn = |byte: u8| {
        if byte.is_ascii_lowercase() {
            (byte - b'a' + 13) % 26 + b'a'
        } else {
            byte
        }
    };
    word.bytes().map(|byte| char::from(turn(byte))).collect()
}
