//! The SQLite log against the conformance suite, and what only a file can do: be foreign, newer,
//! damaged or in the way.

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::log::conformance::{compact, everything, numbered, small};

struct Site(TempDir);

impl Site {
    fn new() -> Site {
        Site(TempDir::new().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("log.db")
    }

    fn open(&self) -> Box<dyn Log> {
        Box::new(SqliteLog::open(&self.path(), Durability::Full).unwrap())
    }

    fn refusal(&self) -> LogError {
        SqliteLog::open(&self.path(), Durability::Full).unwrap_err()
    }

    fn sql(&self, statement: &str) {
        Connection::open(self.path()).unwrap().execute_batch(statement).unwrap();
    }
}

crate::log::conformance::log_conformance!(Site::new);

#[test]
fn the_bundled_library_is_new_enough() {
    assert!(rusqlite::version_number() >= OLDEST_LIBRARY, "{}", rusqlite::version());
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let site = Site::new();
    site.open().append(&[small(1)]).unwrap();
    site.sql("PRAGMA user_version = 7");
    let told = site.refusal().to_string();
    let expected = format!(
        "log format 7 is newer than this gristmill understands ({FORMAT}): use a newer gristmill"
    );
    assert!(told.ends_with(&expected), "{told}");
    site.sql(&format!("PRAGMA user_version = {FORMAT}"));
    assert_eq!(site.open().last(), 1);
}

#[test]
fn a_format_that_was_never_released_is_refused_and_left_alone() {
    let site = Site::new();
    site.open().append(&[small(1)]).unwrap();
    let oldest = OLDEST_FORMAT - 1;
    site.sql(&format!("PRAGMA user_version = {oldest}"));
    assert!(matches!(site.refusal(), LogError::Unreleased { found, .. } if found == oldest));
    site.sql(&format!("PRAGMA user_version = {FORMAT}"));
    assert_eq!(site.open().last(), 1);
}

#[test]
fn a_log_from_before_there_were_identities_gets_one_and_keeps_it() {
    let site = Site::new();
    site.open().append(&[small(1)]).unwrap();
    site.sql("DROP TABLE identity");
    let given = site.open().reader().unwrap().identity().unwrap();
    assert_eq!(site.open().reader().unwrap().identity().unwrap(), given);
    assert_eq!(site.open().last(), 1);
}

#[test]
fn a_foreign_file_is_refused_and_left_alone() {
    let site = Site::new();
    site.sql("CREATE TABLE theirs (x); PRAGMA user_version = 3");
    let before = std::fs::read(site.path()).unwrap();
    assert!(matches!(site.refusal(), LogError::Foreign { .. }));
    assert_eq!(std::fs::read(site.path()).unwrap(), before);

    let site = Site::new();
    std::fs::write(site.path(), "a letter to my grandmother, not a database".repeat(99)).unwrap();
    assert!(matches!(site.refusal(), LogError::Foreign { .. }));
}

#[test]
fn a_path_that_cannot_be_used_is_named() {
    let site = Site::new();
    std::fs::create_dir(site.path()).unwrap();
    let told = site.refusal().to_string();
    assert!(told.contains("log.db cannot be used"), "{told}");
}

#[test]
fn damage_is_reported_with_the_last_good_event() {
    let statements = [
        "UPDATE commits SET bytes = x'00' WHERE first_seq = 2",
        "UPDATE commits SET checksum = 0 WHERE first_seq = 2",
        "UPDATE commits SET count = 0 WHERE first_seq = 2",
        "UPDATE commits SET count = 9223372036854775807 WHERE first_seq = 2",
        "DELETE FROM commits WHERE first_seq = 2",
    ];
    for statement in statements {
        let site = Site::new();
        let mut log = site.open();
        (1..=3).for_each(|n| assert_eq!(log.append(&[small(n)]).unwrap(), n));
        site.sql(statement);
        let reader = log.reader().unwrap();
        assert_eq!(reader.read(0, 1).unwrap(), numbered(vec![small(1)]));
        let error = reader.read(0, 10).unwrap_err();
        assert!(matches!(error, LogError::Damaged { after: 1, .. }), "{statement}: {error}");
    }
}

#[test]
fn damage_in_the_base_is_reported_as_such() {
    let statements = [
        "UPDATE base_rows SET bytes = x'00' WHERE first = 3",
        "UPDATE base_rows SET checksum = 0 WHERE first = 3",
        "UPDATE base_rows SET count = 0 WHERE first = 3",
        "DELETE FROM base_rows WHERE first = 3",
        "DELETE FROM base_rows WHERE first >= 3",
    ];
    for statement in statements {
        let site = Site::new();
        let mut log = site.open();
        log.append(&[small(1)]).unwrap();
        let parts: Vec<Record> = (1..=6).map(small).collect();
        compact(&mut *log.compaction().unwrap(), &parts, 1);
        site.sql(statement);
        let reader = log.reader().unwrap();
        let base = reader.base().unwrap().unwrap();
        assert_eq!(reader.read_base(&base, 0, 2).unwrap(), numbered(parts[..2].to_vec()));
        let error = reader.read_base(&base, 0, 10).unwrap_err();
        assert!(matches!(error, LogError::DamagedBase { after: 2, .. }), "{statement}: {error}");
        assert!(error.to_string().contains("log.db is damaged in its base"), "{error}");
    }
}

#[test]
fn a_gap_after_the_base_is_damage() {
    let site = Site::new();
    let mut log = site.open();
    (1..=4).for_each(|n| assert_eq!(log.append(&[small(n)]).unwrap(), n));
    compact(&mut *log.compaction().unwrap(), &[small(71)], 2);
    site.sql("DELETE FROM commits WHERE first_seq = 3");
    let error = log.reader().unwrap().read(2, 10).unwrap_err();
    assert!(matches!(error, LogError::Damaged { after: 2, .. }), "{error}");
}

#[test]
fn a_log_from_before_there_were_bases_has_none_and_gets_one() {
    let site = Site::new();
    site.open().append(&[small(1)]).unwrap();
    site.sql("DROP TABLE base; DROP TABLE base_rows");
    let (reader, last) = look(&site.path()).unwrap();
    assert_eq!((reader.base().unwrap(), last), (None, 1));
    assert_eq!(everything(&*reader, 9), numbered(vec![small(1)]));
    let log = site.open();
    compact(&mut *log.compaction().unwrap(), &[small(71)], 1);
    assert!(look(&site.path()).unwrap().0.base().unwrap().is_some());
}

/// What a base stood for makes room for what comes.
#[test]
fn a_log_that_is_compacted_stays_bounded() {
    let site = Site::new();
    let mut log = site.open();
    let mut compaction = log.compaction().unwrap();
    let records: Vec<Record> = (0..20_000).map(small).collect();
    let mut sizes = Vec::new();
    for _ in 0..12 {
        let last = log.append(&records).unwrap();
        compact(&mut *compaction, &records[..100], last);
        while compaction.clear().unwrap() {}
        let pages: u32 = Connection::open(site.path())
            .unwrap()
            .pragma_query_value(None, "page_count", |row| row.get::<_, u32>(0))
            .unwrap();
        sizes.push(pages);
    }
    assert!(sizes[11] <= sizes[2], "{sizes:?}");
}

#[test]
fn a_torn_file_is_reported() {
    let site = Site::new();
    let mut log = site.open();
    let records: Vec<Record> = (0..50).map(small).collect();
    (1..=200).for_each(|n| assert_eq!(log.append(&records).unwrap(), n * 50));
    drop(log);
    let file = std::fs::OpenOptions::new().write(true).open(site.path()).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let error = SqliteLog::open(&site.path(), Durability::Full)
        .and_then(|log| log.reader()?.read(0, usize::MAX).map(drop))
        .unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
}

#[test]
fn a_failed_append_leaves_the_log_as_it_was() {
    let site = Site::new();
    let mut log = SqliteLog::open(&site.path(), Durability::Full).unwrap();
    log.append(&[small(1)]).unwrap();
    let pages: u32 =
        log.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    log.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    let large: Vec<Record> = (0..10_000).map(small).collect();
    assert!(matches!(log.append(&large).unwrap_err(), LogError::Full { .. }));
    assert_eq!(log.last(), 1);
    drop(log);
    assert_eq!(everything(&*site.open().reader().unwrap(), 10), numbered(vec![small(1)]));
}

#[test]
fn a_start_writes_what_a_crash_left_in_the_wal_into_the_database() {
    let site = Site::new();
    let mut log = site.open();
    log.append(&[small(1), small(2)]).unwrap();
    let wal = site.0.path().join("log.db-wal");
    assert!(wal.metadata().unwrap().len() > 0);
    // Never closed, as after a crash.
    std::mem::forget(log);
    let log = site.open();
    // Laid out anew, and to SQLite empty: there is no head.
    assert!(std::fs::read(&wal).unwrap().iter().take(32).all(|byte| *byte == 0));
    let alone = site.0.path().join("alone.db");
    std::fs::copy(site.path(), &alone).unwrap();
    let expected = numbered(vec![small(1), small(2)]);
    assert_eq!(everything(&*look(&alone).unwrap().0, 10), expected);
    assert_eq!(everything(&*log.reader().unwrap(), 10), expected);
}

#[test]
fn a_backup_that_reads_does_not_keep_a_server_from_starting() {
    let site = Site::new();
    std::mem::forget(site.open());
    let reading = Connection::open(site.path()).unwrap();
    let moment = reading.unchecked_transaction().unwrap();
    moment.query_row("SELECT count(*) FROM commits", [], |_| Ok(())).unwrap();
    assert_eq!(site.open().append(&[small(1)]).unwrap(), 1);
}

#[test]
fn the_wal_stays_bounded() {
    let site = Site::new();
    let mut log = site.open();
    let large: Vec<Record> = (0..50_000).map(small).collect();
    (1..=60).for_each(|n| assert_eq!(log.append(&large).unwrap(), n * 50_000));
    let wal = site.0.path().join("log.db-wal").metadata().unwrap().len();
    assert!(wal < 2 * u64::from(CHECKPOINT_PAGES) * 4_096, "{wal} bytes");
}

#[test]
fn the_wal_is_laid_out_before_it_is_used_and_keeps_its_length() {
    let site = Site::new();
    let wal = site.0.path().join("log.db-wal");
    let length = u64::from(wal::length(CHECKPOINT_PAGES));
    let mut log = site.open();
    assert_eq!(wal.metadata().unwrap().len(), length);
    assert_eq!(log.append(&[small(1), small(2)]).unwrap(), 2);
    assert_eq!(wal.metadata().unwrap().len(), length);
    // As a crash leaves it: the frames are found, the zeros behind them end them.
    let copy = tempfile::tempdir().unwrap();
    for name in ["log.db", "log.db-wal"] {
        std::fs::copy(site.0.path().join(name), copy.path().join(name)).unwrap();
    }
    let left = SqliteLog::open(&copy.path().join("log.db"), Durability::Full).unwrap();
    assert_eq!(left.last(), 2);
    assert_eq!(left.reader().unwrap().read(0, 10).unwrap().len(), 2);
}
