//! Attempts, each with its own input: the job's at the first stage, the earlier stage's output
//! after it. Outputs are kept once; inputs are found through them.

use gristmill_model::api::{self, AttemptState};
use gristmill_model::{AttemptId, JobId, WorkerId, limits};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Result, Row};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as BadWord;

use super::column::{json, number, some_json, some_time, time};
use super::{ReadError, Tables};

const SELECT: &str = "SELECT a.*, p.spec ->> ('$.stages[' || a.stage || '].name') AS stage_name,
        CASE a.stage WHEN 0 THEN s.input ELSE (
            SELECT e.output FROM attempts e
            WHERE e.job = a.job AND e.stage = a.stage - 1 AND e.state = 'succeeded'
            ORDER BY e.id DESC LIMIT 1
        ) END AS input
    FROM attempts a
    CROSS JOIN jobs j ON j.id = a.job
    CROSS JOIN specs s ON s.job = a.job
    CROSS JOIN batches b ON b.id = j.batch
    CROSS JOIN pipelines p ON p.id = b.pipeline";

impl Tables<'_> {
    /// An attempt by its id.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn attempt(&self, id: AttemptId) -> Result<Option<api::Attempt>, ReadError> {
        let mut select = self.connection.prepare_cached(&format!("{SELECT} WHERE a.id = ?1"))?;
        Ok(select.query_row([id.0.cast_signed()], attempt_of).optional()?)
    }

    /// The attempts of a job in the order of their leases, over all stages; of very many the
    /// newest `limits::PAGE`.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn attempts(&self, job: JobId) -> Result<Vec<api::Attempt>, ReadError> {
        let sql = format!("{SELECT} WHERE a.job = ?1 ORDER BY a.id DESC LIMIT {}", limits::PAGE);
        let mut attempts: Vec<api::Attempt> = self
            .connection
            .prepare_cached(&sql)?
            .query_map([job.0.cast_signed()], attempt_of)?
            .collect::<Result<_>>()?;
        attempts.reverse();
        Ok(attempts)
    }
}

fn attempt_of(row: &Row<'_>) -> Result<api::Attempt> {
    Ok(api::Attempt {
        id: AttemptId(number(row, "id")?),
        job: JobId(number(row, "job")?),
        stage: row.get("stage_name")?,
        number: row.get("number")?,
        worker: WorkerId(number(row, "worker")?),
        alternative: row.get("alternative")?,
        devices: json(row, "devices")?.unwrap_or_default(),
        state: state_of(&row.get::<_, String>("state")?)?,
        input: some_json(row, "input")?,
        output: json(row, "output")?,
        failure: json(row, "failure")?,
        usage: json(row, "usage")?,
        leased_at: some_time(row, "leased_at")?,
        ended_at: time(row, "ended_at")?,
    })
}

pub(super) fn state_of(word: &str) -> Result<AttemptState> {
    AttemptState::deserialize(word.into_deserializer()).map_err(|error: BadWord| {
        rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into())
    })
}
