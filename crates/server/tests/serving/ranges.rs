//! Lines of stored lists as inputs: workers and people see the text, and a list that is gone fails
//! its jobs instead of holding them up.

use std::fs;

use bytes::Bytes;
use gristmill_model::access::Actor;
use gristmill_model::command::{Command, PipelineRef, Reply, Submission};
use gristmill_model::digest::Digest;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::source::{Lines, Source};
use gristmill_model::{BatchId, Span};
use gristmill_server::Goal;

use crate::world::World;

async fn put(world: &World, text: &str) -> Digest {
    let digest = Digest(*blake3::hash(text.as_bytes()).as_bytes());
    let bytes = futures::stream::iter([Ok(Bytes::copy_from_slice(text.as_bytes()))]);
    world.handle().blobs().put(digest, bytes).await.unwrap();
    digest
}

async fn submit(world: &World, list: Digest) -> BatchId {
    let command = CommandSpec { argv: vec!["true".into()], shell: false, env: Default::default() };
    let stages = vec![StageSpec::new("only", Handler::Command(command))];
    let spec = PipelineSpec { name: "listed".into(), stages };
    let count = world.handle().lists().count(list).await.unwrap();
    let submission = Submission {
        range: Some(Source::Lines(Lines { list, count })),
        ..Submission::new(PipelineRef::Inline(spec), vec![])
    };
    match world.handle().request(Actor::LOCAL, Command::Submit(Box::new(submission))).await.unwrap()
    {
        Reply::Batch(submitted) => submitted.batch,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn workers_and_people_see_the_text_of_a_line() {
    let world = World::start().await;
    let list = put(&world, "wheat\nrye\nbarley\n").await;
    let batch = submit(&world, list).await;
    let shown = world.get("/v1/jobs/j2").await.ok(200).json();
    assert_eq!((&shown["state"], &shown["input"]["text"]), (&"queued".into(), &"rye".into()));
    let results = world.get(&format!("/v1/batches/{batch}/results")).await.ok(200).text;
    assert!(results.contains("barley"), "{results}");
    let page = world.get("/v1/jobs?filter=state=queued").await.ok(200).json();
    assert_eq!(page["items"][0]["input"]["text"], "wheat");

    let mut worker = world.worker().await;
    let mut told = Vec::new();
    while told.len() < 3 {
        told.extend(worker.run().await);
    }
    let inputs = ["wheat", "rye", "barley"].map(|text| Payload::Text(text.into()));
    assert!(told.iter().map(|assignment| &assignment.input).eq(&inputs));
    worker.succeed(&told.iter().map(|assignment| assignment.attempt).collect::<Vec<_>>()).await;
    assert!(world.handle().wait(Goal::Batch(batch), Span::seconds(30)).await.unwrap());
}

#[tokio::test]
async fn a_list_that_is_gone_fails_its_jobs() {
    let mut world = World::start().await;
    let list = put(&world, "wheat\nrye\n").await;
    let batch = submit(&world, list).await;
    let name = list.to_string();
    let path = world.config().data.join("blobs").join(&name[3..5]).join(&name[5..]);
    fs::remove_file(path).unwrap();
    // The next server has read nothing of it.
    world.restart().await;
    let _worker = world.worker().await;
    assert!(world.handle().wait(Goal::Batch(batch), Span::seconds(30)).await.unwrap());
    let job = world.get("/v1/jobs/j1").await.ok(200).json();
    assert_eq!(
        (&job["state"], &job["failure"]["code"]),
        (&"failed".into(), &"list_missing".into())
    );
    assert_eq!(job["input"]["line"]["index"], 0, "{job}");
}

#[tokio::test]
async fn who_waits_for_a_folded_job_waits_until_it_ends() {
    let world = World::start().await;
    let list = put(&world, "wheat\nrye\n").await;
    let batch = submit(&world, list).await;
    let goal = Goal::Batch(batch);
    let job = Goal::Job("j2".parse().unwrap());
    assert!(!world.handle().wait(job, Span::millis(1)).await.unwrap());
    let handle = world.handle();
    let waiting = tokio::spawn(async move { handle.wait(job, Span::seconds(30)).await });
    world.handle().request(Actor::LOCAL, Command::CancelBatch(batch)).await.unwrap();
    assert!(waiting.await.unwrap().unwrap());
    assert!(world.handle().wait(goal, Span::seconds(30)).await.unwrap());
}
