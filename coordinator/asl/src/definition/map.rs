//! Inline `Map`. What belongs to a distributed Map is refused by `later`.

use crate::limits::MAP_CONCURRENCY_LITERAL_MAX;
use crate::program::{Bound, Kind, Map, ScopeId};
use crate::template::Template;

use super::fields::Fields;
use super::state::Site;
use super::walk::Walk;
use super::{data, later, scope};

pub(super) const FIELDS: &[&str] = &[
    "ItemProcessor",
    "ItemSelector",
    "ItemsPath",
    "Iterator",
    "MaxConcurrency",
    "MaxConcurrencyPath",
    "Parameters",
];

/// One of `ItemProcessor` and its old name `Iterator`; at most one of `ItemSelector` and its old name `Parameters`.
pub(super) fn compile(walk: &mut Walk<'_>, site: &Site<'_>) -> Option<Kind> {
    let fields = &site.fields;
    later::distributed_fields(&mut walk.report, fields);
    let items_path = data::reference_path(&mut walk.report, fields, "ItemsPath");
    let item_selector = item_selector(walk, fields);
    let max_concurrency = data::bound(
        &mut walk.report,
        fields,
        "MaxConcurrency",
        0..=MAP_CONCURRENCY_LITERAL_MAX,
    );
    let processor = processor(walk, site)?;
    Some(Kind::Map(Box::new(Map {
        processor,
        items_path,
        item_selector,
        max_concurrency: max_concurrency.unwrap_or(Bound::Literal(0)),
    })))
}

fn item_selector(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<Template> {
    fields.at_most_one(&mut walk.report, &["ItemSelector", "Parameters"]);
    let selector = data::template(&mut walk.report, fields, "ItemSelector");
    let legacy = data::template(&mut walk.report, fields, "Parameters");
    selector.or(legacy)
}

fn processor(walk: &mut Walk<'_>, site: &Site<'_>) -> Option<ScopeId> {
    let fields = &site.fields;
    fields.at_most_one(&mut walk.report, &["ItemProcessor", "Iterator"]);
    let field = if fields.has("Iterator") {
        "Iterator"
    } else {
        "ItemProcessor"
    };
    if !fields.require(&mut walk.report, &[field]) {
        return None;
    }
    let at = fields.location(field);
    let processor = Fields::of(&mut walk.report, fields.get(field)?, &at)?;
    processor.only(
        &mut walk.report,
        &[scope::FIELDS, &["ProcessorConfig"]].concat(),
    );
    processor_config(walk, &processor);
    scope::compile(walk, &processor, Some(site.id))
}

fn processor_config(walk: &mut Walk<'_>, processor: &Fields<'_>) {
    let report = &mut walk.report;
    let at = processor.location("ProcessorConfig");
    let config = processor
        .get("ProcessorConfig")
        .and_then(|value| Fields::of(report, value, &at));
    let Some(config) = config else { return };
    config.only(report, &["Mode", "ExecutionType"]);
    config.one_of(report, "ExecutionType", &["STANDARD", "EXPRESS"]);
    match config.one_of(report, "Mode", &["INLINE", "DISTRIBUTED"]) {
        Some("DISTRIBUTED") => later::distributed_mode(report, &config),
        Some(_) | None if config.has("ExecutionType") => {
            config.unsupported(report, "ExecutionType");
        }
        Some(_) | None => {}
    }
}
