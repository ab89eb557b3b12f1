//! What jobs were submitted with, page by page: a page is looked up once for all its jobs.

use std::collections::BTreeMap;

use gristmill_model::payload::Payload;
use gristmill_model::source::Items;
use gristmill_model::{JobId, Time};
use rusqlite::{Connection, OptionalExtension, Result, Row};

use super::column::{items, json, number, some_time};
use super::shown::Submitted;

/// Pages that a question has looked at; the last one is kept.
pub(super) struct Inputs<'c> {
    connection: &'c Connection,
    page: Option<Page>,
}

/// Jobs with consecutive ids that were accepted together.
struct Page {
    first: u64,
    jobs: u64,
    place: u64,
    priority: i32,
    created_at: Time,
    inputs: Source,
}

enum Source {
    Range(Items),
    Each(Vec<Payload>),
}

/// What a job brought beside its input.
#[derive(Debug, Default)]
pub(super) struct Extras {
    pub priority: Option<i32>,
    pub labels: BTreeMap<String, String>,
    pub key: Option<String>,
    pub output_path: Option<String>,
    /// Where its input is not the one in the page.
    pub input: Option<Payload>,
}

impl<'c> Inputs<'c> {
    pub(super) fn new(connection: &'c Connection) -> Inputs<'c> {
        Inputs { connection, page: None }
    }

    /// What a job was submitted with; nothing where that is no longer known.
    pub(super) fn of(&mut self, id: JobId, extras: Extras) -> Result<Option<Submitted>> {
        let known = |page: &Page| (page.first..page.first + page.jobs).contains(&id.0);
        if !self.page.as_ref().is_some_and(known) {
            self.page = self.load(id)?.filter(known);
        }
        let Some(page) = &self.page else { return Ok(None) };
        let at = id.0 - page.first;
        let input = extras.input.or_else(|| match &page.inputs {
            Source::Range(items) => items.item(at),
            Source::Each(inputs) => inputs.get(at as usize).cloned(),
        });
        Ok(input.map(|input| Submitted {
            index: page.place + at,
            priority: extras.priority.unwrap_or(page.priority),
            input,
            output_path: extras.output_path,
            key: extras.key,
            labels: extras.labels,
            created_at: page.created_at,
        }))
    }

    fn load(&self, id: JobId) -> Result<Option<Page>> {
        self.connection
            .prepare_cached("SELECT * FROM inputs WHERE first <= ?1 ORDER BY first DESC LIMIT 1")?
            .query_row([id.0.cast_signed()], page_of)
            .optional()
    }
}

fn page_of(row: &Row<'_>) -> Result<Page> {
    let inputs = match json::<Vec<Payload>>(row, "each")? {
        Some(each) => Source::Each(each),
        None => Source::Range(items(row, "source")?),
    };
    Ok(Page {
        first: number(row, "first")?,
        jobs: number(row, "jobs")?,
        place: number(row, "place")?,
        priority: row.get("priority")?,
        created_at: some_time(row, "created_at")?,
        inputs,
    })
}
