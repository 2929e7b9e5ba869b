//! The effective input of a Map, found once for all its iterations: `InputPath` may look at the whole input.

use std::sync::{Arc, OnceLock};

use stepfleet_asl::Payload;

/// What was found, shared by all copies of the stay. It follows from the program and the frame's input, so it is no
/// part of the state: it is not stored, two executions do not differ by it, and replay begins without it.
#[derive(Clone, Debug, Default)]
pub struct EffectiveInput(Arc<OnceLock<Payload>>);

impl EffectiveInput {
    /// What was found before.
    pub(crate) fn get(&self) -> Option<&Payload> {
        self.0.get()
    }

    /// Remembers what was found; the first one stays.
    pub(crate) fn remember(&self, input: Payload) {
        self.0.get_or_init(|| input);
    }
}

impl PartialEq for EffectiveInput {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}
