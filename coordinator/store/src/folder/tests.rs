//! Opening, locking, upgrading and refusing data folders.

use tempfile::TempDir;

use super::*;

const FORMAT_64: Format = Format {
    partitions: 64,
    cluster: 0xabc,
};

fn open(path: &Path) -> Result<DataFolder, FolderError> {
    DataFolder::open_or_create(path, FORMAT_64)
}

#[test]
fn a_folder_keeps_what_it_was_created_with() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("deep/data");
    assert_eq!(open(&path).unwrap().format(), FORMAT_64);
    let again = DataFolder::open_or_create(
        &path,
        Format {
            partitions: 8,
            cluster: 1,
        },
    )
    .unwrap();
    assert_eq!(again.format(), FORMAT_64);
    assert_eq!(again.log_path(), path.join("log"));
}

#[test]
fn a_folder_in_use_is_refused_with_its_user() {
    let folder = TempDir::new().unwrap();
    let first = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err().to_string();
    let expected = format!(
        "data folder {} is in use by another process (pid {})",
        folder.path().display(),
        std::process::id()
    );
    assert_eq!(error, expected);
    drop(first);
    open(folder.path()).unwrap();
}

#[test]
fn a_newer_format_is_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join(FORMAT), "format = 7\nshape = \"new\"\n").unwrap();
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(
        error.ends_with("was written by a newer release (format 7, this binary reads up to 1)"),
        "{error}"
    );
}

#[test]
fn a_damaged_format_is_refused() {
    let folder = TempDir::new().unwrap();
    for text in [
        "",
        "format = 0\n",
        "format = 1\npartitions = 63\n",
        "format = 1\npartitions = 64\ncluster = \"x\"\n",
    ] {
        std::fs::write(folder.path().join(FORMAT), text).unwrap();
        assert!(
            matches!(open(folder.path()), Err(FolderError::Damaged { .. })),
            "{text:?}"
        );
    }
}

#[test]
fn a_creation_cut_short_is_done_again() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("FORMAT.new"), "form").unwrap();
    std::fs::create_dir(folder.path().join("log")).unwrap();
    assert_eq!(open(folder.path()).unwrap().format(), FORMAT_64);
}

#[test]
fn a_restore_cut_short_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(DataFolder::begin_restore(folder.path(), FORMAT_64).unwrap());
    assert!(matches!(
        open(folder.path()),
        Err(FolderError::Restoring { .. })
    ));
    assert!(matches!(
        DataFolder::begin_restore(folder.path(), FORMAT_64),
        Err(FolderError::NotEmpty { .. })
    ));
}

#[test]
fn partitions_are_a_power_of_two() {
    let folder = TempDir::new().unwrap();
    for partitions in [0, 3, 8192] {
        let refused = DataFolder::open_or_create(
            folder.path(),
            Format {
                partitions,
                cluster: 1,
            },
        );
        assert!(matches!(refused, Err(FolderError::Partitions(_))));
    }
}

#[test]
fn an_older_format_is_upgraded_step_by_step() {
    fn two(path: &Path) -> Result<(), FolderError> {
        assert!(!exists(path, "two")?);
        write_durably(path, "two", "done")
    }
    fn three(path: &Path) -> Result<(), FolderError> {
        assert!(exists(path, "two")?);
        write_durably(path, "three", "done")
    }
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).unwrap());
    let upgraded = DataFolder::open_with(folder.path(), FORMAT_64, &[two, three]).unwrap();
    assert_eq!(upgraded.format(), FORMAT_64);
    assert!(exists(folder.path(), "three").unwrap());
    drop(upgraded);
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("(format 3, this binary reads up to 1)"),
        "{error}"
    );
}

#[test]
fn a_failed_upgrade_leaves_the_older_format() {
    fn fails(path: &Path) -> Result<(), FolderError> {
        Err(failed(path, "upgrade it", io::Error::other("no")))
    }
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).unwrap());
    DataFolder::open_with(folder.path(), FORMAT_64, &[fails]).unwrap_err();
    open(folder.path()).unwrap();
}
