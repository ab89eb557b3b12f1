//! SIGKILL of a server that compacts its log all the time, while clients submit and jobs run. What
//! was let go of the log must be in the read tables, whatever moment the kill came at.
//!
//! `GRISTMILL_CHAOS_COMPACTIONS` (kills) and `GRISTMILL_CHAOS_COMPACTED_JOBS` make it longer.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::fleet::{Fleet, Plan};
use crate::load::Client;
use crate::random::Random;
use crate::setting;
use crate::verdict;

const WORKERS: usize = 2;

/// How a kill left the log.
#[derive(Debug, Clone, Copy, Default)]
struct Left {
    /// How many bases there have been.
    generation: u64,
    /// Records of a base that was not finished, or of one that is not in force any more.
    stray: u64,
    /// Commits for which the base stands.
    folded: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_a_server_that_compacts_lose_nothing() {
    let mut random = Random::from_environment();
    let kills = setting("GRISTMILL_CHAOS_COMPACTIONS", 8);
    let jobs = setting("GRISTMILL_CHAOS_COMPACTED_JOBS", 600);
    let share = jobs.div_ceil(kills);
    let plan =
        Plan { lease: Some("4s".into()), keep_events: Some("0".into()), ..Plan::of(WORKERS) };
    let mut fleet = Fleet::start(plan).await;
    let client = Client::of(&fleet);
    let (mut acknowledged, mut within, mut last) = (Vec::new(), 0, Left::default());
    for kill in 0..kills {
        let pause = random.millis_below(600);
        let killing = async {
            tokio::time::sleep(pause).await;
            fleet.signal_server(libc::SIGKILL);
            fleet.server_ended().await;
            last = left(&fleet);
            fleet.start_server();
        };
        let (heard, ()) = tokio::join!(client.submit(kill * share, share), killing);
        acknowledged.push(heard);
        within += u64::from(last.stray + last.folded > 0);
    }
    fleet.until_healthy().await;
    let deadline = Instant::now() + Duration::from_secs(180);
    for heard in &acknowledged {
        Client::of(&fleet).wait_for(&heard.batch, deadline).await;
    }
    let tally = verdict::judge(&fleet, &acknowledged, Some(&fleet.effects())).await;
    assert_eq!(tally.jobs, share * kills);

    // And once more from the log as it is now, which does not know most of it any more.
    fleet.signal_server(libc::SIGTERM);
    assert_eq!(fleet.server_ended().await, 0, "{}", fleet.server_said());
    last = left(&fleet);
    fleet.start_server();
    fleet.until_healthy().await;
    let health = fleet.get("/healthz").await;
    assert!(health["kept_after"].as_u64().unwrap() > 0, "{health}");
    let again = verdict::judge(&fleet, &acknowledged, Some(&fleet.effects())).await;
    assert_eq!((again.jobs, again.attempts), (tally.jobs, tally.attempts));
    assert!(last.generation > 1, "the log was compacted again and again: {last:?}");
    let aside = std::fs::read_dir(fleet.data()).unwrap().map(|entry| entry.unwrap().file_name());
    let aside = aside.filter(|name| name.to_string_lossy().starts_with("read.db."));
    assert_eq!(aside.count(), 0, "the tables were never behind: {}", fleet.server_said());
    println!(
        "{kills} kills, {within} of them within a compaction; {} compactions; {tally:?}",
        last.generation
    );
}

/// How the log lies there, looked at in a copy.
fn left(fleet: &Fleet) -> Left {
    let copy = tempfile::tempdir().unwrap();
    for name in ["log.db", "log.db-wal"] {
        let from = fleet.data().join(name);
        if from.exists() {
            std::fs::copy(from, copy.path().join(name)).unwrap();
        }
    }
    let log = Connection::open(copy.path().join("log.db")).unwrap();
    // Killed before the log was made, or before it had a base.
    let number = |sql: &str| {
        log.query_row(sql, [], |row| row.get::<_, i64>(0)).map_or(0, i64::cast_unsigned)
    };
    Left {
        generation: number("SELECT generation FROM base"),
        stray: number(
            "SELECT count(*) FROM base_rows
             WHERE generation <> coalesce((SELECT generation FROM base), 0)",
        ),
        folded: number(
            "SELECT count(*) FROM commits
             WHERE first_seq + count - 1 <= (SELECT through FROM base)",
        ),
    }
}
