//! `Parallel`.

use crate::program::{Kind, Parallel};

use super::fields::Fields;
use super::scope;
use super::state::Site;
use super::walk::Walk;

pub(super) const FIELDS: &[&str] = &["Branches"];

/// At least one branch, each a document of its own.
pub(super) fn compile(walk: &mut Walk<'_>, site: &Site<'_>) -> Kind {
    site.fields.require(&mut walk.report, &["Branches"]);
    let mut branches = Vec::new();
    for (at, value) in site.fields.some_items(&mut walk.report, "Branches") {
        let Some(branch) = Fields::of(&mut walk.report, value, &at) else {
            continue;
        };
        branch.only(&mut walk.report, scope::FIELDS);
        branches.extend(scope::compile(walk, &branch, Some(site.id)));
    }
    Kind::Parallel(Parallel { branches })
}
