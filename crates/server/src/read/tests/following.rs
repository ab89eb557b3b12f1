//! Recovery and the follower over a log: what the tables lack is made up for at the start, they
//! keep up after that and wait for nobody, and they are built anew when they cannot be trusted.

use std::path::Path;

use gristmill_model::event::JobsEvent;
use gristmill_model::job::JobState;

use crate::core::recover;
use crate::feed::{Missed, Tail, Topic, feed};
use crate::follower::{self, Follower};
use crate::log::{Log, MemoryLog};

use super::*;

struct Mill {
    log: MemoryLog,
    engine: Engine,
    tail: Arc<Tail>,
    follower: Follower,
    read: Read,
}

impl Mill {
    fn start(folder: &Path, log: MemoryLog) -> Mill {
        let (path, reader) = (folder.join("read.db"), log.reader().unwrap());
        let (mut engine, tail) = (Engine::new(Timing::default()), Arc::new(Tail::new(0)));
        let mut tables = follower::Tables::open(&path, &*reader, log.last()).unwrap();
        recover(&mut engine, &*reader, log.last(), &mut tables, &tail).unwrap();
        assert_eq!((tables.seq(), tail.committed()), (log.last(), log.last()));
        let (follower, read) = Follower::start(&path, tables, Arc::clone(&tail)).unwrap();
        Mill { log, engine, tail, follower, read }
    }

    fn append(&mut self, events: Vec<Event>) {
        let second = self.log.last();
        let records: Vec<_> = events.into_iter().map(|event| record(second, event)).collect();
        records.iter().for_each(|record| self.engine.apply(record));
        let last = self.log.append(&records).unwrap();
        let round = Committed::new(last, records, self.engine.take_changes());
        self.tail.push(&Arc::new(round));
    }

    fn stop(self) -> MemoryLog {
        self.tail.close();
        self.follower.join();
        self.log
    }

    async fn jobs(&self) -> u64 {
        self.read.ask(|tables| Ok(tables.totals()?.values().sum())).await.unwrap()
    }
}

/// The tables' file, every row of it.
fn rows(folder: &Path) -> Vec<String> {
    dump(&Connection::open(folder.join("read.db")).unwrap())
}

#[tokio::test]
async fn clients_read_their_own_writes() {
    let folder = TempDir::new().unwrap();
    let mut mill = Mill::start(folder.path(), MemoryLog::default());
    mill.append(vec![defined(1, 1), opened(1)]);
    for n in 0..50 {
        mill.append(vec![added(1, n * 3 + 1, plain(3))]);
        assert_eq!(mill.jobs().await, (n + 1) * 3);
    }
    assert_eq!(mill.read.position(), 52);
    mill.stop();
}

#[tokio::test]
async fn a_restart_goes_on_and_a_rebuild_equals_what_was_live() {
    let folder = TempDir::new().unwrap();
    let mut mill = Mill::start(folder.path(), MemoryLog::default());
    mill.append(vec![defined(1, 1), joined(1), opened(1), added(1, 1, plain(3))]);
    mill.append(vec![leased(1, 1, 0, 1, 1)]);
    assert_eq!(mill.jobs().await, 3);
    let log = mill.stop();

    let mut mill = Mill::start(folder.path(), log);
    assert_eq!(mill.read.position(), 5);
    mill.append(vec![succeeded(1, 1, 1, "grist", Then::NextStage), leased(2, 2, 0, 1, 1)]);
    assert_eq!(mill.jobs().await, 3);
    let log = mill.stop();
    let live = rows(folder.path());

    let spoilt: [fn(&Path); 5] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::write(path, "not tables at all".repeat(999)).unwrap(),
        |path| sql(path, "PRAGMA user_version = 99"),
        |path| sql(path, "UPDATE position SET seq = 1000; DELETE FROM jobs"),
        |path| sql(path, "UPDATE position SET log = 'another'; DELETE FROM jobs"),
    ];
    for spoil in spoilt {
        spoil(&folder.path().join("read.db"));
        let mill = Mill::start(folder.path(), log.clone());
        assert_eq!(mill.jobs().await, 3);
        mill.stop();
        assert_same_rows(&rows(folder.path()), &live);
    }
}

#[test]
fn tables_that_were_left_behind_are_brought_up_at_the_start() {
    let events = [
        defined(1, 1),
        joined(1),
        opened(1),
        added(1, 1, plain(3)),
        leased(1, 1, 0, 1, 1),
        leased(2, 2, 0, 1, 1),
        succeeded(1, 1, 1, "grist", Then::NextStage),
        failed(2, 2, 1, FailureKind::Failed, Then::Fail),
        leased(3, 1, 1, 1, 1),
        closed(1),
        succeeded(3, 1, 1, "flour", Then::Succeed),
        Event::Jobs(JobsEvent::Retried { jobs: vec![JobRun::one(JobId(2))] }),
    ];
    let records: Vec<Record> = (1..).zip(events).map(|(n, event)| record(n, event)).collect();
    let made = |left_at: usize| {
        let (folder, mut log) = (TempDir::new().unwrap(), MemoryLog::default());
        for piece in [&records[..left_at], &records[left_at..]] {
            log.append(piece).unwrap();
            Mill::start(folder.path(), log.clone()).stop();
        }
        let mut rows = rows(folder.path());
        // Each log is another.
        rows.retain(|row| !row.starts_with("position"));
        rows
    };
    let at_once = made(0);
    for left_at in 1..=records.len() {
        assert_same_rows(&made(left_at), &at_once);
    }
}

#[test]
fn what_was_recovered_is_there_for_listeners() {
    let folder = TempDir::new().unwrap();
    let mill = Mill::start(folder.path(), compacted());
    let (publisher, feed) = feed(Arc::clone(&mill.tail));
    let mut listens = feed.subscribe(Topic::job(JobId(2)), Some(2));
    assert_eq!(listens.next_up_to(7), Err(Missed { events: 4, through: 6 }));
    let leased = listens.next_up_to(7).unwrap().unwrap();
    assert_eq!((leased.seq, &*leased.event), (7, "attempt_leased"));
    assert_eq!((leased.batch, leased.state), (Some(BatchId(1)), Some(JobState::Running)));
    assert_eq!(listens.next_up_to(7), Ok(None));
    drop(publisher);
    mill.stop();
}

#[tokio::test]
async fn what_is_young_is_shown_though_the_tables_stand_still() {
    use JobState::{Queued, Running, Succeeded};
    let folder = TempDir::new().unwrap();
    let mut mill = Mill::start(folder.path(), MemoryLog::default());
    mill.append(vec![defined(1, 1), joined(1), opened(1), added(1, 1, plain(2))]);
    assert_eq!(mill.read.job(JobId(1)).await.unwrap().unwrap().state, Queued);
    mill.tail.close();
    assert!(mill.read.caught_up(99, Span::seconds(60)).await.is_err(), "the follower has ended");
    mill.append(vec![leased(1, 1, 0, 1, 1), leased(2, 2, 0, 1, 1)]);
    mill.append(vec![succeeded(1, 1, 1, "grist", Then::Succeed), opened(2)]);
    let read = mill.read.clone();
    let job = read.job(JobId(1)).await.unwrap().unwrap();
    assert_eq!((job.state, job.result), (Succeeded, Some(text("grist"))));
    assert_eq!(read.job(JobId(2)).await.unwrap().unwrap().state, Running);
    let counts = read.batch(BatchId(1)).await.unwrap().unwrap().counts;
    assert_eq!(counts, BTreeMap::from([(Succeeded, 1), (Running, 1)]));
    assert!(read.batch(BatchId(2)).await.unwrap().unwrap().open);
    assert!(read.position() < mill.log.last());
    assert!(matches!(read.job(JobId(9)).await, Err(ReadError::Stopped)));
    mill.stop();
}

#[tokio::test]
async fn a_question_after_the_end_is_told_so() {
    let folder = TempDir::new().unwrap();
    let mill = Mill::start(folder.path(), MemoryLog::default());
    let read = mill.read.clone();
    mill.stop();
    let error = read.caught_up(1, Span::seconds(60)).await.unwrap_err();
    assert!(matches!(error, ReadError::Stopped), "{error}");
}

#[tokio::test]
async fn waiting_for_what_never_comes_is_bounded() {
    let folder = TempDir::new().unwrap();
    let mill = Mill::start(folder.path(), MemoryLog::default());
    let told = mill.read.caught_up(7, Span::millis(1)).await.unwrap_err().to_string();
    assert!(told.starts_with("the read tables are behind: at event 0 of 7"), "{told}");
    mill.stop();
}

fn sql(path: &Path, statements: &str) {
    Connection::open(path).unwrap().execute_batch(statements).unwrap();
}

/// A log of three jobs of which the first is done, with a base in the place of all but the last
/// events.
fn compacted() -> MemoryLog {
    let mut log = MemoryLog::default();
    let mut engine = Engine::new(Timing::default());
    let events = vec![
        defined(1, 1),
        joined(1),
        opened(1),
        added(1, 1, plain(3)),
        leased(1, 1, 0, 1, 1),
        succeeded(1, 1, 1, "grist", Then::Succeed),
    ];
    let records: Vec<_> = events.into_iter().map(|event| record(1, event)).collect();
    log.append(&records).unwrap();
    records.iter().for_each(|record| engine.apply(record));
    let mut compaction = log.compaction().unwrap();
    compaction.begin().unwrap();
    compaction.write(&engine.snapshot().collect::<Vec<_>>()).unwrap();
    compaction.finish(6).unwrap();
    while compaction.clear().unwrap() {}
    log.append(&[record(2, leased(2, 2, 0, 1, 1))]).unwrap();
    log
}

/// Makes tables unusable.
type Spoil = fn(&Path);

/// Names of the files in a folder that were kept aside.
fn aside(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("read.db.") && !name.ends_with("-wal"));
    names.sort();
    names
}

#[tokio::test]
async fn tables_are_made_from_a_base_and_say_that_they_were() {
    let folder = TempDir::new().unwrap();
    let mill = Mill::start(folder.path(), compacted());
    let (jobs, batch, after) = mill
        .read
        .ask(|tables| {
            let jobs = [1, 2, 3].map(|id| tables.job(JobId(id)).unwrap().map(|job| job.state));
            Ok((jobs, tables.batch(BatchId(1))?.unwrap(), tables.complete_after()?))
        })
        .await
        .unwrap();
    use JobState::{Queued, Running, Succeeded};
    assert_eq!(jobs, [None, Some(Running), Some(Queued)]);
    assert_eq!(batch.counts, BTreeMap::from([(Succeeded, 1), (Running, 1), (Queued, 1)]));
    assert_eq!(after, 6);
    assert_eq!(mill.read.position(), 7);
    let live = rows(folder.path());
    // A restart goes on with them.
    let log = mill.stop();
    let mill = Mill::start(folder.path(), log);
    assert_eq!(mill.read.position(), 7);
    mill.stop();
    assert_same_rows(&rows(folder.path()), &live);
    assert!(aside(folder.path()).is_empty());
}

#[tokio::test]
async fn tables_that_know_more_than_a_compacted_log_are_kept_aside() {
    let spoilt: [(&str, Spoil); 5] = [
        ("read.db.unreadable", |path| {
            // What the WAL holds would do instead of the file.
            let _ = std::fs::remove_file(path.with_extension("db-wal"));
            std::fs::write(path, "not tables at all".repeat(999)).unwrap();
        }),
        ("read.db.schema3", |path| sql(path, "PRAGMA user_version = 3")),
        ("read.db.ahead", |path| sql(path, "UPDATE position SET seq = 1000")),
        ("read.db.behind", |path| sql(path, "UPDATE position SET seq = 5")),
        ("read.db.other-log", |path| sql(path, "UPDATE position SET log = 'another'")),
    ];
    for (name, spoil) in spoilt {
        let folder = TempDir::new().unwrap();
        let log = compacted();
        for n in ["", ".2"] {
            let mill = Mill::start(folder.path(), log.clone());
            assert_eq!(mill.jobs().await, 3);
            mill.stop();
            let path = folder.path().join("read.db");
            spoil(&path);
            let before = std::fs::read(&path).unwrap();
            let mill = Mill::start(folder.path(), log.clone());
            assert_eq!(mill.jobs().await, 3, "{name}");
            mill.stop();
            let kept = folder.path().join(format!("{name}{n}"));
            assert_eq!(
                std::fs::read(&kept).ok(),
                Some(before),
                "{name}{n}: {:?}",
                aside(folder.path())
            );
        }
        assert_eq!(aside(folder.path()), [name.to_owned(), format!("{name}.2")]);
    }
}

#[tokio::test]
async fn tables_that_were_only_begun_are_begun_again() {
    let folder = TempDir::new().unwrap();
    let log = compacted();
    let mill = Mill::start(folder.path(), log.clone());
    assert_eq!(mill.jobs().await, 3);
    mill.stop();
    let live = rows(folder.path());
    // As a crash leaves them half-way through the base.
    sql(&folder.path().join("read.db"), "UPDATE position SET seq = 0; DELETE FROM jobs");
    let mill = Mill::start(folder.path(), log);
    assert_eq!(mill.jobs().await, 3);
    mill.stop();
    assert_same_rows(&rows(folder.path()), &live);
    assert!(aside(folder.path()).is_empty());
}
