//! The work of a tested state, stage by stage.

use std::sync::Arc;

use stepfleet_asl::flow::{self, Chosen, Given};
use stepfleet_asl::limits::EVALUATION_BYTES_MAX;
use stepfleet_asl::program::{
    Assign, Bound, Choice, Fail, Kind, Language, Map, Pass, State, StateId, Task, Text,
};
use stepfleet_asl::{EvalError, Payload, Value};

use super::scene::Scene;
use super::{Case, Inspection, Mock, Outcome, Refusal, Report};
use crate::decide::draft::{self, Draws};
use crate::decide::{choice, exit, retry};
use crate::event::Failure;
use crate::ids::EventId;

/// The event that enters the first state of an execution, which messages name.
const ENTRY: EventId = EventId(2);

/// Why the state stops short.
enum Halt {
    Failed(Failure),
    Refused(Refusal),
}

type Work<T> = Result<T, Halt>;

/// What the state leaves.
struct Left {
    output: Payload,
    next: Option<StateId>,
}

struct Run<'a> {
    case: &'a Case<'a>,
    state: &'a State,
    scene: Scene<'a>,
    seen: Inspection,
}

pub(super) fn run(case: &Case<'_>) -> Result<Report, Refusal> {
    let draws = Draws::of(case.entropy);
    let mut run = Run {
        case,
        state: &case.program.states[case.state.0 as usize],
        scene: Scene::new(case, &draws),
        seen: Inspection {
            variables: case.variables.clone(),
            ..Inspection::default()
        },
    };
    let outcome = match run.perform() {
        Ok(left) => Outcome::Succeeded {
            output: left.output,
            next: left.next.map(|next| run.name_of(next)),
        },
        Err(Halt::Failed(failure)) => run.failed(failure),
        Err(Halt::Refused(refusal)) => return Err(refusal),
    };
    Ok(Report {
        outcome,
        inspection: run.seen,
    })
}

impl<'a> Run<'a> {
    fn perform(&mut self) -> Work<Left> {
        let state = self.state;
        match &state.kind {
            Kind::Pass(pass) => self.pass(pass),
            Kind::Task(task) => self.task(task),
            Kind::Choice(choice) => self.choice(choice),
            Kind::Wait(wait) => {
                let now_ms = self.case.now_ms;
                let input = self.selected()?;
                self.evaluate(|scene| flow::wait_until(wait, &input, scene, now_ms))?;
                self.leave(&Given::Input(&input))
            }
            Kind::Succeed => {
                let input = self.selected()?;
                self.leave(&Given::Input(&input))
            }
            Kind::Fail(fail) => self.fail(fail),
            Kind::Parallel(_) => {
                let input = self.effective()?;
                self.check_size(&input)?;
                let result = self.mocked()?;
                self.finish(&Given::Result(&result))
            }
            Kind::Map(map) => self.map(map),
        }
    }

    fn pass(&mut self, pass: &Pass) -> Work<Left> {
        let input = self.parameters()?;
        let result = pass.result.clone().unwrap_or(input);
        self.finish(&Given::Input(&result))
    }

    fn task(&mut self, task: &Task) -> Work<Left> {
        self.bound(task.timeout.as_ref(), "TimeoutSecondsPath")?;
        self.bound(task.heartbeat.as_ref(), "HeartbeatSecondsPath")?;
        let arguments = self.parameters()?;
        if self.state.language == Language::Jsonata {
            self.seen.after_arguments = Some(arguments.clone());
        }
        self.check_size(&arguments)?;
        let result = self.mocked()?;
        self.seen.result = Some(result.clone());
        self.finish(&Given::Result(&result))
    }

    fn map(&mut self, map: &Map) -> Work<Left> {
        let input = self.selected()?;
        let wanted = self.evaluate(|scene| {
            flow::bound(&map.max_concurrency, &input, scene, "MaxConcurrencyPath")
        })?;
        self.seen.max_concurrency = Some(wanted);
        let distributed = map.distributed.as_ref();
        let tolerated = distributed.and_then(|map| map.tolerated_failure_count.as_ref());
        if let Some(count) = tolerated {
            let field = "ToleratedFailureCountPath";
            let count = self.evaluate(|scene| flow::bound(count, &input, scene, field))?;
            self.seen.tolerated_failure_count = Some(count);
        }
        let items = self.items(map, &input)?;
        self.select_items(map, &input, &items)?;
        let failures = self.case.map_iteration_failure_count.unwrap_or(0);
        if usize::try_from(failures).map_or(true, |failures| failures > items.len()) {
            return Err(Halt::Refused(Refusal::MoreFailuresThanIterations));
        }
        // A mocked error stands for the Map's own, however many iterations failed.
        let result = self.mocked()?;
        if distributed.is_some() && failures > self.seen.tolerated_failure_count.unwrap_or(0) {
            let cause = "The specified tolerated failure threshold was exceeded";
            return Err(Halt::Failed(Failure {
                error: Some("States.ExceedToleratedFailureThreshold".into()),
                cause: Some(cause.into()),
            }));
        }
        self.finish(&Given::Result(&result))
    }

    fn items(&mut self, map: &Map, input: &Payload) -> Work<Arc<Vec<Value>>> {
        if map.distributed.as_ref().is_some_and(|map| map.has_reader) {
            let data = self.case.map_item_reader_data.as_ref();
            let items = data.and_then(|data| data.value().as_array().cloned());
            return items.ok_or(Halt::Refused(Refusal::NoItems));
        }
        let state = self.state;
        let items = self.evaluate(|scene| flow::items(state, map, input, scene))?;
        if state.language == Language::JsonPath {
            self.seen.after_items_path = Some(Payload::from_value(Value::Array(items.clone())));
        }
        Ok(items)
    }

    fn select_items(&mut self, map: &Map, input: &Payload, items: &[Value]) -> Work<()> {
        if map.item_selector.is_none() {
            return Ok(());
        }
        let mut selected = Vec::with_capacity(items.len());
        let mut bytes = 0;
        for (index, item) in items.iter().enumerate() {
            if (self.case.expired)() {
                return Err(Halt::Refused(Refusal::TooLong));
            }
            let scene = self.scene.of_item(&self.case.context, index, item);
            let input = flow::item(map, input, item, &scene).map_err(|error| self.halt(&error))?;
            self.check_size(&input)?;
            bytes += input.len();
            // An execution makes these one at a time; here all of them are shown.
            if bytes > EVALUATION_BYTES_MAX {
                return Err(self.too_large());
            }
            selected.push(input.value().clone());
        }
        self.seen.after_item_selector = Some(Payload::from_value(selected.into()));
        Ok(())
    }

    fn choice(&mut self, rules: &'a Choice) -> Work<Left> {
        let input = self.selected()?;
        let chosen = self
            .evaluate(|scene| flow::choose(rules, &input, scene)?.ok_or_else(choice::no_match))?;
        let (next, assign) = match chosen {
            Chosen::Branch(branch) => (branch.next, branch.assign.as_ref()),
            Chosen::Default(next) => (next, self.state.assign.as_ref()),
        };
        let (state, raw) = (self.state, &self.case.input);
        let output =
            self.evaluate(|scene| flow::choice_output(state, chosen, raw, &input, scene))?;
        self.depart(output, assign, &Given::Input(&input), Some(next))
    }

    fn fail(&mut self, fail: &Fail) -> Work<Left> {
        let error = self.text(fail.error.as_ref(), "ErrorPath")?;
        let cause = self.text(fail.cause.as_ref(), "CausePath")?;
        Err(Halt::Failed(draft::truncated(Failure { error, cause })))
    }

    fn text(&self, text: Option<&Text>, field: &str) -> Work<Option<Arc<str>>> {
        let raw = &self.case.input;
        text.map(|text| {
            self.evaluate(|scene| flow::fail_text(text, field, raw, scene))
                .map(Arc::from)
        })
        .transpose()
    }

    fn bound(&self, bound: Option<&Bound>, field: &str) -> Work<()> {
        let raw = &self.case.input;
        if let Some(bound) = bound {
            self.evaluate(|scene| flow::bound(bound, raw, scene, field))?;
        }
        Ok(())
    }

    /// `InputPath`, of the states that have no parameters.
    fn selected(&mut self) -> Work<Payload> {
        let (state, raw) = (self.state, &self.case.input);
        let selected = self.evaluate(|scene| flow::selected_input(state, raw, scene))?;
        if state.language == Language::JsonPath {
            self.seen.after_input_path = Some(selected.clone());
        }
        Ok(selected)
    }

    /// `InputPath`, then `Parameters`; or `Arguments`.
    fn parameters(&mut self) -> Work<Payload> {
        if self.state.language == Language::Jsonata {
            return self.effective();
        }
        let (state, selected) = (self.state, self.selected()?);
        let effective = self.evaluate(|scene| flow::with_parameters(state, selected, scene))?;
        self.seen.after_parameters = Some(effective.clone());
        Ok(effective)
    }

    fn effective(&self) -> Work<Payload> {
        let (state, raw) = (self.state, &self.case.input);
        self.evaluate(|scene| flow::effective_input(state, raw, scene))
    }

    /// What stands for the work of the state.
    fn mocked(&self) -> Work<Payload> {
        match &self.case.mock {
            Some(Mock::Result(result)) => {
                self.check_size(result)?;
                Ok(result.clone())
            }
            Some(Mock::Error(failure)) => Err(Halt::Failed(draft::truncated(failure.clone()))),
            None => Err(Halt::Refused(Refusal::NoMock)),
        }
    }

    /// Leaves with a result; what `ResultSelector` and `ResultPath` of a JSONPath state make of it is looked at.
    fn finish(&mut self, given: &Given<'_>) -> Work<Left> {
        if self.state.language == Language::Jsonata {
            return self.leave(given);
        }
        let (state, raw) = (self.state, &self.case.input);
        let result = document(given);
        let selected = self.evaluate(|scene| flow::selected_result(state, result, scene))?;
        self.seen.after_result_selector = Some(selected.clone());
        let merged = self.evaluate(|_| flow::merged(state, raw, &selected))?;
        self.seen.after_result_path = Some(merged.clone());
        let output = self.evaluate(|scene| flow::selected_output(state, &merged, scene))?;
        self.depart(output, state.assign.as_ref(), given, exit::next_of(state))
    }

    /// Leaves a state that has no stages to look at.
    fn leave(&mut self, given: &Given<'_>) -> Work<Left> {
        let (state, raw) = (self.state, &self.case.input);
        let output = self.evaluate(|scene| flow::output(state, raw, document(given), scene))?;
        self.depart(output, state.assign.as_ref(), given, exit::next_of(state))
    }

    fn depart(
        &mut self,
        output: Payload,
        assign: Option<&Assign>,
        given: &Given<'_>,
        next: Option<StateId>,
    ) -> Work<Left> {
        self.assign(assign, given)?;
        self.check_size(&output)?;
        Ok(Left { output, next })
    }

    /// The values of an `Assign` join the variables that the next state sees.
    fn assign(&mut self, assign: Option<&Assign>, given: &Given<'_>) -> Work<()> {
        let Some(assign) = assign else { return Ok(()) };
        let raw = &self.case.input;
        let values = self.evaluate(|scene| flow::assigned(assign, raw, given, scene))?;
        let bytes: usize = values.iter().map(|(_, value)| value.len()).sum();
        if bytes > self.case.payload_bytes_max {
            return Err(self.too_large());
        }
        for (name, value) in values {
            self.seen.variables.insert(name, value.value().clone());
        }
        Ok(())
    }

    fn check_size(&self, payload: &Payload) -> Work<()> {
        if payload.len() <= self.case.payload_bytes_max {
            return Ok(());
        }
        Err(self.too_large())
    }

    fn too_large(&self) -> Halt {
        Halt::Failed(exit::too_large_failure(&self.state.name))
    }

    fn evaluate<T>(&self, work: impl FnOnce(&Scene<'_>) -> Result<T, EvalError>) -> Work<T> {
        work(&self.scene).map_err(|error| self.halt(&error))
    }

    fn halt(&self, error: &EvalError) -> Halt {
        Halt::Failed(draft::framed(error, &self.state.name, ENTRY))
    }

    /// Retry, then Catch.
    fn failed(&mut self, failure: Failure) -> Outcome {
        if failure.error.as_deref() == Some(retry::RUNTIME) {
            return Outcome::Failed(failure);
        }
        if let Some((index, retrier)) = retry::retrier_of(self.state, &failure, false) {
            let used = self.case.retrier_retry_count;
            self.seen.retry_index = Some(index);
            if used < retrier.max_attempts {
                self.seen.retry_backoff_seconds = Some(retry::backoff_seconds(retrier, used));
                return Outcome::Retriable(failure);
            }
        }
        let Some((index, catcher)) = retry::catcher_of(self.state, &failure, false) else {
            return Outcome::Failed(failure);
        };
        self.seen.catch_index = Some(index);
        let error_output = Payload::from_value(retry::error_output(&failure));
        let raw = &self.case.input;
        let caught = self
            .evaluate(|scene| flow::caught(catcher, raw, &error_output, scene))
            .and_then(|output| {
                let given = Given::ErrorOutput(&error_output);
                self.depart(output, catcher.assign.as_ref(), &given, Some(catcher.next))
            });
        match caught {
            Ok(left) => Outcome::Caught {
                failure,
                output: left.output,
                next: self.name_of(catcher.next),
            },
            Err(Halt::Failed(failure)) => Outcome::Failed(failure),
            // Nothing is refused while an error is caught.
            Err(Halt::Refused(_)) => Outcome::Failed(failure),
        }
    }

    fn name_of(&self, state: StateId) -> Arc<str> {
        self.case.program.states[state.0 as usize].name.clone()
    }
}

/// The document that a state has in hand.
fn document<'a>(given: &Given<'a>) -> &'a Payload {
    let (Given::Input(document) | Given::Result(document) | Given::ErrorOutput(document)) = given;
    document
}
