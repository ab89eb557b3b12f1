//! The read tables by what they answer: a story with every kind of event, filters and pages, and
//! counts that must equal a recount whatever happened.

mod counts;
mod engine;
mod following;
mod pages;
mod story;

use std::collections::BTreeMap;

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Success, Usage};
use gristmill_model::event::{Event, Record, Then};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::resources::Capacity;
use gristmill_model::{
    AttemptId, BatchId, JobId, JobRun, PipelineId, ProjectId, Span, Time, WorkerId,
};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::feed::{Runs, Tail};

/// Tables that a test feeds by hand, one event a chunk unless it says otherwise.
struct Fed {
    _folder: TempDir,
    connection: Connection,
    seq: u64,
    tail: Tail,
    runs: Runs,
    fresh: Fresh,
}

impl Fed {
    fn new() -> Fed {
        let folder = TempDir::new().unwrap();
        let log = "1".parse().unwrap();
        let (connection, seq) = schema::open(&folder.path().join("read.db"), log, 0, 0).unwrap();
        let (tail, runs, fresh) = (Tail::new(0), Runs::default(), Fresh::new().unwrap());
        Fed { _folder: folder, connection, seq, tail, runs, fresh }
    }

    /// Feeds an event that happened at this second.
    fn feed(&mut self, second: u64, event: Event) {
        self.feed_all([Record { at: at(second), event }]);
    }

    /// Feeds events as one chunk.
    fn feed_all(&mut self, records: impl IntoIterator<Item = Record>) {
        let records: Arc<Vec<_>> = Arc::new(records.into_iter().collect());
        let transaction = self.connection.transaction().unwrap();
        apply::chunk(&transaction, (self.seq + 1..).zip(&*records)).unwrap();
        transaction.commit().unwrap();
        self.seq += records.len() as u64;
        records.iter().for_each(|record| self.runs.learn(&record.event));
        self.tail.push(self.seq, &records);
    }

    fn tables(&self) -> Tables<'_> {
        Tables { connection: &self.connection }
    }

    fn job(&self, id: u64) -> gristmill_model::api::Job {
        let batch = self.runs.batch_of(JobId(id)).unwrap();
        self.ask_both(batch, |tables| tables.job(JobId(id)).unwrap().unwrap())
    }

    fn batch(&self, id: u64) -> gristmill_model::api::Batch {
        self.ask_both(BatchId(id), |tables| tables.batch(BatchId(id)).unwrap().unwrap())
    }

    /// Asks the tables, and those made of the batch's story alone, which must say the same.
    fn ask_both<T: PartialEq + std::fmt::Debug>(
        &self,
        batch: BatchId,
        question: impl Fn(&Tables<'_>) -> T,
    ) -> T {
        let answer = question(&self.tables());
        let story = self.tail.story(batch, &self.runs).expect("stories of tests are short");
        let row = self.tables().pipeline_row(story.pipeline).unwrap();
        self.fresh.learn(story.pipeline, row).unwrap();
        let fresh = self.fresh.answer(&story, |tables| Ok(question(tables)));
        let fresh = fresh.unwrap_or_else(|_| panic!("the story is whole")).unwrap();
        assert_eq!(fresh, answer, "what is told from memory");
        answer
    }

    /// Every row of every table, to compare with other tables.
    fn dump(&self) -> Vec<String> {
        dump(&self.connection)
    }
}

fn dump(connection: &Connection) -> Vec<String> {
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut rows = Vec::new();
    for table in connection.prepare(names).unwrap().query_map([], |r| r.get(0)).unwrap() {
        let table: String = table.unwrap();
        // A count that came back to nothing may leave its row.
        let some = if table == "counts" { "WHERE jobs <> 0" } else { "" };
        let mut select = connection.prepare(&format!("SELECT * FROM {table} {some}")).unwrap();
        let columns = select.column_count();
        let mut found = select.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values: Vec<_> = (0..columns).map(|n| format!("{:?}", row.get_ref(n))).collect();
            rows.push(format!("{table}: {}", values.join(" ")));
        }
    }
    rows
}

fn at(second: u64) -> Time {
    Time(second * 1_000_000)
}

fn text(text: &str) -> Payload {
    Payload::Text(text.into())
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// A pipeline with two stages, `grind` and `sift`.
fn defined(pipeline: u64, version: u32) -> Event {
    let command = CommandSpec { argv: vec!["true".into()], shell: false, env: BTreeMap::new() };
    let stage = |name: &str| StageSpec::new(name, Handler::Command(command.clone()));
    let spec = PipelineSpec { name: "mill".into(), stages: vec![stage("grind"), stage("sift")] };
    let pipeline = PipelineId(pipeline);
    Event::PipelineDefined { pipeline, project: ProjectId::DEFAULT, version, spec }
}

fn opened(batch: u64) -> Event {
    Event::BatchOpened {
        terms: Box::default(),
        batch: BatchId(batch),
        project: ProjectId::DEFAULT,
        pipeline: PipelineId(1),
        actor: Actor::Local,
        name: Some("harvest".into()),
        key: None,
        priority: 5,
        labels: labels(&[("user", "ada"), ("year", "1843")]),
    }
}

fn added(batch: u64, first: u64, jobs: Vec<JobSpec>) -> Event {
    Event::JobsAdded { batch: BatchId(batch), first: JobId(first), jobs }
}

fn plain(count: usize) -> Vec<JobSpec> {
    vec![JobSpec::of(text("grain")); count]
}

fn leased(attempt: u64, job: u64, stage: u16, number: u32, worker: u64) -> Event {
    Event::AttemptLeased {
        alternative: 0,
        attempt: AttemptId(attempt),
        job: JobId(job),
        stage,
        number,
        worker: WorkerId(worker),
        seat: None,
    }
}

fn succeeded(attempt: u64, job: u64, worker: u64, output: &str, then: Then) -> Event {
    Event::AttemptSucceeded {
        devices: vec![],
        attempt: AttemptId(attempt),
        job: JobId(job),
        worker: WorkerId(worker),
        success: Success { output: text(output), artifacts: vec![], warnings: vec!["damp".into()] },
        usage: usage(),
        then,
    }
}

fn failed(attempt: u64, job: u64, worker: u64, kind: FailureKind, then: Then) -> Event {
    Event::AttemptFailed {
        devices: vec![],
        attempt: AttemptId(attempt),
        job: JobId(job),
        worker: WorkerId(worker),
        failure: Failure::new(kind, "stone_worn", "the stone is worn"),
        usage: usage(),
        then,
    }
}

fn usage() -> Usage {
    Usage { wall: Span::millis(12), cpu: Span::millis(10), peak_memory: 4_096 }
}

fn joined(worker: u64) -> Event {
    Event::WorkerJoined {
        labels: Default::default(),
        worker: WorkerId(worker),
        instance: u64::MAX,
        name: format!("miller-{worker}"),
        handlers: vec!["command".into()],
        capacity: Capacity::of_cpus(2),
        shared_disk: true,
    }
}
