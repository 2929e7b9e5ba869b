//! `States.Base64…`, `States.Hash` and `States.UUID`.

use std::fmt::Write;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::expect_string;
use crate::limits::{BASE64_CHARS_MAX, HASH_CHARS_MAX};
use crate::value::Value;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn base64_encode(text: &Value) -> Result<Value, String> {
    let text = within(expect_string(text)?, BASE64_CHARS_MAX)?;
    Ok(Value::from(BASE64.encode(text)))
}

/// Line breaks are skipped, padding may be absent, and what is not UTF-8 becomes replacement characters.
pub(super) fn base64_decode(text: &Value) -> Result<Value, String> {
    let text = within(expect_string(text)?, BASE64_CHARS_MAX)?;
    let packed: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = BASE64
        .decode(packed)
        .map_err(|error| format!("Invalid base64 text: {error}"))?;
    Ok(Value::from(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Lower-case hex of the digest of a string, or of the JSON text of anything else.
pub(crate) fn hash(data: &Value, algorithm: &Value) -> Result<Value, String> {
    let json;
    let text = match data.as_str() {
        Some(text) => text,
        None => {
            json = data.to_text();
            &json
        }
    };
    let bytes = within(text, HASH_CHARS_MAX)?.as_bytes();
    Ok(Value::from(match expect_string(algorithm)? {
        "MD5" => hex(&Md5::digest(bytes)),
        "SHA-1" => hex(&Sha1::digest(bytes)),
        "SHA-256" => hex(&Sha256::digest(bytes)),
        "SHA-384" => hex(&Sha384::digest(bytes)),
        "SHA-512" => hex(&Sha512::digest(bytes)),
        other => {
            return Err(format!(
                "The algorithm '{other}' is not one of MD5, SHA-1, SHA-256, SHA-384, SHA-512"
            ));
        }
    }))
}

/// A version 4 UUID of 122 random bits.
pub(crate) fn uuid(high: u64, low: u64) -> Value {
    let high = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
    let low = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
    let digits = format!("{high:016x}{low:016x}");
    let (a, b, c) = (&digits[..8], &digits[8..12], &digits[12..16]);
    Value::from(format!("{a}-{b}-{c}-{}-{}", &digits[16..20], &digits[20..]))
}

fn within(text: &str, chars_max: usize) -> Result<&str, String> {
    if text.chars().nth(chars_max).is_some() {
        return Err(format!("The text is longer than {chars_max} characters"));
    }
    Ok(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
}
