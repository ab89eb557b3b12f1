//! What a copy holds, what it leaves out, what it refuses; and that it is of one moment while
//! somebody writes. Servers under load are copied in the command line's tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use gristmill_model::digest::Digest;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::log::conformance::{everything, small};
use crate::log::{Durability, Log, SqliteLog};
use crate::{Config, Server};

/// A data folder that a server has used, with two blobs, and output of attempts 7 and 8.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new() -> Site {
        let site = Site { folder: TempDir::new().unwrap() };
        site.serve(&site.data());
        let blobs = site.layout().blobs();
        for bytes in [&b"flour"[..], &[7; 100_000]] {
            let name = Digest(*blake3::hash(bytes).as_bytes()).to_string();
            fs::create_dir_all(blobs.join(&name[3..5])).unwrap();
            fs::write(blobs.join(&name[3..5]).join(&name[5..]), bytes).unwrap();
        }
        fs::write(fs::read_dir(&blobs).unwrap().next().unwrap().unwrap().path().join("x#1"), "up")
            .unwrap();
        fs::create_dir_all(site.layout().logs().join("0")).unwrap();
        for name in ["j1-a7", "j1-a7.tail", "j2-a8", "notes"] {
            fs::write(site.layout().logs().join("0").join(name), "said").unwrap();
        }
        fs::write(site.layout().token(), "hash").unwrap();
        site
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn layout(&self) -> Layout {
        Layout::of(&self.data())
    }

    fn dest(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn take(&self, dest: &Path) -> Result<Backup, BackupError> {
        take(&self.data(), dest, &mut |_| true)
    }

    /// Starts a server on a folder and stops it when its read tables are as far as its log.
    fn serve(&self, data: &Path) {
        let timing = limits::Timing::default();
        let config = Config {
            data: data.to_owned(),
            durability: Durability::Full,
            timing,
            keep_events: None,
        };
        let server = Server::open(config).unwrap();
        let handle = server.handle();
        let caught_up = async { handle.read().ask(|tables| tables.totals()).await.map(drop) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(caught_up).unwrap();
        server.close();
    }

    fn append(&self, records: &[gristmill_model::event::Record]) {
        SqliteLog::open(&self.layout().log(), Durability::Full).unwrap().append(records).unwrap();
    }

    /// Everything beside the data folder.
    fn left_over(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "data").collect()
    }
}

/// Every file below a folder with its bytes, but for databases and the lock.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !name.to_string_lossy().contains(".db") && name != Path::new("lock") {
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

fn leased(attempt: u64) -> gristmill_model::event::Record {
    let event = Event::Attempt(AttemptEvent::Leased {
        alternative: 0,
        attempt: AttemptId(attempt),
        job: gristmill_model::JobId(1),
        stage: 0,
        number: 1,
        worker: gristmill_model::WorkerId(1),
        seat: None,
    });
    let (at, actor) = (gristmill_model::Time(1).into(), gristmill_model::access::Actor::SERVER);
    gristmill_model::event::Record { at, actor, event }
}

#[test]
fn a_copy_holds_everything_and_is_a_log_of_its_own() {
    let site = Site::new();
    let dest = site.dest("copy");
    let backup = site.take(&dest).unwrap();
    assert_eq!(backup.events, 1, "the server's start");
    assert_eq!(backup.blobs, Totals { files: 2, bytes: 100_005 });
    assert_eq!(backup.output, Totals::default(), "no attempt is in the log");
    assert!(backup.read_tables);
    let mut expected = files(&site.data());
    expected.retain(|name, _| {
        let name = name.to_string_lossy();
        !name.contains('#') && !name.starts_with("logs")
    });
    assert_eq!(files(&dest), expected);

    assert_eq!(fs::metadata(&dest).unwrap().permissions().mode() & 0o777, 0o700);
    let mut names: Vec<_> = fs::read_dir(&dest).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["blobs", "log.db", "logs", "read.db", "token"]);

    let (copy, original) = (Layout::of(&dest), site.layout());
    let identity = |layout: &Layout| log::look(&layout.log()).unwrap().0.identity().unwrap();
    assert_ne!(identity(&copy), identity(&original));
    let position = |layout: &Layout| -> (i64, String) {
        let tables = Connection::open(layout.read()).unwrap();
        let select = "SELECT seq, log FROM position";
        tables.query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    assert_eq!(position(&copy), (1, identity(&copy).to_string()));
    assert_eq!(position(&original), (1, identity(&original).to_string()));
    site.serve(&dest);
    let again = site.dest("copy of the copy");
    assert_eq!(take(&dest, &again, &mut |_| true).unwrap().events, 2);
    assert_eq!(site.left_over().len(), 2, "{:?}", site.left_over());
}

#[test]
fn output_is_copied_of_attempts_that_the_log_knows() {
    let site = Site::new();
    site.append(&[leased(7)]);
    let backup = site.take(&site.dest("copy")).unwrap();
    assert_eq!(backup.output.files, 2);
    let kept: Vec<_> = files(&site.dest("copy")).into_keys().collect();
    assert!(kept.contains(&"logs/0/j1-a7".into()) && kept.contains(&"logs/0/j1-a7.tail".into()));
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left_of_a_refusal() {
    let site = Site::new();
    let refused = |data: &Path, dest: &Path, exit: u8, words: &str| {
        let error = take(data, dest, &mut |_| true).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.exit(), exit, "{error}");
    };
    let (folder, file) = (site.dest("folder"), site.dest("file"));
    fs::create_dir(&folder).unwrap();
    fs::write(&file, "mine").unwrap();
    std::os::unix::fs::symlink("nowhere", site.dest("link")).unwrap();
    for taken in [&folder, &file, &site.dest("link"), Path::new("/")] {
        refused(&site.data(), taken, 3, "name a new folder");
    }
    refused(&site.data(), &site.data().join("blobs/copy"), 3, "inside the data folder");
    refused(&site.data(), &site.dest("gone/copy"), 3, "gone cannot be written");
    refused(&folder, &site.dest("copy"), 10, "folder has no log.db");
    assert_eq!(site.left_over().len(), 3, "{:?}", site.left_over());
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_copy_can_be_stopped_anywhere_and_leaves_nothing() {
    let site = Site::new();
    site.append(&[leased(7)]);
    let mut steps = Vec::new();
    take(&site.data(), &site.dest("whole"), &mut |step| {
        steps.push(step.part);
        assert!(step.done <= step.total, "{step:?}");
        true
    })
    .unwrap();
    for part in [Part::ReadTables, Part::Log, Part::Check, Part::Blobs, Part::Output] {
        assert!(steps.contains(&part), "{part:?} is told of");
    }
    for stop in 0..steps.len() {
        let mut told = 0;
        let stopped = take(&site.data(), &site.dest("copy"), &mut |_| {
            told += 1;
            told <= stop
        });
        assert!(matches!(stopped, Err(BackupError::Stopped)), "{stop}: {stopped:?}");
        assert_eq!(site.left_over(), ["whole"]);
    }
}

/// What comes while a copy is made, at the moment where it matters.
#[test]
fn the_log_decides_tables_come_before_it_and_blobs_after_it() {
    let site = Site::new();
    let blob = site.layout().blobs().join("zz");
    let mut seen = Vec::new();
    let backup = take(&site.data(), &site.dest("copy"), &mut |step| {
        if !seen.contains(&step.part) {
            seen.push(step.part);
            match step.part {
                // The tables are copied: the log may know more than they do.
                Part::ReadTables => site.append(&[leased(7)]),
                // The log is copied: what it points to may still be stored, and later events wait
                // for the next backup.
                Part::Log => {
                    fs::create_dir(&blob).unwrap();
                    fs::write(blob.join("late"), "bran").unwrap();
                    site.append(&[leased(8)]);
                }
                _ => {}
            }
        }
        true
    })
    .unwrap();
    assert_eq!(backup.events, 2, "the start and a7");
    assert!(backup.read_tables);
    assert_eq!(backup.blobs.files, 3);
    assert_eq!(backup.output.files, 2, "of a7, not of a8");
}

#[test]
fn copies_taken_while_somebody_writes_are_of_one_moment() {
    let site = Site::new();
    let done = AtomicBool::new(false);
    let acknowledged = std::sync::atomic::AtomicU64::new(0);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let log = &mut SqliteLog::open(&site.layout().log(), Durability::Normal).unwrap();
            // Commits of three: a copy that is not of one moment would hold a part of one. Long
            // enough ones, too, for the WAL to be copied back and used again meanwhile.
            while !done.load(Ordering::SeqCst) {
                let last = log.append(&[leased(1), small(2), small(3)]).unwrap();
                acknowledged.store(last, Ordering::SeqCst);
            }
            log.last()
        });
        for n in 0..6 {
            while acknowledged.load(Ordering::SeqCst) < n * 500 + 1 {
                std::thread::yield_now();
            }
            let before = acknowledged.load(Ordering::SeqCst);
            let dest = site.dest(&format!("copy-{n}"));
            let backup = site.take(&dest).unwrap();
            assert!(backup.events >= before, "{} is missing", before);
            assert_eq!(backup.events % 3, 1, "whole commits after the server's start");
            let (reader, last) = log::look(&Layout::of(&dest).log()).unwrap();
            assert_eq!(everything(&*reader, 1_000).len() as u64, last);
            assert!(backup.read_tables, "they stand at event 1, behind the log");
        }
        done.store(true, Ordering::SeqCst);
        assert!(writing.join().unwrap() > 2_500);
    });
}

#[test]
fn damage_is_found_while_copying() {
    let site = Site::new();
    site.append(&[leased(7)]);
    let log = Connection::open(site.layout().log()).unwrap();
    log.execute_batch("UPDATE commits SET checksum = 0 WHERE first_seq = 2").unwrap();
    let error = site.take(&site.dest("copy")).unwrap_err();
    assert!(error.to_string().contains("damaged after event 1"), "{error}");
    assert_eq!(error.exit(), 10);
    assert!(site.left_over().is_empty(), "{:?}", site.left_over());
}

#[test]
fn read_tables_that_do_not_belong_to_the_log_are_left_out() {
    let spoilt: [fn(&Path); 4] = [
        |path| schema::remove(path).unwrap(),
        |path| {
            // A WAL that was left would bring the tables back.
            schema::remove(path).unwrap();
            fs::write(path, "not tables at all".repeat(999)).unwrap();
        },
        |path| sql(path, "UPDATE position SET seq = 1000"),
        |path| sql(path, "UPDATE position SET log = 'another'"),
    ];
    for (n, spoil) in spoilt.into_iter().enumerate() {
        let site = Site::new();
        spoil(&site.layout().read());
        let dest = site.dest(&format!("copy-{n}"));
        assert!(!site.take(&dest).unwrap().read_tables, "{n}");
        assert!(!Layout::of(&dest).read().exists(), "{n}");
        site.serve(&dest);
    }
}

fn sql(path: &Path, statements: &str) {
    Connection::open(path).unwrap().execute_batch(statements).unwrap();
}

/// Puts a base in the place of all events so far, as a compaction does.
fn compact(layout: &Layout) -> u64 {
    let log = SqliteLog::open(&layout.log(), Durability::Full).unwrap();
    let mut engine = gristmill_engine::Engine::new(limits::Timing::default());
    log::replay(&*log.reader().unwrap(), u64::MAX, |_, records| {
        records.iter().for_each(|(_, record)| engine.apply(record));
        Ok::<_, log::LogError>(())
    })
    .unwrap();
    let mut compaction = log.compaction().unwrap();
    compaction.begin().unwrap();
    compaction.write(&engine.snapshot().collect::<Vec<_>>()).unwrap();
    compaction.finish(log.last()).unwrap();
    while compaction.clear().unwrap() {}
    log.last()
}

#[test]
fn a_compacted_log_is_copied_with_its_base_and_the_tables_that_go_with_it() {
    let site = Site::new();
    let through = compact(&site.layout());
    site.serve(&site.data());
    let dest = site.dest("copy");
    let backup = site.take(&dest).unwrap();
    assert!(backup.read_tables);
    assert_eq!(backup.events, through + 1, "the second start");
    let copy = Layout::of(&dest);
    let base = log::look(&copy.log()).unwrap().0.base().unwrap().unwrap();
    assert_eq!(base.through, through);
    assert!(schema::position(&copy.read()).unwrap() >= through);
    // And it goes on.
    site.serve(&dest);
    assert!(
        fs::read_dir(&dest)
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().starts_with("read.db.") })
    );
}

#[test]
fn tables_that_a_compaction_leaves_behind_while_they_are_copied_are_copied_again() {
    let site = Site::new();
    let mut copies = 0;
    let dest = site.dest("copy");
    let backup = take(&site.data(), &dest, &mut |step| {
        if step.part == Part::ReadTables {
            copies += 1;
            if copies == 1 {
                // The tables' copy is of the moment before these.
                site.serve(&site.data());
                compact(&site.layout());
            }
        }
        true
    })
    .unwrap();
    assert_eq!(copies, 2);
    assert!(backup.read_tables);
    let copy = Layout::of(&dest);
    let base = log::look(&copy.log()).unwrap().0.base().unwrap().unwrap();
    assert!(schema::position(&copy.read()).unwrap() >= base.through);
}

#[test]
fn a_log_that_is_compacted_whenever_it_is_copied_is_told() {
    let site = Site::new();
    let error = take(&site.data(), &site.dest("copy"), &mut |step| {
        if step.part == Part::ReadTables {
            site.serve(&site.data());
            compact(&site.layout());
        }
        true
    })
    .unwrap_err();
    assert!(matches!(error, BackupError::Compacted { .. }), "{error}");
    assert!(site.left_over().is_empty());
}

#[test]
fn damage_in_a_base_is_found_while_copying() {
    let site = Site::new();
    compact(&site.layout());
    let spoil = "UPDATE base_rows SET checksum = 0";
    Connection::open(site.layout().log()).unwrap().execute_batch(spoil).unwrap();
    let error = site.take(&site.dest("copy")).unwrap_err();
    assert!(error.to_string().contains("is damaged in its base"), "{error}");
    assert!(site.left_over().is_empty());
}
