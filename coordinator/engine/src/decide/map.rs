//! Inline `Map`: one iteration per item, at most `MaxConcurrency` at once; the results are joined in item order.

use std::sync::Arc;

use stepfleet_asl::program::{Kind, Map};
use stepfleet_asl::{Payload, Value, flow, limits};

use crate::decide::draft::{Draft, Fault, Step, Work};
use crate::decide::exit;
use crate::decide::progress::attempt_with;
use crate::decide::scene::evaluate;
use crate::event::EventBody;
use crate::execution::{self, MapWork};
use crate::ids::FrameId;
use crate::limits::FRAME_DEPTH_MAX;

pub(super) fn perform(draft: &mut Draft<'_>, frame: FrameId, map: &Map) -> Work {
    check_depth(draft, frame)?;
    let state = draft.state_of(frame);
    let (input, items, wanted) = evaluate(draft, frame, None, |raw, scene| {
        let input = flow::effective_input(state, raw, scene)?;
        let wanted = flow::bound(&map.max_concurrency, &input, scene, "MaxConcurrencyPath")?;
        let items = array(flow::items(state, map, &input, scene)?, &input);
        Ok((input, items, wanted))
    })?;
    let length = items.value().as_array().map_or(0, |items| items.len());
    let max = limits::MAP_CONCURRENCY_MAX;
    let items = exit::keep(draft, frame, items, None);
    let previous = draft.chain(frame);
    draft.emit(
        previous,
        EventBody::MapStateStarted {
            frame,
            items,
            length: u32::try_from(length).unwrap_or(u32::MAX),
            max_concurrency: if wanted == 0 { max } else { wanted.min(max) },
        },
    )?;
    if length == 0 {
        return complete(draft, frame);
    }
    remember(draft, frame, map, input);
    draft.queue.push_front(frame);
    Ok(())
}

/// Begins the next iteration. While there is room for more, the Map keeps its turn, so that all iterations that start
/// at once name the same cause.
pub(super) fn start_iteration(draft: &mut Draft<'_>, frame: FrameId) -> Work {
    let state = draft.state_of(frame);
    let stay = draft.stay(frame);
    let (Kind::Map(map), execution::Work::Map(work)) = (&state.kind, &stay.work) else {
        return Ok(());
    };
    let index = work.started;
    let name = stay.name.clone();
    let item = item(work, index);
    let source = item_source(draft, frame, map)?;
    let input = evaluate(draft, frame, Some((index, item.clone())), |_, scene| {
        flow::item(map, &source, &item, scene)
    })?;
    exit::check_size(draft, frame, &input)?;
    let input = exit::keep(draft, frame, input, None);
    let child = draft.execution.next_frame;
    let scope = map.processor;
    let previous = draft.chain(frame);
    draft.count();
    let started = EventBody::MapIterationStarted {
        frame,
        child,
        scope,
        name,
        index,
        input,
    };
    draft.emit(previous, started)?;
    draft.queue.push_back(child);
    keep_turn(draft, frame);
    Ok(())
}

/// An iteration succeeded: the next one begins, or the last one ends the state.
pub(super) fn child_ended(draft: &mut Draft<'_>, frame: FrameId) -> Step {
    let execution::Work::Map(work) = &draft.stay(frame).work else {
        return Ok(());
    };
    if usize::try_from(work.finished).is_ok_and(|finished| finished == work.results.len()) {
        return attempt_with(draft, frame, complete);
    }
    keep_turn(draft, frame);
    Ok(())
}

/// Fails when Parallel and Map are nested too deeply.
pub(super) fn check_depth(draft: &Draft<'_>, frame: FrameId) -> Result<(), Fault> {
    let mut depth = 0;
    let mut line = draft.frame(frame);
    while let Some((parent, _)) = line.parent {
        depth += 1;
        line = draft.frame(parent);
    }
    if depth < FRAME_DEPTH_MAX {
        return Ok(());
    }
    let text = format!("Parallel and Map states are nested deeper than {FRAME_DEPTH_MAX}.");
    Err(Fault::runtime(text, draft.stay(frame)))
}

/// What the items' inputs are made from: the effective input, which is the same for all of them.
fn item_source(draft: &Draft<'_>, frame: FrameId, map: &Map) -> Result<Payload, Fault> {
    if map.item_selector.is_none() {
        // The item alone is the input of its iteration.
        return Ok(Payload::empty_object());
    }
    if let execution::Work::Map(work) = &draft.stay(frame).work
        && let Some(input) = work.input.get()
    {
        return Ok(input.clone());
    }
    let state = draft.state_of(frame);
    let input = evaluate(draft, frame, None, |raw, scene| {
        flow::effective_input(state, raw, scene)
    })?;
    remember(draft, frame, map, input.clone());
    Ok(input)
}

/// Keeps the effective input for the iterations, where they read it.
fn remember(draft: &Draft<'_>, frame: FrameId, map: &Map, input: Payload) {
    if map.item_selector.is_none() {
        return;
    }
    if let execution::Work::Map(work) = &draft.stay(frame).work {
        work.input.remember(input);
    }
}

fn complete(draft: &mut Draft<'_>, frame: FrameId) -> Work {
    let execution::Work::Map(work) = &draft.stay(frame).work else {
        return Ok(());
    };
    let result = exit::joined(draft, frame, &work.results)?;
    let result = draft.data(result, &[]);
    let previous = draft.chain(frame);
    draft.emit(previous, EventBody::MapStateSucceeded { frame })?;
    exit::with_result(draft, frame, &result)
}

fn keep_turn(draft: &mut Draft<'_>, frame: FrameId) {
    let has_room = matches!(&draft.stay(frame).work, execution::Work::Map(work) if work.has_room());
    if has_room {
        draft.queue.push_front(frame);
    }
}

/// The array as a payload; the input itself when it is the array.
fn array(items: Arc<Vec<Value>>, input: &Payload) -> Payload {
    match input.value().as_array() {
        Some(array) if Arc::ptr_eq(array, &items) => input.clone(),
        Some(_) | None => Payload::from_value(Value::Array(items)),
    }
}

fn item(work: &MapWork, index: u32) -> Value {
    work.items
        .payload
        .value()
        .as_array()
        .and_then(|items| items.get(usize::try_from(index).ok()?))
        .cloned()
        .unwrap_or_default()
}
