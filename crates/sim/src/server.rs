//! The server: a small core loop around the real engine, in the order that ARCHITECTURE.md gives,
//! on a disk that can lose its tail. [`round`] is one turn of the loop; here it lives and dies.

mod clock;
mod compaction;
mod planted;
mod round;
mod sessions;

use std::collections::VecDeque;

use gristmill_engine::Engine;
use gristmill_model::command::{Command, Reply};
use gristmill_model::event::{BatchEvent, Event};
use gristmill_model::problem::Rejection;
use gristmill_model::wire::{FromWorker, ToWorker};
use gristmill_model::{BatchId, JobId, Span, Time};

use crate::agenda::Happening;
use crate::brief;
use crate::bug::Bug;
use crate::dice::Dice;
use crate::disk::Disk;
use crate::faults::Fault;
use crate::network::{End, LinkId};
use crate::scene::Scene;
use clock::Wall;
use compaction::Compaction;
use planted::Planted;
use sessions::Sessions;

/// The machine on which the server runs.
#[derive(Debug)]
pub struct Server {
    disk: Disk,
    wall: Wall,
    /// Appends that may be on their way to the disk at once.
    depth: usize,
    /// The longest that a healthy append takes.
    pace: Span,
    /// Groups of the log that the judge has seen.
    judged: usize,
    life: u64,
    planted: Planted,
    compaction: Compaction,
    process: Option<Process>,
}

/// What a crash forgets.
#[derive(Debug)]
struct Process {
    engine: Engine,
    clock: clock::Clock,
    inbox: Vec<Mail>,
    sessions: Sessions,
    /// Rounds whose events are not durable yet, oldest first.
    appends: VecDeque<Release>,
    /// When the next round is due, if one is on the agenda.
    round_at: Option<Time>,
}

/// What arrived and was not handled yet.
#[derive(Debug)]
enum Mail {
    Frame(LinkId, FromWorker),
    Broken(LinkId),
    Request {
        client: usize,
        number: u64,
        command: Command,
    },
    /// What the server asks of itself.
    Own(Command),
}

/// What a round has to say once it is durable.
#[derive(Debug, Default)]
struct Release {
    /// Whether it has a group on the disk.
    writes: bool,
    answers: Vec<(usize, u64, Result<Reply, Rejection>)>,
    frames: Vec<(LinkId, ToWorker)>,
    closes: Vec<LinkId>,
}

impl Server {
    /// A server that was never started.
    #[must_use]
    pub fn draw(dice: &mut Dice, seed: u64) -> Server {
        Server {
            disk: Disk::default(),
            wall: Wall::default(),
            depth: dice.below(4) + 1,
            pace: *dice.pick(&[Span::millis(1), Span::millis(8), Span::millis(80)]),
            judged: 0,
            life: 0,
            planted: Planted::default(),
            compaction: Compaction::new(seed),
            process: None,
        }
    }

    /// Starts: replays the log through the live path, then begins a new life.
    pub fn boot(&mut self, scene: &mut Scene) {
        self.life += 1;
        if scene.has(Bug::ForgetsLastGroup) {
            self.disk.forget_last();
        }
        let groups = self.disk.recover();
        let mut engine = Engine::new(planted::timing(scene.bug, scene.timing));
        planted::replay(scene.bug, &groups).iter().for_each(|record| engine.apply(record));
        for group in groups.iter().skip(self.judged) {
            scene.judge.durable(group, &mut scene.tally);
        }
        self.judged = groups.len();
        scene.judge.compare(engine.state());
        let clock = self.wall.start(scene, engine.state().now());
        let mut records = Vec::new();
        if !scene.has(Bug::SkipsStart) {
            engine.start(clock.read(scene.now), "sim", &mut records);
            self.disk.append(&records);
            scene.judge.durable(&self.disk.sync_one(), &mut scene.tally);
            self.judged += 1;
        }
        engine.check();
        scene.say("server", format_args!("starts, {} groups in its log", groups.len()));
        scene.judge.server_started(scene.now);
        scene.network.listen();
        self.process = Some(Process {
            engine,
            clock,
            inbox: Vec::new(),
            sessions: Sessions::default(),
            appends: VecDeque::new(),
            round_at: None,
        });
        if scene.has(Bug::RangeTwice)
            && let Some(again) = planted::range_again(&groups)
        {
            self.take(scene, Mail::Own(again));
        }
        self.plan_round(scene, false);
    }

    /// Somebody was called at a batch's end; while the server is down the caller tries again.
    pub fn called(&mut self, scene: &mut Scene, batch: BatchId) {
        if self.process.is_none() {
            return scene.later(Span::seconds(2), Happening::Called { batch });
        }
        let (delivered, detail) = (scene.dice.chance(800), "200 OK".to_owned());
        self.take(scene, Mail::Own(Command::SettleCallback { batch, delivered, detail }));
    }

    /// Crashes: what is not on the disk is gone. Comes back after a while.
    pub fn crash(&mut self, scene: &mut Scene, life: u64) {
        if self.life != life || self.process.is_none() {
            return;
        }
        scene.tally.crashes += 1;
        self.replay_equals_live(scene);
        self.die(scene);
    }

    /// A frame arrived.
    pub fn frame(&mut self, scene: &mut Scene, link: LinkId, bytes: &[u8]) {
        if self.process.is_none() || !scene.network.is_open(link, End::Server) {
            return;
        }
        let frame: FromWorker = rmp_serde::from_slice(bytes).expect("frames decode");
        scene.judge.heard(scene.now, link, &frame);
        self.take(scene, Mail::Frame(link, frame));
    }

    /// A link turned out to be broken.
    pub fn broken(&mut self, scene: &mut Scene, link: LinkId) {
        if scene.network.shut(link, End::Server) && self.process.is_some() {
            scene.judge.lost(scene.now, link);
            self.take(scene, Mail::Broken(link));
        }
    }

    /// A client asks; nobody answers while the server is down.
    pub fn request(&mut self, scene: &mut Scene, client: usize, number: u64, command: Command) {
        if self.process.is_some() {
            scene.judge.asked(&command);
            self.take(scene, Mail::Request { client, number, command });
        }
    }

    /// The oldest append is durable: now the world may hear of it.
    pub fn synced(&mut self, scene: &mut Scene, life: u64) {
        if self.life != life || self.process.is_none() {
            return;
        }
        let records = self.disk.sync_one();
        scene.judge.durable(&records, &mut scene.tally);
        for record in records {
            if let Event::Batch(BatchEvent::Finished { batch }) = record.event {
                let called = Happening::Called { batch };
                scene.sometime(Span::millis(5), Span::seconds(5), called);
            }
        }
        self.judged += 1;
        if scene.strikes(Fault::CrashBeforeReply) {
            return self.crash(scene, life);
        }
        let process = self.process.as_mut().expect("it was there");
        let release = process.appends.pop_front().expect("what is durable was appended");
        speak(scene, release);
        // Rounds without anything to write only waited for their turn.
        while let Some(release) = process.appends.pop_front_if(|next| !next.writes) {
            speak(scene, release);
        }
        if !process.appends.is_empty() {
            self.sync_later(scene);
        }
        // A settled engine is wholly in the log: now the two can be held against each other.
        if scene.dice.chance(100)
            && let Some(engine) = self.settled_engine()
        {
            scene.judge.compare(engine.state());
            if scene.dice.chance(100) {
                self.replay_equals_live(scene);
            }
        }
        self.compact_perhaps(scene);
        self.plan_round(scene, false);
    }

    /// The engine, while the server runs and nothing is on its way to the disk.
    #[must_use]
    pub fn settled_engine(&self) -> Option<&Engine> {
        let process = self.process.as_ref()?;
        process.appends.is_empty().then_some(&process.engine)
    }

    /// How the engine explains where a job is.
    #[must_use]
    pub fn explain(&self, now: Time, job: JobId) -> String {
        match &self.process {
            None => "the server is down".into(),
            Some(process) => {
                format!("{:?}", process.engine.explain(process.clock.read(now), job))
            }
        }
    }

    /// Which life the server lives.
    #[must_use]
    pub fn life(&self) -> u64 {
        self.life
    }

    fn take(&mut self, scene: &mut Scene, mail: Mail) {
        let process = self.process.as_mut().expect("it is up");
        process.inbox.push(mail);
        self.plan_round(scene, false);
    }

    /// Replays the whole log and holds it against the living engine.
    fn replay_equals_live(&mut self, scene: &mut Scene) {
        let Some(process) = self.process.as_ref().filter(|_| !scene.judge.is_blind()) else {
            return;
        };
        process.engine.check();
        let mut replayed = Engine::new(scene.timing);
        self.disk.read().for_each(|record| replayed.apply(&record));
        let same = replayed.state().same_as(process.engine.state());
        scene.judge.require(same, "replay equals live", "the log leads to another state");
    }

    fn die(&mut self, scene: &mut Scene) {
        let tail = self.disk.crash(&mut scene.dice);
        scene.say(
            "server",
            format_args!("dies; of its tail {} kept, {} lost", tail.kept, tail.lost),
        );
        self.lose_base(scene);
        scene.tally.tails_kept += u64::from(tail.kept > 0);
        scene.tally.tails_lost += u64::from(tail.lost > 0);
        scene.tally.tails_torn += u64::from(tail.kept > 0 && tail.lost > 0);
        self.process = None;
        scene.server_gone();
        scene.sometime(Span::millis(50), Span::seconds(30), Happening::Boot);
    }

    /// Sets the wall clock for good.
    pub fn settle_clock(&mut self, scene: &mut Scene) {
        let running = self.process.as_mut().map(|process| &mut process.clock);
        self.wall.settle(scene.now, running);
        if self.process.is_some() {
            self.plan_round(scene, true);
        }
    }

    /// Puts the next round on the agenda: soon when something waits, else at the next deadline.
    fn plan_round(&mut self, scene: &mut Scene, more: bool) {
        let process = self.process.as_mut().expect("it is up");
        let at = if more || !process.inbox.is_empty() {
            scene.now + scene.dice.span(Span(10), Span::millis(2))
        } else {
            let (engine, clock) = (&process.engine, process.clock);
            let due = engine.next_deadline().map(|due| clock.when(due));
            let term = engine.next_term().map(|term| clock.when_wall(term));
            let Some(first) = due.into_iter().chain(term).min() else { return };
            first.max(scene.now)
        };
        if process.round_at.is_none_or(|planned| at < planned) {
            process.round_at = Some(at);
            scene.agenda.note(at, Happening::Round { life: self.life });
        }
    }

    fn sync_later(&mut self, scene: &mut Scene) {
        let most = if scene.strikes(Fault::SlowDisk) { Span::seconds(20) } else { self.pace };
        let takes = scene.dice.span(Span(100), most);
        scene.later(takes, Happening::Synced { life: self.life });
    }
}

/// Says what a round had to say.
fn speak(scene: &mut Scene, release: Release) {
    for (client, number, answer) in release.answers {
        if !scene.strikes(Fault::AnswerLost) {
            let answer = Happening::Answer { client, number, answer };
            scene.sometime(Span(100), Span::millis(40), answer);
        }
    }
    for (link, mut frame) in release.frames {
        planted::tell(scene.bug, &mut frame);
        if scene.network.is_open(link, End::Server) {
            let node = scene.network.node_of(link).unwrap_or_default();
            scene.trace.say(
                scene.now,
                "server",
                format_args!("tells node{node}: {}", brief::to_worker(&frame)),
            );
            scene.send(link, End::Worker, &frame);
        }
    }
    release.closes.into_iter().for_each(|link| scene.close(link, End::Server));
}
