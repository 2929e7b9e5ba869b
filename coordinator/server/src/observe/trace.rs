//! Where executions stand in traces. Every id is a function of the execution, and of the header that its start came
//! with: a restart goes on with the same trace, and nothing is kept for it.

use stepfleet_engine::EventId;
use stepfleet_engine::execution::{Execution, Header};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Names of W3C's and X-Ray's header.
pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const X_RAY: &str = "x-amzn-trace-id";

/// As of the field `traceHeader`; of a longer header only what counts is kept.
const HEADER_BYTES_MAX: usize = 256;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parent {
    trace_id: u128,
    span_id: Option<u64>,
    /// None leaves it to who is called.
    sampled: Option<bool>,
}

/// The trace of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(super) id: u128,
    /// The span that the start came from.
    pub(super) parent: Option<u64>,
    pub(super) sampled: bool,
    execution: u128,
    incarnation: u32,
    redrive_count: u32,
}

impl Trace {
    /// Of executions whose start does not say whether they are sampled, one in so many is.
    pub(super) fn of(execution: &Execution, one_in: u32) -> Self {
        let header = &execution.header;
        let parent = header.trace_header.as_deref().and_then(parse);
        let id = parent.map_or_else(|| own_id(header), |parent| parent.trace_id);
        let drawn = || xxh3_64(&id.to_be_bytes()).is_multiple_of(u64::from(one_in.max(1)));
        Self {
            id,
            parent: parent.and_then(|parent| parent.span_id),
            sampled: parent
                .and_then(|parent| parent.sampled)
                .unwrap_or_else(drawn),
            execution: header.id.0,
            incarnation: header.incarnation,
            redrive_count: execution.redrive_count(),
        }
    }

    /// The span of the whole execution, since its start or its newest redrive.
    pub(super) fn root(&self) -> u64 {
        self.span(EventId(0))
    }

    /// The span that the newest redrive goes on from.
    pub(super) fn before_redrive(&self) -> Option<u64> {
        let redrive_count = self.redrive_count.checked_sub(1)?;
        let before = Self {
            redrive_count,
            ..*self
        };
        Some(before.root())
    }

    /// The span of a stay in a state, by the event that entered it.
    pub(super) fn span(&self, entry: EventId) -> u64 {
        let name = format!(
            "{}/{}/{}/{}",
            self.execution, self.incarnation, self.redrive_count, entry.0
        );
        // 0 is no span.
        xxh3_64(name.as_bytes()).max(1)
    }

    /// The header for what a state calls.
    pub(super) fn header(&self, entry: EventId) -> String {
        x_ray(self.id, self.span(entry), Some(self.sampled))
    }
}

/// Begins with the second of the start, as X-Ray's do.
fn own_id(header: &Header) -> u128 {
    let name = format!("{}/{}", header.id.0, header.incarnation);
    let low = xxh3_128(name.as_bytes()) >> 32;
    (u128::from(header.incarnation) << 96) | low.max(1)
}

/// What a start keeps: the header of its request wins over its field, W3C's over X-Ray's. In X-Ray's form, which AWS
/// gives back. A header that is none is as good as absent.
pub(crate) fn header_of(headers: &http::HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(parent) = text(TRACEPARENT).and_then(parse_traceparent) {
        let span_id = parent.span_id.unwrap_or(0);
        return Some(x_ray(parent.trace_id, span_id, parent.sampled));
    }
    let header = text(X_RAY)?;
    let parent = parse_x_ray(header)?;
    if header.len() <= HEADER_BYTES_MAX {
        return Some(header.to_owned());
    }
    let span_id = parent.span_id.unwrap_or(0);
    Some(x_ray(parent.trace_id, span_id, parent.sampled))
}

/// W3C's form of a header in X-Ray's.
pub(crate) fn traceparent(header: &str) -> Option<String> {
    let parent = parse_x_ray(header)?;
    let sampled = u8::from(parent.sampled.unwrap_or(false));
    let (trace_id, span_id) = (parent.trace_id, parent.span_id?);
    Some(format!("00-{trace_id:032x}-{span_id:016x}-{sampled:02x}"))
}

fn x_ray(trace_id: u128, span_id: u64, sampled: Option<bool>) -> String {
    let (second, rest) = (trace_id >> 96, trace_id & (u128::MAX >> 32));
    let sampled = match sampled {
        Some(true) => ";Sampled=1",
        Some(false) => ";Sampled=0",
        None => "",
    };
    format!("Root=1-{second:08x}-{rest:024x};Parent={span_id:016x}{sampled}")
}

fn parse(header: &str) -> Option<Parent> {
    parse_x_ray(header).or_else(|| parse_traceparent(header))
}

/// `Root=1-<8 digits>-<24 digits>;Parent=<16 digits>;Sampled=1`, in any order.
fn parse_x_ray(header: &str) -> Option<Parent> {
    let mut parent = Parent {
        trace_id: 0,
        span_id: None,
        sampled: None,
    };
    for part in header.split(';') {
        match part.trim().split_once('=') {
            Some(("Root", root)) => {
                let (second, rest) = root.strip_prefix("1-")?.split_once('-')?;
                parent.trace_id = (hex(second, 8)? << 96) | hex(rest, 24)?;
            }
            Some(("Parent", id)) => {
                let id = u64::try_from(hex(id, 16)?).ok();
                parent.span_id = id.filter(|id| *id != 0);
            }
            Some(("Sampled", "1")) => parent.sampled = Some(true),
            Some(("Sampled", "0")) => parent.sampled = Some(false),
            Some(_) | None => {}
        }
    }
    (parent.trace_id != 0).then_some(parent)
}

/// `00-<32 digits>-<16 digits>-<flags>`; later versions may have more.
fn parse_traceparent(header: &str) -> Option<Parent> {
    let mut parts = header.trim().split('-');
    let version = hex(parts.next()?, 2)?;
    let trace_id = hex(parts.next()?, 32)?;
    let span_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
    let flags = hex(parts.next()?, 2)?;
    let too_long = version == 0 && parts.next().is_some();
    if version == 0xff || too_long || trace_id == 0 || span_id == 0 {
        return None;
    }
    Some(Parent {
        trace_id,
        span_id: Some(span_id),
        sampled: Some(flags & 1 == 1),
    })
}

fn hex(digits: &str, count: usize) -> Option<u128> {
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits.len() != count || !all {
        return None;
    }
    u128::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    const W: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";

    fn headers(pairs: &[(&'static str, &str)]) -> http::HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, http::HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    #[test]
    fn both_forms_say_the_same() {
        assert_eq!(parse(X), parse(W));
        assert_eq!(traceparent(X).as_deref(), Some(W));
        let [trace_parent, x_ray] = [(TRACEPARENT, W), (X_RAY, X)];
        assert_eq!(header_of(&headers(&[trace_parent])).as_deref(), Some(X));
        assert_eq!(header_of(&headers(&[x_ray])).as_deref(), Some(X));
        let other = (X_RAY, "Root=1-00000001-000000000000000000000001");
        let both = headers(&[other, trace_parent]);
        assert_eq!(header_of(&both).as_deref(), Some(X));
        let long = format!("{X};Lineage={}", "a".repeat(300));
        let long = headers(&[(X_RAY, &long)]);
        assert_eq!(header_of(&long).as_deref(), Some(X));
    }

    #[test]
    fn what_is_no_header_is_absent() {
        for header in [
            "",
            "Root=1-5759e988",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "00-0-0-0",
            "00-00000000000000000000000000000000-53995c3f42cd8ad8-01",
            "ff-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01",
            "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01-x",
            "00-5759e988bd862e3fe1be46a99427279+-53995c3f42cd8ad8-01",
        ] {
            assert_eq!(parse(header), None, "{header}");
            assert_eq!(header_of(&headers(&[(TRACEPARENT, header)])), None);
        }
        let deferred = parse("Sampled=?;Root=1-5759e988-bd862e3fe1be46a994272793").unwrap();
        assert_eq!((deferred.sampled, deferred.span_id), (None, None));
    }
}
