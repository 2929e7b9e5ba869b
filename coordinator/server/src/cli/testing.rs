//! Stand-ins for tests: an output that is kept, a clock that stands, event lists as text, and a coordinator that answers
//! from canned data over a real connection.

pub(crate) mod coordinator;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use stepfleet_sdk::api;

use super::output::{Format, Look, Output};

/// Noon of a day; every test's "now".
const NOW_SECONDS: i64 = 1_790_000_000;

/// What was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) results: Shared,
    pub(crate) remarks: Shared,
}

/// A sink that can be read back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn output() -> (Output, Written) {
    output_as(Format::Table)
}

pub(crate) fn output_as(format: Format) -> (Output, Written) {
    let written = Written::default();
    let look = Look {
        format,
        colour: false,
        colour_remarks: false,
        columns: None,
        asks: false,
        zone: TimeZone::UTC,
        now: || Timestamp::from_second(NOW_SECONDS).unwrap(),
    };
    let sinks = (
        Box::new(written.results.clone()),
        Box::new(written.remarks.clone()),
    );
    (Output::over(sinks.0, sinks.1, look), written)
}

/// So many seconds before "now".
pub(crate) fn ago(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: NOW_SECONDS - seconds,
        nanos: 0,
    })
}

/// Events one per line: `id<previous @milliseconds Type {details}`.
pub(crate) fn events(history: &str) -> Vec<api::HistoryEvent> {
    let lines = history
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    lines
        .map(|line| event(line).unwrap_or_else(|| panic!("not an event: {line}")))
        .collect()
}

fn event(line: &str) -> Option<api::HistoryEvent> {
    let mut words = line.splitn(4, ' ');
    let (id, previous) = words.next()?.split_once('<')?;
    let ms: i64 = words.next()?.strip_prefix('@')?.parse().ok()?;
    let nanos = i32::try_from(ms % 1000).ok()? * 1_000_000;
    Some(api::HistoryEvent {
        id: id.parse().ok()?,
        previous_event_id: previous.parse().ok()?,
        timestamp: Some(prost_types::Timestamp {
            seconds: NOW_SECONDS - 600 + ms / 1000,
            nanos,
        }),
        r#type: words.next()?.to_owned(),
        details: words.next().unwrap_or_default().to_owned(),
    })
}
