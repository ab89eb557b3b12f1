//! Somebody who submits work, changes their mind, and asks again when no answer comes. What is
//! asked is drawn in [`wish`]; here it is asked until it is answered.

mod orders;
mod palette;
mod wish;

use std::collections::BTreeMap;

use gristmill_model::command::{Command, Reply};
use gristmill_model::job::JobSpec;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::terms::Terms;
use gristmill_model::{BatchId, JobId, Span};

use crate::agenda::Happening;
use crate::brief;
use crate::faults::Fault;
use crate::features::Feature;
use crate::scene::Scene;
pub use palette::{LICENCE, PIN, PINNED, Palette};

/// A client of the server.
#[derive(Debug)]
pub struct Client {
    index: usize,
    name: String,
    /// What was asked and not answered yet.
    pending: BTreeMap<u64, Pending>,
    asked: u64,
    /// What was acknowledged, as far as it was heard.
    batches: Vec<Own>,
    /// The last job that was appended under a key of its own, and to which project.
    keyed: Option<(String, JobSpec)>,
}

#[derive(Debug)]
struct Pending {
    command: Command,
    /// Whether asking twice does no harm, so that a lost answer is asked for again.
    again: bool,
    /// Whether these jobs run until somebody cancels them.
    doomed: bool,
}

/// A batch that was acknowledged to this client.
#[derive(Debug)]
struct Own {
    batch: BatchId,
    project: String,
    jobs: Vec<JobId>,
    open: bool,
    doomed: bool,
    cancelled: bool,
}

impl Client {
    /// A client that has not asked for anything.
    #[must_use]
    pub fn new(index: usize) -> Client {
        let name = format!("client{index}");
        Client { index, name, pending: BTreeMap::new(), asked: 0, batches: Vec::new(), keyed: None }
    }

    /// Does something, and plans to do something else later, until faults stop.
    pub fn act(&mut self, scene: &mut Scene, palette: &Palette) {
        if scene.faults.is_calm() {
            return;
        }
        let (command, again, doomed) = self.wish(scene, palette);
        self.ask(scene, command, again, doomed);
        let act = Happening::Act { client: self.index };
        scene.sometime(Span::millis(100), Span::seconds(25), act);
    }

    /// Faults have stopped: whatever a person keeps from ending is let go.
    pub fn let_go(&mut self, scene: &mut Scene) {
        if self.pending.is_empty() {
            for command in scene.judge.to_let_go() {
                self.ask(scene, command, true, false);
            }
        }
    }

    /// Faults have stopped: what would never end by itself is cancelled.
    pub fn tidy(&mut self, scene: &mut Scene) {
        let doomed = |own: &&mut Own| own.doomed && !own.cancelled;
        let batches: Vec<BatchId> = self
            .batches
            .iter_mut()
            .filter(doomed)
            .map(|own| {
                own.cancelled = true;
                own.batch
            })
            .collect();
        for batch in batches {
            self.ask(scene, Command::CancelBatch(batch), true, false);
        }
    }

    /// The server answered.
    pub fn answer(&mut self, scene: &mut Scene, number: u64, answer: Result<Reply, Rejection>) {
        // The answer to a request that was sent twice may come twice.
        let Some(pending) = self.pending.remove(&number) else { return };
        match answer {
            Ok(reply) => {
                scene.judge.answered(&pending.command, &reply);
                self.learn(scene, &pending, &reply);
            }
            Err(rejection) => self.accept(scene, &pending.command, &rejection),
        }
        if scene.faults.is_calm() {
            self.tidy(scene);
        }
    }

    /// No answer came in time: ask again, or never know.
    pub fn impatience(&mut self, scene: &mut Scene, number: u64) {
        match self.pending.get(&number) {
            None => {}
            Some(pending) if pending.again => {
                scene.tally.asked_again += 1;
                self.send(scene, number);
            }
            Some(_) => {
                self.pending.remove(&number);
            }
        }
    }

    /// Whether every question was answered or given up.
    #[must_use]
    pub fn is_content(&self) -> bool {
        self.pending.is_empty() && self.batches.iter().all(|own| !own.doomed || own.cancelled)
    }

    fn ask(&mut self, scene: &mut Scene, command: Command, again: bool, doomed: bool) {
        let number = self.asked;
        self.asked += 1;
        scene.say(&self.name, format_args!("asks #{number}: {}", brief::command(&command)));
        self.pending.insert(number, Pending { command, again, doomed });
        self.send(scene, number);
    }

    fn send(&mut self, scene: &mut Scene, number: u64) {
        let Pending { command, again, .. } = &self.pending[&number];
        let client = self.index;
        let copies = if scene.strikes(Fault::RequestLost) {
            0
        } else if *again && scene.strikes(Fault::RequestDoubled) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let command = Box::new(command.clone());
            let request = Happening::Request { client, number, command };
            scene.sometime(Span(100), Span::millis(40), request);
        }
        let impatience = Happening::Impatience { client, number };
        scene.sometime(Span::seconds(1), Span::seconds(10), impatience);
    }

    /// Remembers what was acknowledged.
    fn learn(&mut self, scene: &mut Scene, pending: &Pending, reply: &Reply) {
        let Reply::Batch(submitted) = reply else { return };
        scene.tally.replays += u64::from(submitted.replayed);
        scene.tally.known_jobs += submitted.known.len() as u64;
        let first = submitted.first.0;
        let jobs = (first..first + submitted.count).map(JobId);
        match &pending.command {
            Command::Submit(submission) => self.batches.push(Own {
                batch: submitted.batch,
                project: submission.project.clone(),
                jobs: jobs.collect(),
                open: submission.open,
                doomed: pending.doomed,
                cancelled: false,
            }),
            Command::Append { batch, .. } => {
                // What is let go of at the end may be somebody else's.
                if let Some(own) = self.batches.iter_mut().find(|own| own.batch == *batch) {
                    own.jobs.extend(jobs);
                }
            }
            _ => {}
        }
    }

    /// Some refusals are to be expected of somebody who asks twice or too late; no other is.
    fn accept(&mut self, scene: &mut Scene, command: &Command, rejection: &Rejection) {
        scene.tally.rejections += 1;
        scene.tally.drained += u64::from(rejection.code == Code::Draining);
        let mut expected: Vec<Code> = match command {
            Command::Append { .. } => {
                vec![Code::BatchClosed, Code::BatchForgotten, Code::Draining, Code::WrongState]
            }
            Command::CancelJob(_) | Command::RetryJob(_) => {
                vec![Code::WrongState, Code::BatchForgotten]
            }
            Command::CancelBatch(_) => vec![Code::BatchForgotten],
            Command::Hold(_) | Command::Release(_) => vec![Code::WrongState, Code::BatchForgotten],
            Command::SetLimit { .. } | Command::SetFlow { .. } => vec![Code::NoSuchProject],
            Command::Drain(_) | Command::PauseWorker { .. } => vec![Code::NoSuchWorker],
            Command::SetDevice { .. } => vec![Code::NoSuchWorker, Code::NoSuchDevice],
            Command::Submit(_) => vec![Code::NoSuchPipeline, Code::Draining],
            _ => Vec::new(),
        };
        if let Command::Submit(submission) = command {
            let Terms { expires_at, deadline, after, .. } = &submission.terms;
            if expires_at.or(*deadline).is_some() {
                expected.push(Code::InvalidRequest);
            }
            if !after.is_empty() {
                expected.push(Code::BatchForgotten);
            }
            // Of machines with fewer devices some may be there before one that has all.
            if scene.features.has(Feature::Declarations)
                || scene.features.has(Feature::Gpus)
                || scene.features.has(Feature::Sessions)
            {
                expected.push(Code::NeverFits);
            }
        }
        let fair = expected.contains(&rejection.code);
        scene.judge.require(fair, "no fair request is refused", &rejection.detail);
    }
}
