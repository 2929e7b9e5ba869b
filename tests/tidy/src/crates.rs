//! The crates of the workspace and who depends on whom, by `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::tree::root;

/// One crate of the workspace.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its folder, from the root.
    pub folder: String,
    /// Text of its manifest.
    pub manifest: String,
}

/// A crate of the workspace names another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// Who depends.
    pub from: String,
    /// On whom.
    pub to: String,
    /// For its tests only.
    pub development: bool,
}

/// The crates of the workspace.
///
/// # Panics
/// When cargo cannot read the workspace.
pub fn members() -> Vec<Member> {
    let metadata = metadata(true);
    let packages = metadata.workspace_packages();
    packages.into_iter().map(member).collect()
}

/// Dependencies between crates of the workspace.
///
/// # Panics
/// When cargo cannot read the workspace.
pub fn arrows() -> BTreeSet<Arrow> {
    let metadata = metadata(true);
    let packages = metadata.workspace_packages();
    let names: BTreeSet<String> = packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let mut arrows = BTreeSet::new();
    for package in packages {
        for dependency in package
            .dependencies
            .iter()
            .filter(|d| names.contains(&d.name))
        {
            let development = dependency.kind == DependencyKind::Development;
            let (from, to) = (package.name.to_string(), dependency.name.clone());
            arrows.insert(Arrow {
                from,
                to,
                development,
            });
        }
    }
    arrows
}

/// Names of everything that a crate is built from, itself excluded; tests' own dependencies do not count.
/// What is reached only through the crates in `apart` is left out.
///
/// # Panics
/// When cargo cannot resolve the workspace, or there is no such crate.
pub fn reach(name: &str, apart: &[&str]) -> BTreeSet<String> {
    let metadata = metadata(false);
    let resolve = metadata
        .resolve
        .as_ref()
        .expect("metadata with dependencies has a resolution");
    let edges: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let is_built = |kind: &cargo_metadata::DepKindInfo| kind.kind == DependencyKind::Normal;
            let kept = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(is_built));
            (&node.id, kept.map(|dep| &dep.pkg).collect())
        })
        .collect();
    let packages = metadata.workspace_packages();
    let start = packages
        .iter()
        .find(|package| package.name.as_str() == name);
    let mut open = vec![&start.expect("the crate is in the workspace").id];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        for next in edges.get(id).into_iter().flatten() {
            let is_apart = apart.contains(&metadata[next].name.as_str());
            if seen.insert(*next) && !is_apart {
                open.push(next);
            }
        }
    }
    seen.into_iter()
        .map(|id| metadata[id].name.to_string())
        .collect()
}

fn metadata(members_only: bool) -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml"));
    if members_only {
        command.no_deps();
    } else {
        command.features(CargoOpt::AllFeatures);
        // Other platforms' dependencies need not be downloaded for this.
        command.other_options([
            "--locked".to_owned(),
            format!("--filter-platform={}", host()),
        ]);
    }
    command.exec().expect("cargo metadata reads the workspace")
}

/// The platform that the compiler builds for by itself.
fn host() -> String {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = std::process::Command::new(rustc)
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.expect("rustc -vV names the host").to_owned()
}

fn member(package: &cargo_metadata::Package) -> Member {
    let folder = package
        .manifest_path
        .parent()
        .expect("a manifest stands in a folder");
    let root = root();
    let relative = folder
        .as_std_path()
        .strip_prefix(&root)
        .unwrap_or(folder.as_std_path());
    let manifest = std::fs::read_to_string(&package.manifest_path).expect("cargo read it just now");
    Member {
        name: package.name.to_string(),
        folder: relative.to_string_lossy().into_owned(),
        manifest,
    }
}
