//! Documents name what exists.

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
    for path in ["README.md", "coordinator/ARCHITECTURE.md"] {
        if !root().join(path).exists() {
            findings.add(path, "is missing");
        }
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap_or_default();
    for named in [
        "coordinator/ARCHITECTURE.md",
        "tests/run",
        "deploy/example/run",
    ] {
        if !readme.contains(named) {
            findings.add("README.md", format!("does not name {named}"));
        }
    }
    findings.check("a reader with five minutes starts there");
}
