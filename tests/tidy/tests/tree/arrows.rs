//! Who depends on whom, and where versions stand.

use std::collections::BTreeSet;

use stepfleet_tidy::{Arrow, Findings, Source, arrows, members, reach, root, rust_files};

/// Every arrow between our crates. Dependencies for tests may point at what is below as well.
const ARROWS: &[(&str, &[&str])] = &[
    ("stepfleet-asl", &[]),
    ("stepfleet-proto", &[]),
    ("stepfleet-engine", &["stepfleet-asl"]),
    (
        "stepfleet-store",
        &["stepfleet-asl", "stepfleet-engine", "stepfleet-proto"],
    ),
    (
        "stepfleet-cluster",
        &["stepfleet-engine", "stepfleet-store", "stepfleet-proto"],
    ),
    ("stepfleet-sdk", &["stepfleet-proto"]),
    ("stepfleet-worker", &["stepfleet-sdk"]),
    (
        "stepfleet",
        &[
            "stepfleet-asl",
            "stepfleet-engine",
            "stepfleet-store",
            "stepfleet-proto",
            "stepfleet-sdk",
        ],
    ),
    (
        "stepfleet-bench",
        &[
            "stepfleet-asl",
            "stepfleet-engine",
            "stepfleet-store",
            "stepfleet-proto",
            "stepfleet-sdk",
        ],
    ),
    ("stepfleet-e2e", &["stepfleet-sdk"]),
    ("stepfleet-tidy", &[]),
];

/// What the pure crates never see, however far away.
const IMPURE: &[&str] = &["tokio", "tonic", "prost", "tracing", "rand", "mio", "hyper"];

/// The evaluator of JSONata is built from `rand`; `coordinator/asl/src/jsonata/functions.rs` replaces every function
/// that would draw from it, so no chance comes in this way.
const REPLACED: (&str, &str) = ("jsonata-core", "rand");

const PURE: &[&str] = &["stepfleet-asl", "stepfleet-engine"];

/// Parts of the standard library that give time, chance or files.
const IMPURE_NAMES: &[&str] = &[
    "SystemTime",
    "Instant",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "thread_rng",
    "getrandom",
    "RandomState",
    "HashMap",
    "HashSet",
];

#[test]
fn arrows_between_crates_point_one_way() {
    let allowed: BTreeSet<(&str, &str)> = ARROWS
        .iter()
        .flat_map(|(from, tos)| tos.iter().map(move |to| (*from, *to)))
        .collect();
    let mut findings = Findings::default();
    for Arrow {
        from,
        to,
        development,
    } in arrows()
    {
        if !allowed.contains(&(from.as_str(), to.as_str())) {
            let kind = if development { " for its tests" } else { "" };
            findings.add(&from, format!("depends on {to}{kind}"));
        }
    }
    findings.check("asl <- engine <- store <- server, proto <- sdk <- worker: move the code to the lower crate");
}

#[test]
fn every_crate_has_a_place_among_the_arrows() {
    let mut findings = Findings::default();
    for member in members() {
        if !ARROWS.iter().any(|(name, _)| *name == member.name) {
            findings.add(
                &member.folder,
                format!("{} is not listed in ARROWS", member.name),
            );
        }
    }
    findings.check("say in tests/tidy/tests/tree/arrows.rs what the new crate may depend on");
}

#[test]
fn the_pure_crates_reach_no_runtime() {
    let mut findings = Findings::default();
    for name in PURE {
        let all = reach(name, &[]);
        let apart = reach(name, &[REPLACED.0]);
        let is_replaced = |other: &str| other == REPLACED.1 && !apart.contains(other);
        for dependency in all
            .iter()
            .filter(|other| IMPURE.contains(&other.as_str()) && !is_replaced(other))
        {
            findings.add(name, format!("is built from {dependency}"));
        }
    }
    findings.check("`cargo tree -p <crate> -i <dependency>` shows the way; cut it");
}

#[test]
fn the_pure_crates_never_name_clock_chance_or_files() {
    let mut findings = Findings::default();
    for file in rust_files() {
        let pure = ["coordinator/asl/src/", "coordinator/engine/src/"];
        if !pure.iter().any(|folder| file.path.starts_with(folder)) || file.is_test() {
            continue;
        }
        let source = Source::new(&file.text());
        let end = source.tests_line().unwrap_or(usize::MAX);
        for (n, line) in source
            .code
            .lines()
            .enumerate()
            .take_while(|(n, _)| n + 1 < end)
        {
            for name in IMPURE_NAMES.iter().filter(|name| has_name(line, name)) {
                findings.add(format!("{}:{}", file.path, n + 1), format!("names {name}"));
            }
        }
    }
    findings.check("take it in the Input: time and chance come from the caller");
}

#[test]
fn every_version_stands_once_in_the_workspace() {
    let mut findings = Findings::default();
    for member in members() {
        for (number, table, name) in own_versions(&member.manifest) {
            let place = format!("{}/Cargo.toml:{number}", member.folder);
            findings.add(
                place,
                format!("{name} in [{table}] is not taken from the workspace"),
            );
        }
    }
    findings
        .check("put the version into [workspace.dependencies], write `name.workspace = true` here");
}

#[test]
fn workspace_versions_are_pinned() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let dependencies = manifest["workspace"]["dependencies"].as_table().unwrap();
    let mut findings = Findings::default();
    for (name, value) in dependencies {
        let version = value
            .as_str()
            .or_else(|| value.get("version").and_then(|v| v.as_str()));
        let pinned = version.is_none_or(|version| version.starts_with('='));
        if !pinned {
            findings.add(
                name,
                format!("has the open version {}", version.unwrap_or_default()),
            );
        }
        if value.get("git").is_some() {
            findings.add(name, "comes from a git repository");
        }
        if version.is_none() && value.get("path").is_none() {
            findings.add(name, "has no version");
        }
    }
    findings.check("write `=x.y.z` of a release on crates.io");
}

#[test]
fn every_workspace_dependency_is_used() {
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let members = members();
    let mut findings = Findings::default();
    for name in manifest["workspace"]["dependencies"]
        .as_table()
        .unwrap()
        .keys()
    {
        let is_named = |line: &str| {
            let rest = line.trim_start().strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.starts_with('.') || rest.starts_with(" ="))
        };
        if !members
            .iter()
            .any(|member| member.manifest.lines().any(is_named))
        {
            findings.add(format!("Cargo.toml: {name}"), "is used by no crate");
        }
    }
    findings.check("delete its line");
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let mut findings = Findings::default();
    // The code of proto is generated.
    for member in members()
        .iter()
        .filter(|member| member.name != "stepfleet-proto")
    {
        let manifest: toml::Table = member.manifest.parse().unwrap();
        let lints = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            findings.add(format!("{}/Cargo.toml", member.folder), "has other lints");
        }
    }
    findings.check("write `[lints]` with `workspace = true`");
}

/// Lines of dependency tables that do not say `workspace = true`.
fn own_versions(manifest: &str) -> Vec<(usize, String, String)> {
    let mut table = String::new();
    let mut found = Vec::new();
    for (number, line) in manifest
        .lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.trim()))
    {
        if let Some(header) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            table = header.to_owned();
        } else if table.ends_with("dependencies") && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if !line.contains("workspace = true") {
                found.push((number, table.clone(), name.to_owned()));
            }
        }
    }
    found
}

fn has_name(line: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + name.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}
