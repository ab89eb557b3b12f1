//! Everything at once: the check that tests make after every step.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::job::JobState;
use gristmill_model::{JobRun, ProjectId, WorkerId};

use super::{
    attempt_and_job_agree, batch_adds_up, job_stands_in_its_indexes, worker_holds_what_was_leased,
};
use crate::state::State;

/// Asserts that every index agrees with what it indexes.
///
/// # Panics
/// When one does not.
pub(crate) fn check(state: &State) {
    state.jobs().for_each(|(id, job)| job_stands_in_its_indexes(state, id, job));
    state.attempts().for_each(|(id, attempt)| attempt_and_job_agree(state, id, attempt));
    state.workers().for_each(|(id, worker)| worker_holds_what_was_leased(state, id, worker));
    state.batches().for_each(|(id, batch)| batch_adds_up(state, id, batch));
    waiting_jobs_are_counted(state);
    batches_count_their_jobs(state);
    projects_count_what_is_theirs(state);
    limits_count_what_is_leased(state);
    the_board_shows_the_queue(state);
    the_pulse_covers_every_worker(state);
    gates_are_timed(state);
}

fn waiting_jobs_are_counted(state: &State) {
    let (mut waiting, mut retrying, mut live) = (0, 0, 0);
    for (_, job) in state.jobs() {
        waiting += u64::from(job.state == JobState::Queued);
        retrying += usize::from(job.state == JobState::Retrying);
        live += usize::from(!job.state.is_final());
    }
    for (first, range) in state.ranges() {
        let run = JobRun { first, count: range.count };
        let folds = state.folds(run);
        assert!(!folds.is_empty(), "a range that is here has folded jobs");
        for (part, fold) in folds {
            if fold.state == JobState::Queued {
                waiting += part.count;
                assert!(state.waits(part.first), "{} waits and is folded", part.first);
            }
        }
    }
    let gated: u64 = state.gated().values().flat_map(BTreeMap::values).map(|l| l.len()).sum();
    assert_eq!(waiting, state.queue().len() + gated, "nothing else waits");
    assert_eq!(retrying, state.backoffs().len(), "nothing else pauses");
    assert_eq!(live, state.live_jobs(), "live jobs are counted");
    for id in state.gated().keys() {
        let batch = state.batch(*id).expect("what is gated has its batch");
        assert!(batch.gate_shows() != JobState::Queued, "{id} is open and still gated");
    }
}

fn batches_count_their_jobs(state: &State) {
    let mut counted: BTreeMap<_, BTreeMap<JobState, u64>> = BTreeMap::new();
    for (_, job) in state.jobs() {
        *counted.entry(job.batch).or_default().entry(job.state).or_default() += 1;
    }
    for (first, range) in state.ranges() {
        for (part, fold) in state.folds(JobRun { first, count: range.count }) {
            *counted.entry(range.batch).or_default().entry(fold.state).or_default() += part.count;
        }
    }
    for (id, batch) in state.batches() {
        let counted = counted.remove(&id).unwrap_or_default();
        for job_state in JobState::ALL.into_iter().filter(|s| *s != JobState::Succeeded) {
            let expected = counted.get(&job_state).copied().unwrap_or(0);
            assert_eq!(batch.stored_count(job_state), expected, "{id} counts its {job_state} jobs");
        }
    }
    assert!(counted.is_empty(), "every job has its batch");
    let mut all: BTreeMap<JobState, u64> = BTreeMap::new();
    for (job_state, count) in
        state.batches().flat_map(|(_, batch)| batch.counts().collect::<Vec<_>>())
    {
        *all.entry(job_state).or_default() += count;
    }
    assert_eq!(state.counts(), all, "the total counts every batch");
}

fn projects_count_what_is_theirs(state: &State) {
    let mut queued: BTreeMap<ProjectId, u64> = BTreeMap::new();
    for (class, lane) in state.queue().lanes() {
        *queued.entry(class.project).or_default() += lane.len();
    }
    let mut leased: BTreeMap<ProjectId, (u64, u64)> = BTreeMap::new();
    for (_, attempt) in state.attempts() {
        let job = state.job(attempt.job).expect("a live attempt has its job");
        let (count, booked) = leased.entry(state.class(job).project).or_default();
        *count += 1;
        if attempt.running_since.is_some() {
            *booked += state.charge(attempt);
        }
    }
    for (id, project) in state.projects() {
        assert_eq!(project.queued, queued.remove(&id).unwrap_or(0), "{id} counts its queue");
        let (count, booked) = leased.remove(&id).unwrap_or_default();
        assert_eq!((project.leased, project.booked()), (count, booked), "{id} counts its leases");
    }
    assert!(queued.is_empty() && leased.is_empty(), "all work has its project");
}

fn limits_count_what_is_leased(state: &State) {
    for (project, scope, bound) in state.bounds() {
        let leased = state.leased_under(project, scope);
        assert_eq!(bound.in_use, leased, "{scope} of {project} counts its leases");
    }
}

fn the_board_shows_the_queue(state: &State) {
    let listed: BTreeMap<_, _> = state.queue().board().listed().collect();
    for (class, lane) in state.queue().lanes() {
        let head = listed.get(class).expect("a class with waiting jobs is on the board");
        assert_eq!(lane.head(), Some((head.rank, head.job)), "the board shows the first job");
    }
    assert_eq!(listed.len(), state.queue().lanes().count(), "nothing else is on the board");
}

fn the_pulse_covers_every_worker(state: &State) {
    for id in state.pulse().links().keys() {
        assert!(state.worker(*id).is_some(), "{id} has a lease and is here");
    }
    assert_eq!(state.instances().len(), state.workers().count(), "one instance a worker");
    let hungry: BTreeSet<WorkerId> = state.hungry().collect();
    for (id, worker) in state.workers() {
        let backlog = worker.booking.backlog_len();
        let idle = state.is_connected(id) && !worker.draining && !worker.paused && backlog == 0;
        let held = worker.booking.held() < gristmill_model::limits::ATTEMPTS_PER_WORKER;
        assert!(!(idle && held) || hungry.contains(&id), "{id} may take more and is known to");
    }
}

fn gates_are_timed(state: &State) {
    for (id, batch) in state.batches() {
        let start = batch.gate().and_then(|gate| gate.start_at);
        let timed = start.is_none_or(|at| state.starts().contains(&(at, id)));
        assert!(timed, "{id} will begin when its time comes");
        for on in batch.gate().into_iter().flat_map(|gate| gate.pending.keys()) {
            assert!(state.is_waited_for(*on, id), "{id} will hear of the end of {on}");
        }
    }
}
