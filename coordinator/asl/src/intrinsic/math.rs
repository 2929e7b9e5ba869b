//! `States.MathAdd` and `States.MathRandom`.

use super::expect_integer;
use crate::value::Value;

/// Both numbers are rounded and must fit 32 bits.
pub(super) fn add(left: &Value, right: &Value) -> Result<Value, String> {
    Ok(Value::from(
        i64::from(expect_i32(left)?) + i64::from(expect_i32(right)?),
    ))
}

/// A number from `start` (included) to `end` (excluded).
pub(super) fn random(start: &Value, end: &Value, entropy: u64) -> Result<Value, String> {
    let (start, end) = (expect_i32(start)?, expect_i32(end)?);
    let width = i64::from(end) - i64::from(start);
    let width = u64::try_from(width)
        .ok()
        .filter(|width| *width > 0)
        .ok_or_else(|| {
            format!("The start number {start} must be less than the end number {end}")
        })?;
    // Multiply and shift: even to within 2^-32 for widths of 32 bits, without a loop.
    let scaled = (u128::from(entropy) * u128::from(width)) >> 64;
    let offset = i64::try_from(scaled).expect("less than the width");
    Ok(Value::from(i64::from(start) + offset))
}

/// The same seed gives the same number. AWS's generator is not reproduced: its numbers differ.
pub(super) fn seeded_random(start: &Value, end: &Value, seed: &Value) -> Result<Value, String> {
    let seed = expect_integer(seed)?;
    random(start, end, split_mix(seed.cast_unsigned()))
}

/// One output of SplitMix64.
pub(crate) fn split_mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn expect_i32(value: &Value) -> Result<i32, String> {
    let integer = expect_integer(value)?;
    i32::try_from(integer).map_err(|_| {
        format!(
            "The number {integer} is not between {} and {}",
            i32::MIN,
            i32::MAX
        )
    })
}
