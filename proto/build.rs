//! Compiles every `.proto` of this crate with protox, so that no `protoc` is needed.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use prost::Message as _;

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    let mut files = Vec::new();
    for folder in ["stepfleet/v1", "stepfleet/record/v1"] {
        collect(&root.join(folder), &mut files)?;
        println!("cargo:rerun-if-changed={folder}");
    }
    let descriptors = protox::compile(&files, [&root]).map_err(io::Error::other)?;
    fs::write(out.join("stepfleet.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}
