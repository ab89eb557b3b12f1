//! A small world to tell stories in: an engine, a clock that the story turns, and a log that is
//! replayed after every step to see that replay equals live.

use std::collections::BTreeMap;

use gristmill_engine::Engine;
use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success, Usage};
use gristmill_model::command::{
    BatchKey, Command, Greeting, PipelineRef, Reply, Request, Submission, Submitted,
};
use gristmill_model::event::{AttemptEvent, Event, Record};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::limits::Timing;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::problem::Rejection;
use gristmill_model::resources::Capacity;
use gristmill_model::retry::RetryPolicy;
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{AttemptId, JobId, Moment, Span, Time, WorkerId};

use crate::seen::Seen;

pub struct World {
    pub engine: Engine,
    pub now: Time,
    /// What the wall clock shows.
    pub wall: Time,
    pub log: Vec<Record>,
}

impl World {
    pub fn new() -> World {
        let mut engine = Engine::new(Timing::default());
        let mut log = Vec::new();
        let at = Time(1_000_000);
        engine.start(at.into(), "test", &mut log);
        World { engine, now: at, wall: at, log }
    }

    pub fn at(&self) -> Moment {
        Moment { now: self.now, wall: self.wall }
    }

    /// Somebody sets the wall clock.
    pub fn set_wall(&mut self, wall: Time) {
        self.wall = wall;
        self.pass(Span::ZERO);
    }

    /// Asks; on acceptance also ticks and places, as the core loop does.
    pub fn ask(&mut self, command: Command) -> Result<Reply, Rejection> {
        let before = self.engine.clone();
        let mut out = Vec::new();
        let request = Request { actor: Actor::LOCAL, command };
        let reply = self.engine.handle(self.at(), request, &mut out);
        if reply.is_err() {
            assert!(out.is_empty(), "a rejection emits nothing");
            assert!(self.engine.state().same_as(before.state()), "a rejection changes nothing");
        }
        self.engine.tick(self.at(), &mut out);
        self.engine.place(self.at(), &mut out);
        self.keep(out);
        reply
    }

    pub fn pass(&mut self, span: Span) {
        (self.now, self.wall) = (self.now + span, self.wall + span);
        let mut out = Vec::new();
        self.engine.tick(self.at(), &mut out);
        self.engine.place(self.at(), &mut out);
        self.keep(out);
    }

    fn keep(&mut self, out: Vec<Record>) {
        self.log.extend(out.into_iter().filter(|record| record.event.is_durable()));
        self.engine.check();
        let mut replayed = self.replay();
        replayed.check();
        Seen::of(&mut replayed).agrees_with(&self.engine, false);
        assert!(replayed.state().same_as(self.engine.state()), "replay equals live");
        let mut restored = Engine::new(Timing::default());
        self.engine.snapshot().for_each(|record| restored.apply(&record));
        restored.check();
        Seen::of(&mut restored).agrees_with(&self.engine, true);
        assert!(restored.state().same_as(self.engine.state()), "a snapshot equals live");
    }

    pub fn replay(&self) -> Engine {
        let mut engine = Engine::new(Timing::default());
        self.log.iter().for_each(|record| engine.apply(record));
        engine
    }

    /// The server dies and starts again; nobody is connected.
    pub fn restart(&mut self) {
        self.engine = self.replay();
        let mut out = Vec::new();
        self.engine.start(self.at(), "test", &mut out);
        self.keep(out);
    }

    pub fn submit(&mut self, spec: PipelineSpec, inputs: &[&str]) -> Submitted {
        let jobs = inputs.iter().map(|input| JobSpec::of(Payload::Text((*input).into()))).collect();
        self.submit_jobs(spec, jobs, None).expect("accepted")
    }

    pub fn submit_jobs(
        &mut self,
        spec: PipelineSpec,
        jobs: Vec<JobSpec>,
        key: Option<BatchKey>,
    ) -> Result<Submitted, Rejection> {
        let submission = Submission { key, ..Submission::new(PipelineRef::Inline(spec), jobs) };
        self.submit_batch(submission)
    }

    pub fn submit_batch(&mut self, submission: Submission) -> Result<Submitted, Rejection> {
        match self.ask(Command::Submit(Box::new(submission)))? {
            Reply::Batch(submitted) => Ok(submitted),
            other => panic!("a submission answers with a batch, not {other:?}"),
        }
    }

    pub fn greet(
        &mut self,
        instance: u64,
        cpus: u32,
        holds: &[AttemptId],
    ) -> (WorkerId, Vec<AttemptId>) {
        self.greet_as(Greeting { holds: holds.to_vec(), ..greeting(instance, cpus) })
    }

    pub fn greet_as(&mut self, greeting: Greeting) -> (WorkerId, Vec<AttemptId>) {
        match self.ask(Command::Greet(Box::new(greeting))).expect("welcome") {
            Reply::Welcome { worker, stale } => (worker, stale),
            other => panic!("a greeting answers with a welcome, not {other:?}"),
        }
    }

    pub fn worker(&mut self, cpus: u32) -> WorkerId {
        let instance = self.engine.state().workers().count() as u64 + 100;
        self.greet(instance, cpus, &[]).0
    }

    pub fn report(
        &mut self,
        worker: WorkerId,
        attempt: AttemptId,
        outcome: Outcome,
    ) -> Result<Reply, Rejection> {
        self.ask(Command::Report {
            worker,
            attempt,
            outcome,
            usage: Usage::default(),
            devices: Vec::new(),
        })
    }

    pub fn state(&self, job: JobId) -> JobState {
        self.engine.state().job_state(job).expect("the job was accepted and is not forgotten")
    }

    pub fn attempt_of(&self, job: JobId) -> AttemptId {
        self.engine.state().job(job).and_then(|job| job.attempt).expect("it has a live attempt")
    }

    pub fn last_failure(&self) -> (&Failure, gristmill_model::event::Then) {
        self.log
            .iter()
            .rev()
            .find_map(|record| match &record.event {
                Event::Attempt(AttemptEvent::Failed { failure, then, .. }) => {
                    Some((&**failure, *then))
                }
                _ => None,
            })
            .expect("an attempt failed")
    }
}

/// A worker with CPUs alone, that runs programs.
pub fn greeting(instance: u64, cpus: u32) -> Greeting {
    let name = format!("worker-{instance}");
    Greeting::new(instance, WorkerDescription::new(&name, &["command"], Capacity::of_cpus(cpus)))
}

/// A worker that runs the sessions `a` and `b`, and programs.
pub fn with_sessions(instance: u64, capacity: Capacity) -> Greeting {
    let name = format!("worker-{instance}");
    Greeting::new(instance, WorkerDescription::new(&name, &["a", "b", "command"], capacity))
}

pub fn success(text: &str) -> Outcome {
    Outcome::Succeeded(Success {
        output: Payload::Text(text.into()),
        artifacts: Vec::new(),
        warnings: Vec::new(),
    })
}

pub fn failure(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure::new(kind, "test", "as the story goes"))
}

pub fn stage(name: &str) -> StageSpec {
    let command = CommandSpec { argv: vec!["true".into()], shell: false, env: BTreeMap::new() };
    let retry = RetryPolicy { jitter_percent: 0, ..RetryPolicy::default() };
    StageSpec { retry, ..StageSpec::new(name, Handler::Command(command)) }
}

pub fn pipeline(stages: &[&str]) -> PipelineSpec {
    PipelineSpec { name: "story".into(), stages: stages.iter().map(|name| stage(name)).collect() }
}
