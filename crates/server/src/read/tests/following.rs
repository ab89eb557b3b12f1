//! The follower over a log: it keeps up, waits for nobody, goes on after a restart, and builds the
//! tables anew when they cannot be trusted.

use std::path::Path;

use crate::feed::{Runs, Tail};
use crate::follower::Follower;
use crate::log::{Log, MemoryLog};

use super::*;

struct Mill {
    log: MemoryLog,
    tail: Arc<Tail>,
    follower: Follower,
    read: Read,
}

impl Mill {
    fn start(folder: &Path, log: MemoryLog) -> Mill {
        let tail = Arc::new(Tail::new(log.last()));
        let path = folder.join("read.db");
        let reader = log.reader().unwrap();
        let (follower, read) =
            Follower::start(&path, reader, log.last(), Arc::clone(&tail)).unwrap();
        Mill { log, tail, follower, read }
    }

    fn append(&mut self, events: Vec<Event>) {
        let records: Vec<_> =
            events.into_iter().map(|event| Record { at: at(self.log.last()), event }).collect();
        let last = self.log.append(&records).unwrap();
        self.tail.push(last, &Arc::new(records));
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
        assert_eq!(rows(folder.path()), live);
    }
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

#[tokio::test]
async fn a_story_that_is_not_whole_is_asked_of_the_tables() {
    let folder = TempDir::new().unwrap();
    let mut mill = Mill::start(folder.path(), MemoryLog::default());
    let mut runs = Runs::default();
    runs.learn(&added(2, 9, plain(1)));
    mill.append(vec![defined(1, 1), opened(1), added(1, 9, plain(1))]);
    mill.append(vec![opened(2), leased(1, 9, 0, 1, 1)]);
    // The runs make believe that job 9 is of batch 2, where nobody added it.
    let story = mill.tail.story(BatchId(2), &runs).unwrap();
    let question = |tables: &Tables<'_>| Ok(tables.totals()?.values().sum::<u64>());
    assert_eq!(mill.read.ask_about(Some(story), question).await.unwrap(), 1);
    mill.stop();
}
