//! One turn of the core loop: handle what arrived, fire what is due, place, derive frames, append.
//! Nothing is said here; what there is to say waits until the append is durable.

use gristmill_engine::{Engine, link};
use gristmill_model::access::Actor;
use gristmill_model::command::{Command, Reply, Request, Submission};
use gristmill_model::event::{Event, Record, WorkerEvent};
use gristmill_model::job::JobState;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::wire::{FromWorker, Hello, ToWorker, Welcome};
use gristmill_model::{JobId, Moment, Span, WorkerId};

use super::planted::Planted;
use super::{Mail, Process, Release, Server, planted, speak};
use crate::agenda::Happening;
use crate::brief;
use crate::bug::Bug;
use crate::faults::Fault;
use crate::network::LinkId;
use crate::scene::Scene;

/// A round while it goes on.
struct Round<'a> {
    process: &'a mut Process,
    scene: &'a mut Scene,
    planted: &'a mut Planted,
    /// The moment of the whole round.
    at: Moment,
    records: Vec<Record>,
    release: Release,
}

impl Server {
    /// Handles what has arrived and what is due.
    pub fn round(&mut self, scene: &mut Scene, life: u64) {
        let Some(process) = self.process.as_mut().filter(|_| self.life == life) else { return };
        if process.round_at != Some(scene.now) {
            return;
        }
        process.round_at = None;
        if process.appends.len() >= self.depth {
            return;
        }
        scene.tally.rounds += 1;
        let at = process.clock.read(scene.now);
        let (records, release) = (Vec::new(), Release::default());
        let planted = &mut self.planted;
        let mut round = Round { process, scene, planted, at, records, release };
        let more = round.run();
        let Round { records, release, .. } = round;
        self.watch(scene, at, &records, more);
        if scene.strikes(Fault::CrashBeforeAppend) {
            scene.tally.crashes += 1;
            return self.die(scene);
        }
        self.append(scene, records, release);
        if self.process.is_some() {
            self.plan_round(scene, more);
        }
    }

    /// Writes a round's durable events as one group, or lets it speak if there are none.
    fn append(&mut self, scene: &mut Scene, mut records: Vec<Record>, mut release: Release) {
        records.retain(|record| record.event.is_durable());
        speak_too_early(scene, &mut release);
        let process = self.process.as_mut().expect("it runs");
        self.planted.append(scene.bug, &process.engine, &mut records);
        if records.is_empty() {
            match process.appends.is_empty() {
                true => speak(scene, release),
                false => process.appends.push_back(release),
            }
            return;
        }
        self.disk.append(&records);
        release.writes = true;
        process.appends.push_back(release);
        if process.appends.len() == 1 {
            self.sync_later(scene);
        }
        if scene.strikes(Fault::CrashUnsynced) {
            self.crash(scene, self.life);
        }
    }

    /// Lets the judge look at what was decided, and now and then at everything.
    fn watch(&mut self, scene: &mut Scene, at: Moment, records: &[Record], more: bool) {
        scene.judge.decided(scene.now, records);
        for record in records.iter().filter(|record| record.event.is_durable()) {
            scene.say(
                "engine",
                format_args!("{}, by {}", brief::event(&record.event), record.actor),
            );
        }
        let process = self.process.as_mut().expect("it runs");
        if !scene.judge.is_blind() {
            process.engine.spot_check(4);
        }
        let engine = &process.engine;
        scene.judge.leases_are_short(at.now, engine.state());
        if scene.dice.chance(150) && !scene.judge.is_blind() {
            engine.check();
            let settled = process.appends.is_empty() && records.is_empty();
            explain(scene, engine, at, settled, more);
        }
    }
}

/// Asks after some jobs. Where a round of placement has done all it could, nothing may be left that
/// a worker would take; and where all is in the log, the judge must see the same hindrances.
fn explain(scene: &mut Scene, engine: &Engine, at: Moment, settled: bool, more: bool) {
    let folded = engine.state().ranges().map(|(first, _)| first);
    let jobs: Vec<JobId> = engine.state().jobs().map(|(id, _)| id).chain(folded).collect();
    for job in jobs.into_iter().step_by(scene.dice.below(40) + 1) {
        let explained = engine.explain(at, job);
        let known = explained.is_ok();
        scene.judge.require(known, "every job can be explained", &job.to_string());
        let Ok(explained) = explained else { continue };
        if explained.state != JobState::Queued {
            continue;
        }
        scene.tally.explained += 1;
        let fits = explained.workers.iter().any(|worker| worker.fits);
        let left = fits && explained.waits_for.is_empty() && !more;
        let words = format!("{job} is left in the queue: {}", explained.summary);
        scene.judge.require(!left, "explain agrees with what happens", &words);
        if settled {
            scene.judge.explained(at.now, job, &explained.waits_for);
        }
    }
}

/// The order in which the real server says what a round has for one worker.
fn rank(frame: &ToWorker) -> u8 {
    match frame {
        ToWorker::Welcome(_) | ToWorker::Refused { .. } => 0,
        ToWorker::Settled(_) => 1,
        ToWorker::Device { .. } => 2,
        ToWorker::Run(_) => 3,
        ToWorker::Stop(_) => 4,
        ToWorker::Drain => 5,
    }
}

/// Two planted bugs: to speak before the append.
fn speak_too_early(scene: &mut Scene, release: &mut Release) {
    if scene.has(Bug::ReplyBeforeAppend) {
        let answers = std::mem::take(&mut release.answers);
        speak(scene, Release { answers, ..Release::default() });
    }
    if scene.has(Bug::FramesBeforeAppend) {
        let frames = std::mem::take(&mut release.frames);
        speak(scene, Release { frames, ..Release::default() });
    }
}

impl Round<'_> {
    /// Returns whether there is more to place at once.
    fn run(&mut self) -> bool {
        for mail in std::mem::take(&mut self.process.inbox) {
            match mail {
                Mail::Frame(link, frame) => self.frame(link, frame),
                Mail::Broken(link) => self.broken(link),
                Mail::Request { client, number, command } => self.answer(client, number, command),
                Mail::Own(command) => {
                    // What was forgotten meanwhile needs no settling.
                    self.ask(Actor::SERVER, command).ok();
                }
            }
        }
        self.process.engine.tick(self.at, &mut self.records);
        let more = self.process.engine.place(self.at, &mut self.records);
        self.close_links_of_the_gone();
        self.derive_frames();
        more
    }

    fn ask(&mut self, actor: Actor, command: Command) -> Result<Reply, Rejection> {
        let before = self.records.len();
        let request = Request { actor, command };
        let answer = self.process.engine.handle(self.at, request, &mut self.records);
        let silent = answer.is_ok() || self.records.len() == before;
        self.scene.judge.require(silent, "a rejection emits nothing", "it emitted something");
        answer
    }

    fn answer(&mut self, client: usize, number: u64, mut command: Command) {
        self.scene.say("server", format_args!("is asked: {}", brief::command(&command)));
        self.planted.command(self.scene.bug, &self.process.engine, &mut command);
        let twice = self.scene.has(Bug::AppliesTwice) && self.scene.dice.chance(200);
        if let Command::Submit(submission) = &command
            && twice
        {
            let second = Submission { key: None, ..(**submission).clone() };
            self.ask(Actor::LOCAL, Command::Submit(Box::new(second))).ok();
        }
        let answer = self.ask(Actor::LOCAL, command);
        self.release.answers.push((client, number, answer));
    }

    fn frame(&mut self, link: LinkId, frame: FromWorker) {
        if let FromWorker::Hello(hello) = frame {
            return self.hello(link, hello);
        }
        let Some(worker) = self.process.sessions.worker(link) else {
            self.scene.tally.late_frames += 1;
            return;
        };
        let reported = match &frame {
            FromWorker::Ended(ended) => ended.iter().map(|end| end.attempt).collect(),
            _ => Vec::new(),
        };
        let unheard = self.scene.has(Bug::SettlesUnheard) && self.scene.dice.chance(50);
        for mut command in link::commands(worker, frame).filter(|_| !unheard) {
            if !planted::hear(self.scene.bug, &mut command) {
                continue;
            }
            let is_report = matches!(command, Command::Report { .. });
            self.unfenced(&command);
            let answer = self.ask(Actor::worker(worker), command);
            let refused = answer.err().filter(|_| is_report);
            self.scene.tally.reports_refused += u64::from(refused.is_some());
        }
        if !reported.is_empty() {
            self.release.frames.push((link, ToWorker::Settled(reported)));
        }
    }

    /// A planted bug: a report of an attempt that is over becomes one of the live attempt.
    fn unfenced(&mut self, command: &Command) {
        let Command::Report { attempt, outcome, usage, devices, .. } = command else { return };
        let engine = &self.process.engine;
        if !self.scene.has(Bug::UnfencedReport) || engine.state().attempt(*attempt).is_some() {
            return;
        }
        let Some(live) = self.planted.unfenced(engine, *attempt) else { return };
        let worker = engine.state().attempt(live).expect("it is live").worker;
        let (outcome, usage, devices) = (outcome.clone(), *usage, devices.clone());
        let report = Command::Report { worker, attempt: live, outcome, usage, devices };
        self.ask(Actor::worker(worker), report).ok();
    }

    fn hello(&mut self, link: LinkId, hello: Hello) {
        let known = self.scene.judge.worker_of(hello.instance).is_some();
        let mut greet = Command::Greet(Box::new(link::greeting(hello)));
        self.planted.command(self.scene.bug, &self.process.engine, &mut greet);
        match self.ask(Actor::NEW_WORKER, greet) {
            Ok(Reply::Welcome { worker, mut stale }) => {
                if self.scene.has(Bug::UnfencedReport) {
                    stale.clear();
                }
                self.scene.tally.reconnects += u64::from(known);
                self.scene.tally.stale += stale.len() as u64;
                if let Some(old) = self.process.sessions.open(worker, link) {
                    // Whoever reads the old link hears of it in its own time; what it still reads
                    // until then must be ignored here.
                    let close = Happening::Replaced { link: old };
                    self.scene.sometime(Span(0), Span::seconds(5), close);
                }
                let (heartbeat, lease) = (self.scene.timing.heartbeat, self.scene.timing.lease);
                let welcome = Welcome { worker, heartbeat, lease, stale };
                self.release.frames.push((link, ToWorker::Welcome(welcome)));
            }
            Ok(reply) => panic!("a greeting is not answered by {reply:?}"),
            Err(Rejection { code, detail }) => {
                self.release.frames.push((link, ToWorker::Refused { code, detail }));
                self.release.closes.push(link);
            }
        }
    }

    /// Only the end of a worker's newest link is the end of its connection.
    fn broken(&mut self, link: LinkId) {
        let mut worker = self.process.sessions.close(link);
        if self.scene.has(Bug::BelievesOldLink) {
            worker = worker.or_else(|| self.process.sessions.former(link));
        }
        if let Some(worker) = worker {
            let known = self.ask(Actor::worker(worker), Command::Disconnect(worker));
            let fine = known.as_ref().map_or_else(|no| no.code == Code::NoSuchWorker, |_| true);
            self.scene.judge.require(fine, "a disconnect is taken", "it was refused");
        }
    }

    /// A worker that is gone must greet again before anything it says counts.
    fn close_links_of_the_gone(&mut self) {
        for record in &self.records {
            let Event::Worker(WorkerEvent::Left { worker, .. }) = record.event else { continue };
            if !self.scene.has(Bug::KeepsLost)
                && let Some(link) = self.process.sessions.end(worker)
            {
                self.release.closes.push(link);
            }
        }
    }

    fn derive_frames(&mut self) {
        let frames = link::frames(&self.process.engine, &self.records);
        let silent = |frame: &ToWorker| matches!(frame, ToWorker::Stop(_));
        let drops = self.scene.has(Bug::DropsStops);
        let link_of = |(worker, frame): (WorkerId, ToWorker)| {
            Some((self.process.sessions.link(worker)?, frame))
        };
        let kept = frames.into_iter().filter(|(_, frame)| !(drops && silent(frame)));
        self.release.frames.extend(kept.filter_map(link_of));
        // A server may say the frames of a round by kind: only some orders are promised.
        if self.scene.dice.chance(500) {
            self.release.frames.sort_by_key(|(_, frame)| rank(frame));
        }
        if self.scene.has(Bug::WelcomesLast) {
            self.release.frames.reverse();
        }
    }
}
