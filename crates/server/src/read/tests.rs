//! The read tables by what they answer: a story with every kind of event, filters and pages, and
//! whatever an engine does held against what it says itself.

mod engine;
mod following;
mod pages;
mod story;

use std::collections::BTreeMap;

use gristmill_engine::Engine;
use gristmill_engine::change::Change;
use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Success, Usage};
use gristmill_model::event::{
    AttemptEvent, BatchEvent, Event, Opening, PipelineEvent, Record, Then, WorkerEvent,
};
use gristmill_model::job::JobSpec;
use gristmill_model::limits::Timing;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::resources::Capacity;
use gristmill_model::source::Source;
use gristmill_model::terms::Terms;
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{
    AttemptId, BatchId, JobId, JobRun, PipelineId, ProjectId, Span, Time, WorkerId,
};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::pending::{YoungJob, young_batch};
use super::shown::BatchOpening;
use super::*;
use crate::feed::Committed;

/// Tables that a test feeds by hand through an engine, one event a chunk unless it says otherwise.
struct Fed {
    _folder: TempDir,
    connection: Connection,
    engine: Engine,
    seq: u64,
    /// All that was fed, the newest first.
    rounds: Vec<Arc<Committed>>,
}

impl Fed {
    fn new() -> Fed {
        let folder = TempDir::new().unwrap();
        let log = "1".parse().unwrap();
        let (connection, seq) = schema::open(&folder.path().join("read.db"), log, 0, 0).unwrap();
        let engine = Engine::new(Timing::default());
        Fed { _folder: folder, connection, engine, seq, rounds: Vec::new() }
    }

    /// Feeds an event that happened at this second.
    fn feed(&mut self, second: u64, event: Event) {
        self.feed_all([record(second, event)]);
    }

    /// Feeds events as one round, and as one chunk.
    fn feed_all(&mut self, records: impl IntoIterator<Item = Record>) {
        let records: Vec<Record> = records.into_iter().collect();
        records.iter().for_each(|record| self.engine.apply(record));
        self.seq += records.len() as u64;
        let changes = self.engine.take_changes();
        let round = Committed::new(self.seq, records, changes);
        self.sink(self.seq, [&round]);
        self.rounds.insert(0, Arc::new(round));
    }

    /// Lets the tables take in rounds as one chunk.
    fn sink<'r>(&mut self, seq: u64, rounds: impl IntoIterator<Item = &'r Committed>) {
        let transaction = self.connection.transaction().unwrap();
        let made = rounds.into_iter().flat_map(|round| &round.changes);
        sink::chunk(&transaction, seq, made.map(|made| &made.change)).unwrap();
        transaction.commit().unwrap();
    }

    fn tables(&self) -> Tables<'_> {
        Tables { connection: &self.connection }
    }

    /// A job that is there; the tables and the young rounds show the same. Only of one that was
    /// moved together with others after something had happened to it alone the latter say nothing.
    fn job(&self, id: u64) -> gristmill_model::api::Job {
        let shown = self.tables().job(JobId(id)).unwrap().unwrap();
        match self.young_job(JobId(id)) {
            Some(young) => assert_eq!(young, shown, "what is told from memory"),
            None => assert!(self.moved_with_others(JobId(id)), "{shown:?} is shown from memory"),
        }
        shown
    }

    fn moved_with_others(&self, id: JobId) -> bool {
        let told = self.rounds.iter().flat_map(|round| round.changes.iter().rev());
        let mut of_job = told.filter(|made| match &made.change {
            Change::Job(job) => job.id == id,
            Change::Run(run) => run.jobs.contains(id),
            _ => false,
        });
        of_job.next().is_some_and(|made| matches!(made.change, Change::Run(_)))
            && of_job.any(|made| matches!(made.change, Change::Job(_)))
    }

    /// A batch that is there, as [`Fed::job`].
    fn batch(&self, id: u64) -> gristmill_model::api::Batch {
        let shown = self.tables().batch(BatchId(id)).unwrap().unwrap();
        assert_eq!(
            self.young_batch(BatchId(id)).as_ref(),
            Some(&shown),
            "what is told from memory"
        );
        shown
    }

    /// A job as the young rounds alone show it, if they do.
    fn young_job(&self, id: JobId) -> Option<gristmill_model::api::Job> {
        self.young_job_in(&self.rounds, id)
    }

    fn young_job_in(
        &self,
        rounds: &[Arc<Committed>],
        id: JobId,
    ) -> Option<gristmill_model::api::Job> {
        let young = YoungJob::find(rounds, id)?;
        young.show(id, &self.pipeline(young.opened.opening.pipeline))
    }

    /// A batch as the young rounds alone show it, if they do.
    fn young_batch(&self, id: BatchId) -> Option<gristmill_model::api::Batch> {
        self.young_batch_in(&self.rounds, id)
    }

    fn young_batch_in(
        &self,
        rounds: &[Arc<Committed>],
        id: BatchId,
    ) -> Option<gristmill_model::api::Batch> {
        let (opened, standing) = young_batch(rounds, id)?;
        let name = self.pipeline(opened.opening.pipeline).name;
        Some(shown::batch(BatchOpening::of(opened, name), standing))
    }

    fn pipeline(&self, id: PipelineId) -> PipelineSpec {
        self.tables().pipeline(id).unwrap().unwrap().spec
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
        let mut select = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = select.column_count();
        let mut found = select.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values: Vec<_> =
                (0..columns).map(|n| format!("{:?}", row.get::<_, Value>(n).unwrap())).collect();
            rows.push(format!("{table}: {}", values.join(" ")));
        }
    }
    rows
}

/// Asserts that tables hold the same; tells the rows that only one of them has.
fn assert_same_rows(one: &[String], other: &[String]) {
    let lacks = |rows: &[String], than: &[String]| {
        than.iter().filter(|row| !rows.contains(row)).cloned().collect::<Vec<_>>()
    };
    let differ = (lacks(other, one), lacks(one, other));
    assert!(one == other, "only one has {:#?}\nonly the other has {:#?}", differ.0, differ.1);
}

fn at(second: u64) -> Time {
    Time(second * 1_000_000)
}

fn record(second: u64, event: Event) -> Record {
    Record { at: at(second).into(), actor: Actor::LOCAL, event }
}

fn text(text: &str) -> Payload {
    Payload::Text(text.into())
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

/// A pipeline with two stages: `grind`, which may book one of three resources, and `sift`.
fn defined(pipeline: u64, version: u32) -> Event {
    let command = CommandSpec { argv: vec!["true".into()], shell: false, env: BTreeMap::new() };
    let stage = |name: &str| StageSpec::new(name, Handler::Command(command.clone()));
    let mut grind = stage("grind");
    grind.alternatives = vec![grind.resources.clone(); 2];
    let spec = PipelineSpec { name: "mill".into(), stages: vec![grind, stage("sift")] };
    let (pipeline, project, spec) = (PipelineId(pipeline), ProjectId::DEFAULT, Arc::new(spec));
    Event::Pipeline(PipelineEvent::Defined { pipeline, project, version, spec })
}

fn opened(batch: u64) -> Event {
    opened_under(batch, Terms::default())
}

fn opened_under(batch: u64, terms: Terms) -> Event {
    let opening = Opening {
        terms,
        project: ProjectId::DEFAULT,
        pipeline: PipelineId(1),
        name: Some("harvest".into()),
        key: None,
        priority: 5,
        labels: labels(&[("user", "ada"), ("year", "1843")]),
    };
    Event::Batch(BatchEvent::Opened { batch: BatchId(batch), opening: Arc::new(opening) })
}

fn added(batch: u64, first: u64, jobs: Vec<JobSpec>) -> Event {
    let (batch, first, jobs) = (BatchId(batch), JobId(first), Arc::new(jobs));
    Event::Batch(BatchEvent::JobsAdded { batch, first, jobs })
}

fn ranged(batch: u64, first: u64, count: u64, source: Source) -> Event {
    let (batch, first) = (BatchId(batch), JobId(first));
    Event::Batch(BatchEvent::RangeAdded { batch, first, count, source })
}

fn closed(batch: u64) -> Event {
    Event::Batch(BatchEvent::Closed { batch: BatchId(batch) })
}

fn plain(count: usize) -> Vec<JobSpec> {
    vec![JobSpec::of(text("grain")); count]
}

fn leased(attempt: u64, job: u64, stage: u16, number: u32, worker: u64) -> Event {
    Event::Attempt(AttemptEvent::Leased {
        alternative: 0,
        attempt: AttemptId(attempt),
        job: JobId(job),
        stage,
        number,
        worker: WorkerId(worker),
        seat: None,
    })
}

fn succeeded(attempt: u64, job: u64, worker: u64, output: &str, then: Then) -> Event {
    let (output, warnings) = (text(output), vec!["damp".into()]);
    Event::Attempt(AttemptEvent::Succeeded {
        devices: vec![],
        attempt: AttemptId(attempt),
        job: JobId(job),
        worker: WorkerId(worker),
        success: Arc::new(Success { output, artifacts: vec![], warnings }),
        usage: usage(),
        then,
    })
}

fn failed(attempt: u64, job: u64, worker: u64, kind: FailureKind, then: Then) -> Event {
    Event::Attempt(AttemptEvent::Failed {
        devices: vec![],
        attempt: AttemptId(attempt),
        job: JobId(job),
        worker: WorkerId(worker),
        failure: Arc::new(Failure::new(kind, "stone_worn", "the stone is worn")),
        usage: usage(),
        then,
    })
}

fn usage() -> Usage {
    Usage { wall: Span::millis(12), cpu: Span::millis(10), peak_memory: 4_096 }
}

fn joined(worker: u64) -> Event {
    let name = format!("miller-{worker}");
    let mut description = WorkerDescription::new(&name, &["command"], Capacity::of_cpus(2));
    description.shape.shared_disk = true;
    let description = Arc::new(description);
    let (instance, worker) = (worker, WorkerId(worker));
    Event::Worker(WorkerEvent::Joined { worker, instance, description })
}
