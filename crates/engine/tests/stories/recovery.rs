//! Recovery, by property: whatever is asked in whatever order, replay equals live, a rejection
//! changes nothing and the invariants hold (all three are checked by the world at every step).

use gristmill_model::attempt::FailureKind;
use gristmill_model::command::{Command, PipelineRef, Submission};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::scope::{Flow, Limit};
use gristmill_model::source::Source;
use gristmill_model::terms::{Dependency, Target, Terms, When};
use gristmill_model::{AttemptId, BatchId, JobId, JobRun, Span, WorkerId};
use proptest::prelude::*;

use crate::world::{World, failure, pipeline, success};

#[derive(Debug, Clone)]
enum Step {
    Submit(u8),
    Greet(u8),
    Succeed(u8, u8),
    Fail(u8, u8, u8),
    CancelJob(u8),
    CancelBatch(u8),
    Retry(u8),
    Drain(u8),
    Leave(u8),
    Disconnect(u8),
    Prefetch(u8, u8),
    Pass(u16),
    Special(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let small = 0..6u8;
    prop_oneof![
        (1..5u8).prop_map(Step::Submit),
        small.clone().prop_map(Step::Greet),
        (small.clone(), 0..30u8).prop_map(|(w, a)| Step::Succeed(w, a)),
        (small.clone(), 0..30u8, 0..5u8).prop_map(|(w, a, kind)| Step::Fail(w, a, kind)),
        (0..30u8).prop_map(Step::CancelJob),
        small.clone().prop_map(Step::CancelBatch),
        (0..30u8).prop_map(Step::Retry),
        small.clone().prop_map(Step::Drain),
        small.clone().prop_map(Step::Leave),
        small.clone().prop_map(Step::Disconnect),
        (small, 0..4u8).prop_map(|(w, n)| Step::Prefetch(w, n)),
        (0..20_000u16).prop_map(Step::Pass),
        (0..24u8).prop_map(Step::Special),
        Just(Step::Restart),
    ]
}

fn take(world: &mut World, step: &Step) {
    let worker = |n: u8| WorkerId(u64::from(n));
    let attempt = |n: u8| AttemptId(u64::from(n));
    let _ = match step {
        Step::Submit(n) => {
            let inputs = vec!["x"; usize::from(*n)];
            let stages: &[&str] = if n % 2 == 0 { &["a", "b"] } else { &["a"] };
            let jobs = inputs.iter().map(|input| JobSpec::of(Payload::Text((*input).into())));
            return drop(world.submit_jobs(pipeline(stages), jobs.collect(), None));
        }
        Step::Greet(n) => {
            let instance = u64::from(*n) + 1;
            let state = world.engine.state();
            let known = state.workers().find(|(_, worker)| worker.instance == instance);
            let holds: Vec<_> = known
                .map(|(_, w)| w.attempts.iter().copied().skip(1).collect())
                .unwrap_or_default();
            world.greet(instance, u32::from(*n % 3) + 1, &holds);
            return;
        }
        Step::Pass(ms) => return world.pass(Span::millis(u64::from(*ms))),
        Step::Special(n) => return special(world, *n),
        Step::Restart => return world.restart(),
        Step::Succeed(w, a) => world.report(worker(*w), attempt(*a), success("out")),
        Step::Fail(w, a, kind) => {
            world.report(worker(*w), attempt(*a), failure(FailureKind::ALL[usize::from(*kind)]))
        }
        Step::CancelJob(n) => world.ask(Command::CancelJob(JobId(u64::from(*n)))),
        Step::CancelBatch(n) => world.ask(Command::CancelBatch(BatchId(u64::from(*n)))),
        Step::Retry(n) => world.ask(Command::RetryJob(JobId(u64::from(*n)))),
        Step::Drain(n) => world.ask(Command::Drain(worker(*n))),
        Step::Leave(n) => world.ask(Command::Leave(worker(*n))),
        Step::Disconnect(n) => world.ask(Command::Disconnect(worker(*n))),
        Step::Prefetch(n, prefetch) => {
            world.ask(Command::SetPrefetch { worker: worker(*n), prefetch: u32::from(*prefetch) })
        }
    };
}

/// What is asked more seldom: ranges, terms, scopes, projects.
fn special(world: &mut World, n: u8) {
    let (small, odd) = (u64::from(n % 6), n % 2 == 1);
    let target = if odd { Target::Job(JobId(small)) } else { Target::Batch(BatchId(small)) };
    let scope = ["project", "pipeline:story", "stage:story/b", "key:k"][usize::from(n % 4)];
    let (project, scope) = (["default", "lab"][usize::from(odd)].into(), scope.parse().unwrap());
    let _ = match n {
        0..5 => {
            let terms = Terms {
                start_at: (n == 1).then(|| world.now + Span::seconds(3)),
                expires_at: (n == 2).then(|| world.now + Span::seconds(4)),
                deadline: (n == 3).then(|| world.now + Span::seconds(5)),
                held: n == 4,
                limit_key: odd.then(|| "k".into()),
                ..Terms::default()
            };
            world.submit_batch(range(project, terms))
        }
        5..9 => {
            let when = [When::Succeeded, When::Failed, When::Finished][usize::from(n % 3)];
            let after = vec![Dependency { on: target, when }];
            world.submit_batch(range(project, Terms { after, ..Terms::default() }))
        }
        9..12 => return drop(world.ask(Command::Hold(target))),
        12..15 => return drop(world.ask(Command::Release(target))),
        15..18 => {
            let limit = Limit { concurrency: odd.then_some(1), rate: "2/1s".parse().ok() };
            return drop(world.ask(Command::SetLimit { project, scope, limit }));
        }
        18..20 => {
            let limit = Limit::default();
            return drop(world.ask(Command::SetLimit { project, scope, limit }));
        }
        20..23 => {
            let flow = [Flow::Open, Flow::Paused, Flow::Draining][usize::from(n % 3)];
            return drop(world.ask(Command::SetFlow { project, scope, flow }));
        }
        _ => {
            let whole = vec![JobRun { first: JobId(1), count: 40 }];
            return drop(world.ask(Command::RetryJobs(whole)));
        }
    };
}

fn range(project: String, terms: Terms) -> Submission {
    let range = Some(Source::Numbers { first: 1, last: 5, step: 1 });
    let pipeline = PipelineRef::Inline(pipeline(&["a", "b"]));
    Submission { project, terms, range, ..Submission::new(pipeline, vec![]) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn replay_equals_live_whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        steps.iter().for_each(|step| take(&mut world, step));
    }
}
