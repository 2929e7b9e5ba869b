//! `Pass`.

use crate::payload::Payload;
use crate::program::{Kind, Pass};

use super::state::Site;

pub(super) const FIELDS: &[&str] = &["Result"];

/// `Result` may be any JSON, `null` included, and is never evaluated.
pub(super) fn compile(site: &Site<'_>) -> Kind {
    Kind::Pass(Pass {
        result: site.fields.get("Result").cloned().map(Payload::from_value),
    })
}
