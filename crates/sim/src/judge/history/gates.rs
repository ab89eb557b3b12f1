//! Gates: what a batch waits for before its jobs may begin, and the times by which they must have
//! begun and ended.

use gristmill_model::access::Actor;
use gristmill_model::cause::Cause;
use gristmill_model::event::{BatchEvent, Event, JobsEvent};
use gristmill_model::job::JobState;
use gristmill_model::terms::{Target, When};
use gristmill_model::{BatchId, JobId, Time};

use super::batches::Batch;
use super::{History, ORDER, Verdict, Violation, require};
use crate::tally::Tally;

const MET: &str = "a dependent batch begins if and only if its condition is met";
const EXPIRED: &str = "when its time has passed nothing of a batch is left to begin";
const ENDED: &str = "after a deadline every job is final or is being stopped";

impl History {
    pub(super) fn take_gate(&mut self, event: &Event, tally: &mut Tally) -> Verdict {
        match event {
            Event::Batch(BatchEvent::Held { batch, .. }) => {
                tally.holds += 1;
                self.batch_mut(*batch)?.holds += 1;
                self.hold(*batch, true)
            }
            Event::Batch(BatchEvent::Released { batch, .. }) => self.hold(*batch, false),
            Event::Batch(BatchEvent::StartReached { batch }) => {
                tally.starts += 1;
                let (wall, found) = (self.wall, self.batch_mut(*batch)?);
                let due = !found.started && found.terms.start_at.is_some_and(|at| at <= wall);
                found.started = true;
                require(due, ORDER, || format!("{batch} starts before its time"))?;
                self.requeue_all(*batch)
            }
            Event::Batch(BatchEvent::DependencyMet { batch, on }) => {
                self.depend(*batch, *on, true, tally)
            }
            Event::Batch(BatchEvent::DependencyFailed { batch, on }) => {
                self.depend(*batch, *on, false, tally)
            }
            Event::Batch(BatchEvent::ExpiryReached { batch }) => {
                tally.expiries += 1;
                self.batch_mut(*batch)?.expiry_reached = true;
                let due = self.batch_mut(*batch)?.terms.expires_at;
                self.is_due(*batch, due)?;
                let left = self.first_of(*batch, |history, job| {
                    let waits = [JobState::Queued, JobState::Blocked];
                    !history.jobs[&job].begun && waits.contains(&history.jobs[&job].state)
                });
                require(left.is_none(), EXPIRED, || format!("{left:?} of {batch} is left"))
            }
            Event::Batch(BatchEvent::DeadlineReached { batch }) => {
                tally.deadlines += 1;
                self.batch_mut(*batch)?.deadline_reached = true;
                let due = self.batch_mut(*batch)?.terms.deadline;
                self.is_due(*batch, due)?;
                let left = self.first_of(*batch, |history, job| {
                    let state = history.jobs[&job].state;
                    !state.is_final() && state != JobState::Cancelling
                });
                let closed = !self.batches[batch].open;
                require(left.is_none() && closed, ENDED, || format!("{left:?} of {batch} is left"))
            }
            event => self.take_jobs(event, tally),
        }
    }

    fn is_due(&self, batch: BatchId, due: Option<Time>) -> Verdict {
        let fair = due.is_some_and(|due| due <= self.wall);
        require(fair, ORDER, || format!("{batch} is late before its time"))
    }

    fn first_of(&self, batch: BatchId, is: impl Fn(&History, JobId) -> bool) -> Option<JobId> {
        self.batches[&batch].jobs.iter().copied().find(|job| is(self, *job))
    }

    fn hold(&mut self, batch: BatchId, held: bool) -> Verdict {
        let was = std::mem::replace(&mut self.batch_mut(batch)?.held, held);
        require(was != held, ORDER, || format!("{batch} is held: {held}, as it was before"))?;
        self.requeue_all(batch)
    }

    fn depend(&mut self, id: BatchId, on: Target, met: bool, tally: &mut Tally) -> Verdict {
        let found = self.batch_mut(id)?;
        let place = found.pending.iter().position(|dependency| dependency.on == on);
        let place = place.ok_or_else(|| Violation::new(MET, format!("{id} waits not for {on}")))?;
        let when = found.pending.remove(place).when;
        let is = self.is_met(on, when);
        require(is == Some(met), MET, || {
            format!("{id} waited until {on} has {when}: the log says {is:?}, the engine {met}")
        })?;
        if met {
            tally.met += 1;
            return self.requeue_all(id);
        }
        tally.unmet += 1;
        let batch: &Batch = &self.batches[&id];
        let over = !batch.open && !self.is_batch_live(batch);
        require(over, MET, || format!("{id} can never begin and is not cancelled"))
    }

    /// Whether something has ended as it was to end; nothing where it has not ended.
    fn is_met(&self, on: Target, when: When) -> Option<bool> {
        let well = match on {
            Target::Job(id) => match self.jobs.get(&id).filter(|job| !job.pruned) {
                None => return Some(when == When::Finished),
                Some(job) if !job.state.is_final() => return None,
                Some(job) => job.state == JobState::Succeeded,
            },
            Target::Batch(id) => match self.batches.get(&id).filter(|batch| !batch.pruned) {
                None => return Some(when == When::Finished),
                Some(batch) if batch.open || self.is_batch_live(batch) => return None,
                Some(batch) => {
                    batch.jobs.iter().all(|job| self.jobs[job].state == JobState::Succeeded)
                }
            },
        };
        Some(match when {
            When::Finished => true,
            When::Succeeded => well,
            When::Failed => !well,
        })
    }

    /// A batch's gate has turned: its waiting jobs join the queue or leave it.
    fn requeue_all(&mut self, batch: BatchId) -> Verdict {
        for job in self.batches[&batch].jobs.clone() {
            self.line_up(job);
        }
        Ok(())
    }

    pub(super) fn take_jobs(&mut self, event: &Event, tally: &mut Tally) -> Verdict {
        use JobState::{Blocked, Cancelled, Expired, Failed, Queued, Retrying};
        let waiting = [Queued, Retrying, Blocked];
        match event {
            Event::Jobs(JobsEvent::BackoffElapsed { job }) => self.end_pause(*job),
            Event::Jobs(JobsEvent::CancelRequested { jobs, cause }) => {
                let expiring = matches!(cause, Cause::Deadline(_));
                require(expiring == (self.by == Actor::SERVER), ORDER, || {
                    format!("{jobs:?} are stopped by {}: {cause}", self.by)
                })?;
                self.stop(jobs, expiring)
            }
            Event::Jobs(JobsEvent::Cancelled { jobs, cause }) => {
                let own = matches!(cause, Cause::Dependency(..));
                require(own == (self.by == Actor::SERVER), ORDER, || {
                    format!("{jobs:?} are cancelled by {}: {cause}", self.by)
                })?;
                tally.cancelled += jobs.iter().map(|run| run.count).sum::<u64>();
                self.move_all(jobs, &waiting, Cancelled)
            }
            Event::Jobs(JobsEvent::Expired { jobs, cause }) => {
                tally.expired += jobs.iter().map(|run| run.count).sum::<u64>();
                jobs.iter()
                    .flat_map(|run| run.jobs())
                    .try_for_each(|job| self.may_expire(job, *cause))?;
                self.move_all(jobs, &waiting, Expired)
            }
            Event::Jobs(JobsEvent::Retried { jobs, .. }) => {
                tally.retried_by_hand += jobs.iter().map(|run| run.count).sum::<u64>();
                self.move_all(jobs, &[Failed, Cancelled, Expired], Queued)
            }
            Event::Jobs(JobsEvent::Held { jobs, .. }) => {
                tally.holds += 1;
                self.move_all(jobs, &[Queued], Blocked)
            }
            Event::Jobs(JobsEvent::Released { jobs, .. }) => {
                self.move_all(jobs, &[Blocked], Queued)
            }
            event => self.take_attempts(event, tally),
        }
    }

    /// The time that is named was set, and has passed.
    fn may_expire(&self, id: JobId, cause: Cause) -> Verdict {
        let Some(job) = self.jobs.get(&id) else { return Ok(()) };
        let terms = &self.batches[&job.batch].terms;
        let fair = match cause {
            Cause::Deadline(at) => terms.deadline == Some(at) && at <= self.wall,
            Cause::Expiry(at) => terms.expires_at == Some(at) && at <= self.wall && !job.begun,
            Cause::Request | Cause::Dependency(..) => false,
        };
        require(fair, ORDER, || format!("{id} expires before its time"))
    }
}
