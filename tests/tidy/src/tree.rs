//! The files of the tree as a clean clone has them: what git ignores is skipped.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders and files that are no part of the tree.
const IGNORED: &[&str] = &[
    "target",
    ".git",
    ".venv",
    "__pycache__",
    "node_modules",
    "dist",
];

/// One file of the tree.
#[derive(Clone, Debug)]
pub struct File {
    /// From the root, with `/`.
    pub path: String,
    /// Where it is.
    pub absolute: PathBuf,
}

impl File {
    /// The text; empty for files that are no text.
    pub fn text(&self) -> String {
        let bytes = fs::read(&self.absolute).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Whether the file holds tests only.
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        // The benchmarks are a program.
        (self.path.starts_with("tests/") && !self.path.starts_with("tests/bench/src/"))
            || self.path.contains("/tests/")
            || matches!(name, "tests.rs" | "testing.rs" | "conformance.rs")
    }
}

/// The root of the tree.
///
/// # Panics
/// When this crate was moved.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .ancestors()
        .nth(2)
        .expect("this crate is two folders below the root")
        .to_owned()
}

/// Names in the root.
pub fn top_level() -> Vec<String> {
    let mut names: Vec<String> = entries(&root())
        .map(|entry| name_of(&entry))
        .filter(|name| !is_ignored(name))
        .collect();
    names.sort();
    names
}

/// Every file of the tree, in order of path.
pub fn files() -> Vec<File> {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Every Rust source of the tree.
pub fn rust_files() -> Vec<File> {
    files()
        .into_iter()
        .filter(|file| file.path.ends_with(".rs"))
        .collect()
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    for absolute in entries(folder) {
        let name = name_of(&absolute);
        if is_ignored(&name) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if absolute.is_dir() {
            collect(&absolute, &format!("{path}/"), files);
        } else {
            files.push(File { path, absolute });
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn is_ignored(name: &str) -> bool {
    IGNORED.contains(&name) || name.ends_with(".pyc") || name.ends_with(".proptest-regressions")
}
