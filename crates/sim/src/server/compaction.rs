//! The log is compacted while the server works: the records up to some point are replayed into an
//! engine aside, and what its snapshot tells takes their place a while later. A crash meanwhile
//! finds the base half written, and the log as if nobody had begun.

use gristmill_engine::Engine;
use gristmill_model::Span;
use gristmill_model::event::Record;

use super::{Server, planted};
use crate::agenda::Happening;
use crate::bug::Bug;
use crate::dice::Dice;
use crate::features::Feature;
use crate::scene::Scene;

/// What is written aside, and when that is begun.
#[derive(Debug)]
pub(super) struct Compaction {
    /// Of its own, so that a world without compaction is as it was before there was any.
    dice: Dice,
    aside: Option<Base>,
}

/// What will stand in place of the first groups, and of a part of the next.
#[derive(Debug)]
struct Base {
    records: Vec<Record>,
    groups: usize,
    within: usize,
}

impl Compaction {
    pub(super) fn new(seed: u64) -> Compaction {
        Compaction { dice: Dice::new(!seed), aside: None }
    }
}

impl Server {
    /// Begins to write a base now and then, up to any record that is durable.
    pub(super) fn compact_perhaps(&mut self, scene: &mut Scene) {
        let idle = self.compaction.aside.is_none() && scene.features.has(Feature::Compaction);
        if !idle || !self.compaction.dice.chance(30) {
            return;
        }
        let dice = &mut self.compaction.dice;
        let groups = dice.below(self.disk.synced());
        let least = if groups == 0 { self.disk.base() } else { 0 };
        let within = least + dice.below(self.disk.group(groups).len() + 1 - least);
        let mut engine = Engine::new(scene.timing);
        let whole = (0..groups).flat_map(|index| self.disk.group(index));
        let part = self.disk.group(groups).into_iter().take(within);
        whole.chain(part).for_each(|record| engine.apply(&record));
        let mut records: Vec<Record> = engine.snapshot().collect();
        let mut again = Engine::new(scene.timing);
        records.iter().for_each(|record| again.apply(record));
        let same = again.state().same_as(engine.state());
        scene.judge.require(same, "a base equals what it stands for", "it leads to another state");
        planted::base(scene.bug, &mut records);
        scene.say(
            "server",
            format_args!(
                "writes a base of {} records for {groups} groups and {within} records",
                records.len()
            ),
        );
        self.compaction.aside = Some(Base { records, groups, within });
        let takes = self.compaction.dice.span(Span::millis(1), Span::seconds(10));
        scene.later(takes, Happening::Compacted { life: self.life });
    }

    /// The base is written to its end and takes the place of what it stands for.
    pub fn compacted(&mut self, scene: &mut Scene, life: u64) {
        if self.life != life || self.process.is_none() {
            return;
        }
        let Some(mut base) = self.compaction.aside.take() else { return };
        if scene.has(Bug::BaseForgetsTail) {
            (base.groups, base.within) = (self.disk.synced(), 0);
        }
        self.disk.fold(&base.records, base.groups, base.within);
        scene.tally.compactions += 1;
        scene.tally.compactions_within += u64::from(base.within > 0);
        scene.say("server", format_args!("its log begins with a base"));
    }

    /// What a crash finds half written is worth nothing.
    pub(super) fn lose_base(&mut self, scene: &mut Scene) {
        let lost = self.compaction.aside.take().is_some();
        scene.tally.compactions_lost += u64::from(lost);
    }
}
