//! Times and durations as people read them.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::output::{Format, Output};

/// A wire timestamp; `None` when absent or out of range.
pub(crate) fn instant(wire: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    wire.and_then(|wire| Timestamp::new(wire.seconds, wire.nanos).ok())
}

/// RFC 3339 in UTC with milliseconds: what JSON output carries.
pub(crate) fn utc(wire: Option<&prost_types::Timestamp>) -> Option<String> {
    instant(wire).map(|at| format!("{at:.3}"))
}

/// Local date and time for tables, UTC for JSON; `-` when absent.
pub(crate) fn date(output: &Output, wire: Option<&prost_types::Timestamp>) -> String {
    let Some(at) = instant(wire) else {
        return "-".into();
    };
    match output.look().format {
        Format::Json => format!("{at:.3}"),
        Format::Table => {
            let local = at.to_zoned(output.look().zone.clone());
            local.strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
        }
    }
}

/// The time that has passed since, e.g. `3m12s`.
pub(crate) fn age(output: &Output, wire: Option<&prost_types::Timestamp>) -> String {
    instant(wire).map_or_else(|| "-".into(), |at| coarse(output.now().duration_since(at)))
}

/// The time until then, e.g. `in 5m`; `overdue` when it has passed.
pub(crate) fn until(output: &Output, wire: Option<&prost_types::Timestamp>) -> String {
    let Some(at) = instant(wire) else {
        return "-".into();
    };
    let left = at.duration_since(output.now());
    if left.is_negative() {
        "overdue".into()
    } else {
        format!("in {}", coarse(left))
    }
}

/// A duration that somebody wrote: `90s`, `1h30m`, `2d`.
pub(crate) fn read(text: &str) -> Result<SignedDuration, String> {
    let span: Span = text
        .parse()
        .map_err(|error: jiff::Error| error.to_string())?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|error| error.to_string())?;
    if duration.is_negative() {
        return Err("a duration cannot be negative".to_owned());
    }
    Ok(duration)
}

/// Exact to the millisecond below 100 s: `0.031s`, `2m03.1s`, `1h02m`, `3d04h`.
pub(crate) fn fine(duration: SignedDuration) -> String {
    let ms = duration.as_millis().max(0);
    match ms {
        0..100_000 => format!("{}.{:03}s", ms / 1000, ms % 1000),
        100_000..3_600_000 => format!("{}m{:02}.{}s", ms / 60_000, ms / 1000 % 60, ms / 100 % 10),
        _ => coarse(duration),
    }
}

/// Two units at most: `12s`, `3m12s`, `4h05m`, `9d02h`. Negative ones (clocks differ) read `0s`.
pub(crate) fn coarse(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_the_words_that_they_are_written_in() {
        for (text, seconds) in [("90s", 90), ("1h30m", 5400), ("2d", 172_800), ("0s", 0)] {
            assert_eq!(read(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        for text in ["", "soon", "5", "-1h", "1 fortnight", "1y"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_keep_two_units() {
        let cases = [
            (0, "0.000s"),
            (31, "0.031s"),
            (99_999, "99.999s"),
            (123_100, "2m03.1s"),
        ];
        for (ms, expect) in cases {
            assert_eq!(fine(SignedDuration::from_millis(ms)), expect);
        }
        let cases = [
            (-5, "0s"),
            (12, "12s"),
            (192, "3m12s"),
            (14_700, "4h05m"),
            (784_800, "9d02h"),
        ];
        for (seconds, expect) in cases {
            assert_eq!(coarse(SignedDuration::from_secs(seconds)), expect);
        }
        assert_eq!(fine(SignedDuration::from_secs(14_700)), "4h05m");
    }
}
