//! Stories about the core, told in virtual time. This file is the stage; the stories are beside it.

mod connecting;
mod foreign;
mod leaving;
mod out_of_service;
mod samples;
mod sessions;
mod stopping;
mod talking;
mod working;

use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success, Usage};
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler};
use gristmill_model::resources::{Capacity, Resources};
use gristmill_model::wire::{Assignment, Ended, FromWorker, Stream, ToWorker, Welcome};
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{AttemptId, BatchId, JobId, Span, Time, WorkerId};

use super::{Action, Core, Identity, Input};

/// A core with a clock; `out` holds what the last inputs led to.
struct Stage {
    core: Core,
    now: Time,
    out: Vec<Action>,
}

impl Stage {
    /// A worker with so many CPUs, not yet connected.
    fn new(cpus: u32) -> Stage {
        Stage::with(Capacity::of_cpus(cpus))
    }

    fn with(capacity: Capacity) -> Stage {
        let mut description = WorkerDescription::new("mill", &["command", "a", "b"], capacity);
        description.shape.shared_disk = true;
        let (instance, offers) = (7, Vec::new());
        let core = Core::new(Identity { instance, description, offers, prefetch: 1_024 });
        Stage { core, now: Time(1_000_000), out: Vec::new() }
    }

    /// A worker that has been welcomed.
    fn welcomed(cpus: u32) -> Stage {
        let mut stage = Stage::new(cpus);
        stage.input(Input::Connected);
        stage.hear(welcome(&[]));
        stage
    }

    fn input(&mut self, input: Input) -> &[Action] {
        self.out.clear();
        self.core.handle(self.now, input, &mut self.out);
        &self.out
    }

    fn hear(&mut self, frame: ToWorker) -> &[Action] {
        self.input(Input::Frame(frame))
    }

    fn run(&mut self, attempts: &[u64]) -> &[Action] {
        self.hear(ToWorker::Run(attempts.iter().map(|n| assignment(*n)).collect()))
    }

    fn stop(&mut self, attempt: u64) -> &[Action] {
        self.hear(ToWorker::Stop(vec![AttemptId(attempt)]))
    }

    fn settle(&mut self, attempt: u64) -> &[Action] {
        self.hear(ToWorker::Settled(vec![AttemptId(attempt)]))
    }

    fn succeed(&mut self, attempt: u64) -> &[Action] {
        self.input(Input::Ended(succeeded(attempt)))
    }

    fn fail(&mut self, attempt: u64) -> &[Action] {
        self.input(Input::Ended(failed(attempt)))
    }

    /// The connection breaks and comes back; the server calls `stale` what it gave to others.
    fn reconnect(&mut self, stale: &[u64]) -> &[Action] {
        self.input(Input::Disconnected);
        self.input(Input::Connected);
        self.hear(welcome(stale))
    }

    /// Lets time pass, ticking whenever the core asks for it.
    fn pass(&mut self, span: Span) -> &[Action] {
        let until = self.now + span;
        self.out.clear();
        while let Some(at) = self.core.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.core.handle(self.now, Input::Tick, &mut self.out);
        }
        self.now = until;
        &self.out
    }

    fn holds(&mut self) -> Vec<u64> {
        self.input(Input::Disconnected);
        match self.input(Input::Connected) {
            [Action::Send(FromWorker::Hello(hello))] => hello.holds.iter().map(|a| a.0).collect(),
            other => panic!("expected a hello, got {other:?}"),
        }
    }
}

fn welcome(stale: &[u64]) -> ToWorker {
    ToWorker::Welcome(Welcome {
        worker: WorkerId(1),
        heartbeat: Span::seconds(3),
        lease: Span::seconds(15),
        stale: stale.iter().map(|n| AttemptId(*n)).collect(),
    })
}

fn assignment(n: u64) -> Assignment {
    Assignment {
        attempt: AttemptId(n),
        job: JobId(100 + n),
        batch: BatchId(1),
        stage: "work".into(),
        number: 1,
        handler: Handler::Command(CommandSpec {
            argv: vec!["true".into()],
            shell: false,
            env: std::collections::BTreeMap::new(),
        }),
        resources: Resources::default(),
        timeout: None,
        input: Payload::empty(),
        output: None,
        seat: None,
        alone: false,
    }
}

fn with_timeout(n: u64, timeout: Span) -> ToWorker {
    ToWorker::Run(vec![Assignment { timeout: Some(timeout), ..assignment(n) }])
}

fn succeeded(n: u64) -> Ended {
    let success = Success { output: Payload::empty(), artifacts: vec![], warnings: vec![] };
    Ended {
        attempt: AttemptId(n),
        outcome: Outcome::Succeeded(success),
        usage: Usage::default(),
        devices: vec![],
    }
}

fn failed(n: u64) -> Ended {
    let failure = Failure {
        exit_code: Some(143),
        ..Failure::new(FailureKind::Failed, "exit_status", "ended with status 143")
    };
    Ended {
        attempt: AttemptId(n),
        outcome: Outcome::Failed(failure),
        usage: Usage::default(),
        devices: vec![],
    }
}

fn log(n: u64) -> Input {
    Input::Log { attempt: AttemptId(n), stream: Stream::Stdout, bytes: b"line\n".to_vec() }
}

/// Attempts that were started, in order.
fn started(actions: &[Action]) -> Vec<u64> {
    let starts = |action: &Action| match action {
        Action::Start(assignment) => Some(assignment.attempt.0),
        _ => None,
    };
    actions.iter().filter_map(starts).collect()
}

/// Attempts that were told to stop, in order.
fn stopped(actions: &[Action]) -> Vec<u64> {
    let stops = |action: &Action| match action {
        Action::Stop(attempt) => Some(attempt.0),
        _ => None,
    };
    actions.iter().filter_map(stops).collect()
}

/// Reports with the code of their failure, `ok` where there is none.
fn reported(actions: &[Action]) -> Vec<(u64, &str)> {
    fn batch(action: &Action) -> &[Ended] {
        match action {
            Action::Send(FromWorker::Ended(batch)) => batch,
            _ => &[],
        }
    }
    actions
        .iter()
        .flat_map(batch)
        .map(|ended| match &ended.outcome {
            Outcome::Succeeded(_) => (ended.attempt.0, "ok"),
            Outcome::Failed(failure) => (ended.attempt.0, failure.code.as_str()),
        })
        .collect()
}

/// What was said.
fn frames(actions: &[Action]) -> Vec<&FromWorker> {
    fn frame(action: &Action) -> Option<&FromWorker> {
        match action {
            Action::Send(frame) => Some(frame),
            _ => None,
        }
    }
    actions.iter().filter_map(frame).collect()
}
