//! Containers of the engine that stands in, by workers that are killed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{listen, program, started};

#[tokio::test]
async fn containers_of_a_killed_worker_are_removed_by_the_next() {
    let (mut fake, url) = listen().await;
    let engines = tempfile::tempdir().unwrap();
    let engine = engines.path().join("engine");
    let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/engine");
    fs::copy(stand_in, &engine).unwrap();
    fs::set_permissions(&engine, fs::Permissions::from_mode(0o755)).unwrap();
    let ready = engines.path().join("ready");
    nix::unistd::mkfifo(&ready, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = format!("echo $$ >{}; exec sleep 1000", ready.display());
    let activity = format!(
        "name = \"a\"\ncontainer = {{ image = \"i\", engine = {engine:?}, command = [\"bash\", \"-c\", {script:?}] }}\n"
    );
    let (mut child, folder) = started(&url, &activity);
    let connection = fake.welcomed().await;
    connection.push(1, &[("t1", "0")]).await;
    let group = tokio::fs::read_to_string(&ready).await.unwrap();
    child.kill().await.unwrap();
    let containers = || {
        fs::read_dir(engines.path().join("containers"))
            .unwrap()
            .count()
    };
    assert_eq!(containers(), 1, "nobody was left to remove it");

    let _next = program()
        .arg("--config")
        .arg(folder.path().join("worker.toml"))
        .spawn()
        .unwrap();
    let _connection = fake.welcomed().await;
    assert_eq!(containers(), 0);
    let group = nix::unistd::Pid::from_raw(group.trim().parse().unwrap());
    while nix::sys::signal::killpg(group, None).is_ok() {
        tokio::task::yield_now().await;
    }
}
