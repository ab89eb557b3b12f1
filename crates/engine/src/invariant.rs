//! Our own invariants, asserted in release too. A broken one is a bug here, never somebody's
//! mistake: what the world says is judged before it can reach the state.

use std::collections::BTreeMap;

use gristmill_model::JobId;
use gristmill_model::job::JobState;

use crate::state::State;

/// Asserts that every index agrees with what it indexes.
///
/// # Panics
/// When one does not.
pub(crate) fn check(state: &State) {
    jobs_stand_in_their_indexes(state);
    attempts_and_jobs_agree(state);
    workers_hold_what_was_leased(state);
    batches_count_their_jobs(state);
    the_pulse_covers_every_worker(state);
}

fn jobs_stand_in_their_indexes(state: &State) {
    let (mut queued, mut retrying, mut live) = (0, 0, 0);
    for (id, job) in state.jobs() {
        assert!(job.state != JobState::Succeeded, "{id} succeeded and is still here");
        let class = state.class(job);
        let is_queued = job.state == JobState::Queued;
        assert_eq!(is_queued, state.queue().holds(class, job.priority, id), "{id} in the queue");
        let pauses = job.retry_at.is_some_and(|at| state.backoffs().contains(&(at, id)));
        assert_eq!(job.state == JobState::Retrying, pauses, "{id} among the pauses");
        queued += usize::from(is_queued);
        retrying += usize::from(pauses);
        live += usize::from(!job.state.is_final());
    }
    assert_eq!(queued, state.queue().len(), "nothing else is queued");
    assert_eq!(retrying, state.backoffs().len(), "nothing else pauses");
    assert_eq!(live, state.live_jobs(), "live jobs are counted");
}

fn attempts_and_jobs_agree(state: &State) {
    for (id, job) in state.jobs() {
        let leased = matches!(job.state, JobState::Running | JobState::Cancelling);
        assert_eq!(leased, job.attempt.is_some(), "{id} is {} with its attempt", job.state);
    }
    for (id, attempt) in state.attempts() {
        let job = state.job(attempt.job).expect("a live attempt has its job");
        assert_eq!(job.attempt, Some(id), "{id} is its job's only attempt");
        let worker = state.worker(attempt.worker).expect("a live attempt has its worker");
        assert!(worker.attempts.contains(&id), "{id} is among its worker's");
    }
}

fn workers_hold_what_was_leased(state: &State) {
    for (id, worker) in state.workers() {
        let booked = worker.booking.running().chain(worker.booking.backlog());
        let mut booked: Vec<_> = booked.collect();
        booked.sort_unstable();
        assert!(booked.iter().eq(&worker.attempts), "{id} books what it holds");
        for attempt in &worker.attempts {
            let live = state.attempt(*attempt).expect("held attempts are live");
            assert_eq!(live.worker, id, "{attempt} is held by its worker");
        }
        for attempt in worker.booking.running() {
            let live = state.attempt(attempt).expect("booked attempts are live");
            assert!(live.running_since.is_some(), "{attempt} is booked since some time");
        }
        assert_eq!(state.instances().get(&worker.instance), Some(&id), "{id} by its instance");
    }
    assert_eq!(state.instances().len(), state.workers().count(), "one instance a worker");
}

fn batches_count_their_jobs(state: &State) {
    let mut counted: BTreeMap<_, BTreeMap<JobState, u64>> = BTreeMap::new();
    for (_, job) in state.jobs() {
        *counted.entry(job.batch).or_default().entry(job.state).or_default() += 1;
    }
    for (id, batch) in state.batches() {
        let counted = counted.remove(&id).unwrap_or_default();
        for job_state in JobState::ALL.into_iter().filter(|s| *s != JobState::Succeeded) {
            let expected = counted.get(&job_state).copied().unwrap_or(0);
            assert_eq!(batch.count(job_state), expected, "{id} counts its {job_state} jobs");
        }
        let accepted: u64 = batch.runs.iter().map(|(_, count)| count).sum();
        assert_eq!(batch.total(), accepted, "{id} counts every job once");
        for (JobId(first), count) in &batch.runs {
            assert!(state.knows_job(JobId(first + count - 1)), "{id} has jobs that were accepted");
        }
    }
    assert!(counted.is_empty(), "every job has its batch");
    let all: u64 = state.batches().map(|(_, batch)| batch.total()).sum();
    assert_eq!(state.counts().values().sum::<u64>(), all, "the total counts every batch");
}

fn the_pulse_covers_every_worker(state: &State) {
    for (id, _) in state.workers() {
        assert!(state.pulse().link(id).is_some(), "{id} has a lease");
    }
    for id in state.pulse().links().keys() {
        assert!(state.worker(*id).is_some(), "{id} has a lease and is here");
    }
}
