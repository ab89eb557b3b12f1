//! How many jobs go before one that waits, and which are the next of them.

use gristmill_model::{JobId, limits};

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
}

pub(super) fn of(state: &State, waiting: &Waiting) -> Place {
    let need = state.need(&waiting.class);
    let mut ahead = 0;
    let mut first = Vec::new();
    let mut rivals = std::collections::BTreeSet::new();
    for (class, lane) in state.queue().lanes().filter(|(class, _)| state.need(class) == need) {
        if class.project != waiting.class.project {
            rivals.insert(class.project);
            continue;
        }
        ahead += lane.ahead_of(waiting.rank, waiting.id);
        let jobs = lane.runs().flat_map(|(rank, first, count)| {
            (first.0..first.0 + count).map(move |id| (rank, JobId(id)))
        });
        let before = jobs.take_while(|place| *place < (waiting.rank, waiting.id));
        first.extend(before.take(limits::NAMED_AHEAD));
    }
    first.sort_unstable();
    let next = first.into_iter().take(limits::NAMED_AHEAD).map(|(_, job)| job).collect();
    Place { ahead, next, rivals: rivals.len() as u64 }
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
            rivals => format!("{first}; {} share the workers", count(rivals, "other project")),
        }
    }
}
