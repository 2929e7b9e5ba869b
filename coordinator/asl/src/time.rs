//! Timestamps of the RFC 3339 profile.

/// Milliseconds since the epoch; none when the text is not of the profile.
pub fn parse_timestamp(_text: &str) -> Option<i64> {
    unimplemented!()
}
/// ISO-8601 in UTC, with three fraction digits unless they are zero.
pub fn format_timestamp(_ms: i64) -> String {
    unimplemented!()
}
