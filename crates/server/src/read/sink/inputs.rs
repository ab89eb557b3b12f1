//! Rows of what was submitted: a range is one row however many jobs it has, single inputs are
//! written in pages. A job that brings more than an input has a row of its own from the start, so
//! that filters find it.

use gristmill_engine::change::{Accepted, Inputs};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::{JobId, ProjectId};
use rusqlite::{Connection, Result, params};

use crate::read::column::to_json;

/// Jobs of a page, at most.
const PAGE_JOBS: usize = 64;
/// A page is full with so many bytes of inputs.
const PAGE_BYTES: usize = 64 * 1024;

/// Writes down jobs that joined a batch of a project.
pub(super) fn store(tables: &Connection, accepted: &Accepted, project: ProjectId) -> Result<()> {
    let known = extend_spans(tables, accepted)?;
    match &accepted.inputs {
        Inputs::Lost(_) => Ok(()),
        Inputs::Range(source, count) => {
            store_page(tables, accepted, 0, *count, Some(to_json(&**source)?), None)
        }
        Inputs::Each(specs) if known && is_of_range(tables, accepted.first)? => {
            let ids = (accepted.first.0..).map(JobId);
            ids.zip(&**specs).try_for_each(|(id, spec)| store_input(tables, id, spec))
        }
        Inputs::Each(specs) => {
            let mut from = 0;
            while from < specs.len() {
                let count = page_length(&specs[from..]);
                let page: Vec<&Payload> =
                    specs[from..from + count].iter().map(|spec| &spec.input).collect();
                let each = Some(to_json(&page)?);
                store_page(tables, accepted, from as u64, count as u64, None, each)?;
                from += count;
            }
            let ids = (accepted.first.0..).map(JobId);
            ids.zip(&**specs).try_for_each(|(id, spec)| store_extras(tables, id, spec, project))?;
            store_rows(tables, accepted, specs)
        }
    }
}

/// How many of these jobs a page takes.
fn page_length(specs: &[JobSpec]) -> usize {
    let mut bytes = 0;
    let fits = specs.iter().take(PAGE_JOBS).take_while(|spec| {
        let fits = bytes < PAGE_BYTES;
        bytes += spec.input.inline_len();
        fits
    });
    fits.count()
}

fn store_page(
    tables: &Connection,
    accepted: &Accepted,
    from: u64,
    jobs: u64,
    source: Option<String>,
    each: Option<String>,
) -> Result<()> {
    tables
        .prepare_cached("INSERT OR REPLACE INTO inputs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            (accepted.first.0 + from).cast_signed(),
            jobs.cast_signed(),
            accepted.batch.0.cast_signed(),
            (accepted.index + from).cast_signed(),
            accepted.priority,
            source,
            each,
            accepted.created_at.0.cast_signed()
        ])?;
    Ok(())
}

/// Whether a job brings more than an input.
fn has_extras(spec: &JobSpec) -> bool {
    spec.priority.is_some()
        || !spec.labels.is_empty()
        || spec.key.is_some()
        || spec.output.is_some()
}

fn store_extras(tables: &Connection, id: JobId, spec: &JobSpec, project: ProjectId) -> Result<()> {
    if !has_extras(spec) {
        return Ok(());
    }
    let job = id.0.cast_signed();
    let labels = (!spec.labels.is_empty()).then(|| to_json(&spec.labels)).transpose()?;
    tables
        .prepare_cached("INSERT OR REPLACE INTO extras VALUES (?1, ?2, ?3, ?4, ?5, NULL)")?
        .execute(params![job, spec.priority, labels, spec.key, spec.output])?;
    if let Some(key) = &spec.key {
        tables
            .prepare_cached("INSERT OR REPLACE INTO keys VALUES (?1, ?2, ?3)")?
            .execute(params![key, project.0.cast_signed(), job])?;
    }
    Ok(())
}

/// Whether a job's input is in the page of a range.
fn is_of_range(tables: &Connection, id: JobId) -> Result<bool> {
    tables
        .prepare_cached(
            "SELECT 1 FROM (SELECT * FROM inputs WHERE first <= ?1 ORDER BY first DESC LIMIT 1)
             WHERE source IS NOT NULL AND first + jobs > ?1",
        )?
        .exists([id.0.cast_signed()])
}

/// The input of one job of a range: a page of its own would hide those that follow it.
fn store_input(tables: &Connection, id: JobId, spec: &JobSpec) -> Result<()> {
    tables
        .prepare_cached("INSERT OR REPLACE INTO extras (job, input) VALUES (?1, ?2)")?
        .execute(params![id.0.cast_signed(), to_json(&spec.input)?])?;
    Ok(())
}

/// Rows for jobs with extras: how they stand follows, as for all that were accepted.
fn store_rows(tables: &Connection, accepted: &Accepted, specs: &[JobSpec]) -> Result<()> {
    let ids = (accepted.first.0..).map(JobId);
    for (id, _) in ids.zip(specs).filter(|(_, spec)| has_extras(spec)) {
        tables
            .prepare_cached(
                "INSERT OR IGNORE INTO jobs (id, batch, state, stage, attempts)
                 VALUES (?1, ?2, 'queued', 0, 0)",
            )?
            .execute([id.0.cast_signed(), accepted.batch.0.cast_signed()])?;
    }
    Ok(())
}

/// Adds the jobs to the spans of ids that their batch has; says whether they were there already, as
/// jobs of which a base tells.
fn extend_spans(tables: &Connection, accepted: &Accepted) -> Result<bool> {
    let (batch, place, first, jobs) = (
        accepted.batch.0.cast_signed(),
        accepted.index.cast_signed(),
        accepted.first.0.cast_signed(),
        accepted.inputs.count().cast_signed(),
    );
    let known = tables
        .prepare_cached(
            "SELECT 1 FROM spans WHERE batch = ?1 AND first <= ?2 AND first + jobs > ?2 LIMIT 1",
        )?
        .exists([batch, first])?;
    if known {
        return Ok(true);
    }
    let joined = tables
        .prepare_cached(
            "UPDATE spans SET jobs = jobs + ?4
             WHERE batch = ?1 AND place + jobs = ?2 AND first + jobs = ?3",
        )?
        .execute([batch, place, first, jobs])?;
    if joined == 0 {
        tables
            .prepare_cached("INSERT INTO spans VALUES (?1, ?2, ?3, ?4)")?
            .execute([batch, place, first, jobs])?;
    }
    Ok(false)
}
