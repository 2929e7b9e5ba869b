//! Inline `Map`. What belongs to a distributed Map is refused by `later`.

use std::ops::RangeInclusive;

use crate::jsonata;
use crate::limits::MAP_CONCURRENCY_LITERAL_MAX;
use crate::path::Path;
use crate::program::{Bound, Distributed, Kind, Language, Map, ScopeId, Selector};

use super::fields::Fields;
use super::query::Offers;
use super::report::Report;
use super::state::Site;
use super::walk::Walk;
use super::{data, later, query, scope};

pub(super) const FIELDS: &[&str] = &[
    "ItemProcessor",
    "ItemSelector",
    "ItemsPath",
    "Iterator",
    "MaxConcurrency",
    "MaxConcurrencyPath",
    "Parameters",
];

/// The fields of a Map in JSONata.
pub(super) const QUERY_FIELDS: &[&str] =
    &["ItemProcessor", "ItemSelector", "Items", "MaxConcurrency"];

/// One of `ItemProcessor` and its old name `Iterator`; at most one of `ItemSelector` and its old name `Parameters`.
pub(super) fn compile(walk: &mut Walk<'_>, site: &Site<'_>) -> Option<Kind> {
    let fields = &site.fields;
    later::distributed_fields(&mut walk.report, fields, walk.purpose);
    let data = Data::read(&mut walk.report, site);
    let (processor, mode) = processor(walk, site)?;
    let distributed = match mode {
        Mode::Inline => None,
        Mode::Distributed => Some(distributed(&mut walk.report, site)),
    };
    Some(Kind::Map(Box::new(Map {
        processor,
        items_path: data.items_path,
        items: data.items,
        item_selector: data.item_selector,
        max_concurrency: data.max_concurrency.unwrap_or(Bound::Literal(0)),
        distributed,
    })))
}

/// `Mode` of the processor.
#[derive(Clone, Copy)]
enum Mode {
    Inline,
    Distributed,
}

fn distributed(report: &mut Report, site: &Site<'_>) -> Distributed {
    const COUNT: RangeInclusive<u32> = 0..=u32::MAX;
    let fields = &site.fields;
    Distributed {
        tolerated_failure_count: match site.language {
            Language::JsonPath => data::bound(report, fields, "ToleratedFailureCount", COUNT),
            Language::Jsonata => query::bound(report, fields, "ToleratedFailureCount", COUNT),
        },
        has_reader: fields.has("ItemReader"),
    }
}

/// What a Map says about its items.
struct Data {
    items_path: Option<Path>,
    items: Option<jsonata::Template>,
    item_selector: Option<Selector>,
    max_concurrency: Option<Bound>,
}

impl Data {
    fn read(report: &mut Report, site: &Site<'_>) -> Data {
        const CONCURRENCY: RangeInclusive<u32> = 0..=MAP_CONCURRENCY_LITERAL_MAX;
        let fields = &site.fields;
        match site.language {
            Language::JsonPath => Data {
                items_path: data::reference_path(report, fields, "ItemsPath"),
                items: None,
                item_selector: item_selector(report, fields),
                max_concurrency: data::bound(report, fields, "MaxConcurrency", CONCURRENCY),
            },
            Language::Jsonata => Data {
                items_path: None,
                items: query::expression(report, fields, "Items", "Array", |value| {
                    value.as_array().is_some()
                }),
                item_selector: query::template(report, fields, "ItemSelector", Offers::Nothing)
                    .map(Selector::Jsonata),
                max_concurrency: query::bound(report, fields, "MaxConcurrency", CONCURRENCY),
            },
        }
    }
}

fn item_selector(report: &mut Report, fields: &Fields<'_>) -> Option<Selector> {
    fields.at_most_one(report, &["ItemSelector", "Parameters"]);
    let selector = data::template(report, fields, "ItemSelector");
    let legacy = data::template(report, fields, "Parameters");
    selector.or(legacy).map(Selector::JsonPath)
}

fn processor(walk: &mut Walk<'_>, site: &Site<'_>) -> Option<(ScopeId, Mode)> {
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
    let mode = mode(walk, &processor);
    Some((scope::compile(walk, &processor, Some(site.id))?, mode))
}

fn mode(walk: &mut Walk<'_>, processor: &Fields<'_>) -> Mode {
    let purpose = walk.purpose;
    let report = &mut walk.report;
    let at = processor.location("ProcessorConfig");
    let config = processor
        .get("ProcessorConfig")
        .and_then(|value| Fields::of(report, value, &at));
    let Some(config) = config else {
        return Mode::Inline;
    };
    config.only(report, &["Mode", "ExecutionType"]);
    config.one_of(report, "ExecutionType", &["STANDARD", "EXPRESS"]);
    match config.one_of(report, "Mode", &["INLINE", "DISTRIBUTED"]) {
        Some("DISTRIBUTED") => {
            later::distributed_mode(report, &config, purpose);
            return Mode::Distributed;
        }
        Some(_) | None if config.has("ExecutionType") => {
            config.unsupported(report, "ExecutionType");
        }
        Some(_) | None => {}
    }
    Mode::Inline
}
