//! Documents name what exists.

use std::collections::BTreeSet;

use regex::Regex;
use stepfleet_tidy::{Findings, files, root, top_level};

#[test]
fn paths_in_documents_exist() {
    let tops = top_level();
    // In backticks, in links, and as commands: `tests/run chaos`.
    let pattern = Regex::new(r"[`(\s]((?:\.?[A-Za-z][\w.-]*/)+[\w.*{},-]*)").unwrap();
    let mut findings = Findings::default();
    for file in files().iter().filter(|file| file.path.ends_with(".md")) {
        if file.path.starts_with("tests/fixtures/") {
            continue;
        }
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (n, line) in file.text().lines().enumerate() {
            for path in pattern
                .captures_iter(line)
                .map(|found| found[1].trim_end_matches('.').to_owned())
            {
                let top = path.split('/').next().unwrap_or_default();
                let ours = tops.iter().any(|name| name == top);
                let listed = path.contains(['*', '{', ',']);
                let here = root().join(&path).exists() || root().join(folder).join(&path).exists();
                if ours && !listed && !here {
                    findings.add(
                        format!("{}:{}", file.path, n + 1),
                        format!("`{path}` does not exist"),
                    );
                }
            }
        }
    }
    findings.check("name what is there now");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let pattern = Regex::new(r"\]\(([^)#\s]+)(?:#[^)]*)?\)").unwrap();
    let mut findings = Findings::default();
    for file in files().iter().filter(|file| file.path.ends_with(".md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (n, line) in file.text().lines().enumerate() {
            for found in pattern.captures_iter(line) {
                let target = &found[1];
                if !target.contains("://") && !root().join(folder).join(target).exists() {
                    findings.add(
                        format!("{}:{}", file.path, n + 1),
                        format!("`{target}` does not exist"),
                    );
                }
            }
        }
    }
    findings.check("correct the link");
}

#[test]
fn the_first_documents_are_there() {
    let mut findings = Findings::default();
    for path in [
        "README.md",
        "coordinator/ARCHITECTURE.md",
        "coordinator/CONFIGURATION.md",
    ] {
        if !root().join(path).exists() {
            findings.add(path, "is missing");
        }
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap_or_default();
    for named in [
        "coordinator/ARCHITECTURE.md",
        "coordinator/CONFIGURATION.md",
        "tests/run",
        "deploy/example/run",
    ] {
        if !readme.contains(named) {
            findings.add("README.md", format!("does not name {named}"));
        }
    }
    findings.check("a reader with five minutes starts there");
}

#[test]
fn every_setting_is_described() {
    const PAGE: &str = "coordinator/CONFIGURATION.md";
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap_or_default();
    let setting = Regex::new(r"^    pub (?:r#)?(\w+): ").unwrap();
    let word = Regex::new(r"\w+").unwrap();
    let described: BTreeSet<&str> = word.find_iter(&page).map(|found| found.as_str()).collect();
    let mut findings = Findings::default();
    let mut looked = 0;
    let is_setting = |path: &str| {
        path == "coordinator/server/src/config.rs"
            || path.starts_with("coordinator/server/src/config/")
    };
    // Flags are described by `--help`.
    let is_flag = |path: &str| path.ends_with("/args.rs");
    // The members of what is flattened are keys instead of it.
    let is_no_key =
        |before: &str| ["    #[serde(skip)]", "    #[serde(flatten)]"].contains(&before);
    for file in files() {
        if !is_setting(&file.path) || is_flag(&file.path) {
            continue;
        }
        let mut before = "";
        for (n, line) in file.text().lines().enumerate() {
            if let Some(found) = setting.captures(line).filter(|_| !is_no_key(before)) {
                looked += 1;
                // `in` of a parameter is no name in Rust.
                if !described.contains(&found[1]) && &found[1] != "place" {
                    findings.add(
                        format!("{}:{}", file.path, n + 1),
                        format!("`{}` does not stand in {PAGE}", &found[1]),
                    );
                }
            }
            before = line;
        }
    }
    assert!(looked > 50, "only {looked} settings were found");
    findings.check("say there what it does, and what it is by default");
}
