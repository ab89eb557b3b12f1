//! Attempts for whoever reads what they printed: those of a batch, of a worker, or of both.

use gristmill_model::api::AttemptState;
use gristmill_model::attempt::Failure;
use gristmill_model::{AttemptId, BatchId, JobId, Time, WorkerId, limits};
use rusqlite::{OptionalExtension, Result, Row, params};

use super::column::{json, number, some_time};
use super::{ReadError, Tables};

/// Whose output is wanted; all that is named must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose {
    /// Jobs of this batch.
    pub batch: Option<BatchId>,
    /// Attempts at this worker.
    pub worker: Option<WorkerId>,
}

/// An attempt that may have printed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its job.
    pub job: JobId,
    /// The job's batch.
    pub batch: BatchId,
    /// The job's place in it.
    pub index: u64,
    /// The attempt.
    pub attempt: AttemptId,
    /// Who had it.
    pub worker: WorkerId,
    /// Whether it had not ended.
    pub running: bool,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// When it was leased.
    pub leased_at: Time,
}

const SELECT: &str = "SELECT a.id, a.job, a.worker, a.outcome, a.failure, a.leased_at, j.batch,
        (SELECT s.place + (a.job - s.first) FROM spans s WHERE s.batch = j.batch
            AND s.first <= a.job AND s.first + s.jobs > a.job) AS place
    FROM all_attempts a CROSS JOIN jobs j ON j.id = a.job WHERE a.id <= ?1 AND ";

impl Tables<'_> {
    /// The newest attempt there is.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn last_attempt(&self) -> Result<Option<AttemptId>, ReadError> {
        let mut select = self.connection.prepare_cached(
            "SELECT max(coalesce((SELECT max(id) FROM attempts), 0),
                     (SELECT max(attempt) FROM jobs WHERE attempt IS NOT NULL))",
        )?;
        let last: Option<i64> = select.query_row([], |row| row.get(0))?;
        Ok(last.map(|id| AttemptId(id.cast_unsigned())))
    }

    /// Where a job stands in its batch, where it has a row.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn place_of(&self, job: JobId) -> Result<Option<u64>, ReadError> {
        let mut select = self.connection.prepare_cached(
            "SELECT s.place + (j.id - s.first) AS place FROM jobs j
             CROSS JOIN spans s ON s.batch = j.batch AND s.first <= j.id AND s.first + s.jobs > j.id
             WHERE j.id = ?1",
        )?;
        Ok(select.query_row([job.0.cast_signed()], |row| number(row, "place")).optional()?)
    }

    /// The attempts up to one, after another one: of a batch in the order of its jobs, of a worker
    /// in that of their leases; at most `limits::JOINT_LOG_ATTEMPTS`.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn logged(
        &self,
        whose: Whose,
        up_to: AttemptId,
        after: Option<&Logged>,
    ) -> Result<Vec<Logged>, ReadError> {
        match whose.batch {
            Some(batch) => self.logged_of_batch(batch, whose.worker, up_to, after),
            None => self.logged_of_worker(whose.worker, up_to, after),
        }
    }

    fn logged_of_batch(
        &self,
        batch: BatchId,
        worker: Option<WorkerId>,
        up_to: AttemptId,
        after: Option<&Logged>,
    ) -> Result<Vec<Logged>, ReadError> {
        let id = batch.0.cast_signed();
        let sql = "SELECT min(first), max(first + jobs) FROM spans WHERE batch = ?1";
        let ends = self.connection.prepare_cached(sql)?.query_row([id], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
        let (Some(first), Some(end)) = ends else { return Ok(Vec::new()) };
        let (job, attempt) = match after {
            Some(after) => (after.job.0.cast_signed(), after.attempt.0.cast_signed()),
            None => (first, -1),
        };
        let sql = format!(
            "{SELECT} a.job >= ?2 AND a.job < ?3 AND (a.job > ?2 OR a.id > ?4) AND j.batch = ?5
                 AND (?6 IS NULL OR a.worker = ?6)
             ORDER BY a.job, a.id LIMIT {}",
            limits::JOINT_LOG_ATTEMPTS
        );
        let worker = worker.map(|worker| worker.0.cast_signed());
        let given = params![up_to.0.cast_signed(), job, end, attempt, id, worker];
        let mut select = self.connection.prepare_cached(&sql)?;
        Ok(select.query_map(given, logged)?.collect::<Result<_>>()?)
    }

    fn logged_of_worker(
        &self,
        worker: Option<WorkerId>,
        up_to: AttemptId,
        after: Option<&Logged>,
    ) -> Result<Vec<Logged>, ReadError> {
        let oldest = up_to.0.saturating_sub(limits::WORKER_LOG_LOOK_BACK);
        let after = after.map_or(oldest, |after| after.attempt.0);
        let sql = format!(
            "{SELECT} a.id > ?2 AND (?3 IS NULL OR a.worker = ?3) ORDER BY a.id LIMIT {}",
            limits::JOINT_LOG_ATTEMPTS
        );
        let worker = worker.map(|worker| worker.0.cast_signed());
        let given = params![up_to.0.cast_signed(), after.cast_signed(), worker];
        let mut select = self.connection.prepare_cached(&sql)?;
        Ok(select.query_map(given, logged)?.collect::<Result<_>>()?)
    }
}

fn logged(row: &Row<'_>) -> Result<Logged> {
    let state: AttemptState = super::attempts::state_of(row)?;
    Ok(Logged {
        job: JobId(number(row, "job")?),
        batch: BatchId(number(row, "batch")?),
        index: number(row, "place")?,
        attempt: AttemptId(number(row, "id")?),
        worker: WorkerId(number(row, "worker")?),
        running: state == AttemptState::Running,
        failure: json(row, "failure")?,
        leased_at: some_time(row, "leased_at")?,
    })
}
