//! Events to rows: what each event means for the read tables, one function for each that means
//! much. Nothing is judged here; the engine has.

mod restored;

use gristmill_model::attempt::{Failure, Success, Usage};
use gristmill_model::event::{Event, Record, Then};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::terms::{EndedBy, Target, Terms};
use gristmill_model::{AttemptId, BatchId, JobId, JobRun, Time, WorkerId};
use rusqlite::{Connection, Result, params};

use super::column::to_json;
use super::rows::{Ended, Leased, Moving, Opened, Rows};

/// Applies a chunk of the log and notes its end, which it returns. The caller's transaction makes
/// it one step.
///
/// # Errors
/// The tables cannot be written, or an event names what they do not have.
pub(crate) fn chunk<'r>(
    tables: &Connection,
    records: impl IntoIterator<Item = (u64, &'r Record)>,
) -> Result<Option<u64>> {
    let mut last = None;
    all(
        tables,
        records.into_iter().map(|(seq, record)| {
            last = Some(seq);
            record
        }),
    )?;
    if let Some(last) = last {
        tables.prepare_cached("UPDATE position SET seq = ?1")?.execute([last.cast_signed()])?;
    }
    Ok(last)
}

/// Applies a piece of a base. The position stays where it is: a base counts as a whole.
///
/// # Errors
/// As [`chunk`].
pub(crate) fn base(tables: &Connection, records: &[(u64, Record)]) -> Result<()> {
    all(tables, records.iter().map(|(_, record)| record))
}

/// Notes that a base was applied to its end, and through which event it stands.
///
/// # Errors
/// The tables cannot be written.
pub(crate) fn base_ends(tables: &Connection, through: u64) -> Result<usize> {
    let update = "UPDATE position SET seq = ?1, complete_after = ?1";
    tables.execute(update, [through.cast_signed()])
}

fn all<'r>(tables: &Connection, records: impl IntoIterator<Item = &'r Record>) -> Result<()> {
    let mut chunk = Chunk { tables, rows: Rows::default() };
    records.into_iter().try_for_each(|record| chunk.apply(record))?;
    chunk.rows.store(tables)
}

struct Chunk<'c> {
    tables: &'c Connection,
    rows: Rows,
}

impl Chunk<'_> {
    /// Sends each kind of event to its place; a kind that is new does not compile here.
    fn apply(&mut self, record: &Record) -> Result<()> {
        let (event, at) = (&record.event, record.at);
        match event {
            Event::AttemptLeased { .. }
            | Event::AttemptSucceeded { .. }
            | Event::AttemptFailed { .. }
            | Event::BackoffElapsed { .. }
            | Event::CancelRequested { .. }
            | Event::JobsCancelled { .. }
            | Event::JobsExpired { .. }
            | Event::JobsRetried { .. }
            | Event::JobsHeld { .. }
            | Event::JobsReleased { .. } => self.apply_to_jobs(event, at),
            Event::BatchOpened { .. }
            | Event::JobsAdded { .. }
            | Event::RangeAdded { .. }
            | Event::BatchClosed { .. }
            | Event::BatchHeld { .. }
            | Event::BatchReleased { .. }
            | Event::StartReached { .. }
            | Event::ExpiryReached { .. }
            | Event::DeadlineReached { .. }
            | Event::DependencyMet { .. }
            | Event::DependencyFailed { .. }
            | Event::BatchFinished { .. }
            | Event::CallbackSettled { .. }
            | Event::BatchesPruned { .. } => self.apply_to_batch(event, at),
            Event::PipelineDefined { .. } => self.define(event, at),
            Event::WorkerJoined { .. } => self.join(event, at),
            Event::WorkerPaused { worker, paused, .. } => self.pause(*worker, *paused),
            Event::WorkerDraining { worker } => self.worker_is(*worker, "draining", None),
            Event::WorkerLeft { worker, .. } => self.worker_is(*worker, "gone", Some(at)),
            // These are few, are only ever wanted as they are now, and the engine has them all.
            Event::ProjectDefined { .. }
            | Event::LimitSet { .. }
            | Event::FlowSet { .. }
            | Event::WorkerDeclared { .. }
            | Event::DeviceQuarantined { .. }
            | Event::DeviceReturned { .. }
            | Event::SessionMeasured { .. }
            | Event::ForeignUseNoted { .. } => Ok(()),
            Event::Restored(part) => self.restore(part, at),
            // Of the server itself the tables tell nothing, and pulse is not in the log.
            Event::ServerStarted { .. }
            | Event::WorkerConnected { .. }
            | Event::WorkerDisconnected { .. }
            | Event::LeaseRenewed { .. }
            | Event::PrefetchSet { .. }
            | Event::ProgressMade { .. }
            | Event::PartialMade { .. }
            | Event::DevicesSampled { .. } => Ok(()),
        }
    }

    fn apply_to_jobs(&mut self, event: &Event, at: Time) -> Result<()> {
        match event {
            Event::AttemptLeased { attempt, job, stage, number, worker, alternative, .. } => {
                let (job, stage, number, worker) = (*job, *stage, *number, *worker);
                let alternative = *alternative;
                self.lease(*attempt, Leased { job, stage, number, worker, alternative, at })
            }
            Event::AttemptSucceeded { attempt, job, worker, success, usage, devices, then } => {
                self.succeed(*attempt, *worker, success, (usage, devices), at)?;
                self.settle(*job, *then, at)
            }
            Event::AttemptFailed { attempt, job, worker, failure, usage, devices, then } => {
                self.fail((*attempt, *job), *worker, failure, (usage, devices), at)?;
                self.settle(*job, *then, at)
            }
            Event::BackoffElapsed { job } => {
                self.rows.move_to(self.tables, *job, JobState::Queued, at)
            }
            Event::CancelRequested { jobs, .. } => jobs
                .iter()
                .try_for_each(|job| self.rows.move_to(self.tables, *job, JobState::Cancelling, at)),
            Event::JobsRetried { jobs, .. } | Event::JobsReleased { jobs, .. } => {
                self.rows.move_runs(self.tables, jobs, JobState::Queued, at)
            }
            Event::JobsHeld { jobs, .. } => {
                self.rows.move_runs(self.tables, jobs, JobState::Blocked, at)
            }
            Event::JobsExpired { jobs } => {
                self.rows.move_runs(self.tables, jobs, JobState::Expired, at)
            }
            Event::JobsCancelled { jobs, .. } => {
                self.rows.move_runs(self.tables, jobs, JobState::Cancelled, at)
            }
            other => unreachable!("{} is applied elsewhere", other.name()),
        }
    }

    fn apply_to_batch(&mut self, event: &Event, at: Time) -> Result<()> {
        match event {
            Event::BatchOpened { .. } => self.open_batch(event, at),
            Event::JobsAdded { batch, first, jobs } => self.add_jobs(*batch, *first, jobs, at),
            Event::RangeAdded { batch, first, count, source } => {
                let run = JobRun { first: *first, count: *count };
                self.rows.add_range(self.tables, *batch, run, source, at)
            }
            Event::BatchClosed { batch } => {
                self.turn(*batch, |batch| batch.closed_at = batch.closed_at.or(Some(at)))
            }
            Event::BatchHeld { batch, .. } => self.turn(*batch, |batch| batch.gate.held = true),
            Event::BatchReleased { batch, .. } => {
                self.turn(*batch, |batch| batch.gate.held = false)
            }
            Event::StartReached { batch } => self.turn(*batch, |batch| batch.gate.start_at = None),
            Event::DependencyMet { batch, on } => self.turn(*batch, |batch| {
                batch.gate.pending.remove(on);
            }),
            Event::DependencyFailed { batch, on } => {
                self.turn(*batch, |batch| {
                    batch.gate.pending.remove(on);
                })?;
                self.end(*batch, JobState::Cancelled, EndedBy::DEPENDENCY_FAILED, Some(*on), at)
            }
            Event::ExpiryReached { batch } => {
                self.end(*batch, JobState::Expired, EndedBy::EXPIRED, None, at)
            }
            Event::DeadlineReached { batch } => {
                self.end(*batch, JobState::Expired, EndedBy::DEADLINE_PASSED, None, at)
            }
            Event::BatchFinished { batch } => self.turn(*batch, |batch| {
                batch.announced_at = Some(at);
                batch.called = None;
            }),
            Event::CallbackSettled { batch, delivered, detail } => self.turn(*batch, |batch| {
                batch.called = Some((*delivered, detail.clone(), at));
            }),
            Event::BatchesPruned { batches } => {
                batches.iter().try_for_each(|batch| self.turn(*batch, |batch| batch.pruned = true))
            }
            other => unreachable!("{} is applied elsewhere", other.name()),
        }
    }

    fn turn(&mut self, batch: BatchId, change: impl FnOnce(&mut Moving)) -> Result<()> {
        change(self.rows.batch(self.tables, batch)?.moving());
        Ok(())
    }

    /// One of a batch's terms has ended those of its jobs that it was for.
    fn end(
        &mut self,
        batch: BatchId,
        state: JobState,
        code: &str,
        target: Option<Target>,
        at: Time,
    ) -> Result<()> {
        let (batch, at) = (batch.0.cast_signed(), at.0.cast_signed());
        let target = target.map(|target| target.to_string());
        self.tables
            .prepare_cached(
                "INSERT INTO ends
                 SELECT ?1, count(*), ?2, ?3, ?4, ?5 FROM ends WHERE batch = ?1",
            )?
            .execute(params![batch, state.as_str(), code, target, at])?;
        Ok(())
    }

    fn define(&mut self, event: &Event, at: Time) -> Result<()> {
        let Event::PipelineDefined { pipeline, project, version, spec } = event else {
            return Ok(());
        };
        let (id, project) = (pipeline.0.cast_signed(), project.0.cast_signed());
        self.tables
            .prepare_cached("INSERT INTO pipelines VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                id,
                project,
                spec.name,
                version,
                to_json(spec)?,
                at.0.cast_signed()
            ])?;
        Ok(())
    }

    fn open_batch(&mut self, event: &Event, at: Time) -> Result<()> {
        let Event::BatchOpened {
            batch,
            project,
            pipeline,
            actor,
            name,
            priority,
            labels,
            terms,
            ..
        } = event
        else {
            return Ok(());
        };
        let opened = Opened {
            pipeline: *pipeline,
            actor: actor.to_string(),
            name: name.clone(),
            labels: to_json(labels)?,
            terms: Terms::clone(terms),
            at,
        };
        self.rows.open_batch(*batch, *project, *priority, opened);
        Ok(())
    }

    fn add_jobs(&mut self, batch: BatchId, first: JobId, jobs: &[JobSpec], at: Time) -> Result<()> {
        let row = self.rows.batch(self.tables, batch)?;
        let place = row.add_jobs(first, jobs.len() as u64);
        let (project, priority) = (row.project.0.cast_signed(), row.priority);
        for (index, spec) in (0..).zip(jobs) {
            let job = JobId(first.0 + index);
            self.add_spec(job, spec, priority, at)?;
            if let Some(key) = &spec.key {
                self.tables
                    .prepare_cached("INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3)")?
                    .execute(params![key, project, job.0.cast_signed()])?;
            }
            self.rows.add_job(job, batch, place + index);
        }
        Ok(())
    }

    fn add_spec(&self, job: JobId, spec: &JobSpec, priority: i32, at: Time) -> Result<()> {
        let labels = (!spec.labels.is_empty()).then(|| to_json(&spec.labels)).transpose()?;
        self.tables
            .prepare_cached("INSERT INTO specs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                job.0.cast_signed(),
                spec.priority.unwrap_or(priority),
                labels,
                spec.key,
                to_json(&spec.input)?,
                spec.output,
                at.0.cast_signed()
            ])?;
        Ok(())
    }

    fn lease(&mut self, attempt: AttemptId, leased: Leased) -> Result<()> {
        let (job, stage, at) = (leased.job, leased.stage, leased.at);
        self.rows.move_to(self.tables, job, JobState::Running, at)?;
        let row = self.rows.job(self.tables, job)?;
        row.stage = stage;
        row.attempts += 1;
        row.attempt = Some(attempt);
        row.started_at.get_or_insert(at);
        self.rows.lease(attempt, leased);
        Ok(())
    }

    fn succeed(
        &mut self,
        attempt: AttemptId,
        worker: WorkerId,
        success: &Success,
        (usage, devices): (&Usage, &[String]),
        at: Time,
    ) -> Result<()> {
        let Success { output, artifacts, warnings } = success;
        let ended = Ended {
            state: "succeeded",
            output: Some(to_json(output)?),
            artifacts: (!artifacts.is_empty()).then(|| to_json(artifacts)).transpose()?,
            warnings: (!warnings.is_empty()).then(|| to_json(warnings)).transpose()?,
            failure: None,
            usage: to_json(usage)?,
            devices: (!devices.is_empty()).then(|| to_json(&devices)).transpose()?,
            at,
        };
        self.rows.end(attempt, worker, true, ended);
        Ok(())
    }

    fn fail(
        &mut self,
        (attempt, job): (AttemptId, JobId),
        worker: WorkerId,
        failure: &Failure,
        (usage, devices): (&Usage, &[String]),
        at: Time,
    ) -> Result<()> {
        let told = to_json(failure)?;
        self.rows.job(self.tables, job)?.failure = Some(told.clone());
        let ended = Ended {
            state: failure.kind.as_str(),
            output: None,
            artifacts: None,
            warnings: None,
            failure: Some(told),
            usage: to_json(usage)?,
            devices: (!devices.is_empty()).then(|| to_json(&devices)).transpose()?,
            at,
        };
        self.rows.end(attempt, worker, false, ended);
        Ok(())
    }

    /// What becomes of a job whose attempt has ended.
    fn settle(&mut self, job: JobId, then: Then, at: Time) -> Result<()> {
        let state = match then {
            Then::NextStage => {
                self.rows.job(self.tables, job)?.stage += 1;
                JobState::Queued
            }
            Then::Succeed => JobState::Succeeded,
            Then::Retry { .. } => JobState::Retrying,
            Then::Requeue => JobState::Queued,
            Then::Fail => JobState::Failed,
            Then::Cancel => JobState::Cancelled,
            Then::Expire => JobState::Expired,
        };
        self.rows.move_to(self.tables, job, state, at)
    }

    fn join(&mut self, event: &Event, at: Time) -> Result<()> {
        let Event::WorkerJoined { worker, name, handlers, capacity, shared_disk, labels, .. } =
            event
        else {
            return Ok(());
        };
        self.tables
            .prepare_cached(
                "INSERT INTO workers
                 VALUES (?1, ?2, 'ready', ?3, ?4, ?5, 0, 0, ?6, NULL, ?7, 0)",
            )?
            .execute(params![
                worker.0.cast_signed(),
                name,
                to_json(handlers)?,
                to_json(capacity)?,
                shared_disk,
                at.0.cast_signed(),
                to_json(labels)?
            ])?;
        Ok(())
    }

    fn pause(&mut self, worker: WorkerId, paused: bool) -> Result<()> {
        self.tables
            .prepare_cached("UPDATE workers SET paused = ?2 WHERE id = ?1")?
            .execute(params![worker.0.cast_signed(), paused])?;
        Ok(())
    }

    fn worker_is(&mut self, worker: WorkerId, state: &str, left: Option<Time>) -> Result<()> {
        let left = left.map(|at| at.0.cast_signed());
        self.tables
            .prepare_cached("UPDATE workers SET state = ?2, left_at = ?3 WHERE id = ?1")?
            .execute(params![worker.0.cast_signed(), state, left])?;
        Ok(())
    }
}
