//! Devices and sessions: what is leased where, what goes first, and what happens when they fail.

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, Usage};
use gristmill_model::command::{Command, Greeting, Request};
use gristmill_model::device::{SessionSample, SessionState};
use gristmill_model::event::{DeviceEvent, Event, Then};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{Handler, PipelineSpec, SessionSpec, StageSpec};
use gristmill_model::problem::Code;
use gristmill_model::resources::{Capacity, Device, DeviceRequest, Resources};
use gristmill_model::terms::Target;
use gristmill_model::{AttemptId, JobId, Span, WorkerId, limits};

use crate::world::{World, pipeline, stage, success, with_sessions};

fn gpus(count: u32) -> Capacity {
    let devices = (0..count).map(|n| Device::new("gpu", format!("GPU-{n}"), 80)).collect();
    Capacity { devices, ..Capacity::of_cpus(16) }
}

/// A worker with GPUs that runs the sessions `a` and `b`, and programs.
fn mill(world: &mut World, instance: u64, count: u32, prefetch: u32) -> WorkerId {
    world.greet_as(Greeting { prefetch, ..with_sessions(instance, gpus(count)) }).0
}

fn gpu(share: u32, vram: u64) -> Resources {
    let devices = vec![DeviceRequest { kind: "gpu".into(), count: 1, vram, share }];
    Resources { cpus: 0, devices, ..Resources::default() }
}

fn session(name: &str, batch: u32) -> PipelineSpec {
    let spec = SessionSpec { batch, ..SessionSpec::new(name) };
    let stage =
        StageSpec { resources: gpu(1_000, 0), ..StageSpec::new(name, Handler::Session(spec)) };
    PipelineSpec { name: name.into(), stages: vec![stage] }
}

fn devices_of(world: &World, job: JobId) -> Vec<u16> {
    let attempt = world.attempt_of(job);
    let worker = world.engine.state().attempt(attempt).unwrap().worker;
    let booking = &world.engine.state().worker(worker).unwrap().booking;
    booking.seat_of(attempt).map(|seat| seat.devices).unwrap_or_default()
}

fn ends(world: &mut World, worker: WorkerId, job: JobId, outcome: Outcome, devices: &[&str]) {
    let attempt = world.attempt_of(job);
    let (usage, devices) = (Usage::default(), devices.iter().map(ToString::to_string).collect());
    world.ask(Command::Report { worker, attempt, outcome, usage, devices }).expect("live");
}

fn done(world: &mut World, worker: WorkerId, job: JobId) {
    ends(world, worker, job, success("flour"), &["GPU-0"]);
}

fn fails(kind: FailureKind, code: &str) -> Outcome {
    Outcome::Failed(Failure::new(kind, code, "as the story goes"))
}

fn is_running(world: &World, job: JobId) -> bool {
    let attempt = world.engine.state().job(job).and_then(|job| job.attempt);
    attempt.is_some_and(|id| world.engine.state().attempt(id).unwrap().running_since.is_some())
}

#[test]
fn a_lease_names_the_devices_and_the_backlog_gets_those_that_come_free() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 2, 4);
    let jobs = world.submit(session("a", 1), &["0", "1", "2"]);
    let job = |n| JobId(jobs.first.0 + n);
    assert_eq!((devices_of(&world, job(0)), devices_of(&world, job(1))), (vec![0], vec![1]));
    assert!(!is_running(&world, job(2)), "it waits at the worker");
    ends(&mut world, mill, job(1), success("flour"), &["GPU-1"]);
    assert_eq!(devices_of(&world, job(2)), [1]);
    world.restart();
    assert_eq!(devices_of(&world, job(2)), [1]);
}

#[test]
fn jobs_of_one_session_share_its_device_and_its_cost() {
    let mut world = World::new();
    mill(&mut world, 1, 1, 0);
    let jobs = world.submit(session("a", 4), &["0", "1", "2", "3", "4"]);
    let running = (0..5).filter(|n| is_running(&world, JobId(jobs.first.0 + n))).count();
    assert_eq!(running, 4);
    let other = world.submit(session("b", 4), &["0"]);
    assert!(!is_running(&world, other.first), "the device is one session's at a time");
}

#[test]
fn work_goes_to_the_worker_whose_session_is_hot() {
    let mut world = World::new();
    let (first, second) = (mill(&mut world, 1, 1, 0), mill(&mut world, 2, 1, 0));
    let a = world.submit(session("a", 1), &["0"]).first;
    assert_eq!(world.engine.state().attempt(world.attempt_of(a)).unwrap().worker, first);
    let b = world.submit(session("b", 1), &["0"]).first;
    assert_eq!(world.engine.state().attempt(world.attempt_of(b)).unwrap().worker, second);
    done(&mut world, first, a);
    done(&mut world, second, b);
    let again = world.submit(session("b", 1), &["1"]).first;
    assert_eq!(world.engine.state().attempt(world.attempt_of(again)).unwrap().worker, second);
}

#[test]
fn a_hot_session_is_fed_first_but_not_for_ever() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 1, 0);
    let a: Vec<_> = (0..20).map(|_| world.submit(session("a", 1), &["x"]).first).collect();
    let b = world.submit(session("b", 1), &["x"]).first;
    let more: Vec<_> = (0..20).map(|_| world.submit(session("a", 1), &["x"]).first).collect();
    for job in a {
        done(&mut world, mill, job);
    }
    assert!(is_running(&world, more[0]), "it is younger, but its session is there");
    world.pass(Span::seconds(9));
    done(&mut world, mill, more[0]);
    assert!(is_running(&world, more[1]));
    world.pass(Span::seconds(2));
    done(&mut world, mill, more[1]);
    assert!(is_running(&world, b), "it has let others go first for long enough");
    done(&mut world, mill, b);
    // Now the session of `b` is hot; nothing of it waits, so `a` begins at once.
    assert!(is_running(&world, more[2]));
}

#[test]
fn what_loading_costs_decides_how_long_a_hot_session_is_fed() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 1, 0);
    let sample = |name: &str, load| SessionSample {
        name: name.into(),
        devices: vec!["GPU-0".into()],
        state: SessionState::Idle,
        vram: None,
        calls: 1,
        load: Some(load),
    };
    let sessions = vec![sample("b", Span::seconds(30))];
    world.ask(Command::Sample { worker: mill, devices: Vec::new(), sessions }).unwrap();
    let first = world.submit(session("a", 1), &["x"]).first;
    let b = world.submit(session("b", 1), &["x"]).first;
    let more: Vec<_> = (0..3).map(|_| world.submit(session("a", 1), &["x"]).first).collect();
    world.pass(Span::seconds(5));
    done(&mut world, mill, first);
    assert!(is_running(&world, more[0]));
    // The lease must live on.
    for _ in 0..11 {
        world.pass(Span::seconds(10));
        world.ask(Command::Heartbeat { worker: mill }).unwrap();
    }
    done(&mut world, mill, more[0]);
    assert!(is_running(&world, more[1]), "four times thirty seconds are not over");
    world.pass(Span::seconds(6));
    done(&mut world, mill, more[1]);
    assert!(is_running(&world, b));
}

#[test]
fn who_comes_from_the_stage_before_makes_nobody_wait_anew_behind_a_hot_session() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 1, 0);
    let runs = world.submit(session("a", 1), &["x"]).first;
    let mut clean = session("b", 1);
    clean.stages.insert(0, stage("clean"));
    let slow = world.submit(clean, &["slow", "fast"]).first;
    let fast = JobId(slow.0 + 1);
    let more: Vec<_> = (0..3).map(|_| world.submit(session("a", 1), &["x"]).first).collect();
    ends(&mut world, mill, fast, success("flour"), &[]);
    let since = world.now;
    world.pass(Span::seconds(9));
    ends(&mut world, mill, slow, success("flour"), &[]);
    let told = world.engine.explain(world.at(), slow).unwrap();
    let courtesy = told.workers[0].gives_way.clone().expect("nobody has waited for long enough");
    assert_eq!(courtesy.until, since + limits::HOT_PATIENCE_LEAST);
    done(&mut world, mill, runs);
    assert!(is_running(&world, more[0]));
    world.pass(Span::seconds(2));
    done(&mut world, mill, more[0]);
    assert!(is_running(&world, slow), "it has just come, but `fast` stands behind it");
    done(&mut world, mill, slow);
    assert!(is_running(&world, fast));
}

#[test]
fn who_comes_back_makes_no_other_line_wait_anew_behind_a_hot_session() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 1, 0);
    let runs = world.submit(session("a", 1), &["x"]).first;
    let back = world.submit(session("b", 1), &["x"]).first;
    let more: Vec<_> = (0..2).map(|_| world.submit(session("a", 1), &["x"]).first).collect();
    let same = PipelineSpec { name: "same".into(), ..session("b", 1) };
    let waits = world.submit(same, &["x"]).first;
    let last = world.submit(session("a", 1), &["x"]).first;
    world.ask(Command::Hold(Target::Job(back))).unwrap();
    world.pass(Span::seconds(11));
    world.ask(Command::Release(Target::Job(back))).unwrap();
    done(&mut world, mill, runs);
    assert!(is_running(&world, more[0]), "it goes before `waits` anyway");
    done(&mut world, mill, more[0]);
    done(&mut world, mill, more[1]);
    assert!(is_running(&world, back) && !is_running(&world, last), "`waits` has waited");
    done(&mut world, mill, back);
    assert!(is_running(&world, waits));
}

#[test]
fn priority_goes_before_warmth() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 1, 0);
    let first = world.submit(session("a", 1), &["x"]).first;
    let a = world.submit(session("a", 1), &["x"]).first;
    let job = JobSpec { priority: Some(1), ..JobSpec::of(Payload::Text("x".into())) };
    let b = world.submit_jobs(session("b", 1), vec![job], None).unwrap().first;
    done(&mut world, mill, first);
    assert!(is_running(&world, b) && !is_running(&world, a));
}

#[test]
fn want_of_memory_is_tried_once_more_and_then_apart() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 2, 4);
    let jobs = world.submit(session("a", 2), &["0", "1"]);
    let (first, second) = (jobs.first, JobId(jobs.first.0 + 1));
    assert_eq!(devices_of(&world, first), devices_of(&world, second), "one call, two jobs");
    ends(&mut world, mill, first, fails(FailureKind::OutOfMemory, "out_of_memory"), &["GPU-0"]);
    assert_eq!(world.last_failure().1, Then::Requeue);
    assert!(is_running(&world, first));
    assert_ne!(devices_of(&world, first), devices_of(&world, second), "it wants no company");
    ends(&mut world, mill, first, fails(FailureKind::OutOfMemory, "out_of_memory"), &["GPU-1"]);
    assert_eq!(world.state(first), JobState::Failed);
    world.ask(Command::RetryJob(first)).unwrap();
    assert!(!world.engine.state().job(first).unwrap().keeps_apart(), "a person clears its name");
}

#[test]
fn three_dead_sessions_quarantine_the_job_and_not_the_worker() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 1, 0);
    let job = world.submit(session("a", 4), &["poison"]).first;
    for _ in 0..2 {
        ends(&mut world, mill, job, fails(FailureKind::Lost, "session_lost"), &["GPU-0"]);
        assert!(is_running(&world, job));
    }
    ends(&mut world, mill, job, fails(FailureKind::Lost, "session_lost"), &["GPU-0"]);
    assert_eq!(world.state(job), JobState::Failed);
    let failure = world.last_failure().0;
    assert_eq!(failure.code, "quarantined");
    assert!(failure.message.starts_with("3 workers or sessions died"), "{}", failure.message);
    assert!(world.engine.state().worker(mill).unwrap().devices[0].quarantined.is_none());
}

#[test]
fn a_device_that_fails_under_three_jobs_is_out_of_service_until_it_is_returned() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 2, 0);
    let sticky = || fails(FailureKind::Device, "cuda_700");
    let one = world.submit(session("a", 1), &["one"]).first;
    assert_eq!(devices_of(&world, one), [0]);
    ends(&mut world, mill, one, sticky(), &["GPU-0"]);
    assert_eq!(devices_of(&world, one), [1], "it does better elsewhere");
    for _ in 0..2 {
        ends(&mut world, mill, one, sticky(), &["GPU-0"]);
    }
    assert_eq!(world.state(one), JobState::Failed, "one job alone condemns no device");
    assert!(world.engine.state().worker(mill).unwrap().devices[0].quarantined.is_none());
    let jobs = world.submit(session("a", 1), &["two", "three"]);
    ends(&mut world, mill, jobs.first, sticky(), &["GPU-0"]);
    ends(&mut world, mill, JobId(jobs.first.0 + 1), sticky(), &["GPU-0"]);
    let health = &world.engine.state().worker(mill).unwrap().devices[0];
    let (reason, by) = health.quarantined.clone().expect("it failed under three");
    assert_eq!(by, Actor::SERVER);
    assert!(reason.starts_with("it failed under j1, j2, j3 in a row"), "{reason}");
    assert_eq!(devices_of(&world, jobs.first), [1], "the other serves on");

    let back = Command::SetDevice { worker: mill, device: "GPU-0".into(), quarantined: None };
    let by_worker = Request { actor: Actor::worker(mill), command: back.clone() };
    let mut out = Vec::new();
    world.engine.handle(world.now.into(), by_worker, &mut out).unwrap();
    assert!(out.is_empty(), "a worker does not overrule the server");
    world.ask(back).unwrap();
    assert!(matches!(
        world.log.iter().rev().find(|r| r.event.name().starts_with("device")).unwrap().event,
        Event::Device(DeviceEvent::Returned { .. })
    ));
    assert!(is_running(&world, jobs.first) && is_running(&world, JobId(jobs.first.0 + 1)));
}

#[test]
fn a_device_out_of_service_is_named_by_explain() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 1, 4);
    let set = |device: &str, why: &str| Command::SetDevice {
        worker: mill,
        device: device.into(),
        quarantined: Some(why.into()),
    };
    world.ask(set("GPU-0", "it fell off the bus")).unwrap();
    let job = world.submit(session("a", 1), &["x"]).first;
    assert_eq!(world.state(job), JobState::Queued);
    let told = world.engine.explain(world.at(), job).unwrap();
    assert!(told.summary.contains("GPU-0 is out of service: it fell off the bus"), "{told:?}");
    let unknown = world.ask(set("GPU-9", "?")).unwrap_err();
    assert_eq!(unknown.code, Code::NoSuchDevice);
    assert!(unknown.detail.ends_with("it has GPU-0"));
}

#[test]
fn what_can_never_fit_any_device_is_refused_at_once() {
    let mut world = World::new();
    mill(&mut world, 1, 2, 0);
    let mut huge = session("a", 1);
    huge.stages[0].resources = gpu(0, 200);
    let refused = world.submit_jobs(huge.clone(), vec![JobSpec::of(Payload::empty())], None);
    let refused = refused.unwrap_err();
    assert_eq!(refused.code, Code::NeverFits);
    assert!(
        refused.detail.contains("needs 200 bytes of memory on device gpu, has 80"),
        "{refused:?}"
    );
    huge.stages[0].alternatives = vec![Resources::default()];
    world.submit(huge, &["a CPU will do"]);
    let mut programs = pipeline(&["one"]);
    programs.stages[0].resources = gpu(1_000, 0);
    programs.stages[0].resources.devices[0].count = 3;
    let refused = world.submit_jobs(programs, vec![JobSpec::of(Payload::empty())], None);
    assert_eq!(refused.unwrap_err().code, Code::NeverFits);
}

#[test]
fn what_was_measured_makes_room_for_more() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 1, 0);
    let mut half = session("a", 1);
    half.stages[0].resources = gpu(0, 60);
    let jobs = world.submit(half, &["0", "1"]);
    let second = JobId(jobs.first.0 + 1);
    assert!(is_running(&world, jobs.first) && !is_running(&world, second));
    let session = "a".to_owned();
    world.ask(Command::Measure { worker: mill, session: session.clone(), vram: 30 }).unwrap();
    assert!(is_running(&world, second), "two of what it really takes fit");
    let before = world.log.len();
    world.ask(Command::Measure { worker: mill, session, vram: 30 }).unwrap();
    assert_eq!(world.log.len(), before, "nothing new, nothing said");
}

#[test]
fn parts_of_results_pass_by_and_leave_nothing() {
    let mut world = World::new();
    let mill = mill(&mut world, 1, 1, 0);
    let job = world.submit(session("a", 1), &["x"]).first;
    let attempt = world.attempt_of(job);
    let part = |attempt, value: String| Command::Partial { worker: mill, attempt, index: 0, value };
    let before = world.log.len();
    world.ask(part(attempt, "1".into())).unwrap();
    assert_eq!(world.log.len(), before);
    assert_eq!(world.ask(part(AttemptId(99), "1".into())).unwrap_err().code, Code::StaleAttempt);
    let long = "1".repeat(gristmill_model::limits::INLINE_BYTES + 1);
    assert_eq!(world.ask(part(attempt, long)).unwrap_err().code, Code::TooLarge);
}

#[test]
fn inputs_are_held_against_what_the_first_stage_takes() {
    let mut world = World::new();
    mill(&mut world, 1, 1, 0);
    let mut pipeline = session("a", 1);
    let signature = r#"{"input":{"type":"object","properties":{"prompt":{"type":"string"},
        "steps":{"type":"integer"}},"required":["prompt"],"additionalProperties":false},"output":{}}"#;
    if let Handler::Session(spec) = &mut pipeline.stages[0].handler {
        spec.signature = Some(signature.into());
    }
    let job = |json: &str| JobSpec::of(Payload::Json(json.into()));
    let good = job(r#"{"prompt":"rye","steps":3}"#);
    let before = world.log.len();
    let jobs = vec![good.clone(), job(r#"{"prompt":"rye","stepps":3}"#)];
    let refused = world.submit_jobs(pipeline.clone(), jobs, None).unwrap_err();
    assert_eq!((refused.code, world.log.len()), (Code::InvalidInput, before));
    assert!(refused.detail.starts_with("jobs[1]: input `stepps`: there is no such parameter"));
    let text = JobSpec::of(Payload::Text("rye".into()));
    let jobs = world.submit_jobs(pipeline, vec![good, text], None).unwrap();
    assert_eq!(jobs.count, 2);
}
