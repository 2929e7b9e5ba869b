//! What `proto/etcd/protoc` answers is what protoc would say.

use std::path::PathBuf;

use cargo_metadata::MetadataCommand;
use protox::prost::Message as _;
use stepfleet_tidy::root;

/// As the client's build script names them.
const FILES: &[&str] = &[
    "etcd/api/authpb/auth.proto",
    "etcd/api/etcdserverpb/rpc.proto",
    "etcd/api/mvccpb/kv.proto",
    "etcd/server/etcdserver/api/v3election/v3electionpb/v3election.proto",
    "etcd/server/etcdserver/api/v3lock/v3lockpb/v3lock.proto",
];

#[test]
fn descriptors_of_etcd_are_those_of_the_locked_client() {
    let protos = client_folder().join("proto");
    let files = FILES.iter().map(|file| protos.join(file));
    let mut compiler = protox::Compiler::new([&protos]).unwrap();
    compiler.include_imports(true).open_files(files).unwrap();
    let made = compiler.file_descriptor_set().encode_to_vec();
    let stored = root().join("proto/etcd/etcd-client.bin");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&stored, &made).unwrap();
    }
    assert!(
        std::fs::read(&stored).is_ok_and(|stored| stored == made),
        "etcd-client has another protocol now: UPDATE=1 cargo test -p stepfleet-tidy descriptors_of_etcd, then build it anew"
    );
}

fn client_folder() -> PathBuf {
    let mut command = MetadataCommand::new();
    let metadata = command
        .manifest_path(root().join("Cargo.toml"))
        .exec()
        .expect("cargo reads the workspace");
    let client = metadata
        .packages
        .iter()
        .find(|package| *package.name == "etcd-client");
    let manifest = &client.expect("the store depends on it").manifest_path;
    manifest
        .parent()
        .expect("a manifest is in a folder")
        .as_std_path()
        .to_owned()
}
