//! Submitting: keys, bounds, order.

use gristmill_model::command::{BatchKey, Command, PipelineRef, Reply, Submission};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{JobId, limits};

use crate::world::{World, pipeline, stage, success};

fn text(input: &str) -> JobSpec {
    JobSpec::of(Payload::Text(input.into()))
}

#[test]
fn the_same_key_makes_one_batch() {
    let mut world = World::new();
    let key = |fingerprint| Some(BatchKey { key: "monday".into(), fingerprint });
    let first = world.submit_jobs(pipeline(&["a"]), vec![text("x"), text("y")], key(7)).unwrap();
    let again = world.submit_jobs(pipeline(&["a"]), vec![text("x"), text("y")], key(7)).unwrap();
    assert!(again.replayed);
    assert_eq!((again.batch, again.first, again.count), (first.batch, first.first, 2));
    let other = world.submit_jobs(pipeline(&["a"]), vec![text("z")], key(8)).unwrap_err();
    assert_eq!(other.code, Code::KeyReused);
    world.restart();
    assert!(world.submit_jobs(pipeline(&["a"]), vec![text("x")], key(7)).unwrap().replayed);
}

#[test]
fn a_job_with_a_known_key_is_not_made_again() {
    let mut world = World::new();
    let keyed = |key: &str| JobSpec { key: Some(key.into()), ..text(key) };
    let first = world.submit_jobs(pipeline(&["a"]), vec![keyed("k1"), keyed("k2")], None).unwrap();
    let second = world.submit_jobs(pipeline(&["a"]), vec![keyed("k2"), keyed("k3")], None).unwrap();
    assert_eq!(second.known, vec![(0, JobId(first.first.0 + 1))]);
    assert_eq!(second.count, 1);
    let twice = world.submit_jobs(pipeline(&["a"]), vec![keyed("k9"), keyed("k9")], None);
    assert!(twice.unwrap_err().detail.contains("jobs[1]: key `k9` stands twice"));
}

#[test]
fn a_key_outlives_its_job() {
    let mut world = World::new();
    let keyed = || vec![JobSpec { key: Some("once".into()), ..text("x") }];
    let job = world.submit_jobs(pipeline(&["a"]), keyed(), None).unwrap().first;
    let worker = world.worker(1);
    world.report(worker, world.attempt_of(job), success("done")).unwrap();
    assert_eq!(world.state(job), JobState::Succeeded);
    assert_eq!(world.submit_jobs(pipeline(&["a"]), keyed(), None).unwrap().known, vec![(0, job)]);
}

#[test]
fn what_breaks_a_rule_is_refused_by_name() {
    let mut world = World::new();
    let refused =
        |world: &mut World, jobs| world.submit_jobs(pipeline(&["a"]), jobs, None).unwrap_err();
    assert_eq!(refused(&mut world, vec![]).detail, "the submission has no jobs");
    let long = "x".repeat(limits::INLINE_BYTES + 1);
    let rejection = refused(&mut world, vec![text("ok"), text(&long)]);
    assert_eq!(rejection.code, Code::TooLarge);
    assert!(rejection.detail.starts_with("jobs[1]: an input of"), "{}", rejection.detail);
    let none = world.submit_jobs(pipeline(&[]), vec![text("x")], None).unwrap_err();
    assert_eq!(none.code, Code::InvalidPipeline);
    let twins = world.submit_jobs(pipeline(&["a", "a"]), vec![text("x")], None).unwrap_err();
    assert!(twins.detail.contains("two stages are named `a`"));
}

#[test]
fn higher_priority_goes_first_then_the_older() {
    let mut world = World::new();
    let urgent = JobSpec { priority: Some(5), ..text("urgent") };
    let jobs = vec![text("first"), text("second"), urgent];
    let first = world.submit_jobs(pipeline(&["a"]), jobs, None).unwrap().first.0;
    let worker = world.worker(1);
    let mut order = Vec::new();
    let live = |world: &World| world.engine.state().attempts().next().map(|(id, a)| (id, a.job));
    while let Some((attempt, job)) = live(&world) {
        order.push(job.0 - first);
        world.report(worker, attempt, success("")).unwrap();
    }
    assert_eq!(order, [2, 0, 1]);
}

#[test]
fn a_stage_hands_its_output_on() {
    let mut world = World::new();
    let job = world.submit(pipeline(&["a", "b"]), &["grain"]).first;
    let worker = world.worker(1);
    world.report(worker, world.attempt_of(job), success("flour")).unwrap();
    let found = world.engine.state().job(job).unwrap();
    assert_eq!((found.stage, &found.input), (1, &Payload::Text("flour".into())));
    world.report(worker, world.attempt_of(job), success("bread")).unwrap();
    assert_eq!(world.state(job), JobState::Succeeded);
}

#[test]
fn an_open_batch_takes_more_until_it_is_closed() {
    let mut world = World::new();
    let pipeline = PipelineRef::Inline(pipeline(&["a"]));
    let submission = Submission { open: true, ..Submission::new(pipeline, vec![]) };
    let Reply::Batch(made) = world.ask(Command::Submit(Box::new(submission))).unwrap() else {
        panic!()
    };
    let append =
        |close| Command::Append { batch: made.batch, jobs: vec![text("x")], range: None, close };
    world.ask(append(false)).unwrap();
    world.ask(append(true)).unwrap();
    assert_eq!(world.ask(append(false)).unwrap_err().code, Code::BatchClosed);
    let batch = world.engine.state().batch(made.batch).unwrap();
    assert_eq!((batch.total(), batch.open, batch.is_finished()), (2, false, false));
}

#[test]
fn a_named_pipeline_gets_versions() {
    let mut world = World::new();
    let define = |world: &mut World, spec| {
        world.ask(Command::DefinePipeline { project: "default".into(), spec }).unwrap()
    };
    let first = define(&mut world, pipeline(&["a"]));
    assert_eq!(define(&mut world, pipeline(&["a"])), first, "the same spec changes nothing");
    let mut changed = pipeline(&["a"]);
    changed.stages.push(stage("b"));
    let Reply::Pipeline(_, version) = define(&mut world, changed) else { panic!() };
    assert_eq!(version, 2);
}

#[test]
fn a_pipeline_that_a_project_lacks_is_the_default_projects() {
    let mut world = World::new();
    let define = |world: &mut World, project: &str, spec| {
        let project = project.into();
        match world.ask(Command::DefinePipeline { project, spec }).unwrap() {
            Reply::Pipeline(id, _) => id,
            other => panic!("not {other:?}"),
        }
    };
    let used = |world: &mut World, project: &str| {
        let named = PipelineRef::Named("story".into());
        let submission = Submission::new(named, vec![text("x")]);
        let made = world.submit_batch(Submission { project: project.into(), ..submission })?;
        let batch = world.engine.state().batch(made.batch).unwrap();
        let name = &world.engine.state().project(batch.project).unwrap().name;
        assert_eq!(&**name, project, "whose work it is does not change");
        Ok::<_, Rejection>(batch.pipeline)
    };
    define(&mut world, "lab", pipeline(&["a"]));
    assert_eq!(used(&mut world, "ada").unwrap_err().code, Code::NoSuchPipeline);
    let shared = define(&mut world, "default", pipeline(&["a"]));
    assert_eq!(used(&mut world, "ada").unwrap(), shared);
    let own = define(&mut world, "ada", pipeline(&["a", "b"]));
    assert_eq!(used(&mut world, "ada").unwrap(), own, "its own goes before");
    world.restart();
    assert_eq!(used(&mut world, "default").unwrap(), shared);
}
