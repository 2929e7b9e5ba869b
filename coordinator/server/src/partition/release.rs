//! What happens when a batch is durable: its effects leave the host.

use std::sync::Arc;

use stepfleet_asl::resource::Pattern;
use stepfleet_engine::TaskRef;
use stepfleet_engine::execution::Header;
use stepfleet_proto::v1::{Push, Start, TaskPattern};

use super::batch::{Effect, Outbound, push, refused};
use super::desk::Desk;
use super::message::{Message, TaskReply, TaskReport};
use crate::fleet::session::InHand;
use crate::integrations::child;
use crate::matching::{PolledTask, Slot};
use crate::observe::trace;
use crate::writer::Write;

/// Rows that may wait for the writer before new starts are held back.
const ROWS_WAITING_MAX: usize = 4096;

impl Desk {
    /// Lets the effects of a durable batch go.
    pub(crate) fn release(&mut self, effects: Vec<Effect>) {
        let mut woken: Vec<Arc<crate::fleet::Session>> = Vec::new();
        for effect in effects {
            let session = match effect {
                Effect::Task {
                    reply,
                    task,
                    result,
                } => self.reply(reply, &task, result),
                Effect::Push {
                    slot,
                    task,
                    header,
                    given,
                    trace_header,
                } => {
                    let start = given.pattern.map(|pattern| start(&task, pattern));
                    let token = self.shared.tokens.seal(&task);
                    let traceparent = trace_header.as_deref().and_then(trace::traceparent);
                    let push = Push {
                        traceparent: traceparent.unwrap_or_default(),
                        start,
                        ..push(token, &task, &header, &given)
                    };
                    self.hand_out(slot, task, header, push)
                }
                Effect::Cancel { session, task } => {
                    self.tell_cancelled(&session, &task);
                    Some(session)
                }
                Effect::Rows { rows, written } => {
                    self.rows.push_back(Outbound::Rows { rows, written });
                    None
                }
                Effect::Covered { covered, answer } => {
                    self.rows.push_back(Outbound::Covered { covered, answer });
                    None
                }
                Effect::Notify(notify) => {
                    notify.notify_waiters();
                    None
                }
                Effect::Observed(observed) => {
                    self.shared.observer.tell(*observed);
                    None
                }
                Effect::Run(run) => {
                    run();
                    None
                }
            };
            if let Some(session) = session
                && !woken.iter().any(|known| Arc::ptr_eq(known, &session))
            {
                woken.push(session);
            }
        }
        woken.iter().for_each(|session| session.wake());
        self.submit_rows();
    }

    fn reply(
        &self,
        reply: TaskReply,
        task: &TaskRef,
        result: Result<(), crate::service::error::ApiError>,
    ) -> Option<Arc<crate::fleet::Session>> {
        match reply {
            TaskReply::None => None,
            TaskReply::Unary(answer) => {
                let _gone = answer.send(result);
                None
            }
            TaskReply::Result { session, number } => {
                let refusal = result
                    .err()
                    .map(|error| refused(self.shared.tokens.seal(task), &error));
                session.settle(number, refusal);
                // A worker that came back while the result was on its way here was thought to hold the task still.
                if let Some(freed) = session.release(task) {
                    self.shared.fleet.slot_is_free(&session, freed);
                }
                Some(session)
            }
            TaskReply::Heartbeat { session } => result.is_err().then(|| {
                self.tell_cancelled(&session, task);
                session
            }),
        }
    }

    /// The worker stops working on this attempt; its slot takes the next task.
    fn tell_cancelled(&self, session: &Arc<crate::fleet::Session>, task: &TaskRef) {
        if let Some(freed) = session.cancel(task, self.shared.tokens.seal(task)) {
            self.shared.fleet.slot_is_free(session, freed);
        }
    }

    fn hand_out(
        &self,
        slot: Slot,
        task: TaskRef,
        header: Arc<Header>,
        push: Push,
    ) -> Option<Arc<crate::fleet::Session>> {
        match slot {
            Slot::Session {
                session, activity, ..
            } => {
                let in_hand = InHand {
                    activity,
                    header,
                    since: self.now(),
                    progress: None,
                };
                session.push(task, in_hand, push);
                if session.is_gone() && session.release(&task).is_some() {
                    self.host
                        .send_later(Message::Task(TaskReport::undelivered(task)));
                }
                Some(session)
            }
            Slot::Poller { answer, .. } => {
                let polled = PolledTask {
                    task,
                    token: push.task_token,
                    input: push.input,
                    last_progress: push.last_progress,
                };
                if let Err(polled) = answer.send(polled) {
                    self.host
                        .send_later(Message::Task(TaskReport::undelivered(polled.task)));
                }
                None
            }
        }
    }

    /// Rows wait here while the writer is busy.
    pub(crate) fn submit_rows(&mut self) {
        while let Some(next) = self.rows.pop_front() {
            let (rows, written) = match next {
                Outbound::Rows { rows, written } => (rows, written),
                Outbound::Covered { covered, answer } => {
                    let _gone = answer.send(covered);
                    continue;
                }
            };
            let (host, written) = (Some(self.host.clone()), vec![written]);
            let write = Write::Rows {
                rows,
                host,
                written,
            };
            if let Err(Write::Rows { rows, written, .. }) = self.shared.writer.try_submit(write) {
                let written = written.into_iter().next().expect("one execution at a time");
                self.rows.push_front(Outbound::Rows { rows, written });
                return;
            }
        }
    }

    pub(crate) fn rows_waiting(&self) -> bool {
        !self.rows.is_empty()
    }

    pub(crate) fn rows_pile_up(&self) -> bool {
        self.rows.len() > ROWS_WAITING_MAX
    }

    /// Gives all waiting rows to the writer.
    pub(crate) async fn flush_rows(&mut self) {
        for next in std::mem::take(&mut self.rows) {
            if let Outbound::Rows { rows, written } = next {
                let write = Write::Rows {
                    rows,
                    host: None,
                    written: vec![written],
                };
                self.shared.writer.submit(write).await;
            }
        }
    }
}

/// What the worker is told that begins the task of an integration.
fn start(task: &TaskRef, pattern: Pattern) -> Start {
    let pattern = match pattern {
        Pattern::RequestResponse => TaskPattern::RequestResponse,
        Pattern::RunJob => TaskPattern::Sync,
        Pattern::Callback => TaskPattern::WaitForTaskToken,
    };
    Start {
        client_id: child::unique(task),
        pattern: pattern.into(),
    }
}
