//! The parts of the language that come in later releases: recognised, and refused in plain words.

use super::Purpose;
use super::fields::Fields;
use super::report::Report;

/// Fields of a Map that only a distributed Map has.
const DISTRIBUTED: &[&str] = &[
    "ItemBatcher",
    "ItemReader",
    "Label",
    "ResultWriter",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
];

/// Those that a test of a single state can do with.
const TESTED: &[&str] = &[
    "ItemReader",
    "Label",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
];

/// Refuses the fields of a distributed Map.
pub(super) fn distributed_fields(report: &mut Report, map: &Fields<'_>, purpose: Purpose) {
    let refused = |field: &&&str| match purpose {
        Purpose::Run => true,
        Purpose::Test => !TESTED.contains(field),
    };
    for field in DISTRIBUTED.iter().filter(refused) {
        if map.has(field) {
            refuse(report, map, field, "distributed Map");
        }
    }
}

/// Refuses `Mode: DISTRIBUTED`.
pub(super) fn distributed_mode(report: &mut Report, config: &Fields<'_>, purpose: Purpose) {
    match purpose {
        Purpose::Run => refuse(report, config, "Mode", "distributed Map"),
        Purpose::Test => {}
    }
}

/// Whether a field of a Map is one that [`distributed_fields`] speaks of.
pub(super) fn is_distributed_field(field: &str) -> bool {
    DISTRIBUTED.contains(&field)
}

fn refuse(report: &mut Report, fields: &Fields<'_>, field: &str, feature: &str) {
    report.schema(
        fields.location(field),
        format!("Stepfleet does not support {feature} yet"),
    );
}
