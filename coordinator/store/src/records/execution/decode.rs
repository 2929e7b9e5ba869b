//! Reading a snapshot.

use std::collections::BTreeMap;

use prost::Message as _;
use stepfleet_asl::Payload;
use stepfleet_asl::program::{ScopeId, StateId};
use stepfleet_engine::event::Handle;
use stepfleet_engine::execution::{
    ActivityWork, EffectiveInput, Frame, MapWork, ParallelWork, Phase, Progress, Redrive, Redrives,
    Results, Stay, TaskStage, TaskWork, Unfinished, Work,
};
use stepfleet_engine::{Data, EventId, EventSeq, Execution, FrameId, PayloadId, Timestamp};
use stepfleet_proto::record::v1;

use crate::error::StoreError;
use crate::records::convert::{self, corrupt, kind, required, status, worker};

/// Payloads of a snapshot by id.
struct Payloads(BTreeMap<u32, Payload>);

/// Decodes an execution; `Corrupt` when it is not exactly what [`super::encode`] writes, or from a newer release.
pub fn decode(bytes: &[u8]) -> Result<Execution, StoreError> {
    let snapshot = v1::ExecutionSnapshot::decode(bytes)
        .map_err(|error| corrupt(format_args!("execution snapshot: {error}")))?;
    let texts = snapshot.payloads.into_iter();
    let payloads = Payloads(
        texts
            .map(|payload| (payload.id, Payload::trusted(payload.text)))
            .collect(),
    );
    let frames = snapshot.frames.into_iter();
    let kept = snapshot.kept.into_iter();
    Ok(Execution {
        header: convert::header(required(snapshot.header, "header")?)?,
        status: status(snapshot.status)?,
        started_at: Timestamp(snapshot.started_at),
        closed_at: snapshot.closed_at.map(Timestamp),
        input: payloads.data(snapshot.input)?,
        output: snapshot
            .output
            .map(|output| payloads.data(output))
            .transpose()?,
        failure: snapshot.failure.map(convert::failure),
        deadline: snapshot.deadline.map(Timestamp),
        last_event: EventId(snapshot.last_event),
        last_seq: EventSeq(snapshot.last_seq),
        last_payload: PayloadId(snapshot.last_payload),
        next_frame: FrameId(snapshot.next_frame),
        frames: frames
            .map(|it| frame(it, &payloads))
            .collect::<Result<_, _>>()?,
        keeps_frames: snapshot.keeps_frames,
        kept: kept
            .map(|it| frame(it, &payloads))
            .collect::<Result<_, _>>()?,
        redrives: snapshot.redrives.map(|it| Box::new(redrives(it))),
    })
}

fn redrives(redrives: v1::Redrives) -> Redrives {
    let redrive = |it: v1::Redrive| Redrive {
        client_token: it.client_token.into(),
        at: Timestamp(it.at),
    };
    Redrives {
        count: redrives.count,
        at: Timestamp(redrives.at),
        by_token: redrives.by_token.into_iter().map(redrive).collect(),
    }
}

impl Payloads {
    fn data(&self, id: u32) -> Result<Data, StoreError> {
        let payload = self.0.get(&id).cloned();
        let payload = payload
            .ok_or_else(|| corrupt(format_args!("execution snapshot without payload {id}")))?;
        Ok(Data {
            id: PayloadId(id),
            payload,
        })
    }

    fn results(&self, ids: Vec<u32>) -> Result<Results, StoreError> {
        ids.into_iter()
            .map(|id| {
                if id == 0 {
                    Ok(None)
                } else {
                    self.data(id).map(Some)
                }
            })
            .collect()
    }
}

fn frame(frame: v1::Frame, payloads: &Payloads) -> Result<Frame, StoreError> {
    let phase = match (frame.ready, frame.inside, frame.finished, frame.starting) {
        (Some(ready), None, None, None) => Phase::Ready {
            state: StateId(ready.state),
        },
        (None, Some(inside), None, None) => Phase::Inside(Box::new(stay(inside, payloads)?)),
        (None, None, Some(end), None) => Phase::Finished {
            output: payloads.data(end.output)?,
        },
        (None, None, None, Some(_)) => Phase::Starting,
        _ => return Err(corrupt("execution snapshot with a frame in no phase")),
    };
    Ok(Frame {
        id: FrameId(frame.id),
        parent: frame
            .parent
            .map(|parent| (FrameId(parent.frame), parent.index)),
        scope: ScopeId(frame.scope),
        last_event: EventId(frame.last_event),
        input: payloads.data(frame.input)?,
        variables: convert::variables(frame.variables),
        phase,
    })
}

fn stay(stay: v1::Stay, payloads: &Payloads) -> Result<Stay, StoreError> {
    let unfinished = match (stay.unfinished_parallel, stay.unfinished_map) {
        (Some(work), None) => Some(Unfinished::Parallel(parallel(work, payloads)?)),
        (None, Some(work)) => Some(Unfinished::Map(map(work, payloads)?)),
        (None, None) => None,
        (Some(_), Some(_)) => return Err(corrupt("execution snapshot with a stay of two kinds")),
    };
    Ok(Stay {
        state: StateId(stay.state),
        kind: kind(stay.kind)?,
        name: stay.name.into(),
        entry: EventId(stay.entry),
        entered_at: Timestamp(stay.entered_at),
        attempt: stay.attempt,
        first_attempt: stay.first_attempt,
        retries: stay.retries.into(),
        work: work(required(stay.work, "work of a stay")?, payloads)?,
        unfinished: unfinished.map(Box::new),
        progress: stay.progress.map(|it| Box::new(progress(it))),
    })
}

fn progress(progress: v1::Progress) -> Progress {
    Progress {
        details: progress.details.into(),
        at: Timestamp(progress.at),
        recorded_at: progress.recorded_at.map(Timestamp),
        is_recorded: progress.is_recorded,
    }
}

fn parallel(work: v1::ParallelWork, payloads: &Payloads) -> Result<ParallelWork, StoreError> {
    Ok(ParallelWork {
        results: payloads.results(work.results)?,
        started: work.started,
    })
}

fn map(work: v1::MapWork, payloads: &Payloads) -> Result<MapWork, StoreError> {
    Ok(MapWork {
        items: payloads.data(work.items)?,
        max_concurrency: work.max_concurrency,
        started: work.started,
        finished: work.finished,
        results: payloads.results(work.results)?,
        input: EffectiveInput::default(),
    })
}

fn work(work: v1::stay::Work, payloads: &Payloads) -> Result<Work, StoreError> {
    use v1::stay::Work as W;
    Ok(match work {
        W::Entered(_) => Work::Entered,
        W::Activity(it) => Work::Activity(activity(it, payloads)?),
        W::Task(it) => Work::Task(task(it, payloads)?),
        W::Waiting(wait) => Work::Waiting {
            until: Timestamp(wait.until),
        },
        W::Backoff(wait) => Work::Backoff {
            until: Timestamp(wait.until),
        },
        W::Parallel(it) => Work::Parallel(parallel(it, payloads)?),
        W::Map(it) => Work::Map(map(it, payloads)?),
        W::Over(_) => Work::Over,
    })
}

fn activity(work: v1::ActivityWork, payloads: &Payloads) -> Result<ActivityWork, StoreError> {
    Ok(ActivityWork {
        activity: work.activity.into(),
        input: payloads.data(work.input)?,
        generation: work.generation,
        scheduled_at: Timestamp(work.scheduled_at),
        started_at: work.started_at.map(Timestamp),
        worker: worker(work.worker),
        deadline: work.deadline.map(Timestamp),
        heartbeat_seconds: work.heartbeat_seconds,
        heartbeat_deadline: work.heartbeat_deadline.map(Timestamp),
    })
}

fn task(work: v1::TaskWork, payloads: &Payloads) -> Result<TaskWork, StoreError> {
    let stage = match v1::TaskStage::try_from(work.stage) {
        Ok(v1::TaskStage::Scheduled) => TaskStage::Scheduled,
        Ok(v1::TaskStage::Started) => TaskStage::Started,
        Ok(v1::TaskStage::Submitted) => TaskStage::Submitted,
        Ok(v1::TaskStage::Unspecified) | Err(_) => {
            return Err(corrupt(format_args!(
                "unknown stage of a task {}",
                work.stage
            )));
        }
    };
    let start = work.start.map(|start| activity(start, payloads));
    let handle = work.handle.map(|it| {
        Box::new(Handle {
            text: it.text.into(),
            place: it.place.into(),
        })
    });
    Ok(TaskWork {
        resource: convert::resource(required(work.resource, "resource")?),
        parameters: payloads.data(work.parameters)?,
        stage,
        scheduled_at: work.scheduled_at.map(Timestamp),
        deadline: work.deadline.map(Timestamp),
        heartbeat_seconds: work.heartbeat_seconds,
        heartbeat_deadline: work.heartbeat_deadline.map(Timestamp),
        start: start.transpose()?.map(Box::new),
        handle,
    })
}
