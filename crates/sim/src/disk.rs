//! The log's disk: groups of records in order, of which a prefix is durable. A crash may lose the
//! rest, keep it or keep a part of it, but only whole groups, as SQLite gives.

use gristmill_model::event::Record;

use crate::dice::Dice;

/// Groups as bytes, so that the contract with the disk is exercised on every replay.
#[derive(Debug, Default)]
pub struct Disk {
    groups: Vec<Vec<u8>>,
    synced: usize,
    /// How many records of the first group are a base.
    base: usize,
}

/// How a crash left the disk.
#[derive(Debug, Clone, Copy)]
pub struct Tail {
    /// Groups that were not durable and are there all the same.
    pub kept: usize,
    /// Groups that are gone.
    pub lost: usize,
}

impl Disk {
    /// Writes a group; it is durable after the next sync.
    pub fn append(&mut self, records: &[Record]) {
        let bytes = rmp_serde::to_vec(records).expect("records encode");
        self.groups.push(bytes);
    }

    /// Makes the oldest group that is not durable durable, and returns its records.
    pub fn sync_one(&mut self) -> Vec<Record> {
        assert!(self.synced < self.groups.len(), "something was appended");
        self.synced += 1;
        decode(&self.groups[self.synced - 1])
    }

    /// Power is gone: some of what was not durable may have reached the platter, in order.
    pub fn crash(&mut self, dice: &mut Dice) -> Tail {
        let unsynced = self.groups.len() - self.synced;
        let kept = dice.below(unsynced + 1);
        self.groups.truncate(self.synced + kept);
        Tail { kept, lost: unsynced - kept }
    }

    /// What a start finds, group by group. All of it is durable from then on.
    pub fn recover(&mut self) -> Vec<Vec<Record>> {
        self.synced = self.groups.len();
        self.groups.iter().map(|bytes| decode(bytes)).collect()
    }

    /// How many groups are durable.
    pub fn synced(&self) -> usize {
        self.synced
    }

    /// How many of the first group's records stand for others, and only as a whole.
    pub fn base(&self) -> usize {
        self.base
    }

    /// The records of a durable group.
    pub fn group(&self, index: usize) -> Vec<Record> {
        assert!(index < self.synced, "only what is durable is compacted");
        decode(&self.groups[index])
    }

    /// Puts records in the place of others: those of the first `groups` groups, and the first
    /// `within` of the group after them. Groups that are let go stay as empty ones.
    pub fn fold(&mut self, base: &[Record], groups: usize, within: usize) {
        let mut first = base.to_vec();
        let rest = self.groups.get(groups).map(|bytes| decode(bytes).split_off(within));
        let encode = |records: &[Record]| rmp_serde::to_vec(records).expect("records encode");
        self.groups[..groups].fill(encode(&[]));
        match (groups, rest) {
            (0, rest) => {
                first.extend(rest.unwrap_or_default());
            }
            (_, Some(rest)) => self.groups[groups] = encode(&rest),
            (_, None) => {}
        }
        self.groups[0] = encode(&first);
        self.base = base.len();
    }

    /// A planted bug: the last group is forgotten, durable or not.
    pub fn forget_last(&mut self) {
        self.groups.pop();
    }

    /// Every record written, durable or not.
    pub fn read(&self) -> impl Iterator<Item = Record> + '_ {
        self.groups.iter().flat_map(|bytes| decode(bytes))
    }
}

fn decode(bytes: &[u8]) -> Vec<Record> {
    rmp_serde::from_slice(bytes).expect("what was encoded decodes")
}
