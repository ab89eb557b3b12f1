//! A row of the log: the records of one group commit as concatenated MessagePack, with a checksum.
//!
//! A commit beyond the bounds becomes several rows; keeping those together is the store's affair.
//! The checksum is for bits that rot: SQLite itself vouches for torn writes only.

use gristmill_model::event::Record;
use gristmill_model::limits;
use rmp_serde::Deserializer;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::LogError;

/// Consecutive records, encoded.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Sequence number of the first.
    pub first: u64,
    /// How many; at least one.
    pub count: u64,
    /// First eight bytes of the BLAKE3 digest of `bytes`.
    pub checksum: u64,
    /// The records, one after the other.
    pub bytes: Vec<u8>,
}

impl Row {
    /// Sequence number of the last record.
    pub fn last(&self) -> u64 {
        self.first + (self.count - 1)
    }

    /// Decodes the records after `after`, at most `max` of them, onto `out`.
    ///
    /// # Errors
    /// Says what is wrong with the row.
    pub fn decode(
        &self,
        after: u64,
        max: usize,
        out: &mut Vec<(u64, Record)>,
    ) -> Result<(), String> {
        if self.checksum != checksum(&self.bytes) {
            return Err("its checksum does not match".into());
        }
        let mut from = Deserializer::from_read_ref(self.bytes.as_slice());
        let mut room = max;
        for seq in self.first..=self.last() {
            if seq <= after {
                IgnoredAny::deserialize(&mut from).map_err(|e| e.to_string())?;
            } else if room > 0 {
                out.push((seq, Record::deserialize(&mut from).map_err(|e| e.to_string())?));
                room -= 1;
            } else {
                return Ok(());
            }
        }
        // The count stands beside the bytes, and the checksum does not vouch for it.
        if IgnoredAny::deserialize(&mut from).is_ok() {
            return Err(format!("it holds more than the {} events that it claims", self.count));
        }
        Ok(())
    }
}

/// Encodes the durable ones among `records` into rows; the first gets the number `first`.
///
/// # Errors
/// A record cannot be encoded.
pub(super) fn rows(first: u64, records: &[Record]) -> Result<Vec<Row>, LogError> {
    let mut rows = Vec::new();
    let mut row = Row { first, count: 0, checksum: 0, bytes: Vec::new() };
    for record in records.iter().filter(|record| record.event.is_durable()) {
        write(&mut row.bytes, record)?;
        row.count += 1;
        if row.bytes.len() >= limits::COMMIT_ROW_BYTES || row.count >= limits::COMMIT_ROW_RECORDS {
            let next = row.first + row.count;
            rows.push(sealed(row));
            row = Row { first: next, count: 0, checksum: 0, bytes: Vec::new() };
        }
    }
    if row.count > 0 {
        rows.push(sealed(row));
    }
    Ok(rows)
}

/// Encodes records as a row has them.
///
/// # Errors
/// A record cannot be encoded.
pub(super) fn encode(records: &[Record]) -> Result<Vec<u8>, LogError> {
    let mut bytes = Vec::new();
    records.iter().try_for_each(|record| write(&mut bytes, record))?;
    Ok(bytes)
}

fn write(bytes: &mut Vec<u8>, record: &Record) -> Result<(), LogError> {
    rmp_serde::encode::write(bytes, record)
        .map_err(|source| LogError::Unusable { path: "event".into(), source: source.into() })
}

fn sealed(row: Row) -> Row {
    Row { checksum: checksum(&row.bytes), ..row }
}

/// First eight bytes of the BLAKE3 digest.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let digest = blake3::hash(bytes);
    digest.as_bytes()[..8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// Gathers rows into the answer to one read, within its bounds.
pub(super) struct Gathering {
    after: u64,
    max: usize,
    bytes: usize,
    out: Vec<(u64, Record)>,
}

impl Gathering {
    /// An empty answer to `read(after, max)`.
    pub fn new(after: u64, max: usize) -> Gathering {
        Gathering { after, max, bytes: 0, out: Vec::new() }
    }

    /// Whether the answer has room for another row.
    pub fn wants_more(&self) -> bool {
        self.out.len() < self.max && self.bytes < limits::EVENT_BYTES_PER_READ
    }

    /// Sequence number of the last good record: where the answer ends so far.
    pub fn end(&self) -> u64 {
        self.out.last().map_or(self.after, |(seq, _)| *seq)
    }

    /// Adds the next row.
    ///
    /// # Errors
    /// Says what is wrong with the row, or that one is missing before it.
    pub fn add(&mut self, row: &Row) -> Result<(), String> {
        if row.first > self.end() + 1 {
            return Err(format!("the next row begins with event {}", row.first));
        }
        // Every record takes at least a byte.
        if row.count == 0 || row.count > row.bytes.len() as u64 {
            return Err(format!("a row of {} bytes claims {} events", row.bytes.len(), row.count));
        }
        self.bytes += row.bytes.len();
        let room = self.max - self.out.len();
        row.decode(self.end(), room, &mut self.out)
    }

    /// The answer.
    pub fn finish(self) -> Vec<(u64, Record)> {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use gristmill_model::Time;
    use gristmill_model::access::Actor;
    use gristmill_model::event::{Event, ServerEvent};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn record(n: u64) -> Record {
        let event = Event::Server(ServerEvent::Started { version: "x".repeat(100) });
        Record { at: Time(n).into(), actor: Actor::SERVER, event }
    }

    #[test]
    fn a_large_commit_becomes_rows_without_a_gap() {
        let many: Vec<Record> = (0..limits::COMMIT_ROW_RECORDS * 2 + 1).map(record).collect();
        let rows = rows(7, &many).unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[1].first, rows[0].last() + 1);
        let mut gathering = Gathering::new(6, usize::MAX);
        rows.iter().for_each(|row| gathering.add(row).unwrap());
        let read: Vec<Record> = gathering.finish().into_iter().map(|(_, record)| record).collect();
        assert_eq!(read, many);
    }

    #[test]
    fn damage_is_told_and_never_panics() {
        let good = rows(1, &[record(1), record(2)]).unwrap().remove(0);
        let told = |row: &Row| Gathering::new(0, 10).add(row).unwrap_err();
        let mut flipped = good.clone();
        flipped.bytes[5] ^= 1;
        assert!(told(&flipped).contains("checksum"));
        let cut =
            sealed(Row { bytes: good.bytes[..good.bytes.len() - 3].to_vec(), ..good.clone() });
        assert!(!told(&cut).is_empty());
        assert!(told(&Row { first: 5, ..good.clone() }).contains("begins with event 5"));
        assert!(told(&Row { count: 0, ..good }).contains("claims 0"));
    }

    #[derive(Debug, Clone)]
    enum Damage {
        Flip(Index, u8),
        Cut(Index),
        More(u8),
        Count(u64),
        Checksum(u64),
        Later(u64),
    }

    fn damage() -> impl Strategy<Value = Damage> {
        prop_oneof![
            (any::<Index>(), 1..=u8::MAX).prop_map(|(at, bits)| Damage::Flip(at, bits)),
            any::<Index>().prop_map(Damage::Cut),
            any::<u8>().prop_map(Damage::More),
            prop_oneof![0..9_u64, any::<u64>()].prop_map(Damage::Count),
            (1..=u64::MAX).prop_map(Damage::Checksum),
            (1..=u64::MAX).prop_map(Damage::Later),
        ]
    }

    fn event(length: usize) -> Record {
        let event = Event::Server(ServerEvent::Started { version: "x".repeat(length) });
        Record { at: Time(7).into(), actor: Actor::SERVER, event }
    }

    proptest! {
        #[test]
        fn whatever_is_damaged_is_told(
            lengths in vec(0..200_usize, 1..6),
            first in 1..u64::MAX / 2,
            damage in damage(),
        ) {
            let records: Vec<Record> = lengths.into_iter().map(event).collect();
            let good = rows(first, &records).unwrap().remove(0);
            let read = |row: &Row| {
                let mut gathering = Gathering::new(first - 1, 9);
                gathering.add(row).map(|()| gathering.finish())
            };
            let whole: Vec<_> = (first..).zip(records).collect();
            prop_assert_eq!(read(&good), Ok(whole));
            let mut row = good.clone();
            match damage {
                Damage::Flip(at, bits) => *at.get_mut(&mut row.bytes) ^= bits,
                Damage::Cut(at) => row.bytes.truncate(at.index(good.bytes.len())),
                Damage::More(byte) => row.bytes.push(byte),
                Damage::Count(count) => row.count = count,
                Damage::Checksum(bits) => row.checksum ^= bits,
                Damage::Later(by) => row.first = row.first.saturating_add(by),
            }
            let changed = (row.first, row.count) != (good.first, good.count)
                || (row.checksum, &row.bytes) != (good.checksum, &good.bytes);
            prop_assert_eq!(read(&row).is_err(), changed, "{:?}", row);
        }
    }
}
