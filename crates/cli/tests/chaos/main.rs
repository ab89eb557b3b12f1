//! End to end under fire: a real server and real workers over a real batch, all killed with
//! SIGKILL at random, again and again. Afterwards nothing acknowledged is lost, and no stage of
//! any job has been committed twice.
//!
//! `GRISTMILL_CHAOS_SEED` replays the order of kills (not the timing of the machine);
//! `GRISTMILL_CHAOS_KILLS` and `GRISTMILL_CHAOS_JOBS` make it longer.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod fleet;
mod verdict;

use std::time::{Duration, Instant};

use fleet::{Fleet, Random};

/// Longer than any run should take: three kills can each cost a disconnect grace.
const PATIENCE: Duration = Duration::from_secs(300);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_double_nothing() {
    let seed = setting("GRISTMILL_CHAOS_SEED", 0x6712_57A1);
    let kills = setting("GRISTMILL_CHAOS_KILLS", 12);
    let jobs = setting("GRISTMILL_CHAOS_JOBS", 240);
    println!("seed {seed}, {kills} kills, {jobs} jobs");
    let mut random = Random(seed);
    let deadline = Instant::now() + PATIENCE;

    let mut fleet = Fleet::start(3).await;
    let batch = fleet.submit(jobs).await;
    for kill in 0..kills {
        // Everything alive is a target: one kill in four takes the server.
        let pause = Duration::from_millis(100 + random.below(500));
        tokio::time::sleep(pause).await;
        let target = random.below(4);
        println!(
            "kill {kill}: {}",
            if target == 3 { "server".into() } else { format!("worker {target}") }
        );
        match usize::try_from(target) {
            Ok(worker @ 0..=2) => fleet.kill_worker(worker),
            _ => fleet.kill_server().await,
        }
        // The same submission again, as a client does that never heard the answer.
        assert_eq!(fleet.submit(jobs).await, batch, "one key, one batch");
    }
    fleet.wait_for(&batch, deadline).await;
    verdict::nothing_lost_nothing_doubled(&fleet, &batch, jobs).await;
}
