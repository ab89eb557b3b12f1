//! A round that is durable: what happened, and how what it was about stands afterwards. Everything
//! that listens to the core loop (tables, feed, those who wait) hears of these and of nothing else.

use gristmill_engine::change::{Change, Inputs, Made};
use gristmill_model::BatchId;
use gristmill_model::event::Record;
use gristmill_model::job::JobState;

/// Memory that a job of a submission takes beside its input, roughly.
const JOB_BYTES: usize = 160;

/// See the module.
#[derive(Debug)]
pub(crate) struct Committed {
    /// Number of the last durable record; of the one before this round where it has none.
    pub(crate) last: u64,
    /// What happened, in order, ephemeral records among them.
    pub(crate) records: Vec<Record>,
    /// What the records changed, in their order.
    pub(crate) changes: Vec<Made>,
    durable: u64,
    bytes: usize,
}

/// A record with its number and what it changed. Ephemeral ones have the number of the durable one
/// before them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Happened<'c> {
    pub(crate) seq: u64,
    pub(crate) record: &'c Record,
    pub(crate) changes: &'c [Made],
}

impl Committed {
    /// A round whose durable records end at `last`.
    pub(crate) fn new(last: u64, records: Vec<Record>, changes: Vec<Made>) -> Committed {
        let durable = records.iter().filter(|record| record.event.is_durable()).count() as u64;
        let bytes = records.len() * size_of::<Record>()
            + changes.iter().map(|made| weight(&made.change)).sum::<usize>();
        Committed { last, records, changes, durable, bytes }
    }

    /// How many durable records there are.
    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    /// Number of the first durable record.
    pub(crate) fn first(&self) -> u64 {
        self.last + 1 - self.durable
    }

    /// Memory that it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What happened, in order.
    pub(crate) fn happened(&self) -> impl Iterator<Item = Happened<'_>> {
        let (mut seq, mut from) = (self.last - self.durable, 0);
        self.records.iter().enumerate().map(move |(index, record)| {
            seq += u64::from(record.event.is_durable());
            let rest = &self.changes[from..];
            let count = rest.partition_point(|made| made.record as usize <= index);
            let changes = &rest[..count];
            from += count;
            Happened { seq, record, changes }
        })
    }

    /// How the waiting jobs of a batch are called, if this round tells.
    pub(crate) fn waits_as(&self, batch: BatchId) -> Option<JobState> {
        self.changes.iter().rev().find_map(|made| match &made.change {
            Change::Batch(stands) if stands.id == batch => Some(stands.waits_as),
            _ => None,
        })
    }
}

/// What a change takes in memory, roughly.
fn weight(change: &Change) -> usize {
    let more = match change {
        Change::Accepted(accepted) => match &accepted.inputs {
            Inputs::Each(specs) => {
                specs.iter().map(|spec| JOB_BYTES + spec.input.inline_len()).sum()
            }
            Inputs::Range(..) | Inputs::Lost(_) => 0,
        },
        Change::Attempt(attempt) => match attempt.end.as_ref().map(|end| &end.outcome) {
            Some(Ok(success)) => success.output.inline_len(),
            _ => 0,
        },
        _ => 0,
    };
    size_of::<Made>() + more
}
