//! What happens when a batch is durable: its effects leave the host.

use std::sync::Arc;

use stepfleet_engine::TaskRef;

use super::batch::{Effect, push, refused};
use super::desk::Desk;
use super::message::{Message, TaskReply, TaskReport};
use crate::matching::{PolledTask, Slot};
use crate::writer::Job;

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
                    input,
                    heartbeat_seconds,
                } => {
                    let token = self.shared.tokens.seal(&task);
                    self.hand_out(
                        slot,
                        task,
                        push(token, &task, &header, input.text(), heartbeat_seconds),
                    )
                }
                Effect::Cancel { session, task } => {
                    if let Some(activity) = session.cancel(&task, self.shared.tokens.seal(&task)) {
                        self.shared.fleet.slot_is_free(&session, activity);
                    }
                    Some(session)
                }
                Effect::Rows { rows, written } => {
                    self.rows.push((rows, written));
                    None
                }
                Effect::Notify(notify) => {
                    notify.notify_waiters();
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
                Some(session)
            }
            TaskReply::Heartbeat { session } => result.is_err().then(|| {
                if let Some(activity) = session.cancel(task, self.shared.tokens.seal(task)) {
                    self.shared.fleet.slot_is_free(&session, activity);
                }
                session
            }),
        }
    }

    fn hand_out(
        &self,
        slot: Slot,
        task: TaskRef,
        push: stepfleet_proto::v1::Push,
    ) -> Option<Arc<crate::fleet::Session>> {
        match slot {
            Slot::Session {
                session, activity, ..
            } => {
                session.push(activity, task, push);
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
        let mut waiting = std::mem::take(&mut self.rows).into_iter();
        while let Some((rows, written)) = waiting.next() {
            let job = Job::Rows {
                rows,
                host: Some(self.host.clone()),
                written: vec![written],
            };
            if let Err(Job::Rows { rows, written, .. }) = self.shared.writer.try_submit(job) {
                let written = written.into_iter().next().expect("one execution a job");
                self.rows.push((rows, written));
                self.rows.extend(waiting);
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
        for (rows, written) in std::mem::take(&mut self.rows) {
            self.shared
                .writer
                .submit(Job::Rows {
                    rows,
                    host: None,
                    written: vec![written],
                })
                .await;
        }
    }
}
