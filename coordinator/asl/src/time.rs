//! Timestamps of the RFC 3339 profile that the language uses: upper-case `T`, and upper-case `Z` or an offset.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Milliseconds since the epoch, rounded down; none when the text is not of the profile or no such instant exists.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    parse_instant(text).map(|instant| {
        let nanoseconds = instant.as_nanosecond().div_euclid(1_000_000);
        i64::try_from(nanoseconds).expect("milliseconds of the years -9999 to 9999 fit")
    })
}

/// ISO-8601 in UTC with three fraction digits, or none when the fraction is zero. Instants outside the years
/// -9999 to 9999 are printed as the nearest one inside.
pub fn format_timestamp(ms: i64) -> String {
    let nearest = if ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    let instant = Timestamp::from_millisecond(ms).unwrap_or(nearest);
    let at = instant.to_zoned(TimeZone::UTC).datetime();
    let (year, month, day) = (at.year(), at.month(), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if at.millisecond() != 0 {
        text.push_str(&format!(".{:03}", at.millisecond()));
    }
    text.push('Z');
    text
}

/// The instant, to the nanosecond.
pub(crate) fn parse_instant(text: &str) -> Option<Timestamp> {
    const DATE_AND_TIME: &[u8] = b"0000-00-00T00:00:00";
    if !text.is_ascii() || text.len() <= DATE_AND_TIME.len() {
        return None;
    }
    let (head, rest) = text.split_at(DATE_AND_TIME.len());
    if !has_shape(head, DATE_AND_TIME) {
        return None;
    }
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("0", rest),
    };
    let offset_is_valid =
        offset == "Z" || has_shape(offset, b"+00:00") || has_shape(offset, b"-00:00");
    // A 60th second is an error here; jiff alone would take it for the 59th.
    if fraction.is_empty() || !offset_is_valid || &head[17..] > "59" {
        return None;
    }
    let nanoseconds = &fraction[..fraction.len().min(9)];
    format!("{head}.{nanoseconds}{offset}").parse().ok()
}

/// Whether every `0` of the shape stands for a digit of the text, and everything else for itself.
fn has_shape(text: &str, shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape)
            .all(|(byte, expected)| match expected {
                b'0' => byte.is_ascii_digit(),
                other => byte == *other,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<i64>) {
        assert_eq!(parse_timestamp(text), expect, "{text}");
    }

    #[test]
    fn timestamps_of_the_profile_are_instants() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:01Z", 1_000),
            ("1970-01-01T00:00:00.5Z", 500),
            ("1970-01-01T00:00:00.123456789Z", 123),
            ("1970-01-01T00:00:00.1239999999999Z", 123),
            ("1969-12-31T23:59:59.9995Z", -1),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T19:00:00-05:00", 0),
            ("1970-01-01T00:00:00+00:00", 0),
            ("2016-03-14T01:59:00Z", 1_457_920_740_000),
            ("2024-02-29T12:00:00Z", 1_709_208_000_000),
        ] {
            check(text, Some(ms));
        }
    }

    #[test]
    fn everything_else_is_no_timestamp() {
        for text in [
            "",
            "now",
            "2016-03-14",
            "2016-03-14T01:59:00",
            "2016-03-14t01:59:00Z",
            "2016-03-14T01:59:00z",
            "2016-03-14 01:59:00Z",
            "2016-03-14T01:59Z",
            "2016-13-05T21:29:29Z",
            "2016-12-05T25:29:29Z",
            "2023-02-29T00:00:00Z",
            "05-12-2016T21:29:29Z",
            "2016-03-14T01:59:60Z",
            "2016-03-14T01:59:00.Z",
            "2016-03-14T01:59:00+0100",
            "2016-03-14T01:59:00+01",
            "2016-03-14T24:00:00Z",
            "2016-03-14T01:59:00Z ",
            "2016-03-14T01:59:00Z[UTC]",
            "+002016-03-14T01:59:00Z",
            "2016-03-14T01:59:00é",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn formatting_drops_a_zero_fraction() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (5, "1970-01-01T00:00:00.005Z"),
            (1_457_920_740_120, "2016-03-14T01:59:00.120Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(format_timestamp(ms), text);
            check(text, Some(ms));
        }
        assert_eq!(format_timestamp(i64::MAX), "9999-12-30T22:00:00.999Z");
    }
}
