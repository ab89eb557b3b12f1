//! How many jobs go before one that waits, and which are the next of them.

use std::collections::BTreeMap;

use gristmill_model::{JobId, ProjectId, Span, limits};

use super::{Waiting, count};
use crate::state::State;

/// A job's place among those that need the same of a worker.
pub(super) struct Place {
    /// Jobs of its own project that go first.
    pub(super) ahead: u64,
    /// The next of them, in order.
    pub(super) next: Vec<JobId>,
    /// Other projects that have jobs waiting for the same workers.
    rivals: u64,
    /// What goes first, with what of other projects is likely to: how long such jobs ran of late,
    /// where any has, and how many there are.
    pub(super) lengths: Vec<(Option<Span>, u64)>,
}

pub(super) fn of(state: &State, waiting: &Waiting) -> Place {
    let need = state.need(&waiting.class);
    let mut ahead = 0;
    let mut first = Vec::new();
    let mut lengths = Vec::new();
    let mut rivals: BTreeMap<ProjectId, Vec<(Option<Span>, u64)>> = BTreeMap::new();
    for (class, lane) in state.queue().lanes().filter(|(class, _)| state.need(class) == need) {
        let length = state.run_of(class);
        if class.project != waiting.class.project {
            rivals.entry(class.project).or_default().push((length, lane.len()));
            continue;
        }
        let before = lane.ahead_of(waiting.rank, waiting.id);
        ahead += before;
        lengths.push((length, before));
        let jobs = lane.runs().flat_map(|(rank, first, count)| {
            (first.0..first.0 + count).map(move |id| (rank, JobId(id)))
        });
        let before = jobs.take_while(|place| *place < (waiting.rank, waiting.id));
        first.extend(before.take(limits::NAMED_AHEAD));
    }
    first.sort_unstable();
    let next = first.into_iter().take(limits::NAMED_AHEAD).map(|(_, job)| job).collect();
    let weight = |id| state.project(id).map_or(1, |project| u64::from(project.weight));
    let own = weight(waiting.class.project);
    for (project, lanes) in &rivals {
        // While as many of one's own begin, each of the others has as many for its weight.
        let mut share = (ahead + 1).saturating_mul(weight(*project)) / own;
        for (length, count) in lanes {
            let count = share.min(*count);
            share -= count;
            lengths.push((*length, count));
        }
    }
    Place { ahead, next, rivals: rivals.len() as u64, lengths }
}

impl Place {
    pub(super) fn words(&self) -> String {
        let goes = if self.ahead == 1 { "goes" } else { "go" };
        let first = match (self.ahead, self.next.first()) {
            (0, _) | (_, None) => "it is the next of its project".to_owned(),
            (ahead, Some(next)) => format!("{} {goes} first, next {next}", count(ahead, "job")),
        };
        match self.rivals {
            0 => first,
            1 => format!("{first}; 1 other project shares the workers"),
            rivals => format!("{first}; {rivals} other projects share the workers"),
        }
    }
}
