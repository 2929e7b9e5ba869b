//! Whose a container is. Every container says which process made it; one whose process is gone is removed by the next
//! worker on the host. Of processes that cannot be seen from here (another host's, another container's) nothing is known,
//! and theirs are left alone.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::{fs, process};

use tracing::{info, warn};

use super::Engine;
use crate::ending::with_stderr;

const LABEL: &str = "io.stepfleet.worker";

/// This process: the system's start, the space of its process ids, its id and when it began.
static OWNER: LazyLock<String> = LazyLock::new(|| of(process::id()));

/// Options that mark a container as this worker's.
pub(super) fn labels() -> [String; 1] {
    [format!("--label={LABEL}={}", *OWNER)]
}

/// Removes what workers that are gone left behind in an engine.
pub(crate) async fn sweep(engine: &Engine) {
    match left_behind(engine).await {
        Ok(names) => {
            for name in names {
                info!(
                    name,
                    "removing a container that a killed worker left behind"
                );
                engine.end(&name).await;
            }
        }
        Err(text) => {
            let engine = engine.path().display();
            warn!(%engine, "cannot look for containers of killed workers: {text}");
        }
    }
}

async fn left_behind(engine: &Engine) -> Result<Vec<String>, String> {
    let all = [
        "ps",
        "--all",
        "--quiet",
        "--filter",
        &format!("label={LABEL}"),
    ];
    let ids = lines(engine, &all).await?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let format = format!("--format={{{{.Name}}}} {{{{index .Config.Labels \"{LABEL}\"}}}}");
    let mut inspect = vec!["container", "inspect", &format];
    inspect.extend(ids.iter().map(String::as_str));
    let described = lines(engine, &inspect).await?;
    let owners: BTreeMap<_, _> = described
        .iter()
        .filter_map(|line| line.trim_start_matches('/').split_once(' '))
        .collect();
    let gone = owners.into_iter().filter(|(_, owner)| is_gone(owner));
    Ok(gone.map(|(name, _)| name.to_owned()).collect())
}

async fn lines(engine: &Engine, arguments: &[&str]) -> Result<Vec<String>, String> {
    let left = engine
        .quick(arguments)
        .await
        .map_err(|error| error.to_string())?;
    if !left.status.success() {
        return Err(with_stderr(left.status.to_string(), &left.stderr));
    }
    let text = String::from_utf8_lossy(&left.stdout).into_owned();
    Ok(text.lines().map(str::to_owned).collect())
}

/// Whether a worker can be known to be gone.
fn is_gone(owner: &str) -> bool {
    let mut parts = owner.rsplitn(3, ':');
    let (_begun, id, space) = (parts.next(), parts.next(), parts.next());
    let own_space = OWNER.rsplitn(3, ':').nth(2);
    let Some(id) = id
        .and_then(|id| id.parse().ok())
        .filter(|_| space == own_space)
    else {
        return false;
    };
    of(id) != owner
}

/// Names a process by what no other has, even if it gets the same id later.
fn of(id: u32) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // `pid (name) state …`, and the name may hold anything. A zombie works no more.
    let fields: Vec<_> = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let begun = match fields.first() {
        Some(&("Z" | "X")) | None => "",
        Some(_) => fields.get(19).copied().unwrap_or_default(),
    };
    format!("{}:{}:{id}:{begun}", boot.trim(), space.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_gone_is_told_from_one_that_works() {
        assert!(!is_gone(&OWNER));
        let mut child = process::Command::new("sleep").arg("1000").spawn().unwrap();
        let owner = of(child.id());
        assert!(!is_gone(&owner));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(is_gone(&owner));
        assert!(is_gone(&format!("{}7", *OWNER)), "its id is another's now");
        assert!(!is_gone("other-boot:pid:[1]:1:1"), "nothing is known of it");
        assert!(!is_gone("nonsense"));
    }
}
