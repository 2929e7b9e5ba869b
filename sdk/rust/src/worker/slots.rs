//! Slots that change while a worker runs: by its program, or by what its host has left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::Error;

/// Slots by activity, as they were last set.
pub(crate) type Wanted = BTreeMap<String, u32>;

/// Changes how many tasks a worker takes at once, before it runs or while it does. Clones mean the same worker.
#[derive(Clone, Debug)]
pub struct SlotsControl {
    pub(crate) wanted: Arc<watch::Sender<Wanted>>,
    pub(crate) activities: Arc<BTreeSet<String>>,
}

impl SlotsControl {
    /// From now on the worker takes so many tasks of the activity at once. Those in hand beyond fewer slots go on.
    ///
    /// # Errors
    /// [`Error::Configuration`] for an activity that the worker does not serve, and for no slots: a worker that is to take
    /// nothing is drained or stopped.
    pub fn set_slots(&self, activity: &str, slots: u32) -> Result<(), Error> {
        if !self.activities.contains(activity) {
            let text = format!("the worker does not serve the activity `{activity}`");
            return Err(Error::Configuration(text));
        }
        if slots == 0 {
            return Err(Error::Configuration(format!(
                "activity `{activity}` has no slots"
            )));
        }
        self.wanted.send_if_modified(|wanted| {
            let before = wanted.insert(activity.to_owned(), slots);
            before != Some(slots)
        });
        Ok(())
    }
}
