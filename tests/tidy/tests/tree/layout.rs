//! What stands where.

use stepfleet_tidy::{Findings, files, rust_files, top_level};

const TOP_LEVEL: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "coordinator",
    "deploy",
    "proto",
    "sdk",
    "tests",
    "worker",
];

/// Dot-files of tools, and what git needs.
const TOP_LEVEL_TOOLS: &[&str] = &[
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".config",
    ".deny.toml",
    ".gitattributes",
    ".gitignore",
    ".rustfmt.toml",
];

#[test]
fn the_root_holds_only_what_the_architecture_shows() {
    let mut findings = Findings::default();
    for name in top_level() {
        if !TOP_LEVEL.contains(&name.as_str()) && !TOP_LEVEL_TOOLS.contains(&name.as_str()) {
            findings.add(&name, "has no place in the root");
        }
    }
    findings.check("move it into the folder of what it belongs to");
}

#[test]
fn what_the_root_must_hold_is_there() {
    let present = top_level();
    let mut findings = Findings::default();
    for name in TOP_LEVEL {
        if !present.iter().any(|entry| entry == name) {
            findings.add(name, "is missing");
        }
    }
    findings.check("put it back");
}

#[test]
fn modules_stand_in_a_file_of_their_name() {
    let mut findings = Findings::default();
    for file in rust_files()
        .iter()
        .filter(|file| file.path.ends_with("/mod.rs"))
    {
        findings.add(&file.path, "is a mod.rs");
    }
    findings.check("write `foo.rs` beside the folder `foo`");
}

#[test]
fn no_file_is_forgotten_by_its_editor() {
    let mut findings = Findings::default();
    for file in files() {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let ends = [
            "~",
            ".orig",
            ".rej",
            ".bak",
            ".swp",
            ".snap.new",
            ".pending-snap",
        ];
        if ends.iter().any(|end| name.ends_with(end)) || name == ".DS_Store" {
            findings.add(&file.path, "was left behind by a tool");
        }
    }
    findings.check("delete it");
}
