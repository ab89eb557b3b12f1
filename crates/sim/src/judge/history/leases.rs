//! Leases: whether a job may begin now, on this worker, before all others.

use gristmill_model::booking::Seat;
use gristmill_model::event::{AttemptEvent, Event};
use gristmill_model::job::JobState;
use gristmill_model::pipeline::StageSpec;
use gristmill_model::{AttemptId, JobId, WorkerId};

use super::jobs::{Attempt, Class};
use super::{History, ORDER, Verdict, require};
use crate::tally::Tally;
use crate::worker::Kind;

const STARTS: &str = "a job starts only from the queue";
const GATE: &str = "nothing begins behind a closed gate";
const LATE: &str = "nothing begins after its time has passed";
const TURN: &str = "of jobs that wait for the same the first in order goes first";
const WORKER: &str = "work goes only to workers that may take it";
const PREFERRED: &str = "the preferred resources that fit are booked";

/// What a lease says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    pub(super) attempt: AttemptId,
    pub(super) job: JobId,
    pub(super) stage: u16,
    pub(super) number: u32,
    pub(super) worker: WorkerId,
    pub(super) alternative: u8,
}

impl History {
    pub(super) fn take_attempts(&mut self, event: &Event, tally: &mut Tally) -> Verdict {
        match event {
            Event::Attempt(AttemptEvent::Leased {
                attempt,
                job,
                stage,
                number,
                worker,
                alternative,
                seat,
            }) => {
                tally.attempts += 1;
                tally.alternatives += u64::from(*alternative > 0);
                let (attempt, job, worker) = (*attempt, *job, *worker);
                let (stage, number, alternative) = (*stage, *number, *alternative);
                self.lease(
                    Lease { attempt, job, stage, number, worker, alternative },
                    seat.as_ref(),
                    tally,
                )
            }
            event => self.take_ends(event, tally),
        }
    }

    fn lease(&mut self, lease: Lease, seat: Option<&Seat>, tally: &mut Tally) -> Verdict {
        let Lease { attempt: id, job: job_id, stage, number, worker, alternative } = lease;
        self.is_present(worker)?;
        let job = self.known(job_id)?;
        require(job.state == JobState::Queued, STARTS, || {
            format!("{job_id} is leased as {id} while it is {}", job.state)
        })?;
        let next = job.stage == stage && job.number + 1 == number && job.live.is_none();
        require(next, ORDER, || format!("{id} is number {number} of {job_id} at stage {stage}"))?;
        self.may_begin(job_id)?;
        let class = self.class(job_id);
        self.is_in_turn(job_id, &class)?;
        self.is_fair(&class)?;
        self.is_patient(lease, &class, tally)?;
        self.suits(lease, &class)?;
        self.is_sound(worker, seat)?;
        self.begin_under(&class)?;
        let newest = self.attempts.last_key_value().is_none_or(|(last, _)| *last < id);
        require(newest, "an attempt's id is never used again", || format!("{id} comes again"))?;
        let job = self.job_mut(job_id)?;
        (job.live, job.number, job.begun) = (Some(id), number, true);
        self.move_to(job_id, JobState::Running)?;
        self.attempts.insert(id, Attempt { job: job_id, stage, worker, alternative });
        self.live.insert(id);
        self.book(id, class.0, seat)
    }

    /// The batch's terms allow it.
    fn may_begin(&self, id: JobId) -> Verdict {
        let job = &self.jobs[&id];
        let batch = &self.batches[&job.batch];
        require(batch.gate_is_open(), GATE, || {
            let (batch, terms) = (job.batch, &batch.terms);
            format!("{id} of {batch} begins at {} under {terms:?}", self.wall)
        })?;
        let past = |time: Option<_>| time.is_some_and(|time| time <= self.wall);
        let late = past(batch.terms.deadline) || past(batch.terms.expires_at) && !job.begun;
        require(!late || job.pardoned, LATE, || format!("{id} begins at {}", self.wall))
    }

    /// No job goes before it that waits for the same, in its line or in another of its project.
    fn is_in_turn(&self, id: JobId, class: &Class) -> Verdict {
        let own = (self.jobs[&id].rank, id);
        let head = self.queue.get(class).and_then(|line| line.first());
        require(head == Some(&own), TURN, || format!("{id} is leased before {head:?}"))?;
        let lines = self.queue.iter().filter(|(other, _)| other.0 == class.0 && *other != class);
        for (other, line) in lines {
            let first = line.first().filter(|first| **first < own);
            let before = first.filter(|_| self.asks_the_same(other, class));
            if let Some((_, first)) = before.filter(|_| self.barred(other, self.at).is_none()) {
                require(false, TURN, || format!("{id} is leased before {first}"))?;
            }
        }
        Ok(())
    }

    /// The worker may take it, and books the first of its resources that will do.
    fn suits(&self, lease: Lease, class: &Class) -> Verdict {
        let Lease { job, worker: id, alternative, .. } = lease;
        let worker = &self.workers[&id];
        let stage: &StageSpec = &self.pipelines[&class.1].1.stages[usize::from(class.2)];
        let labels = &worker.shape.labels;
        let labelled = stage.requires.iter().all(|(name, value)| labels.get(name) == Some(value));
        let handles = worker.shape.handlers.iter().any(|kind| kind == stage.handler.word());
        let sees = worker.shape.shared_disk || !class.3;
        let takes = !worker.paused && !worker.draining;
        require(labelled && handles && sees && takes, WORKER, || {
            format!("{job} goes to {id}: labels {labelled}, handler {handles}, {sees}, {takes}")
        })?;
        let requests: Vec<_> = stage.requests().collect();
        let chosen = usize::from(alternative);
        let fits_now = |place: usize| {
            let place = u8::try_from(place).expect("few alternatives");
            worker.booking.seat(&stage.want(place, false)).is_some()
        };
        let could = |request: &_| worker.booking.could_fit(request).is_ok();
        let best = match (0..requests.len()).find(|place| fits_now(*place)) {
            Some(now) => Some(now),
            None => requests.iter().position(|request| could(request)),
        };
        require(best == Some(chosen), PREFERRED, || {
            format!("{job} books alternative {chosen} on {id}, {best:?} would have been first")
        })
    }

    /// The machine is truly such as the stage asks for, whatever the log says of it.
    pub(in crate::judge) fn suits_truly(&self, attempt: AttemptId, kind: &Kind) -> Verdict {
        let Some(attempt) = self.attempts.get(&attempt) else { return Ok(()) };
        let job = &self.jobs[&attempt.job];
        let stage = self.stage(job, attempt.stage).expect("leases name stages");
        let has = |(name, value): (&String, &String)| kind.labels.get(name) == Some(value);
        let sees = kind.shared_disk || !job.shared_disk;
        require(stage.requires.iter().all(has) && sees, WORKER, || {
            format!("{} runs where it may not: {:?} {sees}", attempt.job, kind.labels)
        })
    }
}
