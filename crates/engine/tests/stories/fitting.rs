//! What fits where: alternatives, named resources, labels, and what can never fit.

use std::collections::BTreeMap;

use gristmill_model::command::{Command, Greeting, PipelineRef, Reply, Submission};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::problem::Code;
use gristmill_model::resources::{Capacity, Resources, WorkerShape};
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{JobId, WorkerId};

use crate::world::{World, pipeline, success};

fn named(pairs: &[(&str, u32)]) -> BTreeMap<String, u32> {
    pairs.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect()
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn join(world: &mut World, capacity: Capacity, labels: BTreeMap<String, String>) -> WorkerId {
    let instance = world.engine.state().workers().count() as u64 + 500;
    let mut description = WorkerDescription::new("fitted", &["command"], capacity);
    description.shape.labels = labels;
    let greeting = Greeting::new(instance, description);
    match world.ask(Command::Greet(Box::new(greeting))).unwrap() {
        Reply::Welcome { worker, .. } => worker,
        other => panic!("{other:?}"),
    }
}

fn of(change: impl FnOnce(&mut gristmill_model::pipeline::StageSpec)) -> PipelineSpec {
    let mut spec = pipeline(&["a"]);
    change(&mut spec.stages[0]);
    spec
}

fn held_by(world: &World, job: JobId) -> (WorkerId, u8) {
    let attempt = world.engine.state().attempt(world.attempt_of(job)).unwrap();
    (attempt.worker, attempt.alternative)
}

#[test]
fn named_resources_are_shared_whole_and_in_part() {
    let mut world = World::new();
    let capacity = Capacity { named: named(&[("licence", 2_000)]), ..Capacity::of_cpus(8) };
    let worker = join(&mut world, capacity, BTreeMap::new());
    let spec = of(|stage| stage.resources.named = named(&[("licence", 500)]));
    let made = world.submit(spec, &["x"; 6]);
    assert_eq!(world.engine.state().attempts().count(), 4, "four halves of two");
    world.report(worker, world.attempt_of(made.first), success("")).unwrap();
    assert_eq!(world.engine.state().attempts().count(), 4);
}

#[test]
fn an_alternative_is_taken_where_the_preferred_is_not_to_be_had() {
    let mut world = World::new();
    let small = join(&mut world, Capacity::of_cpus(8), BTreeMap::new());
    let tpu = Capacity { named: named(&[("tpu", 1_000)]), ..Capacity::of_cpus(1) };
    let special = join(&mut world, tpu, BTreeMap::new());
    let spec = of(|stage| {
        let tpu = Resources { named: named(&[("tpu", 1_000)]), ..Resources::default() };
        stage.resources = tpu;
        stage.alternatives = vec![Resources { cpus: 8_000, ..Resources::default() }];
    });
    let made = world.submit(spec, &["x", "y", "z"]);
    assert_eq!(held_by(&world, made.first), (special, 0));
    assert_eq!(held_by(&world, JobId(made.first.0 + 1)), (small, 1));
    assert_eq!(world.state(JobId(made.first.0 + 2)), JobState::Queued);
    let frames = gristmill_engine::link::frames(&world.engine, &world.log);
    let booked: Vec<u32> = frames
        .into_iter()
        .filter_map(|(_, frame)| match frame {
            gristmill_model::wire::ToWorker::Run(run) => Some(run[0].resources.cpus),
            _ => None,
        })
        .collect();
    assert_eq!(booked, [1_000, 8_000], "the worker books what was leased");
}

#[test]
fn a_required_label_is_had_or_not_and_a_preferred_one_tips_the_scales() {
    let mut world = World::new();
    let plain = join(&mut world, Capacity::of_cpus(4), BTreeMap::new());
    let fast = join(&mut world, Capacity::of_cpus(2), labels(&[("disk", "fast")]));
    let wants = world.submit(of(|s| s.prefers = labels(&[("disk", "fast")])), &["x"; 3]);
    assert_eq!(held_by(&world, wants.first).0, fast);
    assert_eq!(held_by(&world, JobId(wants.first.0 + 1)).0, fast);
    assert_eq!(held_by(&world, JobId(wants.first.0 + 2)).0, plain, "better than waiting");
    let needs = world.submit(of(|s| s.requires = labels(&[("disk", "fast")])), &["x"]).first;
    assert_eq!(world.state(needs), JobState::Queued);
    let explained = world.engine.explain(world.at(), needs).unwrap();
    assert_eq!(explained.workers[0].reason, "it has no label disk=fast");
    world.report(fast, world.attempt_of(wants.first), success("")).unwrap();
    assert_eq!(held_by(&world, needs).0, fast);
}

#[test]
fn what_fits_on_no_worker_known_is_flagged_and_taken() {
    let mut world = World::new();
    let huge = of(|stage| stage.resources.cpus = 64_000);
    assert!(world.submit(huge.clone(), &["x"]).warnings.is_empty(), "nobody is known yet");
    world.worker(2);
    let made = world.submit(huge, &["x"]);
    assert!(made.warnings[0].contains("needs 64 cpus, has 2"), "{:?}", made.warnings);
    let explained = world.engine.explain(world.at(), made.first).unwrap();
    assert!(explained.summary.contains("worker w1: needs 64 cpus, has 2"), "{}", explained.summary);
    assert_eq!(explained.would_help, ["a worker that runs `command` and has 64 cpus"]);
}

#[test]
fn what_fits_on_no_worker_declared_is_refused() {
    let mut world = World::new();
    let shape = WorkerShape {
        capacity: Capacity::of_cpus(32),
        handlers: vec!["command".into()],
        labels: BTreeMap::new(),
        shared_disk: false,
    };
    let declare = |shape| Command::DeclareWorker { name: "big".into(), shape };
    world.ask(declare(Some(shape))).unwrap();
    let submit = |world: &mut World, cpus| {
        let spec = of(|stage| stage.resources.cpus = cpus);
        let jobs = vec![JobSpec::of(Payload::empty())];
        world.submit_batch(Submission::new(PipelineRef::Inline(spec), jobs))
    };
    assert!(submit(&mut world, 32_000).unwrap().warnings.is_empty());
    let refused = submit(&mut world, 33_000).unwrap_err();
    assert_eq!(refused.code, Code::NeverFits);
    assert!(refused.detail.contains("declared worker big"), "{}", refused.detail);
    world.ask(declare(None)).unwrap();
    submit(&mut world, 33_000).expect("nothing is declared any more");
}

#[test]
fn the_nearest_worker_is_the_one_that_has_the_most_of_it() {
    let mut world = World::new();
    world.worker(2);
    let declare = |name: &str, capacity| Command::DeclareWorker {
        name: name.into(),
        shape: Some(WorkerShape {
            capacity,
            handlers: vec!["command".into()],
            labels: BTreeMap::new(),
            shared_disk: false,
        }),
    };
    let nothing = world.ask(declare("none", Capacity::of_cpus(0))).unwrap_err();
    assert!(nothing.detail.contains("at least one resource above 0"), "{}", nothing.detail);
    world.ask(declare("big-1", Capacity::of_cpus(32))).unwrap();
    let submit = |world: &mut World, cpus| {
        let spec = of(|stage| stage.resources.cpus = cpus);
        let jobs = vec![JobSpec::of(Payload::empty())];
        world.submit_batch(Submission::new(PipelineRef::Inline(spec), jobs))
    };
    let refused = submit(&mut world, 40_000).unwrap_err().detail;
    assert!(refused.contains("the nearest, declared worker big-1: needs 40 cpus"), "{refused}");
    let fits = submit(&mut world, 20_000).unwrap().first;
    let explained = world.engine.explain(world.at(), fits).unwrap();
    assert_eq!(explained.would_help, ["declared worker big-1, once it is connected"]);
    assert_eq!(explained.estimated_start, None);
}

#[test]
fn resources_that_are_badly_named_or_too_many_are_turned_away() {
    let mut world = World::new();
    let bad = named(&[("a b", 1_000)]);
    let spec = of(|stage| {
        stage.alternatives = vec![Resources { named: bad.clone(), ..Resources::default() }];
    });
    let jobs = vec![JobSpec::of(Payload::empty())];
    let submission = Submission::new(PipelineRef::Inline(spec), jobs);
    let refused = world.ask(Command::Submit(Box::new(submission))).unwrap_err();
    assert_eq!(refused.code, Code::InvalidPipeline);
    assert!(refused.detail.contains("stage `a`: `a b` is not a resource name"), "{refused}");

    let shape = WorkerShape {
        capacity: Capacity { named: bad, ..Capacity::of_cpus(1) },
        handlers: vec!["command".into()],
        labels: BTreeMap::new(),
        shared_disk: false,
    };
    let declare = Command::DeclareWorker { name: "odd".into(), shape: Some(shape) };
    let refused = world.ask(declare).unwrap_err();
    assert_eq!(refused.code, Code::InvalidRequest);
    assert!(refused.detail.contains("`a b` is not a resource name"), "{refused}");
}

/// How many leases went to another worker than the one before them.
fn changes_of_worker(cpus: u32, jobs: usize) -> usize {
    let mut world = World::new();
    for _ in 0..2 {
        join(&mut world, Capacity::of_cpus(cpus), labels(&[]));
    }
    world.submit(pipeline(&["a"]), &vec!["x"; jobs]);
    let holders: Vec<WorkerId> =
        (1..=jobs as u64).map(|job| held_by(&world, JobId(job)).0).collect();
    let of_first = holders.iter().filter(|worker| **worker == holders[0]).count();
    let apart = of_first.abs_diff(jobs - of_first);
    assert!(apart <= (cpus as usize / 64), "one has {apart} more than the other");
    holders.windows(2).filter(|two| two[0] != two[1]).count()
}

#[test]
fn small_workers_are_dealt_jobs_one_by_one_and_large_ones_a_few_at_a_time() {
    assert_eq!(changes_of_worker(16, 32), 31, "one by one");
    // Of 1,024 CPUs steps of 16 are told apart.
    assert!(changes_of_worker(1_024, 256) <= 256 / 16 + 1);
}
