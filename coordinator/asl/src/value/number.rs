//! Numbers: reading, comparing and printing them without losing digits.

use super::Number;

impl Number {
    /// Reads the text of a JSON number, which the caller has checked.
    pub(super) fn from_json(text: &str) -> Number {
        if !text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
            return text
                .parse()
                .map_or_else(|_| Number::Big(text.into()), Number::Int);
        }
        match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Number::Float(float),
            Ok(_) | Err(_) => Number::Big(text.into()),
        }
    }

    /// The nearest IEEE double.
    pub fn as_f64(&self) -> f64 {
        match self {
            Number::Int(int) => *int as f64,
            Number::Float(float) => *float,
            Number::Big(text) => text.parse().unwrap_or(f64::NAN),
        }
    }

    /// The whole number, when it is one and fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Number::Int(int) => Some(*int),
            Number::Float(float) => integral(*float),
            Number::Big(_) => None,
        }
    }

    /// Appends the JSON text: integers with all digits, floats in their shortest form (`1.0` stays `1.0`).
    pub fn write(&self, out: &mut String) {
        match self {
            Number::Int(int) => out.push_str(itoa::Buffer::new().format(*int)),
            Number::Float(float) if float.is_finite() => {
                out.push_str(ryu::Buffer::new().format_finite(*float));
            }
            Number::Float(_) => out.push_str("null"),
            Number::Big(text) => out.push_str(text),
        }
    }
}

/// By numeric value: `1` equals `1.0`.
impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        match (self, other) {
            (Number::Int(left), Number::Int(right)) => left == right,
            (Number::Float(left), Number::Float(right)) => left == right,
            (Number::Big(left), Number::Big(right)) => left == right,
            (Number::Int(int), Number::Float(float)) | (Number::Float(float), Number::Int(int)) => {
                integral(*float) == Some(*int)
            }
            (Number::Big(_), Number::Float(float)) | (Number::Float(float), Number::Big(_)) => {
                float.is_finite() && self.as_f64() == other.as_f64()
            }
            // A `Big` is outside the range of `Int`.
            (Number::Big(_), Number::Int(_)) | (Number::Int(_), Number::Big(_)) => false,
        }
    }
}

/// The whole number that a float is, if it is one and fits 64 bits.
pub(crate) fn integral(float: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if float.fract() != 0.0 || !(-LIMIT..LIMIT).contains(&float) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole and inside the range of i64"
    )]
    Some(float as i64)
}
