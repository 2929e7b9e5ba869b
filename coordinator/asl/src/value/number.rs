//! Numbers: reading, comparing and printing them without losing digits.

use std::cmp::Ordering;

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
            Ok(float) if float.is_finite() && keeps_digits(float, text) => Number::Float(float),
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

    /// Which is more. Numbers that a float cannot tell apart are compared by all their digits.
    pub fn order(&self, other: &Number) -> Option<Ordering> {
        if let (Some(left), Some(right)) = (self.as_i64(), other.as_i64()) {
            return Some(left.cmp(&right));
        }
        let by_float = self.as_f64().partial_cmp(&other.as_f64())?;
        if by_float.is_ne() || self == other {
            return Some(by_float);
        }
        Some(self.decimal().cmp(&other.decimal()))
    }

    fn decimal(&self) -> Decimal {
        let mut text = String::new();
        self.write(&mut text);
        Decimal::of(&text)
    }

    /// Appends the JSON text: integers with all digits, floats in their shortest form as Java prints them (`1.0`,
    /// `1.0E7`).
    pub fn write(&self, out: &mut String) {
        match self {
            Number::Int(int) => out.push_str(itoa::Buffer::new().format(*int)),
            Number::Float(float) if float.is_finite() => {
                write_float(*float, out);
            }
            Number::Float(_) => out.push_str("null"),
            Number::Big(text) => out.push_str(text),
        }
    }
}

/// A decimal number in one form: its digits without zeros at the ends, and where the point is.
#[derive(PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    exponent: i64,
    digits: String,
}

impl Decimal {
    /// By size, the sign aside. Zero has no digits.
    fn magnitude(&self) -> (bool, i64, &str) {
        (!self.digits.is_empty(), self.exponent, &self.digits)
    }

    fn cmp(&self, other: &Decimal) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude().cmp(&other.magnitude()),
            (true, true) => other.magnitude().cmp(&self.magnitude()),
        }
    }
}

impl Decimal {
    fn of(text: &str) -> Decimal {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i64 = exponent.parse().unwrap_or(i64::MAX);
        let whole = mantissa.trim_start_matches('-').find('.');
        let all: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let places = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let leading = all.len() - all.trim_start_matches('0').len();
        let point = places(whole.unwrap_or(all.len())) - places(leading);
        Decimal {
            is_negative: mantissa.starts_with('-'),
            digits: all.trim_matches('0').to_owned(),
            exponent: exponent.saturating_add(point),
        }
    }
}

/// Whether a float prints all digits of the text it was read from. Up to 15 of them a float always holds.
fn keeps_digits(float: f64, text: &str) -> bool {
    const DIGITS_HELD: usize = 15;
    if text.len() <= DIGITS_HELD {
        return true;
    }
    Decimal::of(text).digits == Decimal::of(ryu::Buffer::new().format_finite(float)).digits
}

/// `Double.toString`: plain from 10^-3 up to 10^7, else one digit before the point and an exponent.
fn write_float(float: f64, out: &mut String) {
    if float == 0.0 || (1e-3..1e7).contains(&float.abs()) {
        out.push_str(ryu::Buffer::new().format_finite(float));
        return;
    }
    let text = format!("{float:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    out.push_str(mantissa);
    if !mantissa.contains('.') {
        out.push_str(".0");
    }
    out.push('E');
    out.push_str(exponent);
}

/// By numeric value: `1` equals `1.0`.
impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        match (self, other) {
            (Number::Int(left), Number::Int(right)) => left == right,
            (Number::Float(left), Number::Float(right)) => left == right,
            (Number::Big(left), Number::Big(right)) => Decimal::of(left) == Decimal::of(right),
            (Number::Int(int), Number::Float(float)) | (Number::Float(float), Number::Int(int)) => {
                integral(*float) == Some(*int)
            }
            (Number::Big(_), Number::Float(float)) | (Number::Float(float), Number::Big(_)) => {
                float.is_finite() && self.as_f64() == other.as_f64()
            }
            (Number::Big(text), Number::Int(int)) | (Number::Int(int), Number::Big(text)) => {
                Decimal::of(text) == Decimal::of(itoa::Buffer::new().format(*int))
            }
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
