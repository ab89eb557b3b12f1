//! The worker link: who is taken in, what is settled, who is cut off.

use gristmill_model::AttemptId;
use gristmill_model::limits::Timing;
use gristmill_model::problem::Code;
use gristmill_model::time::Span;
use gristmill_model::wire::{FromWorker, ToWorker};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::worker::{Worker, hello, success};
use crate::world::{PATIENCE, World, batch};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_another_protocol_is_refused_with_both_versions() {
    let world = World::start().await;
    let mut other = hello(1, vec![]);
    other.protocol = 99;
    let first = rmp_serde::to_vec(&FromWorker::Hello(other)).unwrap();
    match Worker::refused(&world, first).await {
        Some(ToWorker::Refused { code: Code::WrongProtocol, detail }) => {
            assert!(detail.contains("99") && detail.contains("test"), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_greet_is_refused() {
    let world = World::start().await;
    let first = rmp_serde::to_vec(&FromWorker::Heartbeat).unwrap();
    let refused = Worker::refused(&world, first).await;
    assert!(matches!(refused, Some(ToWorker::Refused { code: Code::InvalidRequest, .. })));
    let refused = Worker::refused(&world, b"\xc1 no frame".to_vec()).await;
    assert!(matches!(refused, Some(ToWorker::Refused { .. }) | None), "{refused:?}");
    let mut nameless = hello(1, vec![]);
    nameless.description.name.clear();
    let first = rmp_serde::to_vec(&FromWorker::Hello(nameless)).unwrap();
    let refused = Worker::refused(&world, first).await;
    assert!(matches!(refused, Some(ToWorker::Refused { code: Code::InvalidRequest, .. })));
    let plain = world.get("/v1/link").await.ok(400);
    assert!(plain.detail().contains("WebSocket"), "{plain:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_report_is_settled_and_changes_nothing() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let attempt = worker.run().await[0].attempt;
    worker.succeed(&[attempt]).await;
    assert_eq!(worker.settled().await, [attempt]);
    let before = world.handle().feed().committed();
    worker.say(FromWorker::Ended(vec![success(attempt), success(AttemptId(77))])).await;
    assert_eq!(worker.settled().await, [attempt, AttemptId(77)]);
    assert_eq!(world.handle().feed().committed(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_comes_back_keeps_what_it_holds_and_ends_its_earlier_connection() {
    let world = World::start().await;
    let mut first = world.worker().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let attempt = first.run().await[0].attempt;
    let mut second = Worker::connect(&world, 1, vec![attempt, AttemptId(99)]).await;
    assert_eq!(second.welcome.worker, first.welcome.worker);
    assert_eq!(second.welcome.stale, [AttemptId(99)]);
    assert_eq!(first.hear().await, None, "it was replaced");
    drop(first);
    second.succeed(&[attempt]).await;
    assert_eq!(second.settled().await, [attempt]);
    let shown = world.get("/v1/workers/w1").await.ok(200).json();
    assert_eq!(shown["state"], "ready", "the end of the first connection was not the worker's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_did_not_arrive_goes_back_to_the_queue() {
    let world = World::start().await;
    let mut first = world.worker().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let lost = first.run().await[0].attempt;
    let mut again = Worker::connect(&world, 1, vec![]).await;
    let run = again.run().await;
    assert_eq!(run[0].job.0, 1);
    assert_ne!(run[0].attempt, lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_is_gone_and_its_work_goes_to_another() {
    let world = World::start().await;
    let mut first = world.worker().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    first.run().await;
    first.say(FromWorker::Goodbye).await;
    assert!(loop {
        match first.hear().await {
            None => break true,
            Some(ToWorker::Stop(_)) => {}
            Some(other) => panic!("{other:?}"),
        }
    });
    let mut second = Worker::connect(&world, 2, vec![]).await;
    assert_eq!(second.run().await[0].job.0, 1);
    let gone = world.get("/v1/workers/w1").await.ok(200).json();
    assert_eq!(gone["state"], "gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_falls_silent_is_cut_off_and_given_up() {
    let (lease, heartbeat) = (Span::millis(600), Span::millis(100));
    let timing = Timing { lease, heartbeat, ..Timing::default() };
    let world = World::with(timing, false).await;
    let mut silent = world.worker().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    silent.run().await;
    let mut second = Worker::connect(&world, 2, vec![]).await;
    let work = tokio::time::timeout(PATIENCE, async {
        loop {
            second.say(FromWorker::Heartbeat).await;
            let waited = std::time::Duration::from_millis(100);
            if let Ok(run) = tokio::time::timeout(waited, second.run()).await {
                return run;
            }
        }
    });
    assert_eq!(work.await.unwrap()[0].job.0, 1);
    while silent.hear().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_ends_the_connection_and_nothing_else() {
    let world = World::start().await;
    let mut worker = world.worker().await;
    worker.say_raw(Message::Text("hello".into())).await;
    assert_eq!(worker.hear().await, None);
    let mut worker = Worker::connect(&world, 1, vec![]).await;
    worker.say_raw(Message::Binary(vec![0xc1; 10].into())).await;
    assert_eq!(worker.hear().await, None);
    world.get("/healthz").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_this_process_speaks_over_queues() {
    let world = World::start().await;
    let (says, mut hears) = world.handle().connect_worker();
    says.send(FromWorker::Hello(hello(5, vec![]))).await.unwrap();
    assert!(matches!(hears.recv().await, Some(ToWorker::Welcome(_))));
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let Some(ToWorker::Run(run)) = hears.recv().await else { panic!("expected work") };
    says.send(FromWorker::Ended(vec![success(run[0].attempt)])).await.unwrap();
    assert_eq!(hears.recv().await, Some(ToWorker::Settled(vec![run[0].attempt])));
    drop(says);
    let job = world.get("/v1/jobs/j1").await.ok(200).json();
    assert_eq!(job["state"], json!("succeeded"));
}
