//! `arn:aws:states:::stepfleet:callback.waitForTaskToken`: shows its Parameters to a person or partner and waits until
//! anyone completes the token. There is nothing to start: the open task itself is what `task list` shows.

use std::future::ready;

use futures::future::BoxFuture;
use stepfleet_asl::resource::{Integration, Pattern};
use stepfleet_engine::Served;

use super::{Begun, Call, Ended, Serve};

/// The integration.
#[derive(Debug)]
pub(crate) struct Callback;

impl Serve for Callback {
    fn matches(&self, integration: &Integration) -> bool {
        integration.service.as_ref() == "stepfleet"
            && integration.action.as_ref() == "callback.waitForTaskToken"
            && integration.pattern == Pattern::Callback
    }

    fn served(&self) -> Served {
        Served::Waits
    }

    fn begin(&self, call: Call) -> BoxFuture<'static, Begun> {
        Box::pin(ready(Begun::Submitted(call.parameters)))
    }

    fn finish(&self, _: Call) -> BoxFuture<'static, Ended> {
        Box::pin(ready(None))
    }

    fn stop(&self, _: Call) -> BoxFuture<'static, ()> {
        Box::pin(ready(()))
    }
}
