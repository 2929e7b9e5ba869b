//! `stepfleet backup`: the coordinator's consistent copy of everything, written to a file.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::client::Client;
use super::fault::{Fault, Outcome};
use super::output::Output;
use clap::Args;

#[derive(Args, Clone, Debug)]
pub(crate) struct BackupArgs {
    /// File to write; it appears only when the backup is complete
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

pub(crate) async fn backup(
    args: &BackupArgs,
    client: &Client,
    output: &mut Output,
) -> Result<Outcome, Fault> {
    if args.file.exists() && !args.force {
        let path = args.file.display();
        return Err(Fault::Failed(format!("{path} exists; --force replaces it")));
    }
    let partial = partial_path(&args.file);
    let bytes = match copy(client, &partial).await {
        Ok(bytes) => bytes,
        Err(fault) => {
            // Nothing to tell if it cannot be removed: the fault that led here says more.
            let _ = fs::remove_file(&partial);
            return Err(fault);
        }
    };
    fs::rename(&partial, &args.file).map_err(Fault::file(&args.file))?;
    sync_folder(&args.file)?;
    if output.is_json() {
        output.document(&serde_json::json!({ "file": args.file, "bytes": bytes }))?;
    } else {
        output.line(format!("wrote {} ({bytes} bytes)", args.file.display()))?;
    }
    Ok(Outcome::Done)
}

async fn copy(client: &Client, partial: &Path) -> Result<u64, Fault> {
    let mut chunks = client.backup().await?;
    let mut file = File::create(partial).map_err(Fault::file(partial))?;
    let mut bytes = 0;
    while let Some(message) = chunks.next().await.map_err(|error| client.fault(error))? {
        let chunk = message.chunk;
        file.write_all(&chunk).map_err(Fault::file(partial))?;
        bytes += u64::try_from(chunk.len()).expect("a chunk's length fits 64 bits");
    }
    if bytes == 0 {
        // Even an empty coordinator has a header to send.
        return Err(Fault::Failed("the coordinator sent an empty backup".into()));
    }
    file.sync_all().map_err(Fault::file(partial))?;
    Ok(bytes)
}

/// `name.partial` beside the file, so that renaming stays in one file system.
fn partial_path(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    file.with_file_name(name)
}

/// Makes the new name durable.
fn sync_folder(file: &Path) -> Result<(), Fault> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Fault::file(folder))
}
