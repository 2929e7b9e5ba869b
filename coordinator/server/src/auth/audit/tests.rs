//! The chain over writes, rotations, crashes and full disks; and what belongs into the log.

use std::path::Path;

use super::chain::{End, OfLog};
use super::writer::Writer;
use super::*;
use crate::auth::actions::{METRICS, POLL, states};
use crate::clock::SystemClock;

fn record(principal: &str) -> Record {
    Record {
        at: Timestamp(1_700_000_000_123),
        principal: principal.into(),
        namespace: "000000000000".into(),
        credential: None,
        from: None,
        action: Some("states:StartExecution".to_owned()),
        resource: Some("*".to_owned()),
        execution: None,
        decision: "allowed",
        reason: None,
    }
}

fn writer(path: &Path, bytes_max: u64) -> std::io::Result<Writer> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let file = RotatingFile::new(path.to_owned(), bytes_max, 8);
    Writer::open(file, path, Arc::new(Health::default()), clock)
}

fn write(writer: &mut Writer, principals: &[&str]) -> bool {
    let mut text = String::new();
    for principal in principals {
        writer.end.record(&record(principal), &mut text);
    }
    writer.append(&text)
}

#[test]
fn a_line_says_who_asked_for_what_and_follows_the_one_before() {
    let mut end = End::default();
    let mut text = String::new();
    end.record(&record("ada"), &mut text);
    assert_eq!(
        text,
        "{\"number\":1,\"at\":\"2023-11-14T22:13:20.123Z\",\"principal\":\"ada\",\"namespace\":\"000000000000\",\
         \"action\":\"states:StartExecution\",\"resource\":\"*\",\"decision\":\"allowed\",\
         \"previous\":\"0000000000000000000000000000000000000000000000000000000000000000\"}\n"
    );
}

#[test]
fn a_log_is_whole_over_restarts_rotations_and_lines_that_were_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut first = writer(&path, 700).unwrap();
    assert!(
        write(&mut first, &["a"])
            && write(&mut first, &["b", "\u{e9}"])
            && write(&mut first, &["c"])
    );
    drop(first);
    // A crash cuts a line off, in the middle of a character.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"number\":9,\"principal\":\"\xc3");
    std::fs::write(&path, &bytes).unwrap();
    let mut second = writer(&path, 100_000).unwrap();
    assert!(write(&mut second, &["d"]));
    drop(second);
    // Of another line only the end is missing.
    let whole = std::fs::read_to_string(&path)
        .unwrap_or_else(|_| String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned());
    assert!(whole.ends_with('\n'));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let mut third = writer(&path, 100_000).unwrap();
    assert!(write(&mut third, &["e"]));
    drop(third);
    let mut files: Vec<PathBuf> = (1..8)
        .rev()
        .map(|number| folder.path().join(format!("audit.jsonl.{number}")))
        .filter(|path| path.exists())
        .collect();
    assert!(!files.is_empty());
    files.push(path);
    let verified = verify(&files).unwrap();
    assert_eq!((verified.first, verified.last, verified.lost), (1, 9, 0));
    // Without the oldest it is whole from there on.
    assert!(verify(&files[1..]).unwrap().first > 1);
}

#[test]
fn what_is_changed_taken_out_or_put_in_shows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut log = writer(&path, 100_000).unwrap();
    assert!(write(&mut log, &["a", "b", "c"]));
    let text = std::fs::read_to_string(&path).unwrap();
    let check = |text: &str| {
        let changed = folder.path().join("changed.jsonl");
        std::fs::write(&changed, text).unwrap();
        verify(&[changed])
    };
    let hash = check(&text).unwrap().hash;
    let lines: Vec<&str> = text.lines().collect();
    let without = |index: usize| {
        let mut lines = lines.clone();
        lines.remove(index);
        lines.join("\n")
    };
    for (changed, part) in [
        (
            text.replace("\"a\"", "\"x\""),
            "changed.jsonl:3: the line before is not the one",
        ),
        (without(2), "changed.jsonl:3: number 4 follows 2"),
        (
            without(0).replacen("\"number\":2", "\"number\":1", 1),
            "the line before",
        ),
        (text.replacen('{', "", 1), "no record"),
        (format!("{text}{}", lines[3]), "number 4 follows 4"),
        (
            text[..text.len() - 5].to_owned(),
            "the last line is cut off",
        ),
        (String::new(), "there is no record"),
    ] {
        let fault = check(&changed).unwrap_err();
        assert!(fault.contains(part), "{part}: {fault}");
    }
    // What is missing at the end is told by the last hash alone.
    assert_ne!(check(&without(3)).unwrap().hash, hash);
}

#[test]
fn what_could_not_be_written_is_written_later_and_losses_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut log = writer(&path, 100_000).unwrap();
    std::fs::rename(&path, folder.path().join("before")).unwrap();
    std::fs::create_dir(&path).unwrap();
    // The file was open, and goes on elsewhere until it fails; then nothing is dropped.
    log.file = RotatingFile::new(path.clone(), 100_000, 8);
    let mut text = String::new();
    log.end.of_log(1, &OfLog::Lost { records: 7 }, &mut text);
    log.end.record(&record("a"), &mut text);
    assert!(!log.append(&text) && log.health.is_failing());
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(folder.path().join("before"), &path).unwrap();
    assert!(log.append(&text) && !log.health.is_failing());
    assert_eq!(verify(&[path]).unwrap().lost, 7);
}

#[test]
fn changes_and_completions_belong_into_it_and_the_rest_by_setting() {
    let takes = |reads: bool, tasks: AuditTasks| {
        let losses = Losses::new(
            Signal::Audit,
            Metrics::default(),
            Arc::new(SystemClock::default()),
        );
        let (queue, _receiver) = queue(Arc::new(losses));
        let inner = Inner {
            queue,
            reads,
            tasks,
            required: false,
            clock: Arc::new(SystemClock::default()),
            health: Arc::default(),
        };
        let audit = Audit {
            inner: Some(Arc::new(inner)),
        };
        let actions = [
            states("StartExecution"),
            states("SendTaskSuccess"),
            states("DescribeExecution"),
            METRICS,
            POLL,
            states("SendTaskHeartbeat"),
        ];
        actions.map(|action| audit.takes(action))
    };
    assert_eq!(
        takes(false, AuditTasks::None),
        [true, false, false, false, false, false]
    );
    assert_eq!(
        takes(false, AuditTasks::Completions),
        [true, true, false, false, false, false]
    );
    assert_eq!(takes(true, AuditTasks::All), [true; 6]);
}

#[test]
fn where_the_log_is_required_nothing_is_done_without_it() {
    for required in [false, true] {
        let losses = Losses::new(
            Signal::Audit,
            Metrics::default(),
            Arc::new(SystemClock::default()),
        );
        let (queue, receiver) = queue(Arc::new(losses));
        let health = Arc::new(Health::default());
        let inner = Inner {
            queue,
            reads: false,
            tasks: AuditTasks::None,
            required,
            clock: Arc::new(SystemClock::default()),
            health: health.clone(),
        };
        let audit = Audit {
            inner: Some(Arc::new(inner)),
        };
        assert!(audit.check().is_ok());
        health.failing.store(true, Ordering::Release);
        let refused = audit.check().err().map(|error| error.code);
        assert_eq!(refused, required.then_some(ErrorCode::ServiceUnavailable));
        // Nobody takes out what is put in any more: it is lost, and counted.
        drop(receiver);
        audit.write(|_| record("a"));
        assert_eq!(health.lost.load(Ordering::Relaxed), 1);
    }
}
