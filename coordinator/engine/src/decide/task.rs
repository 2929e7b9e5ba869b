//! `Task`: resolves its resource and schedules it; an integration is started by the shell or waits for its token.

use std::sync::Arc;

use stepfleet_asl::flow;
use stepfleet_asl::program::{Bound, Task};
use stepfleet_asl::resource::{Pattern, Resource};

use crate::decide::activity::{self, Starter};
use crate::decide::draft::{Draft, Fault, Halt, Work};
use crate::decide::exit;
use crate::decide::scene::evaluate;
use crate::env::Served;
use crate::event::{Data, EventBody, TaskResource};
use crate::ids::FrameId;

/// The clocks of one attempt, in seconds.
pub(super) struct Clocks {
    pub(super) timeout: Option<u32>,
    pub(super) heartbeat: Option<u32>,
}

pub(super) fn perform(draft: &mut Draft<'_>, frame: FrameId, task: &Task) -> Work {
    match &task.resource {
        Resource::Activity { arn } => activity::schedule(draft, frame, task, arn),
        Resource::Lambda { arn } => {
            if !draft.env.services.serves(&task.resource) {
                return Err(not_served(draft, frame, arn));
            }
            let resource = TaskResource::function(arn);
            schedule(draft, frame, task, resource, Served::Starts)
        }
        Resource::Integration(integration) => {
            let services = draft.env.services;
            let served = services.served(integration);
            let connector = || services.connector(&draft.execution.header, integration);
            if served == Served::No && connector().is_none() {
                return Err(not_served(draft, frame, &integration.arn));
            }
            let resource = TaskResource {
                service: integration.service.clone(),
                action: integration.action.clone(),
            };
            schedule(draft, frame, task, resource, served)
        }
    }
}

/// The arguments of the task: its effective input.
pub(super) fn arguments(draft: &mut Draft<'_>, frame: FrameId) -> Work<Data> {
    let state = draft.state_of(frame);
    let input = evaluate(draft, frame, None, |raw, scene| {
        flow::effective_input(state, raw, scene)
    })?;
    exit::check_size(draft, frame, &input)?;
    Ok(exit::keep(draft, frame, input, None))
}

/// The clocks, from literals or from the state's input.
pub(super) fn clocks(draft: &Draft<'_>, frame: FrameId, task: &Task) -> Result<Clocks, Fault> {
    let timeout = bound(draft, frame, task.timeout.as_ref(), "TimeoutSecondsPath")?;
    let heartbeat = bound(
        draft,
        frame,
        task.heartbeat.as_ref(),
        "HeartbeatSecondsPath",
    )?;
    Ok(Clocks { timeout, heartbeat })
}

fn bound(
    draft: &Draft<'_>,
    frame: FrameId,
    bound: Option<&Bound>,
    field: &str,
) -> Result<Option<u32>, Fault> {
    match bound {
        None => Ok(None),
        Some(Bound::Literal(seconds)) => Ok(Some(*seconds)),
        Some(path @ (Bound::Path(_) | Bound::Expression(_))) => {
            evaluate(draft, frame, None, |raw, scene| {
                flow::bound(path, raw, scene, field)
            })
            .map(Some)
        }
    }
}

fn schedule(
    draft: &mut Draft<'_>,
    frame: FrameId,
    task: &Task,
    resource: TaskResource,
    served: Served,
) -> Work {
    let clocks = clocks(draft, frame, task)?;
    let parameters = arguments(draft, frame)?;
    let header = draft.execution.header.clone();
    let services = draft.env.services;
    let starter = match services.delegated(&header, &task.resource, &parameters.payload) {
        Some(delegated) => {
            let input = draft.data(delegated.input, &[&parameters]);
            if task.resource.pattern() == Pattern::RequestResponse {
                return activity::offer(draft, frame, &delegated.activity, input, clocks);
            }
            activity::check(draft, frame, &delegated.activity)?;
            Some(Starter {
                activity: delegated.activity,
                input,
            })
        }
        None => connector(draft, task, served).map(|activity| Starter {
            activity,
            input: parameters.clone(),
        }),
    };
    let previous = draft.chain(frame);
    draft.emit(
        previous,
        EventBody::TaskScheduled {
            frame,
            resource: resource.clone(),
            region: draft.env.services.region(),
            parameters: parameters.clone(),
            timeout_seconds: clocks.timeout,
            heartbeat_seconds: clocks.heartbeat,
        },
    )?;
    if let Some(starter) = starter {
        let pattern = task.resource.pattern();
        return activity::offer_start(draft, frame, starter, pattern, &clocks);
    }
    let previous = draft.chain(frame);
    draft.emit(
        previous,
        EventBody::TaskStarted {
            frame,
            resource: resource.clone(),
        },
    )?;
    match served {
        Served::Waits => {
            let previous = draft.chain(frame);
            let submitted = EventBody::TaskSubmitted {
                frame,
                resource,
                output: parameters,
            };
            draft.emit(previous, submitted)?;
        }
        Served::Starts | Served::No => draft.command(frame),
    }
    Ok(())
}

/// The activity whose workers begin the task, when this installation does not.
fn connector(draft: &Draft<'_>, task: &Task, served: Served) -> Option<Arc<str>> {
    match (&task.resource, served) {
        (Resource::Integration(integration), Served::No) => {
            let header = &draft.execution.header;
            draft.env.services.connector(header, integration)
        }
        (Resource::Activity { .. } | Resource::Lambda { .. } | Resource::Integration(_), _) => None,
    }
}

fn not_served(draft: &Draft<'_>, frame: FrameId, arn: &str) -> Halt {
    let text = format!("The resource {arn} is not served by this installation.");
    Halt::Fault(Fault::runtime(text, draft.stay(frame)))
}
