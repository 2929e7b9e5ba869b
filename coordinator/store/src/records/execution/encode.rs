//! Writing a snapshot.

use std::collections::BTreeMap;

use stepfleet_asl::Payload;
use stepfleet_engine::execution::{
    ActivityWork, Frame, MapWork, ParallelWork, Phase, Progress, Redrives, Results, Stay,
    TaskStage, TaskWork, Unfinished, Work,
};
use stepfleet_engine::{Data, Execution};
use stepfleet_proto::record::v1;

use crate::records::convert::{
    kind_number, put_failure, put_header, put_resource, put_variables, put_worker, status_number,
};
use crate::records::wire::{Out, Wire};

/// Payloads met so far, by id.
type Payloads<'a> = BTreeMap<u32, &'a Payload>;

/// Encodes the whole execution.
pub fn encode(execution: &Execution) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + execution.input.payload.len());
    let mut wire = Wire(&mut out);
    let mut payloads = Payloads::new();
    put_execution(&mut wire, execution, &mut payloads);
    for (id, payload) in payloads {
        wire.message_of(14, payload.len() + 12, |wire| {
            wire.uint(1, id);
            wire.string(2, payload.text());
        });
    }
    out
}

/// The id of a payload, which is written later.
fn met<'a>(data: &'a Data, payloads: &mut Payloads<'a>) -> u32 {
    payloads.insert(data.id.0, &data.payload);
    data.id.0
}

fn put_execution<'a, O: Out>(
    wire: &mut Wire<'_, O>,
    execution: &'a Execution,
    payloads: &mut Payloads<'a>,
) {
    wire.message(1, |wire| put_header(wire, &execution.header));
    wire.uint(2, status_number(execution.status));
    wire.int(3, execution.started_at.0);
    wire.optional_int(4, execution.closed_at.map(|at| at.0));
    wire.uint(5, met(&execution.input, payloads));
    wire.optional_uint(
        6,
        execution
            .output
            .as_ref()
            .map(|output| met(output, payloads)),
    );
    if let Some(failure) = &execution.failure {
        wire.message(7, |wire| put_failure(wire, failure));
    }
    wire.optional_int(8, execution.deadline.map(|at| at.0));
    wire.uint(9, execution.last_event.0);
    wire.uint(10, execution.last_seq.0);
    wire.uint(11, execution.last_payload.0);
    wire.uint(12, execution.next_frame.0);
    for frame in &execution.frames {
        wire.message(13, |wire| put_frame(wire, frame, payloads));
    }
    for frame in &execution.kept {
        wire.message(15, |wire| put_frame(wire, frame, payloads));
    }
    wire.uint(16, u32::from(execution.keeps_frames));
    if let Some(redrives) = &execution.redrives {
        wire.message(17, |wire| put_redrives(wire, redrives));
    }
}

fn put_frame<'a, O: Out>(wire: &mut Wire<'_, O>, frame: &'a Frame, payloads: &mut Payloads<'a>) {
    wire.uint(1, frame.id.0);
    if let Some((parent, index)) = frame.parent {
        wire.message(2, |wire| {
            wire.uint(1, parent.0);
            wire.uint(2, index);
        });
    }
    wire.uint(3, frame.scope.0);
    wire.uint(4, frame.last_event.0);
    wire.uint(5, met(&frame.input, payloads));
    match &frame.phase {
        Phase::Starting => wire.message(9, |_| {}),
        Phase::Ready { state } => wire.message(6, |wire| wire.uint(1, state.0)),
        Phase::Inside(stay) => wire.message(7, |wire| put_stay(wire, stay, payloads)),
        Phase::Finished { output } => wire.message(8, |wire| wire.uint(1, met(output, payloads))),
    }
    put_variables(wire, 10, &frame.variables);
}

fn put_stay<'a, O: Out>(wire: &mut Wire<'_, O>, stay: &'a Stay, payloads: &mut Payloads<'a>) {
    wire.uint(1, stay.state.0);
    wire.uint(2, kind_number(stay.kind));
    wire.string(3, &stay.name);
    wire.uint(4, stay.entry.0);
    wire.int(5, stay.entered_at.0);
    wire.uint(6, stay.attempt);
    wire.packed(7, stay.retries.iter().copied());
    match &stay.work {
        Work::Entered => wire.message(8, |_| {}),
        Work::Activity(work) => wire.message(9, |wire| put_activity(wire, work, payloads)),
        Work::Task(work) => wire.message(10, |wire| put_task(wire, work, payloads)),
        Work::Waiting { until } => wire.message(11, |wire| wire.int(1, until.0)),
        Work::Backoff { until } => wire.message(12, |wire| wire.int(1, until.0)),
        Work::Parallel(work) => wire.message(13, |wire| put_parallel(wire, work, payloads)),
        Work::Map(work) => wire.message(14, |wire| put_map(wire, work, payloads)),
        Work::Over => wire.message(15, |_| {}),
    }
    wire.uint(16, stay.first_attempt);
    match stay.unfinished.as_deref() {
        Some(Unfinished::Parallel(work)) => {
            wire.message(17, |wire| put_parallel(wire, work, payloads));
        }
        Some(Unfinished::Map(work)) => wire.message(18, |wire| put_map(wire, work, payloads)),
        None => {}
    }
    if let Some(progress) = &stay.progress {
        wire.message(50, |wire| put_progress(wire, progress));
    }
}

fn put_progress<O: Out>(wire: &mut Wire<'_, O>, progress: &Progress) {
    wire.string(1, &progress.details);
    wire.int(2, progress.at.0);
    wire.optional_int(3, progress.recorded_at.map(|at| at.0));
    wire.uint(4, u32::from(progress.is_recorded));
}

fn put_parallel<'a, O: Out>(
    wire: &mut Wire<'_, O>,
    work: &'a ParallelWork,
    payloads: &mut Payloads<'a>,
) {
    put_results(wire, 1, &work.results, payloads);
    wire.uint(2, work.started);
}

fn put_map<'a, O: Out>(wire: &mut Wire<'_, O>, work: &'a MapWork, payloads: &mut Payloads<'a>) {
    wire.uint(1, met(&work.items, payloads));
    wire.uint(2, work.max_concurrency);
    wire.uint(3, work.started);
    wire.uint(4, work.finished);
    put_results(wire, 5, &work.results, payloads);
}

fn put_redrives<O: Out>(wire: &mut Wire<'_, O>, redrives: &Redrives) {
    wire.uint(1, redrives.count);
    wire.int(2, redrives.at.0);
    for redrive in &redrives.by_token {
        wire.message(3, |wire| {
            wire.string(1, &redrive.client_token);
            wire.int(2, redrive.at.0);
        });
    }
}

fn put_results<'a, O: Out>(
    wire: &mut Wire<'_, O>,
    tag: u32,
    results: &'a Results,
    payloads: &mut Payloads<'a>,
) {
    wire.packed(
        tag,
        results
            .iter()
            .map(|result| result.map_or(0, |data| met(data, payloads))),
    );
}

fn put_activity<'a, O: Out>(
    wire: &mut Wire<'_, O>,
    work: &'a ActivityWork,
    payloads: &mut Payloads<'a>,
) {
    wire.string(1, &work.activity);
    wire.uint(2, met(&work.input, payloads));
    wire.uint(3, work.generation);
    wire.optional_int(4, work.started_at.map(|at| at.0));
    wire.message(5, |wire| put_worker(wire, &work.worker));
    wire.optional_int(6, work.deadline.map(|at| at.0));
    wire.optional_uint(7, work.heartbeat_seconds);
    wire.optional_int(8, work.heartbeat_deadline.map(|at| at.0));
    wire.int(9, work.scheduled_at.0);
}

fn put_task<'a, O: Out>(wire: &mut Wire<'_, O>, work: &'a TaskWork, payloads: &mut Payloads<'a>) {
    let stage = match work.stage {
        TaskStage::Scheduled => v1::TaskStage::Scheduled,
        TaskStage::Started => v1::TaskStage::Started,
        TaskStage::Submitted => v1::TaskStage::Submitted,
    };
    wire.message(1, |wire| put_resource(wire, &work.resource));
    wire.uint(2, met(&work.parameters, payloads));
    wire.uint(3, (stage as i32).cast_unsigned());
    wire.optional_int(4, work.deadline.map(|at| at.0));
    wire.optional_uint(5, work.heartbeat_seconds);
    wire.optional_int(6, work.heartbeat_deadline.map(|at| at.0));
    wire.optional_int(7, work.scheduled_at.map(|at| at.0));
    if let Some(start) = &work.start {
        wire.message(60, |wire| put_activity(wire, start, payloads));
    }
    if let Some(handle) = &work.handle {
        wire.message(61, |wire| {
            wire.string(1, &handle.text);
            wire.string(2, &handle.place);
        });
    }
}
