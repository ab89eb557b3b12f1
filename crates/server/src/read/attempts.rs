//! Attempts, each with its own input: the job's at the first stage, the earlier stage's output
//! after it. Outputs are kept once; inputs are found through them.

use gristmill_model::api::{self, AttemptState};
use gristmill_model::attempt::Usage;
use gristmill_model::{AttemptId, JobId, Span, WorkerId, limits};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Result, Row};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as BadWord;

use super::column::{json, number, some_time, time};
use super::inputs::{Extras, Inputs};
use super::{ReadError, Tables};

const SELECT: &str = "SELECT a.*, p.spec ->> ('$.stages[' || a.at_stage || '].name') AS stage_name,
        CASE a.at_stage WHEN 0 THEN NULL ELSE (
            SELECT e.output FROM all_attempts e
            WHERE e.job = a.job AND e.at_stage = a.at_stage - 1 AND e.outcome = 'succeeded'
            ORDER BY e.id DESC LIMIT 1
        ) END AS input, x.input AS own_input
    FROM all_attempts a
    CROSS JOIN jobs j ON j.id = a.job
    CROSS JOIN batches b ON b.id = j.batch
    CROSS JOIN pipelines p ON p.id = b.pipeline
    LEFT JOIN extras x ON x.job = a.job";

impl Tables<'_> {
    /// An attempt by its id.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn attempt(&self, id: AttemptId) -> Result<Option<api::Attempt>, ReadError> {
        let mut select = self.connection.prepare_cached(&format!("{SELECT} WHERE a.id = ?1"))?;
        let mut inputs = Inputs::new(self.connection);
        let found = select.query_row([id.0.cast_signed()], |row| attempt_of(row, &mut inputs));
        Ok(found.optional()?.flatten())
    }

    /// The attempts of a job in the order of their leases, over all stages; of very many the
    /// newest `limits::PAGE`.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn attempts(&self, job: JobId) -> Result<Vec<api::Attempt>, ReadError> {
        let sql = format!("{SELECT} WHERE a.job = ?1 ORDER BY a.id DESC LIMIT {}", limits::PAGE);
        let mut inputs = Inputs::new(self.connection);
        let mut select = self.connection.prepare_cached(&sql)?;
        let found = select
            .query_map([job.0.cast_signed()], |row| attempt_of(row, &mut inputs))?
            .collect::<Result<Vec<_>>>()?;
        Ok(found.into_iter().rev().flatten().collect())
    }
}

/// The attempt of a row; nothing where it is not known what its job was submitted with.
fn attempt_of(row: &Row<'_>, inputs: &mut Inputs<'_>) -> Result<Option<api::Attempt>> {
    let job = JobId(number(row, "job")?);
    let extras = Extras { input: json(row, "own_input")?, ..Extras::default() };
    let Some(submitted) = inputs.of(job, extras)? else { return Ok(None) };
    let usage = match row.get::<_, Option<i64>>("wall")? {
        Some(_) => Some(Usage {
            wall: Span(number(row, "wall")?),
            cpu: Span(number(row, "cpu")?),
            peak_memory: number(row, "memory")?,
        }),
        None => None,
    };
    Ok(Some(api::Attempt {
        id: AttemptId(number(row, "id")?),
        job,
        stage: row.get("stage_name")?,
        number: row.get("number")?,
        worker: WorkerId(number(row, "worker")?),
        alternative: row.get("alternative")?,
        devices: json(row, "devices")?.unwrap_or_default(),
        state: state_of(row)?,
        input: json(row, "input")?.unwrap_or(submitted.input),
        output: json(row, "output")?,
        failure: json(row, "failure")?,
        usage,
        leased_at: some_time(row, "leased_at")?,
        ended_at: time(row, "ended_at")?,
    }))
}

/// How an attempt ended; it runs where nothing is told.
pub(super) fn state_of(row: &Row<'_>) -> Result<AttemptState> {
    match row.get_ref("outcome")?.as_str_or_null()? {
        None => Ok(AttemptState::Running),
        Some(word) => {
            AttemptState::deserialize(word.into_deserializer()).map_err(|error: BadWord| {
                rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into())
            })
        }
    }
}
