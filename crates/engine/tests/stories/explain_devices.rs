//! Explanations of jobs that want devices: what is free, what is wanted, who has the rest, and who
//! goes first.

use gristmill_model::api::{DeviceVerdict, Explanation, Holder, WorkerVerdict};
use gristmill_model::attempt::Usage;
use gristmill_model::command::{Command, PipelineRef, Submission};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{Handler, PipelineSpec, SessionSpec, StageSpec};
use gristmill_model::problem::Code;
use gristmill_model::resources::{Capacity, Device, DeviceRequest, Resources};
use gristmill_model::{JobId, Span, WorkerId, limits};

use crate::world::{World, pipeline, success, with_sessions};

const GIB: u64 = 1 << 30;

/// A worker with GPUs of 48 GiB that runs the sessions `a` and `b`, and programs.
fn mill(world: &mut World, gpus: u32) -> WorkerId {
    let instance = world.engine.state().workers().count() as u64 + 1;
    let id = |n| format!("GPU-{instance}{n}");
    let devices = (0..gpus).map(|n| Device::new("gpu", id(n), 48 * GIB)).collect();
    let capacity = Capacity { devices, ..Capacity::of_cpus(16) };
    world.greet_as(with_sessions(instance, capacity)).0
}

fn gpu(count: u32, share: u32, gib: u64) -> Resources {
    let wish = DeviceRequest { kind: "gpu".into(), count, vram: gib * GIB, share };
    Resources { cpus: 0, devices: vec![wish], ..Resources::default() }
}

fn session(name: &str, batch: u32, resources: Resources) -> PipelineSpec {
    let spec = SessionSpec { batch, ..SessionSpec::new(name) };
    let stage = StageSpec { resources, ..StageSpec::new(name, Handler::Session(spec)) };
    PipelineSpec { name: name.into(), stages: vec![stage] }
}

fn program(resources: Resources) -> PipelineSpec {
    let mut spec = pipeline(&["grind"]);
    spec.stages[0].resources = resources;
    spec
}

fn explain(world: &World, job: JobId) -> Explanation {
    world.engine.explain(world.at(), job).unwrap()
}

fn only(explained: &Explanation) -> &WorkerVerdict {
    let [only] = &explained.workers[..] else { panic!("{explained:?}") };
    only
}

fn device(explained: &Explanation) -> &DeviceVerdict {
    let [device] = &only(explained).devices[..] else { panic!("{explained:?}") };
    device
}

fn done(world: &mut World, worker: WorkerId, job: JobId) {
    let (attempt, outcome, usage) = (world.attempt_of(job), success("flour"), Usage::default());
    let devices = Vec::new();
    world.ask(Command::Report { worker, attempt, outcome, usage, devices }).expect("live");
}

#[test]
fn it_says_how_much_is_free_how_much_is_wanted_and_who_has_the_rest() {
    let mut world = World::new();
    mill(&mut world, 1);
    let holds = world.submit(program(gpu(1, 0, 18)), &["x"]).first;
    let waits = world.submit(program(gpu(1, 0, 40)), &["x"]).first;
    let told = explain(&world, waits);
    let reason = "it is busy: 1 running, 0 waiting; GPU-10: 30 of 48 GiB free, 40 GiB wanted";
    assert_eq!(only(&told).reason, reason);
    assert_eq!(told.summary, format!("it is the next of its project, and worker w1: {reason}"));
    let gpu = device(&told);
    assert!(!gpu.fits);
    assert_eq!(gpu.reason, "30 of 48 GiB free, 40 GiB wanted");
    assert_eq!((gpu.free_vram, gpu.wanted_vram, gpu.vram), (30 * GIB, 40 * GIB, 48 * GIB));
    assert_eq!((gpu.free_share, gpu.wanted_share), (1_000, 0));
    let (session, jobs) = (None, vec![holds]);
    let vram = 18 * GIB;
    let holder = Holder { session, pinned: false, jobs, more_jobs: 0, share: 0, vram };
    assert_eq!((&gpu.held_by[..], gpu.more_holders, &gpu.hot), (&[holder][..], 0, &None));
}

#[test]
fn sessions_are_named_with_those_who_sit_there_and_what_was_measured() {
    let mut world = World::new();
    let mill = mill(&mut world, 1);
    let mut pinned = session("a", 12, gpu(1, 0, 20));
    if let Handler::Session(spec) = &mut pinned.stages[0].handler {
        spec.pinned = true;
    }
    let jobs = world.submit(pinned, &["x"; 12]);
    let waits = world.submit(program(gpu(1, 1_000, 0)), &["x"]).first;
    let told = explain(&world, waits);
    assert_eq!(device(&told).reason, "all of it is wanted, and a part is taken");
    let holder = &device(&told).held_by[0];
    assert_eq!((holder.session.as_deref(), holder.pinned), (Some("a"), true));
    assert_eq!((holder.jobs.len(), holder.more_jobs), (limits::HOLDERS_NAMED, 4));

    let measure = Command::Measure { worker: mill, session: "a".into(), vram: 25 * GIB };
    world.ask(measure).unwrap();
    (0..12).for_each(|n| done(&mut world, mill, JobId(jobs.first.0 + n)));
    let told = explain(&world, waits);
    let holder = &device(&told).held_by[0];
    assert_eq!((holder.jobs.len(), holder.vram), (0, 25 * GIB), "idle, and it stays");
}

#[test]
fn of_many_devices_those_with_the_most_room_are_named_and_the_rest_is_counted() {
    let mut world = World::new();
    mill(&mut world, 20);
    world.submit(program(gpu(1, 0, 30)), &["x"; 19]);
    world.submit(program(gpu(1, 0, 20)), &["x"]);
    let waits = world.submit(program(gpu(1, 0, 40)), &["x"]).first;
    let told = explain(&world, waits);
    let (shown, more) = (only(&told).devices.len(), only(&told).more_devices);
    assert_eq!((shown, more), (limits::DEVICES_EXPLAINED, 20 - limits::DEVICES_EXPLAINED as u64));
    assert_eq!(only(&told).devices[0].free_vram, 28 * GIB);
    let short = "none of 20 devices has room; GPU-119: 28 of 48 GiB free, 40 GiB wanted";
    assert!(only(&told).reason.ends_with(short), "{}", only(&told).reason);
}

#[test]
fn who_wants_two_devices_hears_that_one_is_free() {
    let mut world = World::new();
    mill(&mut world, 2);
    world.submit(program(gpu(1, 1_000, 0)), &["x"]);
    let waits = world.submit(program(gpu(2, 1_000, 0)), &["x"]).first;
    let told = explain(&world, waits);
    let short = "1 of 2 devices free; GPU-10: all of it is wanted, and a part is taken";
    assert!(only(&told).reason.ends_with(short), "{}", only(&told).reason);
    let fits: Vec<bool> = only(&told).devices.iter().map(|device| device.fits).collect();
    assert_eq!(fits, [true, false]);
}

#[test]
fn where_devices_are_free_and_cpus_are_not_it_says_cpus() {
    let mut world = World::new();
    mill(&mut world, 1);
    let cpus = |cpus| Resources { cpus, ..Resources::default() };
    world.submit(program(cpus(15_500)), &["x"]);
    let waits = world.submit(program(Resources { cpus: 1_000, ..gpu(1, 500, 0) }), &["x"]).first;
    let reason = "it is busy: 1 running, 0 waiting; 0.5 of 16 cpus free, 1 wanted";
    assert_eq!(only(&explain(&world, waits)).reason, reason);
}

#[test]
fn of_several_workers_the_nearest_is_named() {
    let mut world = World::new();
    mill(&mut world, 1);
    mill(&mut world, 1);
    world.submit(program(gpu(1, 0, 30)), &["x"]);
    world.submit(program(gpu(1, 0, 20)), &["x"]);
    let waits = world.submit(program(gpu(1, 0, 40)), &["x"]).first;
    let told = explain(&world, waits).summary;
    let nearest = "none of 2 workers takes it now; the nearest, w2: it is busy: 1 running, 0 \
                   waiting; GPU-20: 28 of 48 GiB free, 40 GiB wanted";
    assert!(told.ends_with(nearest), "{told}");
}

#[test]
fn another_project_that_has_used_less_and_older_work_for_the_same_devices_go_first() {
    let mut world = World::new();
    let mill = mill(&mut world, 1);
    let runs = world.submit(program(gpu(1, 1_000, 0)), &["x"]).first;
    let older = world.submit(session("a", 1, gpu(1, 500, 0)), &["x"]).first;
    world.pass(Span::seconds(5));
    let waits = world.submit(program(gpu(1, 1_000, 0)), &["x"]).first;
    let lab = Submission {
        project: "lab".into(),
        ..Submission::new(
            PipelineRef::Inline(program(gpu(1, 0, 1))),
            vec![JobSpec::of(Payload::empty())],
        )
    };
    let theirs = world.submit_batch(lab).unwrap().first;
    let cpu = world.submit(pipeline(&["one"]), &["x"]).first;
    assert!(world.engine.state().job(cpu).unwrap().attempt.is_some(), "it wants no device");
    let told: Vec<_> = explain(&world, waits)
        .rivals
        .into_iter()
        .map(|rival| (rival.job, rival.project, rival.reason))
        .collect();
    let less = (theirs, "lab".to_owned(), "its project has used less of its share".to_owned());
    let aged = (older, "default".to_owned(), "it is older or more urgent".to_owned());
    // What `lab` has used is reckoned from where the others were when it came.
    assert_eq!(told, [less, aged]);
    let first = explain(&world, theirs);
    assert!(first.rivals.is_empty(), "{:?}", first.rivals);
    done(&mut world, mill, runs);
    let begun = |job| world.engine.state().job(job).unwrap().attempt.is_some();
    assert!(begun(theirs) && begun(older) && !begun(waits), "and so it happens");
}

#[test]
fn who_goes_behind_a_hot_session_hears_of_it_and_until_when() {
    let mut world = World::new();
    let mill = mill(&mut world, 1);
    let a = || session("a", 1, gpu(1, 1_000, 0));
    let runs = world.submit(a(), &["x"]).first;
    world.pass(Span::seconds(1));
    let since = world.now;
    let waits = world.submit(session("b", 1, gpu(1, 1_000, 0)), &["x"]).first;
    assert_eq!(only(&explain(&world, waits)).gives_way, None, "nobody else waits");
    world.pass(Span::seconds(1));
    let younger = world.submit(a(), &["x"]).first;
    let told = explain(&world, waits);
    let courtesy = only(&told).gives_way.clone().expect("its session would drive out another");
    assert_eq!((courtesy.session.as_str(), courtesy.job), ("a", younger));
    assert_eq!(courtesy.until, since + limits::HOT_PATIENCE_LEAST);
    assert_eq!(only(&explain(&world, younger)).gives_way, None, "its own session is there");
    done(&mut world, mill, runs);
    assert!(world.engine.state().job(younger).unwrap().attempt.is_some(), "and so it happens");
    world.pass(limits::HOT_PATIENCE_LEAST);
    assert_eq!(
        only(&explain(&world, waits)).gives_way,
        None,
        "it has been patient for long enough"
    );
}

#[test]
fn a_device_out_of_service_or_taken_by_others_is_told_with_its_reason() {
    let mut world = World::new();
    let mill = mill(&mut world, 1);
    let note =
        |gib| Command::NoteForeignUse { worker: mill, device: "GPU-10".into(), vram: gib * GIB };
    world.ask(note(30)).unwrap();
    let waits = world.submit(program(gpu(1, 0, 20)), &["x"]).first;
    let told = explain(&world, waits);
    assert_eq!(only(&told).reason, "others use 30 of 48 GiB of GPU-10");
    assert_eq!((device(&told).foreign, device(&told).free_vram), (30 * GIB, 18 * GIB));
    assert_eq!(device(&told).reason, "18 of 48 GiB free, 20 GiB wanted");
    world.restart();
    let told = explain(&world, waits);
    assert_eq!(only(&told).reason, "its connection is broken");
    let capacity = world.engine.state().worker(mill).unwrap().booking.capacity().clone();
    world.greet_as(with_sessions(1, capacity));
    assert_eq!(only(&explain(&world, waits)).reason, "others use 30 of 48 GiB of GPU-10");
    let out = Some("the fan is loud".to_owned());
    let set =
        |quarantined| Command::SetDevice { worker: mill, device: "GPU-10".into(), quarantined };
    world.ask(set(out)).unwrap();
    let told = explain(&world, waits);
    assert_eq!(only(&told).reason, "GPU-10 is out of service: the fan is loud");
    assert_eq!(device(&told).reason, "out of service: the fan is loud");
    world.ask(set(None)).unwrap();
    world.ask(note(10)).unwrap();
    assert!(world.engine.state().job(waits).unwrap().attempt.is_some(), "they have left enough");
}

#[test]
fn a_job_in_a_workers_backlog_hears_what_it_waits_for_there() {
    let mut world = World::new();
    let mill = mill(&mut world, 1);
    world.ask(Command::SetPrefetch { worker: mill, prefetch: 2 }).unwrap();
    let holds = world.submit(program(gpu(1, 0, 18)), &["x"]).first;
    let waits = world.submit(program(gpu(1, 0, 40)), &["x", "y"]);
    let (first, second) = (waits.first, JobId(waits.first.0 + 1));
    let told = explain(&world, first);
    let short = "GPU-10: 30 of 48 GiB free, 40 GiB wanted";
    let summary = format!("waits in the worker's backlog on worker w1: {short}");
    assert!(told.summary.ends_with(&summary), "{}", told.summary);
    assert_eq!((only(&told).reason.as_str(), told.ahead), (short, Some(0)));
    assert_eq!(device(&told).held_by[0].jobs, [holds]);
    let told = explain(&world, second);
    assert_eq!(only(&told).reason, "1 job there before it");
    assert_eq!((told.ahead, told.behind), (Some(1), vec![first]));
    assert!(explain(&world, holds).workers.is_empty(), "it has begun");
}

#[test]
fn what_others_use_is_judged_like_all_that_workers_say() {
    let mut world = World::new();
    let mill = mill(&mut world, 1);
    let note =
        |device: &str, vram| Command::NoteForeignUse { worker: mill, device: device.into(), vram };
    assert_eq!(world.ask(note("GPU-9", 1)).unwrap_err().code, Code::NoSuchDevice);
    world.ask(note("GPU-10", u64::MAX)).unwrap();
    let booking = &world.engine.state().worker(mill).unwrap().booking;
    assert_eq!(booking.foreign_on(0), 48 * GIB, "no more than there is");
    let before = world.log.len();
    world.ask(note("GPU-10", 48 * GIB)).unwrap();
    assert_eq!(world.log.len(), before, "nothing new, nothing said");
}

#[test]
fn what_never_fits_is_refused_with_amounts() {
    let mut world = World::new();
    mill(&mut world, 2);
    let refused = |world: &mut World, resources| {
        let jobs = vec![JobSpec::of(Payload::empty())];
        let submission = Submission::new(PipelineRef::Inline(program(resources)), jobs);
        let refused = world.submit_batch(submission).unwrap_err();
        assert_eq!(refused.code, Code::NeverFits);
        refused.detail
    };
    let told = refused(&mut world, gpu(1, 0, 82));
    assert!(told.contains("needs 82 GiB of memory on device gpu, has 48 GiB"), "{told}");
    let told = refused(&mut world, gpu(3, 1_000, 0));
    assert!(told.contains("needs 3 device(s) of kind gpu, has 2 that fit"), "{told}");
    let two = DeviceRequest { vram: 40 * GIB, share: 0, ..DeviceRequest::whole("gpu", 1) };
    let both = Resources { devices: vec![two.clone(), two.clone(), two], ..Resources::default() };
    let told = refused(&mut world, both);
    assert!(told.contains("needs 3 device(s) of kind gpu, has 2 that fit"), "{told}");
}
