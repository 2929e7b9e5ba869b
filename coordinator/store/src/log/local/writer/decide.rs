//! Decides commands in order of arrival, on the state after all that were decided before. The contract itself is in
//! `log::admission`.

use std::sync::atomic::Ordering;

use stepfleet_engine::PartitionId;

use super::{CONTROL_RESERVE_BYTES, Round, Writer};
use crate::error::StoreError;
use crate::log::admission::{Admission, PartitionState, admit, trimmed};
use crate::log::local::frame::{self, Kind};
use crate::log::local::group::{Answer, Draft, Ticket};
use crate::log::local::queue::Command;
use crate::log::local::{PARTITIONS_MAX, closed};
use crate::log::{Acquired, Append, Epoch, Seq};

/// A change of a partition's state, decided on the state that it finds.
type Change = Result<(Kind, PartitionState), StoreError>;

impl Writer {
    /// Decides a command and keeps its answer until its group is durable.
    pub(super) fn handle(&mut self, command: Command, round: &mut Round) {
        let ticket = Ticket {
            answer: round.answers.len(),
            chunk: 0,
        };
        let answer = match command {
            Command::Append { chunks, reply } => {
                // The answer must exist before its chunks: a full group is written, and may fail, in between.
                let results = vec![Ok(()); chunks.len()];
                round.answers.push(Answer::Append { results, reply });
                for (chunk, append) in chunks.iter().enumerate() {
                    if let Err(error) = self.append(append, Ticket { chunk, ..ticket }, round) {
                        round.answers[ticket.answer].fail(chunk, error);
                    }
                }
                return;
            }
            Command::Acquire { partition, reply } => Answer::Acquire {
                result: self.acquire(partition, ticket, round),
                reply,
            },
            Command::HandOver {
                partition,
                epoch,
                reply,
            } => Answer::Done {
                result: self.hand_over(partition, epoch, ticket, round),
                reply,
            },
            Command::Trim {
                partition,
                seq,
                reply,
            } => Answer::Done {
                result: self.trim(partition, seq, ticket, round),
                reply,
            },
            Command::Restore {
                partition,
                epoch,
                base,
                reply,
            } => {
                let state = PartitionState {
                    epoch: epoch.0,
                    last: base.0,
                    trimmed: base.0,
                };
                Answer::Done {
                    result: self.restore(partition, state, ticket, round),
                    reply,
                }
            }
        };
        round.answers.push(answer);
    }

    fn append(
        &mut self,
        append: &Append,
        ticket: Ticket,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        self.check_poison()?;
        let partition = append.partition.0;
        let state = self.state(partition, round);
        match admit(append, state, |seq| self.batch(partition, seq, round)) {
            Admission::Append => {}
            Admission::Stored => {
                // A resend may meet the original in the group that is not written yet.
                if append.seq.0 > self.shared.index().state(partition).last {
                    round.group.tickets.push(ticket);
                }
                return Ok(());
            }
            Admission::Refuse(error) => {
                let follows = append.seq.0 > state.last + 1;
                let refused = round.refused.get(&partition).filter(|_| follows);
                return Err(refused.cloned().unwrap_or(error));
            }
        }
        if let Err(error) = self.room_for_chunk(append, round) {
            round.refused.insert(partition, error.clone());
            self.shared.refused_full.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        // Making room may have written the group before, and failed: then this chunk is no longer the next one.
        let state = self.state(partition, round);
        if append.seq.0 != state.last + 1 {
            return Err(round
                .refused
                .get(&partition)
                .cloned()
                .unwrap_or_else(closed));
        }
        round.group.push_chunk(append);
        let state = PartitionState {
            last: append.seq.0,
            ..state
        };
        round.group.states.insert(partition, state);
        round.group.tickets.push(ticket);
        Ok(())
    }

    fn room_for_chunk(&mut self, append: &Append, round: &mut Round) -> Result<(), StoreError> {
        match round.full.clone() {
            Some(full) => Err(full),
            None => self.make_room(
                frame::framed_bytes(append.chunk.len()),
                CONTROL_RESERVE_BYTES,
                round,
            ),
        }
    }

    fn acquire(
        &mut self,
        partition: PartitionId,
        ticket: Ticket,
        round: &mut Round,
    ) -> Result<Acquired, StoreError> {
        self.check_room_for(partition.0, round)?;
        let state = self.control(partition, ticket, round, next_epoch)?;
        Ok(Acquired {
            epoch: Epoch(state.epoch),
            last: Seq(state.last),
        })
    }

    fn hand_over(
        &mut self,
        partition: PartitionId,
        epoch: Epoch,
        ticket: Ticket,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        let current = self.state(partition.0, round).epoch;
        if epoch.0 > current {
            return Err(StoreError::Fenced(format!(
                "partition {} is at epoch {current}, the hand-over came under {}",
                partition.0, epoch.0
            )));
        }
        if epoch.0 == current && current > 0 {
            // Nobody owns the next epoch: whoever acquires gets the one after it.
            self.control(partition, ticket, round, next_epoch)?;
        }
        Ok(())
    }

    fn trim(
        &mut self,
        partition: PartitionId,
        seq: Seq,
        ticket: Ticket,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        if trimmed(partition, seq.0, self.state(partition.0, round))?.is_none() {
            return Ok(());
        }
        let change = |state| {
            let trimmed = trimmed(partition, seq.0, state)?.unwrap_or(seq.0);
            Ok((Kind::Trim, PartitionState { trimmed, ..state }))
        };
        self.control(partition, ticket, round, change).map(drop)
    }

    fn restore(
        &mut self,
        partition: PartitionId,
        restored: PartitionState,
        ticket: Ticket,
        round: &mut Round,
    ) -> Result<(), StoreError> {
        self.check_room_for(partition.0, round)?;
        let change = |state| {
            if state == PartitionState::default() {
                Ok((Kind::Base, restored))
            } else {
                Err(StoreError::Fenced(format!(
                    "partition {} is in use",
                    partition.0
                )))
            }
        };
        self.control(partition, ticket, round, change).map(drop)
    }

    /// Writes a control frame that changes a partition's state, and returns the new state.
    fn control(
        &mut self,
        partition: PartitionId,
        ticket: Ticket,
        round: &mut Round,
        change: impl FnOnce(PartitionState) -> Change,
    ) -> Result<PartitionState, StoreError> {
        self.check_poison()?;
        self.make_room(frame::framed_bytes(0), 0, round)?;
        let (kind, state) = change(self.state(partition.0, round))?;
        let seq = match kind {
            Kind::Trim => state.trimmed,
            Kind::Owner | Kind::Base | Kind::Chunk | Kind::Ledger => state.last,
        };
        let draft = Draft::control(kind, partition.0, state.epoch, seq);
        round.group.push(draft, &[]);
        round.group.states.insert(partition.0, state);
        round.group.tickets.push(ticket);
        Ok(state)
    }

    /// A partition's state after everything decided so far.
    fn state(&self, partition: u16, round: &Round) -> PartitionState {
        let decided = round.group.states.get(&partition).copied();
        decided.unwrap_or_else(|| self.shared.index().state(partition))
    }

    /// The batch of a chunk that is stored or about to be.
    fn batch(&self, partition: u16, seq: u64, round: &Round) -> Option<crate::log::BatchId> {
        let stored = || {
            self.shared
                .index()
                .entry(partition, seq)
                .map(|entry| entry.batch)
        };
        round.group.batch(partition, seq).or_else(stored)
    }

    fn check_room_for(&self, partition: u16, round: &Round) -> Result<(), StoreError> {
        let index = self.shared.index();
        let known = index.state(partition) != PartitionState::default();
        if !known && index.partition_count() + round.group.states.len() >= PARTITIONS_MAX {
            return Err(StoreError::LimitExceeded(format!(
                "a log holds {PARTITIONS_MAX} partitions at most"
            )));
        }
        Ok(())
    }
}

fn next_epoch(state: PartitionState) -> Change {
    Ok((
        Kind::Owner,
        PartitionState {
            epoch: state.epoch + 1,
            ..state
        },
    ))
}
