//! How attempts end, and what becomes of their jobs.

use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success};
use gristmill_model::booking::Fate;
use gristmill_model::event::{AttemptEvent, Event, Then};
use gristmill_model::job::JobState;
use gristmill_model::wire::Ended;
use gristmill_model::{AttemptId, JobId, WorkerId, limits};

use super::{History, Job, ORDER, Verdict, require};
use crate::handler::work;
use crate::tally::Tally;

const FENCE: &str = "only the live attempt is believed";
const ONCE: &str = "one committed result per job and stage";
const RIGHT: &str = "a committed output is right for its input";
const REPORTED: &str = "only what the holder of an attempt reported is believed";
const TOLD: &str = "the log says of an end what the worker said";
const QUARANTINE: &str = "a job that outlives no worker is set aside, with the evidence";

impl History {
    pub(super) fn take_ends(&mut self, event: &Event, tally: &mut Tally) -> Verdict {
        match event {
            Event::Attempt(AttemptEvent::Succeeded {
                attempt,
                job,
                worker,
                success,
                devices,
                then,
                ..
            }) => {
                count_success(*then, tally);
                self.says_the_same(*attempt, None, devices)?;
                self.note_devices(*worker, *job, devices, None);
                self.succeed(*attempt, *job, *worker, success, *then)
            }
            Event::Attempt(AttemptEvent::Failed {
                attempt,
                job,
                worker,
                failure,
                devices,
                then,
                ..
            }) => {
                count_failure(failure, *then, tally);
                let by_engine = failure.kind == FailureKind::Lost || failure.code == "overdue";
                if !by_engine && failure.code != "output_too_large" {
                    self.says_the_same(*attempt, Some(failure.kind), devices)?;
                }
                self.fail(*attempt, *job, *worker, failure, *then)?;
                self.note_devices(*worker, *job, devices, Some(failure.kind));
                Ok(())
            }
            event => self.take_workers(event, tally),
        }
    }

    /// An attempt's holder said how it ended.
    pub(in crate::judge) fn was_reported(&mut self, ended: &Ended, instance: u64) {
        let attempt = ended.attempt;
        let holder = self.attempts.get(&attempt).map(|attempt| attempt.worker);
        if holder.and_then(|worker| self.instance_of(worker)) == Some(instance) {
            let kind = match &ended.outcome {
                Outcome::Succeeded(_) => None,
                Outcome::Failed(failure) => Some(failure.kind),
            };
            self.reported.insert(attempt, (kind, ended.devices.clone()));
        }
    }

    /// How an attempt ended stands in the log as its holder told it.
    fn says_the_same(
        &self,
        attempt: AttemptId,
        kind: Option<FailureKind>,
        devices: &[String],
    ) -> Verdict {
        let Some((told, on)) = self.reported.get(&attempt) else { return Ok(()) };
        require(*told == kind && on == devices, TOLD, || {
            format!("{attempt} ended by {told:?} on {on:?}, in the log {kind:?} on {devices:?}")
        })
    }

    /// Ends the live attempt of a job, if that is what it is.
    fn end(&mut self, id: AttemptId, job_id: JobId, worker: WorkerId, fate: Fate) -> Verdict {
        let attempt = self.attempts.get(&id).filter(|_| self.live.contains(&id));
        let own = attempt.is_some_and(|it| it.job == job_id && it.worker == worker);
        require(own, FENCE, || format!("{id} of {job_id} ends at {worker} and is not live there"))?;
        self.live.remove(&id);
        self.job_mut(job_id)?.live = None;
        self.unbook(id, fate)
    }

    fn succeed(
        &mut self,
        id: AttemptId,
        job_id: JobId,
        worker: WorkerId,
        success: &Success,
        then: Then,
    ) -> Verdict {
        self.end(id, job_id, worker, Fate::Succeeded)?;
        require(self.reported.contains_key(&id), REPORTED, || {
            format!("nobody said that {id} did")
        })?;
        let job = &self.jobs[&job_id];
        let (stage, cancelling) = (job.stage, job.state == JobState::Cancelling);
        let new = self.committed.insert((job_id, stage));
        require(new, ONCE, || format!("{id} commits stage {stage} of {job_id} again"))?;
        let spec = self.stage(job, stage).expect("leases name stages that are there");
        let right = work(&spec.name, &job.input);
        require(success.output == right, RIGHT, || format!("{id} left {:?}", success.output))?;
        let expected = match (self.stage(job, stage + 1).is_none(), cancelling) {
            (true, _) => Then::Succeed,
            (false, true) => stopped(job),
            (false, false) => Then::NextStage,
        };
        require(then == expected, ORDER, || format!("after {id} came {then:?}"))?;
        let job = self.job_mut(job_id)?;
        if then == Then::NextStage {
            job.input = right;
            (job.stage, job.number, job.failures) = (stage + 1, 0, 0);
            job.shortages = 0;
            job.deaths.clear();
        } else if matches!(then, Then::Cancel | Then::Expire) {
            // A retry by hand does the stage again: its result may be committed once more.
            self.committed.remove(&(job_id, stage));
        }
        self.settle(job_id, then)
    }

    fn fail(
        &mut self,
        id: AttemptId,
        job_id: JobId,
        worker: WorkerId,
        failure: &Failure,
        then: Then,
    ) -> Verdict {
        let death = is_death(failure);
        let fate = if death { Fate::Died } else { Fate::Other };
        self.end(id, job_id, worker, fate)?;
        let by_engine = failure.kind == FailureKind::Lost || failure.code == "overdue";
        let said = by_engine || self.reported.contains_key(&id);
        require(said, REPORTED, || format!("nobody said that {id} failed by {}", failure.code))?;
        let now = self.at;
        let job = &self.jobs[&job_id];
        let policy = self.stage(job, job.stage).expect("leases name stages").retry.clone();
        let again = job.failures + 1 < policy.attempts && policy.on.contains(&failure.kind);
        let job = self.job_mut(job_id)?;
        let apart = job.shortages > 0 || !job.deaths.is_empty();
        if death {
            job.deaths.push((worker, id));
        }
        set_aside(job, job_id, failure, then)?;
        let fair = match (job.state, failure.kind, then) {
            (JobState::Cancelling, _, then) => then == stopped(job),
            (_, FailureKind::Lost | FailureKind::Device, Then::Fail) => {
                failure.code == "quarantined"
            }
            (_, FailureKind::Lost | FailureKind::Device | FailureKind::Cancelled, then) => {
                then == Then::Requeue
            }
            // Once more, apart from others; then it has failed.
            (_, FailureKind::OutOfMemory, then) => {
                then == if apart { Then::Fail } else { Then::Requeue }
            }
            (_, _, Then::Retry { at }) => again && now <= at && at <= now + policy.max_backoff,
            (_, _, then) => then == Then::Fail && !again,
        };
        require(fair, ORDER, || format!("after {id} failed by {} came {then:?}", failure.kind))?;
        match failure.kind {
            FailureKind::Lost | FailureKind::Cancelled | FailureKind::Device => {}
            FailureKind::OutOfMemory => job.shortages += 1,
            _ => job.failures += 1,
        }
        self.settle(job_id, then)
    }

    fn settle(&mut self, id: JobId, then: Then) -> Verdict {
        if let Then::Retry { at } = then {
            self.job_mut(id)?.retry_at = at;
        }
        let to = match then {
            Then::NextStage | Then::Requeue => JobState::Queued,
            Then::Retry { .. } => JobState::Retrying,
            Then::Succeed => JobState::Succeeded,
            Then::Fail => JobState::Failed,
            Then::Cancel => JobState::Cancelled,
            Then::Expire => JobState::Expired,
        };
        self.move_to(id, to)
    }
}

/// A job that lost too many workers fails, and no other fails for that.
fn set_aside(job: &Job, id: JobId, failure: &Failure, then: Then) -> Verdict {
    let lost = matches!(failure.kind, FailureKind::Lost | FailureKind::Device);
    if job.state == JobState::Cancelling || !lost {
        return Ok(());
    }
    let many = is_death(failure) && job.deaths.len() >= limits::LOST_WORKERS;
    let evidence = job.deaths.iter().all(|(worker, attempt)| {
        failure.message.contains(&worker.to_string())
            && failure.message.contains(&attempt.to_string())
    });
    let fair = if many {
        then == Then::Fail && failure.code == "quarantined" && evidence
    } else {
        then == Then::Requeue
    };
    require(fair, QUARANTINE, || {
        let deaths = job.deaths.len();
        format!("{id} lost {deaths} workers: {} ({}), {then:?}", failure.code, failure.message)
    })
}

/// Whether something died under the job: its worker, its session or its device.
fn is_death(failure: &Failure) -> bool {
    let lost = ["worker_lost", "session_lost", "quarantined"].contains(&failure.code.as_str());
    failure.kind == FailureKind::Device || failure.kind == FailureKind::Lost && lost
}

/// What becomes of a job that was asked to stop.
fn stopped(job: &Job) -> Then {
    if job.expiring { Then::Expire } else { Then::Cancel }
}

fn count_success(then: Then, tally: &mut Tally) {
    tally.results += 1;
    match then {
        Then::Succeed => tally.succeeded += 1,
        Then::NextStage => tally.handed_over += 1,
        Then::Expire => tally.expired += 1,
        _ => tally.cancelled += 1,
    }
}

fn count_failure(failure: &Failure, then: Then, tally: &mut Tally) {
    match then {
        Then::Retry { .. } => tally.retries += 1,
        Then::Fail => tally.failed += 1,
        Then::Cancel => tally.cancelled += 1,
        Then::Expire => tally.expired += 1,
        _ => {}
    }
    match failure.code.as_str() {
        "quarantined" => tally.quarantined += 1,
        "undelivered" => tally.undelivered += 1,
        "overdue" => tally.overdue += 1,
        "timed_out" => tally.timed_out += 1,
        _ => {}
    }
}
