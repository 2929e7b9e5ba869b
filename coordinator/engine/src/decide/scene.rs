//! The surroundings of one evaluation: the context object (built on first use), variables, entropy.

use std::cell::OnceCell;

use stepfleet_asl::program::{Kind, State};
use stepfleet_asl::resource::{Pattern, Resource};
use stepfleet_asl::time::format_timestamp;
use stepfleet_asl::{Environment, EvalError, Object, Patience, Payload, Value};

use crate::decide::draft::{Draft, Fault};
use crate::execution::{Execution, Frame, Stay, Work};
use crate::ids::{Attempt, FrameId, TaskRef};

/// One frame inside a state, as expressions see it.
pub(super) struct Scene<'a> {
    draft: &'a Draft<'a>,
    frame: &'a Frame,
    stay: &'a Stay,
    /// The item whose `ItemSelector` is evaluated.
    item: Option<(u32, Value)>,
    context: OnceCell<Value>,
}

/// Evaluates something about the state that `frame` is inside; a failure gets the frame's text.
pub(super) fn evaluate<T>(
    draft: &Draft<'_>,
    frame: FrameId,
    item: Option<(u32, Value)>,
    work: impl FnOnce(&Payload, &Scene<'_>) -> Result<T, EvalError>,
) -> Result<T, Fault> {
    let frame = draft.frame(frame);
    let stay = draft.stay(frame.id);
    let scene = Scene {
        draft,
        frame,
        stay,
        item,
        context: OnceCell::new(),
    };
    work(&frame.input.payload, &scene).map_err(|error| Fault::framed(scene.explained(error), stay))
}

impl Environment for Scene<'_> {
    fn context(&self) -> &Value {
        self.context.get_or_init(|| self.build())
    }

    fn variable(&self, name: &str) -> Option<Value> {
        let value = self.draft.execution.variable(self.frame, name);
        value.map(|payload| payload.value().clone())
    }

    fn patience(&self) -> Patience {
        self.draft.env.patience
    }

    fn evaluating(&self) {
        self.draft.evaluating();
    }

    fn timed_out(&self) {
        if self.draft.env.patience == Patience::Brief {
            self.draft.interrupt();
        }
    }

    fn now_ms(&self) -> i64 {
        self.draft.env.now.0
    }

    fn random_u64(&self) -> u64 {
        self.draft.random_u64()
    }
}

impl Scene<'_> {
    fn build(&self) -> Value {
        let execution = &self.draft.execution;
        let header = &execution.header;
        let mut context = Object::new();
        context.insert("Execution".into(), about(execution));
        context.insert(
            "StateMachine".into(),
            object([
                ("Id", Value::from(&*header.machine_arn)),
                ("Name", Value::from(&*header.machine_name)),
            ]),
        );
        let state = self.draft.state(self.stay.state);
        context.insert("State".into(), self.state(state));
        if let Some((index, value)) = self
            .item
            .clone()
            .or_else(|| enclosing_item(execution, self.frame))
        {
            let item = object([("Index", Value::from(i64::from(index))), ("Value", value)]);
            context.insert("Map".into(), object([("Item", item)]));
        }
        if hands_out_token(state) {
            context.insert("Task".into(), self.about_task(state));
        }
        context.into()
    }

    fn state(&self, state: &State) -> Value {
        let mut members = Object::new();
        members.insert("Name".into(), Value::from(&*self.stay.name));
        members.insert(
            "EnteredTime".into(),
            format_timestamp(self.stay.entered_at.0).into(),
        );
        // Only states that can be retried count retries.
        if matches!(state.kind, Kind::Task(_) | Kind::Parallel(_) | Kind::Map(_)) {
            members.insert(
                "RetryCount".into(),
                Value::from(i64::from(self.stay.retry_count())),
            );
        }
        members.into()
    }

    /// `$$.Task`.
    fn about_task(&self, state: &State) -> Value {
        let token = self.draft.env.services.token(&self.task());
        let mut members = Object::new();
        members.insert("Token".into(), token.into());
        if let Some(url) = self.callback_url(state) {
            members.insert("CallbackUrl".into(), url.into());
        }
        members.into()
    }

    fn callback_url(&self, state: &State) -> Option<String> {
        let (env, header) = (self.draft.env, &self.draft.execution.header);
        if pattern(state) != Some(Pattern::Callback) {
            return None;
        }
        env.services.callback_url(&self.task(), header, env.now)
    }

    fn task(&self) -> TaskRef {
        let header = &self.draft.execution.header;
        TaskRef {
            hash: header.hash,
            execution: header.id,
            incarnation: header.incarnation,
            attempt: Attempt {
                entry: self.stay.entry,
                attempt: self.stay.attempt,
                generation: 0,
            },
        }
    }

    /// Says why there is no callback URL where an expression failed for want of one.
    fn explained(&self, mut error: EvalError) -> EvalError {
        let state = self.draft.state(self.stay.state);
        if error.cause.contains("CallbackUrl")
            && pattern(state) == Some(Pattern::Callback)
            && self.callback_url(state).is_none()
        {
            error.cause.push_str(
                " This coordinator does not know its own address: callback URLs need `url` in [callbacks] of its \
                 configuration.",
            );
        }
        error
    }
}

/// `$$.Execution`.
fn about(execution: &Execution) -> Value {
    let header = &execution.header;
    let redrives = i64::from(execution.redrive_count());
    let mut members: Object = [
        ("Id", Value::from(&*header.execution_arn)),
        ("Input", execution.input.payload.value().clone()),
        ("StartTime", format_timestamp(execution.started_at.0).into()),
        ("Name", Value::from(&*header.name)),
        ("RoleArn", Value::from(&*header.role_arn)),
        ("RedriveCount", Value::from(redrives)),
    ]
    .into_iter()
    .map(|(key, value)| (key.into(), value))
    .collect();
    if let Some(at) = execution.redriven_at() {
        members.insert("RedriveTime".into(), format_timestamp(at.0).into());
    }
    members.into()
}

/// The item of the innermost Map iteration that this frame runs in.
fn enclosing_item(execution: &Execution, frame: &Frame) -> Option<(u32, Value)> {
    let mut frame = frame;
    while let Some((parent, index)) = frame.parent {
        frame = execution.frame(parent)?;
        if let Some(Stay {
            work: Work::Map(work),
            ..
        }) = frame.stay()
        {
            let items = work.items.payload.value().as_array()?;
            let item = items.get(usize::try_from(index).ok()?)?.clone();
            return Some((index, item));
        }
    }
    None
}

/// Whether `$$.Task.Token` exists while this state's arguments are built.
fn hands_out_token(state: &State) -> bool {
    match pattern(state) {
        Some(Pattern::Callback | Pattern::RunJob) => true,
        Some(Pattern::RequestResponse) | None => false,
    }
}

/// How a state calls an integration.
fn pattern(state: &State) -> Option<Pattern> {
    let Kind::Task(task) = &state.kind else {
        return None;
    };
    match &task.resource {
        Resource::Integration(integration) => Some(integration.pattern),
        Resource::Activity { .. } | Resource::Lambda { .. } => None,
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::from(
        members
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect::<Object>(),
    )
}
