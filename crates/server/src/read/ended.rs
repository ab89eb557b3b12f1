//! Which of its batch's terms ended a job. It stands beside the job and is not written into it: of
//! a million jobs that one thing ended, folded or not, it is said once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use gristmill_model::api::{Job, Unmet};
use gristmill_model::job::JobState;
use gristmill_model::terms::{EndedBy, Target, Terms};
use gristmill_model::{BatchId, Time};
use rusqlite::{OptionalExtension, Result, Row};

use super::column::{json, some_time, word};
use super::{ReadError, Tables};

/// The code of the failure that a job shows, as [`Tables::tell_ends`] makes it.
pub(super) const CODE: &str = "CASE WHEN j.state IN ('cancelled', 'expired') THEN
        coalesce((SELECT e.code FROM ends e
            WHERE e.batch = j.batch AND e.state = j.state AND e.at = j.finished_at
            ORDER BY e.place LIMIT 1), j.failure ->> '$.code')
    ELSE j.failure ->> '$.code' END";

/// One thing that ended jobs of a batch: those that became final in this state just then.
struct End {
    state: JobState,
    by: EndedBy,
    at: Time,
}

impl Tables<'_> {
    /// Gives jobs that their batches' terms have ended a failure that names the term.
    pub(super) fn tell_ends(&self, jobs: &mut [Job]) -> Result<()> {
        let mut known: BTreeMap<BatchId, Vec<End>> = BTreeMap::new();
        for job in jobs {
            let (JobState::Cancelled | JobState::Expired, Some(at)) = (job.state, job.finished_at)
            else {
                continue;
            };
            let ends = match known.entry(job.batch) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => free.insert(self.ends(job.batch)?),
            };
            if let Some(end) = ends.iter().find(|end| (end.state, end.at) == (job.state, at)) {
                job.failure = Some(end.by.failure());
            }
        }
        Ok(())
    }

    /// What of a batch's terms ended jobs of it, in the order in which it did.
    fn ends(&self, batch: BatchId) -> Result<Vec<End>> {
        let mut select =
            self.connection.prepare_cached("SELECT terms FROM batches WHERE id = ?1")?;
        let terms = select.query_row([batch.0.cast_signed()], |row| json(row, "terms"));
        // Few batches have terms: most need not be looked for.
        let Some(terms) = terms.optional()?.flatten() else { return Ok(Vec::new()) };
        let mut select =
            self.connection.prepare_cached("SELECT * FROM ends WHERE batch = ?1 ORDER BY place")?;
        let found = select.query_map([batch.0.cast_signed()], |row| end_of(row, &terms))?;
        found.collect()
    }

    /// What a batch waited for and what ended otherwise, in the order in which it did.
    pub(super) fn unmet(&self, batch: BatchId) -> Result<Vec<Unmet>> {
        let unmet = self.ends(batch)?.into_iter().filter_map(|end| match end.by {
            EndedBy::Dependency(on, when) => Some(Unmet { on, when, at: end.at }),
            EndedBy::Expiry(_) | EndedBy::Deadline(_) => None,
        });
        Ok(unmet.collect())
    }

    /// How the jobs stand that something waited for, with how many.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn standing_of(&self, on: Target) -> Result<BTreeMap<JobState, u64>, ReadError> {
        Ok(match on {
            Target::Batch(id) => self.batch(id)?.map(|batch| batch.counts).unwrap_or_default(),
            Target::Job(id) => self.job(id)?.into_iter().map(|job| (job.state, 1)).collect(),
        })
    }
}

fn end_of(row: &Row<'_>, terms: &Terms) -> Result<End> {
    let (code, at): (String, Time) = (row.get("code")?, some_time(row, "at")?);
    // The times are those that were set; in a base's terms nothing is missing that is named here.
    let by = if code == EndedBy::EXPIRED {
        EndedBy::Expiry(terms.expires_at.unwrap_or(at))
    } else if code == EndedBy::DEADLINE_PASSED {
        EndedBy::Deadline(terms.deadline.unwrap_or(at))
    } else {
        let on: Target = word(row, "target")?;
        let asked = terms.after.iter().find(|dependency| dependency.on == on);
        EndedBy::Dependency(on, asked.map(|dependency| dependency.when).unwrap_or_default())
    };
    Ok(End { state: word(row, "state")?, by, at })
}
