//! Finds or builds the coordinator, runs the benchmarks that were asked for, prints their figures.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::ValueEnum as _;

use crate::args::{Args, Name, Way};
use crate::benchmark::{
    Bench, activity, core, express, fleet, latency, memory, nested, pass, sessions, startup, waits,
};
use crate::figure::Figure;
use crate::interrupt;
use crate::output;

/// The whole program, when it is not in a role. What could be measured is printed even when a benchmark fails.
pub(crate) fn measure(args: &Args) -> anyhow::Result<()> {
    interrupt::listen()?;
    let names = wanted(args);
    let folder = folder(args)?;
    let program = if names == [Name::Core] {
        PathBuf::new()
    } else {
        program(args)?
    };
    let bench = Bench {
        args,
        program: &program,
        folder: &folder,
    };
    let (mut figures, mut failed) = (Vec::new(), Vec::new());
    for name in names {
        match run(&bench, name) {
            Ok(measured) => figures.extend(measured),
            Err(error) => failed.push(format!("benchmark {name:?}: {error:#}")),
        }
        interrupt::check()?;
    }
    output::result(args.output, &figures)?;
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(())
}

fn run(bench: &Bench<'_>, name: Name) -> anyhow::Result<Vec<Figure>> {
    match name {
        Name::Core => core::measure(),
        Name::Startup => startup::measure(bench),
        Name::Latency => latency::measure(bench),
        Name::Stream => activity::measure(bench, Way::Stream),
        Name::Fleet => fleet::measure(bench),
        Name::Sessions => sessions::measure(bench),
        Name::Unary => activity::measure(bench, Way::Unary),
        Name::Pass => pass::measure(bench),
        Name::Express => express::measure(bench),
        Name::Nested => nested::measure(bench),
        Name::Memory => memory::measure(bench),
        Name::Waits => waits::measure(bench),
    }
}

/// All, or those that were named, in the order of their declaration.
fn wanted(args: &Args) -> Vec<Name> {
    let all = Name::value_variants().iter().copied();
    all.filter(|name| args.only.is_empty() || args.only.contains(name))
        .collect()
}

/// Where this program stands: the build folder is on a real disk, the temporary folder is often not.
fn folder(args: &Args) -> anyhow::Result<PathBuf> {
    match &args.folder {
        Some(folder) => Ok(folder.clone()),
        None => beside(Path::new("")),
    }
}

fn program(args: &Args) -> anyhow::Result<PathBuf> {
    if let Some(program) = &args.coordinator {
        return Ok(program.clone());
    }
    let program = beside(Path::new("stepfleet"))?;
    if let Some(cargo) = std::env::var_os("CARGO") {
        build(&PathBuf::from(cargo), &program)?;
    }
    if !program.exists() {
        bail!(
            "there is no {}: build it with `cargo build --release -p stepfleet`",
            program.display()
        );
    }
    Ok(program)
}

/// Brings the coordinator up to date: a benchmark of a stale program says nothing.
fn build(cargo: &Path, program: &Path) -> anyhow::Result<()> {
    let release = program
        .parent()
        .is_some_and(|folder| folder.ends_with("release"));
    if !release {
        output::progress(
            "this is no release build: the figures say little; use `cargo run --release`",
        );
    }
    output::progress("building the coordinator …");
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "stepfleet"]);
    command.args(release.then_some("--release"));
    let status = command.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the coordinator does not build");
    }
    Ok(())
}

/// A file in the folder of this program.
fn beside(name: &Path) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().context("a program has a folder")?.join(name))
}
