//! What the compactor lets go of, and when; that the state is the same afterwards; and that nothing
//! goes where the read tables are not on the disk.

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Outcome, Success, Usage};
use gristmill_model::command::{Command, Greeting, PipelineRef, Request, Submission};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::resources::Capacity;
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{Time, WorkerId};
use tempfile::TempDir;

use super::*;
use crate::follower::Tables;
use crate::log::{Durability, Log, SqliteLog};

const WORKER: WorkerId = WorkerId(1);

/// A log that an engine has written at work, and a file in the place of the tables.
struct Site {
    folder: TempDir,
    engine: Engine,
    log: SqliteLog,
    tail: Arc<Tail>,
    now: u64,
}

impl Site {
    fn new() -> Site {
        let folder = TempDir::new().unwrap();
        let log = SqliteLog::open(&folder.path().join("log.db"), Durability::Normal).unwrap();
        std::fs::write(folder.path().join("read.db"), "").unwrap();
        let (engine, tail) = (Engine::new(Timing::default()), Arc::new(Tail::new(0)));
        let mut site = Site { folder, engine, log, tail, now: 1 };
        let miller = WorkerDescription::new("miller", &["command"], Capacity::of_cpus(2));
        site.ask(Command::Greet(Box::new(Greeting { prefetch: 1, ..Greeting::new(7, miller) })));
        site
    }

    fn ask(&mut self, command: Command) {
        let mut out = Vec::new();
        self.now += 1_000;
        let request = Request { actor: Actor::LOCAL, command };
        self.engine.handle(Time(self.now).into(), request, &mut out).unwrap();
        self.engine.tick(Time(self.now).into(), &mut out);
        self.engine.place(Time(self.now).into(), &mut out);
        self.log.append(&out).unwrap();
    }

    /// Submits so many jobs, of which the worker does all but the last few.
    fn work(&mut self, jobs: usize, left: usize) {
        let command =
            CommandSpec { argv: vec!["true".into()], shell: false, env: Default::default() };
        let stages = vec![StageSpec::new("only", Handler::Command(command))];
        let spec = PipelineSpec { name: "grind".into(), stages };
        let specs = (0..jobs).map(|n| JobSpec::of(Payload::Text(n.to_string()))).collect();
        self.ask(Command::Submit(Box::new(Submission::new(PipelineRef::Inline(spec), specs))));
        for _ in left..jobs {
            let attempt = *self.engine.state().worker(WORKER).unwrap().attempts.first().unwrap();
            let output = Payload::Text("flour".into());
            let success = Success { output, artifacts: Vec::new(), warnings: Vec::new() };
            self.ask(Command::Report {
                worker: WORKER,
                attempt,
                outcome: Outcome::Succeeded(success),
                usage: Usage::default(),
                devices: Vec::new(),
            });
        }
    }

    fn mill(&self, kept: u64) -> Mill {
        Mill {
            log: self.log.reader().unwrap(),
            compaction: self.log.compaction().unwrap(),
            tail: Arc::clone(&self.tail),
            tables: self.folder.path().join("read.db"),
            timing: Timing::default(),
            kept,
            through: Arc::default(),
        }
    }

    /// What a restart makes of the log is what is live.
    fn recovers(&self) {
        let log = SqliteLog::open(&self.folder.path().join("log.db"), Durability::Normal).unwrap();
        let mut engine = Engine::new(Timing::default());
        let (reader, tables) = (log.reader().unwrap(), TempDir::new().unwrap());
        let path = tables.path().join("read.db");
        let mut tables = Tables::open(&path, &*reader, log.last()).unwrap();
        let tail = Tail::new(0);
        crate::core::recover(&mut engine, &*reader, log.last(), &mut tables, &tail).unwrap();
        assert_eq!(tables.seq(), log.last());
        assert!(engine.state().same_as(self.engine.state()), "recovery equals live");
        assert_eq!(log.last(), self.log.last());
    }

    fn base(&self) -> Option<Base> {
        self.log.reader().unwrap().base().unwrap()
    }

    fn rows(&self, table: &str) -> u64 {
        let connection = rusqlite::Connection::open(self.folder.path().join("log.db")).unwrap();
        let count = format!("SELECT count(*) FROM {table}");
        connection.query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
    }
}

#[test]
fn a_log_can_be_compacted_through_any_event_and_leads_to_the_same() {
    let mut site = Site::new();
    site.work(12, 5);
    site.recovers();
    let mut mill = site.mill(0);
    for through in 1..=site.log.last() {
        let base = mill.compact(through).unwrap();
        assert_eq!((base.through, Some(base)), (through, site.base()));
        assert_eq!(mill.through.load(Ordering::Relaxed), through);
        site.recovers();
    }
    assert_eq!(site.rows("commits"), 0);
    // Twelve jobs, seven of which are only counted.
    let base = site.base().unwrap();
    assert!(base.records < 15, "{base:?}");
    assert_eq!(site.rows("base_rows"), 1);
    site.work(3, 0);
    site.recovers();
}

#[test]
fn the_log_is_compacted_when_there_is_enough_to_let_go_of_and_the_newest_are_kept() {
    let base = |through, records| {
        let mut log = crate::log::MemoryLog::default();
        let one = crate::log::conformance::small(1);
        log.append(&vec![one.clone(); through]).unwrap();
        let mut compaction = log.compaction().unwrap();
        compaction.begin().unwrap();
        compaction.write(&vec![one; records]).unwrap();
        Some(compaction.finish(through as u64).unwrap())
    };
    assert_eq!(due(None, 500_000), 1_000_000);
    assert_eq!(due(None, 0), limits::COMPACTED_EVENTS);
    assert_eq!(due(base(70, 9), 5_000), 70 + 10_000);
    assert_eq!(due(base(70, 9_000), 5_000), 70 + 5_000 + 18_000);
    assert_eq!(due(None, u64::MAX), u64::MAX);

    let mut site = Site::new();
    site.work(600, 0);
    let last = site.log.last();
    let mill = site.mill(100);
    let (through, tail) = (Arc::clone(&mill.through), Arc::clone(&site.tail));
    let compactor = Compactor::start(mill).unwrap();
    tail.took(last);
    while through.load(Ordering::Relaxed) == 0 {
        thread::yield_now();
    }
    tail.close();
    compactor.join();
    assert_eq!(site.base().unwrap().through, last - 100);
    site.recovers();
    assert!(site.log.reader().unwrap().read(last - 100, 1).is_ok());
}

#[test]
fn a_server_that_stops_does_not_wait_for_a_compaction() {
    let mut site = Site::new();
    site.work(600, 0);
    let mut mill = site.mill(0);
    site.tail.close();
    assert!(matches!(mill.compact(site.log.last()), Err(Stop::Closed)));
    assert_eq!(site.base(), None);
    site.recovers();
}

#[test]
fn nothing_is_let_go_of_where_the_read_tables_cannot_be_synced() {
    let mut site = Site::new();
    site.work(20, 0);
    let last = site.log.last();
    let tables = site.folder.path().join("none").join("read.db");
    let mut mill = Mill { tables, ..site.mill(0) };
    let error = mill.compact(last).unwrap_err();
    assert!(error.to_string().starts_with("read.db cannot be synced"), "{error}");
    assert_eq!(site.base(), None);
    site.recovers();
    // What was written aside is cleared with the next one.
    assert_eq!(site.rows("base_rows"), 1);
    site.mill(0).compact(last).unwrap();
    assert_eq!(site.rows("base_rows"), 1);
    site.recovers();
}

/// Gives back something else than was written.
struct Forgetful(Box<dyn Compaction>);

impl Compaction for Forgetful {
    fn begin(&mut self) -> Result<(), LogError> {
        self.0.begin()
    }

    fn write(&mut self, records: &[Record]) -> Result<(), LogError> {
        self.0.write(&records[..records.len().min(5)])?;
        self.0.write(&records[records.len() - 1..])
    }

    fn written(&self, after: u64, max: usize) -> Result<Vec<(u64, Record)>, LogError> {
        self.0.written(after, max)
    }

    fn finish(&mut self, _: u64) -> Result<Base, LogError> {
        panic!("such a base must not be put in force")
    }

    fn clear(&mut self) -> Result<bool, LogError> {
        self.0.clear()
    }
}

#[test]
fn a_base_that_does_not_lead_to_the_same_is_not_put_in_force() {
    let mut site = Site::new();
    site.work(20, 10);
    let mill = site.mill(0);
    let compaction = Box::new(Forgetful(site.log.compaction().unwrap()));
    let mut mill = Mill { compaction, ..mill };
    assert!(matches!(mill.compact(site.log.last()), Err(Stop::Different)));
    assert_eq!(site.base(), None);
    site.recovers();
}
