//! How the engine's cost grows: with waiting jobs, with workers, with projects. Nothing is written
//! anywhere, and what is counted is the time this process had a core, so that a busy machine
//! changes little.
//!
//! ```text
//! cargo run --release -p gristmill-engine --example scale          # the whole curve
//! cargo run --release -p gristmill-engine --example scale 5000 1 1 # waiting, workers, projects
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fs;

use gristmill_engine::{Engine, link};
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

/// Jobs leased and completed for one figure.
const MEASURED: usize = 200_000;
/// Reports that reach the engine together.
const REPORTS: usize = 256;

fn main() {
    let args: Vec<usize> = std::env::args().skip(1).filter_map(|n| n.parse().ok()).collect();
    println!(
        "{:>9} {:>7} {:>8} {:>10} {:>10} {:>9}",
        "waiting", "workers", "projects", "submit/s", "drain/s", "bytes/job"
    );
    if let [waiting, workers, projects] = args[..] {
        return measure(waiting, workers, projects);
    }
    for waiting in [1_000, 100_000, 1_000_000, 5_000_000] {
        measure(waiting, 1, 1);
    }
    for workers in [10, 100, 1_000] {
        measure(100_000, workers, 1);
    }
    for projects in [100, 10_000] {
        measure(100_000, 1, projects);
        measure(100_000, 1_000, projects);
    }
}

fn measure(waiting: usize, workers: usize, projects: usize) {
    let mut mill = Mill::new(projects);
    let (memory, started) = (resident(), on_core());
    mill.fill(waiting);
    let submit = rate(waiting, started);
    let bytes = resident().saturating_sub(memory) / waiting as u64;
    (0..workers as u64).for_each(|instance| mill.greet(instance + 1));
    let started = on_core();
    let done = mill.drain(MEASURED);
    let drain = rate(done, started);
    println!("{waiting:>9} {workers:>7} {projects:>8} {submit:>10.0} {drain:>10.0} {bytes:>9}");
}

struct Mill {
    engine: Engine,
    out: Vec<Record>,
    now: Time,
    projects: usize,
    next: usize,
}

impl Mill {
    fn new(projects: usize) -> Mill {
        let mut engine = Engine::new(Timing::default());
        let mut out = Vec::new();
        engine.start(Time(1).into(), "bench", &mut out);
        Mill { engine, out, now: Time(2), projects, next: 0 }
    }

    /// Keeps so many jobs waiting, spread over the projects.
    fn fill(&mut self, waiting: usize) {
        let most = waiting.div_ceil(self.projects).min(limits::JOBS_PER_COMMAND);
        let mut left = waiting;
        while left > 0 {
            let count = most.min(left);
            left -= count;
            self.submit(count);
        }
    }

    fn submit(&mut self, count: usize) {
        let command = CommandSpec { argv: vec!["true".into()], shell: false, env: BTreeMap::new() };
        let stages = vec![StageSpec::new("run", Handler::Command(command))];
        let pipeline = PipelineRef::Inline(PipelineSpec { name: "bench".into(), stages });
        let jobs = vec![JobSpec::of(Payload::empty()); count];
        let project = format!("p{}", self.next % self.projects);
        self.next += 1;
        let submission = Submission { project, ..Submission::new(pipeline, jobs) };
        self.ask(Command::Submit(Box::new(submission)));
    }

    fn greet(&mut self, instance: u64) {
        let description = WorkerDescription::new("bench", &["command"], Capacity::of_cpus(1));
        let greeting = Greeting { prefetch: 64, ..Greeting::new(instance, description) };
        self.ask(Command::Greet(Box::new(greeting)));
    }

    fn ask(&mut self, command: Command) -> Reply {
        self.out.clear();
        let request = Request { actor: Actor::LOCAL, command };
        self.engine.handle(self.now.into(), request, &mut self.out).expect("accepted")
    }

    /// Leases and completes so many, in rounds as a server does, and submits as many anew, so that
    /// the number of those that wait stays the same.
    fn drain(&mut self, count: usize) -> usize {
        let mut held: VecDeque<(WorkerId, AttemptId)> = VecDeque::new();
        let mut done = 0;
        while done < count {
            self.now = Time(self.now.0 + 1_000);
            self.out.clear();
            self.engine.tick(self.now.into(), &mut self.out);
            self.engine.place(self.now.into(), &mut self.out);
            for (worker, frame) in link::frames(&self.engine, &self.out) {
                let ToWorker::Run(run) = frame else { continue };
                held.extend(run.into_iter().map(|assignment| (worker, assignment.attempt)));
            }
            let ended = REPORTS.min(held.len());
            for (worker, attempt) in held.drain(..ended).collect::<Vec<_>>() {
                self.report(worker, attempt);
            }
            done += ended;
            self.submit(ended.max(1));
        }
        done
    }

    fn report(&mut self, worker: WorkerId, attempt: AttemptId) {
        let success =
            Success { output: Payload::empty(), artifacts: Vec::new(), warnings: Vec::new() };
        self.ask(Command::Report {
            worker,
            attempt,
            outcome: Outcome::Succeeded(success),
            usage: Usage::default(),
            devices: Vec::new(),
        });
    }
}

fn rate(count: usize, started: u64) -> f64 {
    count as f64 / ((on_core() - started) as f64 / 1e9)
}

/// Nanoseconds that this thread has had a core (Linux: Documentation/scheduler/sched-stats).
fn on_core() -> u64 {
    let stat = fs::read_to_string("/proc/self/schedstat").expect("Linux tells");
    stat.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number comes first")
}

/// Bytes of memory that this process holds.
fn resident() -> u64 {
    let stat = fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: u64 =
        stat.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number comes second");
    pages * 4_096
}
