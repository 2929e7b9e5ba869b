//! Keys of a log, below the prefix of its cluster: `owner/<pppp>`, whose revision is the epoch; `log/<pppp>/<seq>`, the
//! chunks, of which at least the newest stays when they are trimmed; `piece/<pppp>/<seq>/<batch>/<i>`, the body of a chunk
//! that is too long for one request; `snap/<pppp>`, where the newest snapshot is. Numbers have fixed widths in hexadecimal, so
//! that keys order as numbers do.

use stepfleet_engine::PartitionId;

use crate::log::{BatchId, Seq};

#[derive(Clone, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    pub(crate) fn owner(&self, partition: PartitionId) -> Vec<u8> {
        self.of("owner", partition, "")
    }

    /// Of the pointer to the newest snapshot.
    pub(crate) fn snapshot(&self, partition: PartitionId) -> Vec<u8> {
        self.of("snap", partition, "")
    }

    pub(super) fn chunk(&self, partition: PartitionId, seq: Seq) -> Vec<u8> {
        self.of("log", partition, &format!("/{:016x}", seq.0))
    }

    /// Behind all chunks.
    pub(super) fn chunks_end(&self, partition: PartitionId) -> Vec<u8> {
        self.of("log", partition, "0")
    }

    pub(super) fn piece(
        &self,
        partition: PartitionId,
        (seq, batch): (Seq, BatchId),
        index: u32,
    ) -> Vec<u8> {
        let name = format!("/{:016x}/{:032x}/{index:08x}", seq.0, batch.0);
        self.of("piece", partition, &name)
    }

    /// The first piece of a sequence, whatever its batch.
    pub(super) fn pieces(&self, partition: PartitionId, seq: Seq) -> Vec<u8> {
        self.of("piece", partition, &format!("/{:016x}", seq.0))
    }

    /// The sequence of a chunk's key.
    pub(super) fn seq_of(key: &[u8]) -> Option<Seq> {
        let digits = std::str::from_utf8(key.get(key.len().checked_sub(16)?..)?).ok()?;
        u64::from_str_radix(digits, 16).ok().map(Seq)
    }

    fn of(&self, kind: &str, partition: PartitionId, name: &str) -> Vec<u8> {
        format!("{}/{kind}/{:04x}{name}", self.prefix, partition.0).into_bytes()
    }
}
