//! SIGKILL of the server and of workers, at random, again and again, while clients submit and jobs
//! run.
//!
//! `GRISTMILL_CHAOS_KILLS` and `GRISTMILL_CHAOS_JOBS` make it longer, `GRISTMILL_CHAOS_LEASE` says
//! how long a silent worker keeps its work.

use std::time::{Duration, Instant};

use crate::fleet::{Fleet, Plan};
use crate::load::Client;
use crate::random::Random;
use crate::setting;
use crate::verdict;

const WORKERS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_double_nothing() {
    let mut random = Random::from_environment();
    let kills = setting("GRISTMILL_CHAOS_KILLS", 12);
    let jobs = setting("GRISTMILL_CHAOS_JOBS", 600);
    let share = jobs.div_ceil(kills);
    println!("{kills} kills, {} jobs, {WORKERS} workers", share * kills);
    let started = Instant::now();

    let lease = std::env::var("GRISTMILL_CHAOS_LEASE").unwrap_or_else(|_| "4s".to_owned());
    let mut fleet = Fleet::start(Plan { lease: Some(lease), ..Plan::of(WORKERS as usize) }).await;
    let client = Client::of(&fleet);
    let mut acknowledged = Vec::new();
    let mut of_the_server = 0;
    for kill in 0..kills {
        // Everything alive is a target, and one kill in five takes the server: now before a
        // submission, now during it, now between its answer and the next.
        let (pause, target) = (random.millis_below(500), random.below(WORKERS + 1));
        let killing = async {
            tokio::time::sleep(pause).await;
            match usize::try_from(target) {
                Ok(worker) if target < WORKERS => fleet.kill_worker(worker),
                _ => fleet.kill_server(),
            }
        };
        let (heard, ()) = tokio::join!(client.submit(kill * share, share), killing);
        acknowledged.push(heard);
        of_the_server += u64::from(target == WORKERS);
    }
    let killing = started.elapsed();
    fleet.until_healthy().await;
    // A kill can cost a grace of seconds, and many are made up for at once.
    let deadline = Instant::now() + Duration::from_secs(120) + killing * 3;
    for heard in &acknowledged {
        Client::of(&fleet).wait_for(&heard.batch, deadline).await;
    }
    let worked = started.elapsed();
    let tally = verdict::judge(&fleet, &acknowledged, Some(&fleet.effects())).await;
    assert_eq!(tally.jobs, share * kills);
    assert!(tally.lost > 0, "no kill hit anything: {tally:?}");
    println!(
        "{kills} kills in {:.1} s, {of_the_server} of them of the server; all done after {:.1} s, \
         judged after {:.1} s",
        killing.as_secs_f64(),
        worked.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
    println!("{tally:?}: 0 acknowledged jobs lost, 0 committed twice");
}
