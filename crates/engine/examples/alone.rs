//! How fast the engine alone is: jobs submitted, leased and completed per second on one core,
//! with nothing written anywhere.
//!
//! ```text
//! cargo run --release -p gristmill-engine --example alone -- 1000000
//! ```

use std::collections::BTreeMap;
use std::time::Instant;

use gristmill_engine::Engine;
use gristmill_engine::link;
use gristmill_model::access::Actor;
use gristmill_model::attempt::{Outcome, Success, Usage};
use gristmill_model::command::{Command, Greeting, PipelineRef, Reply, Request, Submission};
use gristmill_model::event::Record;
use gristmill_model::job::JobSpec;
use gristmill_model::limits::{self, Timing};
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::resources::Capacity;
use gristmill_model::wire::ToWorker;
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{AttemptId, Time, WorkerId};

fn main() {
    let jobs: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let mut engine = Engine::new(Timing::default());
    let mut log = Vec::new();
    engine.start(Time(1).into(), "bench", &mut log);

    let started = Instant::now();
    for _ in 0..jobs / limits::JOBS_PER_COMMAND {
        ask(&mut engine, &mut log, Command::Submit(Box::new(submission())));
    }
    print("submit", jobs, started);

    let worker = greet(&mut engine, &mut log);
    let started = Instant::now();
    let mut done = 0;
    let mut out = Vec::new();
    loop {
        out.clear();
        engine.place(Time(2).into(), &mut out);
        let held = run(&engine, &out);
        drop(engine.take_changes());
        log.append(&mut out);
        if held.is_empty() {
            break;
        }
        done += held.len();
        for attempt in held {
            let (outcome, usage) = (success(), Usage::default());
            let report = Command::Report { worker, attempt, outcome, usage, devices: Vec::new() };
            ask(&mut engine, &mut log, report);
        }
    }
    print("lease and complete", done, started);

    let started = Instant::now();
    let mut recovered = Engine::new(Timing::default());
    log.iter().filter(|record| record.event.is_durable()).for_each(|r| recovered.apply(r));
    print("replay", done, started);
}

fn print(what: &str, jobs: usize, started: Instant) {
    let elapsed = started.elapsed();
    println!("{what:<20} {:>10.0} jobs/s", jobs as f64 / elapsed.as_secs_f64());
}

fn ask(engine: &mut Engine, log: &mut Vec<Record>, command: Command) -> Reply {
    let request = Request { actor: Actor::LOCAL, command };
    engine.handle(Time(2).into(), request, log).expect("accepted")
}

fn run(engine: &Engine, records: &[Record]) -> Vec<AttemptId> {
    let frames = link::frames(engine, records);
    let run = |frame| match frame {
        ToWorker::Run(run) => run,
        _ => Vec::new(),
    };
    frames.into_iter().flat_map(|(_, frame)| run(frame)).map(|a| a.attempt).collect()
}

fn success() -> Outcome {
    Outcome::Succeeded(Success {
        output: Payload::empty(),
        artifacts: Vec::new(),
        warnings: Vec::new(),
    })
}

fn greet(engine: &mut Engine, log: &mut Vec<Record>) -> WorkerId {
    let description = WorkerDescription::new("bench", &["command"], Capacity::of_cpus(2));
    let greeting = Greeting { prefetch: limits::PREFETCH, ..Greeting::new(1, description) };
    match ask(engine, log, Command::Greet(Box::new(greeting))) {
        Reply::Welcome { worker, .. } => worker,
        other => panic!("a greeting answers with a welcome, not {other:?}"),
    }
}

fn submission() -> Submission {
    let command = CommandSpec { argv: vec!["true".into()], shell: false, env: BTreeMap::default() };
    let stage = StageSpec::new("run", Handler::Command(command));
    let pipeline = PipelineSpec { name: "bench".into(), stages: vec![stage] };
    let jobs = vec![JobSpec::of(Payload::empty()); limits::JOBS_PER_COMMAND];
    Submission::new(PipelineRef::Inline(pipeline), jobs)
}
