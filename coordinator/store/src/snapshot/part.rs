//! Parts: rows in frames, as objects of a bounded size. Few of them are in memory at once, however many rows there are.

use bytes::Bytes;

use crate::backup::ORDER;
use crate::backup::frame::{Fields, FrameReader, FrameWriter, Kind, PART, put_text};
use crate::error::StoreError;
use crate::state::partition::{END, PartitionRows};
use crate::state::{Order, Row, StateStore as _, TABLES, Table, checkpoint};

/// Bytes after which a frame is written.
const FRAME_BYTES: usize = 1024 * 1024;
/// Rows of a page; a page of history blocks is the largest.
const PAGE_ROWS: usize = 64;

/// Rows as they come.
pub(super) type Rows = Box<dyn Iterator<Item = Result<Row, StoreError>> + Send>;

/// A part that is to be stored.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) bytes: Bytes,
    pub(super) rows: u64,
}

/// Every row of a partition, in the order of a backup: what is read later is as new or newer.
pub(super) fn all_rows(rows: PartitionRows) -> Rows {
    let tables = ORDER.into_iter();
    Box::new(tables.flat_map(move |table| pages(rows.clone(), table).flat_map(unfold)))
}

/// Takes rows until a part is full; none when there are no more.
pub(super) fn next_part(rows: &mut Rows, part_bytes: usize) -> Result<Option<Encoded>, StoreError> {
    let mut frames = FrameWriter::begin(Vec::new(), PART).map_err(|error| unwritten(&error))?;
    let (mut frame, mut count) = (Vec::new(), 0_u64);
    let is_full = |frames: &FrameWriter<Vec<u8>>| frames.out().len() >= part_bytes;
    while !is_full(&frames) {
        let Some(row) = rows.next().transpose()? else {
            break;
        };
        if is_checkpoint(&row) {
            continue;
        }
        count += 1;
        put_row(&mut frame, &row);
        if frame.len() >= FRAME_BYTES.min(part_bytes) {
            write(&mut frames, Kind::Changes, &frame)?;
            frame.clear();
        }
    }
    if count == 0 {
        return Ok(None);
    }
    if !frame.is_empty() {
        write(&mut frames, Kind::Changes, &frame)?;
    }
    write(&mut frames, Kind::End, &count.to_le_bytes())?;
    Ok(Some(Encoded {
        bytes: frames.into_out().into(),
        rows: count,
    }))
}

/// Gives the rows of a part, a frame at a time.
pub(super) fn read_part(
    bytes: &[u8],
    rows: u64,
    mut each: impl FnMut(Vec<Row>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut frames = FrameReader::begin(bytes, PART)?;
    let mut count = 0;
    loop {
        let (kind, frame) = frames.read()?;
        match kind {
            Kind::Changes => {
                let rows = decode_rows(&frame).ok_or_else(|| misread("its rows"))?;
                count += rows.len() as u64;
                each(rows)?;
            }
            Kind::End => {
                let said = Fields(&frame).u64();
                if said != Some(count) || rows != count {
                    return Err(misread("the number of its rows"));
                }
                break;
            }
            Kind::Format | Kind::Rows | Kind::Checkpoint | Kind::Chunks => {
                return Err(misread("a frame of a backup in it"));
            }
        }
    }
    if frames.is_at_end().is_ok_and(|is_at_end| is_at_end) {
        Ok(())
    } else {
        Err(misread("what is behind its end"))
    }
}

/// Pages of a table, up to the first error.
fn pages(
    rows: PartitionRows,
    table: Table,
) -> impl Iterator<Item = Result<Vec<Row>, StoreError>> + Send {
    let mut from = Some(Vec::new());
    std::iter::from_fn(move || {
        let start = from.take()?;
        let page = match rows.scan(table, &start, &END, Order::Ascending, PAGE_ROWS) {
            Ok(page) => page,
            Err(error) => return Some(Err(error)),
        };
        from = page
            .last()
            .map(|(last, _)| [last.as_slice(), &[0]].concat());
        from.as_ref()?;
        let row = |(key, value)| Row {
            table,
            key,
            value: Some(value),
        };
        Some(Ok(page.into_iter().map(row).collect()))
    })
}

fn unfold(
    page: Result<Vec<Row>, StoreError>,
) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + Send> {
    match page {
        Ok(rows) => Box::new(rows.into_iter().map(Ok)),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

/// What a snapshot covers stands in its manifest; the row may be younger.
fn is_checkpoint(row: &Row) -> bool {
    row.table == Table::Meta && row.key == checkpoint::KEY
}

/// Layout: table 1, whether there is a value 1, key and value, each with its length 4.
fn put_row(out: &mut Vec<u8>, row: &Row) {
    out.push(row.table as u8);
    out.push(u8::from(row.value.is_some()));
    put_text(out, &row.key);
    if let Some(value) = &row.value {
        put_text(out, value);
    }
}

fn decode_rows(frame: &[u8]) -> Option<Vec<Row>> {
    let mut fields = Fields(frame);
    let mut rows = Vec::new();
    while !fields.0.is_empty() {
        let [table, has_value] = fields.array()?;
        rows.push(Row {
            table: TABLES.into_iter().find(|known| *known as u8 == table)?,
            key: fields.text()?.to_vec(),
            value: match has_value {
                0 => None,
                1 => Some(fields.text()?.to_vec()),
                _ => return None,
            },
        });
    }
    Some(rows)
}

fn write(frames: &mut FrameWriter<Vec<u8>>, kind: Kind, bytes: &[u8]) -> Result<(), StoreError> {
    frames.write(kind, bytes).map_err(|error| unwritten(&error))
}

fn unwritten(error: &std::io::Error) -> StoreError {
    StoreError::LimitExceeded(format!("a part of a snapshot cannot be made: {error}"))
}

fn misread(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::golden;

    fn sample() -> Vec<Row> {
        let row = |table, key: &[u8], value: Option<&[u8]>| Row {
            table,
            key: key.to_vec(),
            value: value.map(<[u8]>::to_vec),
        };
        vec![
            row(Table::Execution, b"key", Some(b"value")),
            row(Table::History, b"gone", None),
            row(Table::Live, b"empty", Some(b"")),
        ]
    }

    #[test]
    fn rows_of_parts_keep_their_bytes() {
        let mut bytes = Vec::new();
        for row in sample() {
            put_row(&mut bytes, &row);
        }
        golden::check("snapshot-rows", &bytes);
        assert_eq!(decode_rows(&bytes), Some(sample()));
    }

    #[test]
    fn a_part_gives_its_rows_and_no_others() {
        let mut rows: Rows = Box::new(sample().into_iter().map(Ok));
        let part = next_part(&mut rows, 1000).unwrap().unwrap();
        assert!(next_part(&mut rows, 1000).unwrap().is_none());
        let mut read = Vec::new();
        read_part(&part.bytes, 3, |rows| {
            read.extend(rows);
            Ok(())
        })
        .unwrap();
        assert_eq!(read, sample());
        for (bytes, rows) in [
            (part.bytes.to_vec(), 4),
            (part.bytes[..part.bytes.len() - 1].to_vec(), 3),
            ([&part.bytes[..], b"x"].concat(), 3),
        ] {
            let refused = read_part(&bytes, rows, |_| Ok(()));
            assert!(
                matches!(refused, Err(StoreError::Corrupt(_))),
                "{refused:?}"
            );
        }
    }
}
