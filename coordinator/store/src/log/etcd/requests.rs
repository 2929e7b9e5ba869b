//! The transactions. Each may reach etcd more than once and does no harm then.

use std::sync::Arc;

use bytes::Bytes;
use etcd_client::{
    Compare, CompareOp, DeleteOptions, GetOptions, GetResponse, KeyValue, KvClient, PutOptions,
    SortOrder, SortTarget, Txn, TxnOp, TxnOpResponse, TxnResponse,
};
use futures::future::join_all;
use prost::Message as _;
use stepfleet_engine::PartitionId;
use stepfleet_proto::record::v1::{LogChunk, Owner};

use super::Node;
use super::chunk::{self, Packed};
use super::keys::Keys;
use super::lanes::Known;
use super::protocol::{self, Condition, Found};
use crate::error::StoreError;
use crate::etcd::{Etcd, EtcdError};
use crate::log::{Acquired, Append, BatchId, Chunk, Epoch, Seq, halves};
use crate::records::convert::wide;

/// Chunks that are read at once at most.
const PAGE_CHUNKS: usize = 16;
/// Bytes of an answer at most: a page of chunks with all their bodies.
const ANSWER_BYTES_MAX: usize = 2 * PAGE_CHUNKS * chunk::PIECE_BYTES_MAX;

/// The revision of an accepted append, or why there is none.
pub(super) type Answer = Result<i64, StoreError>;

/// A partition that was acquired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) acquired: Acquired,
    pub(super) trimmed: Seq,
    pub(super) revision: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Requests {
    etcd: Arc<Etcd>,
    keys: Keys,
    node: Arc<Node>,
}

impl Requests {
    pub(super) fn new(etcd: Arc<Etcd>, keys: Keys, node: Node) -> Self {
        Self {
            etcd,
            keys,
            node: Arc::new(node),
        }
    }

    /// The revision of the owner's key; 0 when there is none.
    pub(super) async fn owner(&self, partition: PartitionId) -> Result<Epoch, StoreError> {
        let key = self.keys.owner(partition);
        let found = self.get(key, GetOptions::new().with_keys_only()).await?;
        Ok(found.kvs().first().map_or(Epoch(0), epoch_of))
    }

    /// Makes this node the owner, if the owner's key has not changed since; `None` when it has.
    pub(super) async fn take(
        &self,
        partition: PartitionId,
        seen: Epoch,
        acquisition: u128,
    ) -> Result<Option<Taken>, StoreError> {
        let key = self.keys.owner(partition);
        let owner = self.owner_record(acquisition);
        let ends = |order| {
            let options = GetOptions::new().with_range(self.keys.chunks_end(partition));
            let options = options.with_sort(SortTarget::Key, order).with_limit(1);
            TxnOp::get(
                self.keys.chunk(partition, Seq(0)),
                Some(options.with_keys_only()),
            )
        };
        let txn = Txn::new()
            .when(self.compares(partition, &protocol::acquisition(seen)))
            .and_then([
                TxnOp::put(key.clone(), owner.encode_to_vec(), None),
                ends(SortOrder::Ascend),
                ends(SortOrder::Descend),
            ])
            .or_else([
                TxnOp::get(key, None),
                ends(SortOrder::Ascend),
                ends(SortOrder::Descend),
            ]);
        let answer = self.txn(txn).await?;
        let revision = revision_of(&answer);
        let mut ranges = answer.op_responses().into_iter();
        let epoch = match ranges.next() {
            Some(TxnOpResponse::Put(_)) => Epoch(revision.cast_unsigned()),
            Some(TxnOpResponse::Get(found)) => {
                // An answer was lost, and this is the second time.
                let ours = found
                    .kvs()
                    .iter()
                    .find(|kv| acquired_by(kv) == Some(acquisition));
                let Some(ours) = ours else {
                    return Ok(None);
                };
                epoch_of(ours)
            }
            Some(TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_)) | None => {
                return Err(unexpected());
            }
        };
        let [first, last] = [ranges.next(), ranges.next()].map(|found| seq_in(found.as_ref()));
        let trimmed = first.map_or(Seq(0), |first| Seq(first.0.saturating_sub(1)));
        let last = last.unwrap_or(Seq(0));
        Ok(Some(Taken {
            acquired: Acquired { epoch, last },
            trimmed,
            revision,
        }))
    }

    fn owner_record(&self, acquisition: u128) -> Owner {
        let [acquisition_high, acquisition_low] = halves(acquisition);
        let [incarnation_high, incarnation_low] = halves(self.node.incarnation);
        Owner {
            node: self.node.name.clone(),
            address: self.node.address.clone(),
            acquisition_high,
            acquisition_low,
            incarnation_high,
            incarnation_low,
            heir: String::new(),
        }
    }

    /// Leaves the partition without an owner, if it is still owned under the epoch.
    pub(super) async fn give_up(
        &self,
        partition: PartitionId,
        (epoch, heir): (Epoch, &str),
        acquisition: u128,
    ) -> Result<(), StoreError> {
        let nobody = Owner {
            node: String::new(),
            address: String::new(),
            heir: heir.to_owned(),
            ..self.owner_record(acquisition)
        };
        let nobody = nobody.encode_to_vec();
        let txn = Txn::new()
            .when(self.compares(partition, &protocol::owned(epoch)))
            .and_then([TxnOp::put(self.keys.owner(partition), nobody, None)]);
        // When the condition does not hold, somebody else owns it already.
        self.txn(txn).await.map(drop)
    }

    /// One transaction for all of them. It takes none when one of them is refused, mostly because it is there already;
    /// then each is asked for by itself.
    ///
    /// A transaction within a transaction for each would do without the second step, but etcd does not count what
    /// such ones write, and goes on writing when its quota is used up.
    pub(super) async fn append_together(&self, chunks: Vec<(&Append, &Packed)>) -> Vec<Answer> {
        let pieces = chunks
            .iter()
            .map(|(append, packed)| self.store_pieces(append, &packed.pieces));
        let stored = join_all(pieces).await;
        // Whose pieces were refused is refused alone.
        let ready = chunks
            .iter()
            .zip(&stored)
            .filter(|(_, stored)| stored.is_ok());
        let ready: Vec<_> = ready.map(|(chunk, _)| *chunk).collect();
        let mut answers = self.append_all_or_each(&ready).await.into_iter();
        let answer = |stored: Result<(), StoreError>| match stored {
            Ok(()) => answers.next().unwrap_or_else(|| Err(unexpected())),
            Err(error) => Err(error),
        };
        stored.into_iter().map(answer).collect()
    }

    async fn append_all_or_each(&self, chunks: &[(&Append, &Packed)]) -> Vec<Answer> {
        if let [(append, packed)] = *chunks {
            return vec![self.append_alone(append, packed).await];
        }
        let conditions = chunks.iter().flat_map(|(append, _)| {
            self.compares(
                append.partition,
                &protocol::append(append.epoch, append.seq),
            )
        });
        let puts = chunks
            .iter()
            .map(|(append, packed)| self.put(append, packed));
        let txn = Txn::new()
            .when(conditions.collect::<Vec<_>>())
            .and_then(puts.collect::<Vec<_>>());
        match self.txn(txn).await {
            Ok(answer) if answer.succeeded() => vec![Ok(revision_of(&answer)); chunks.len()],
            Ok(_refused) => {
                let alone = chunks
                    .iter()
                    .map(|(append, packed)| self.append_alone(append, packed));
                join_all(alone).await
            }
            Err(error) => vec![Err(error); chunks.len()],
        }
    }

    async fn append_alone(&self, append: &Append, packed: &Packed) -> Answer {
        let owner = self.keys.owner(append.partition);
        let found = self.keys.chunk(append.partition, append.seq);
        let txn = Txn::new()
            .when(self.compares(
                append.partition,
                &protocol::append(append.epoch, append.seq),
            ))
            .and_then([self.put(append, packed)])
            .or_else([
                TxnOp::get(owner, Some(GetOptions::new().with_keys_only())),
                TxnOp::get(found, None),
            ]);
        let answer = self.txn(txn).await?;
        if !answer.succeeded() {
            refused(append, &answer)?;
        }
        Ok(revision_of(&answer))
    }

    fn put(&self, append: &Append, packed: &Packed) -> TxnOp {
        let key = self.keys.chunk(append.partition, append.seq);
        TxnOp::put(key, packed.value.clone(), None)
    }

    /// Before the chunk that names them. What a chunk that never comes leaves behind goes when the log is trimmed.
    async fn store_pieces(&self, append: &Append, pieces: &[Bytes]) -> Result<(), StoreError> {
        let (partition, id) = (append.partition, (append.seq, append.batch));
        for (index, piece) in (0..).zip(pieces) {
            let key = self.keys.piece(partition, id, index);
            let txn = Txn::new()
                .when(self.compares(partition, &protocol::owned(append.epoch)))
                .and_then([TxnOp::put(key, piece.to_vec(), None::<PutOptions>)]);
            if !self.txn(txn).await?.succeeded() {
                return Err(protocol::never_acquired(partition, append.epoch));
            }
        }
        Ok(())
    }

    pub(super) async fn read(
        &self,
        partition: PartitionId,
        seq: Seq,
        bytes_max: usize,
        known: Known,
    ) -> Result<Vec<Chunk>, StoreError> {
        let hole = |found: &str| {
            StoreError::Corrupt(format!(
                "chunk {} of partition {} was trimmed or lost: {found}",
                seq.0, partition.0
            ))
        };
        if seq <= known.trimmed {
            return Err(hole("the state store should cover it"));
        }
        let (mut chunks, mut bytes, mut next) = (Vec::new(), 0, seq);
        loop {
            let page = self.page(partition, next, known).await?;
            if page.is_empty() && seq == next && seq <= known.last {
                return Err(hole("nothing stands there"));
            }
            for kv in &page {
                let at = Keys::seq_of(kv.key()).unwrap_or_default();
                if at != next {
                    return Err(hole(&format!("{} follows {}", at.0, next.0 - 1)));
                }
                let stored = chunk::read(at, kv.value())?;
                bytes += usize::try_from(stored.length).unwrap_or(usize::MAX);
                if bytes > bytes_max && !chunks.is_empty() {
                    return Ok(chunks);
                }
                chunks.push(self.unpacked(partition, &stored).await?);
                next.0 += 1;
            }
            if page.len() < PAGE_CHUNKS {
                return Ok(chunks);
            }
        }
    }

    /// Chunks as they are stored, from a sequence on.
    async fn page(
        &self,
        partition: PartitionId,
        from: Seq,
        known: Known,
    ) -> Result<Vec<KeyValue>, StoreError> {
        let options = GetOptions::new()
            .with_range(self.keys.chunks_end(partition))
            .with_limit(i64::try_from(PAGE_CHUNKS).unwrap_or(i64::MAX));
        let mut found = self.get(self.keys.chunk(partition, from), options).await?;
        let is_stale = |revision| revision < known.revision;
        if found
            .header()
            .is_none_or(|header| is_stale(header.revision()))
        {
            // etcd has answered from before what this process has seen.
            return Err(StoreError::Unavailable(
                "etcd answered a stale read".to_owned(),
            ));
        }
        Ok(found.take_kvs())
    }

    async fn unpacked(
        &self,
        partition: PartitionId,
        stored: &LogChunk,
    ) -> Result<Chunk, StoreError> {
        if stored.pieces == 0 {
            return chunk::unpack(stored, &stored.body);
        }
        let id = (Seq(stored.seq), chunk::batch_of(stored));
        let mut body = Vec::new();
        for index in 0..stored.pieces {
            let key = self.keys.piece(partition, id, index);
            let found = self.get(key, GetOptions::new()).await?;
            let piece = found.kvs().first().ok_or_else(|| {
                StoreError::Corrupt(format!("piece {index} of chunk {} is gone", stored.seq))
            })?;
            body.extend_from_slice(piece.value());
        }
        chunk::unpack(stored, &body)
    }

    /// Deletes chunks up to and including a sequence. Deletes alone: they work when etcd has no space left.
    pub(super) async fn trim(
        &self,
        partition: PartitionId,
        (epoch, seq): (Epoch, Seq),
    ) -> Result<(), StoreError> {
        let next = Seq(seq.0 + 1);
        let up_to = |from: Vec<u8>, to: Vec<u8>| {
            TxnOp::delete(from, Some(DeleteOptions::new().with_range(to)))
        };
        let chunks = up_to(
            self.keys.chunk(partition, Seq(0)),
            self.keys.chunk(partition, next),
        );
        let pieces = up_to(
            self.keys.pieces(partition, Seq(0)),
            self.keys.pieces(partition, next),
        );
        let txn = Txn::new()
            .when(self.compares(partition, &protocol::owned(epoch)))
            .and_then([chunks, pieces]);
        if self.txn(txn).await?.succeeded() {
            return Ok(());
        }
        Err(protocol::never_acquired(partition, epoch))
    }

    fn compares(&self, partition: PartitionId, conditions: &[Condition]) -> Vec<Compare> {
        compares(&self.keys, partition, conditions)
    }

    async fn txn(&self, txn: Txn) -> Result<TxnResponse, StoreError> {
        let answer = self.etcd.call(|client| {
            let (mut kv, txn) = (receiving(client.kv_client()), txn.clone());
            async move { kv.txn(txn).await }
        });
        Ok(answer.await?)
    }

    async fn get(&self, key: Vec<u8>, options: GetOptions) -> Result<GetResponse, EtcdError> {
        let answer = self.etcd.call(|client| {
            let (mut kv, key) = (receiving(client.kv_client()), key.clone());
            let options = options.clone();
            async move { kv.get(key, Some(options)).await }
        });
        answer.await
    }
}

/// Conditions in etcd's words.
pub(crate) fn compares(
    keys: &Keys,
    partition: PartitionId,
    conditions: &[Condition],
) -> Vec<Compare> {
    let compare = |condition: &Condition| match condition {
        Condition::OwnerAt(epoch) => {
            let revision = epoch.0.cast_signed();
            Compare::mod_revision(keys.owner(partition), CompareOp::Equal, revision)
        }
        Condition::Absent(seq) => {
            let key = keys.chunk(partition, *seq);
            Compare::create_revision(key, CompareOp::Equal, 0)
        }
    };
    conditions.iter().map(compare).collect()
}

fn receiving(kv: KvClient) -> KvClient {
    kv.max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// What became of an append whose conditions did not hold.
fn refused(append: &Append, answer: &TxnResponse) -> Result<(), StoreError> {
    let mut found = answer.op_responses().into_iter().map(|found| match found {
        TxnOpResponse::Get(found) => found.kvs().first().cloned(),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
    });
    let owner = found.next().flatten().as_ref().map_or(Epoch(0), epoch_of);
    let chunk = found.next().flatten();
    let batch = chunk.map(|kv| batch_in(append.seq, &kv)).transpose()?;
    protocol::judge(
        append,
        Found {
            owner,
            chunk: batch,
        },
    )
}

fn batch_in(seq: Seq, kv: &KeyValue) -> Result<BatchId, StoreError> {
    chunk::read(seq, kv.value()).map(|chunk| chunk::batch_of(&chunk))
}

fn epoch_of(kv: &KeyValue) -> Epoch {
    Epoch(kv.mod_revision().cast_unsigned())
}

fn acquired_by(kv: &KeyValue) -> Option<u128> {
    let owner = Owner::decode(kv.value()).ok()?;
    Some(wide(owner.acquisition_high, owner.acquisition_low))
}

fn seq_in(found: Option<&TxnOpResponse>) -> Option<Seq> {
    let Some(TxnOpResponse::Get(found)) = found else {
        return None;
    };
    Keys::seq_of(found.kvs().first()?.key())
}

fn revision_of(answer: &TxnResponse) -> i64 {
    answer.header().map_or(0, |header| header.revision())
}

fn unexpected() -> StoreError {
    StoreError::Unavailable("etcd answered something else than was asked".to_owned())
}
