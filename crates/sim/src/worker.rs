//! A worker's machine: the real core in a process that can be killed, stopped, drained and started
//! again, with handlers that take their time. What happens to its sessions is told in [`hosts`].

mod hosts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::attempt::Outcome;
use gristmill_model::resources::{Capacity, Resources, WorkerShape};
use gristmill_model::wire::{Assignment, Ended, FromWorker, Stream, ToWorker};
use gristmill_model::worker::WorkerDescription;
use gristmill_model::{AttemptId, Span, Time};
use gristmill_worker::core::{Action, Core, Identity, Input, SessionId};

use crate::agenda::Happening;
use crate::brief;
use crate::bug::Bug;
use crate::handler::Task;
use crate::network::{End, LinkId};
use crate::scene::Scene;
use hosts::Host;

/// A machine on which one worker process runs at a time.
#[derive(Debug)]
pub struct Node {
    index: usize,
    name: String,
    kind: Kind,
    life: u64,
    process: Option<Process>,
}

/// What a machine has to offer; the same in every life of its worker.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Kinds of handler.
    pub handlers: Vec<String>,
    /// What there is to book.
    pub capacity: Capacity,
    /// Whether it sees the submitters' disk.
    pub shared_disk: bool,
    /// What stages may require or prefer of it.
    pub labels: BTreeMap<String, String>,
    /// The most attempts it holds beyond those that run.
    pub prefetch: u32,
}

#[derive(Debug)]
struct Process {
    core: Core,
    instance: u64,
    /// Its clock against true time: clocks of two machines must never be compared.
    skew: Span,
    link: Option<LinkId>,
    /// Inputs that wait because the process is stopped.
    stopped: Option<Vec<Input>>,
    tasks: BTreeMap<AttemptId, Task>,
    hosts: BTreeMap<SessionId, Host>,
    /// Sessions of which the core was told, or will be when it goes on, that they are gone.
    gone: BTreeSet<SessionId>,
    /// Devices on which nothing works.
    sick: BTreeSet<u16>,
    /// Bytes that programs of others have of devices.
    foreign: BTreeMap<u16, u64>,
    /// What sessions truly take, by the place of the input that will tell of it, and by name.
    unheard: BTreeMap<usize, (String, u64)>,
    /// What was said of each attempt that ended: it may be repeated, never changed.
    words: BTreeMap<AttemptId, Ended>,
    tick_at: Option<Time>,
}

impl Node {
    /// A machine that is off.
    #[must_use]
    pub fn new(index: usize, kind: Kind) -> Node {
        Node { index, name: format!("node{index}"), kind, life: 0, process: None }
    }

    /// The worker's process starts.
    pub fn rise(&mut self, scene: &mut Scene) {
        if self.process.is_some() {
            return;
        }
        self.life += 1;
        let instance = scene.dice.throw();
        let Kind { handlers, capacity, shared_disk, labels, prefetch } = self.kind.clone();
        let shape = WorkerShape { capacity, handlers, labels, shared_disk };
        let version = "sim".to_owned();
        let description = WorkerDescription { name: self.name.clone(), version, shape };
        let core = Core::new(Identity { instance, description, offers: Vec::new(), prefetch });
        let skew = scene.dice.span(Span::seconds(1), Span::seconds(1_000_000));
        self.process = Some(Process {
            core,
            instance,
            skew,
            link: None,
            stopped: None,
            tasks: BTreeMap::new(),
            hosts: BTreeMap::new(),
            gone: BTreeSet::new(),
            sick: BTreeSet::new(),
            foreign: BTreeMap::new(),
            unheard: BTreeMap::new(),
            words: BTreeMap::new(),
            tick_at: None,
        });
        scene.say(&self.name, format_args!("starts as instance {instance:016x}"));
        self.dial(scene, self.life);
    }

    /// Calls the server, and calls again until somebody answers.
    pub fn dial(&mut self, scene: &mut Scene, life: u64) {
        let (node, now_life) = (self.index, self.life);
        let Some(process) = self.process.as_mut().filter(|_| now_life == life) else { return };
        if process.link.is_some() || process.stopped.is_some() {
            return;
        }
        process.link = scene.dial(node);
        if process.link.is_none() {
            let again = Happening::Dial { node, life };
            scene.sometime(Span::millis(100), Span::seconds(3), again);
        }
    }

    /// The call was answered.
    pub fn dialled(&mut self, scene: &mut Scene, link: LinkId) {
        if scene.network.is_open(link, End::Worker) && self.link() == Some(link) {
            scene.say(&self.name, format_args!("is connected"));
            self.input(scene, Input::Connected);
        }
    }

    /// A frame arrived.
    pub fn frame(&mut self, scene: &mut Scene, link: LinkId, bytes: &[u8]) {
        if !scene.network.is_open(link, End::Worker) || self.link() != Some(link) {
            return;
        }
        let frame: ToWorker = rmp_serde::from_slice(bytes).expect("frames decode");
        if let ToWorker::Settled(attempts) = &frame {
            scene.judge.settled(attempts);
        }
        scene.say(&self.name, format_args!("hears {}", brief::to_worker(&frame)));
        self.input(scene, Input::Frame(frame));
    }

    /// The link turned out to be broken.
    pub fn broken(&mut self, scene: &mut Scene, link: LinkId) {
        if scene.network.shut(link, End::Worker) && self.link() == Some(link) {
            scene.say(&self.name, format_args!("lost its link"));
            let process = self.process.as_mut().expect("a link has its process");
            process.link = None;
            self.input(scene, Input::Disconnected);
            let again = Happening::Dial { node: self.index, life: self.life };
            scene.sometime(Span::millis(10), Span::seconds(2), again);
        }
    }

    /// The core wanted to be woken.
    pub fn tick(&mut self, scene: &mut Scene, life: u64) {
        // An alarm that was set anew for an earlier time still rings at the old one.
        let rings = |process: &&mut Process| process.tick_at == Some(scene.now);
        if let Some(process) = self.in_life(life).filter(rings) {
            process.tick_at = None;
            if process.stopped.is_none() {
                self.input(scene, Input::Tick);
            }
        }
    }

    /// A handler says something on the way.
    pub fn mutter(&mut self, scene: &mut Scene, life: u64, attempt: AttemptId) {
        let Some(process) = self.in_life(life) else { return };
        if !process.tasks.contains_key(&attempt) {
            return;
        }
        let bytes = b"working\n".to_vec();
        self.input(scene, Input::Log { attempt, stream: Stream::Stdout, bytes });
        let message = "half-way".into();
        self.input(scene, Input::Progress { attempt, done: 1, total: 2, message });
        self.input(scene, Input::Partial { attempt, index: 0, value: "1".into() });
    }

    /// A handler is done.
    pub fn done(&mut self, scene: &mut Scene, life: u64, attempt: AttemptId, turn: u32) {
        let Some(process) = self.in_life(life) else { return };
        if process.tasks.get(&attempt).is_none_or(|task| task.turn != turn) {
            return;
        }
        let task = process.tasks.remove(&attempt).expect("just found");
        let ended = task.end(scene.now, &self.kind.capacity.devices);
        scene.tally.zombies += u64::from(!scene.judge.is_live(attempt));
        let how = match &ended.outcome {
            Outcome::Succeeded(_) => "well",
            Outcome::Failed(failure) => failure.code.as_str(),
        };
        scene.say(&self.name, format_args!("ends {attempt} {how}"));
        self.leave_floor(scene, attempt, &task);
        self.input(scene, Input::Ended(ended));
        self.end_item(scene, &task);
    }

    /// Killed: everything is forgotten. A new process comes up after a while.
    pub fn kill(&mut self, scene: &mut Scene) {
        let Some(process) = self.process.take() else { return };
        scene.judge.floor.is_cleared(self.index);
        if let Some(link) = process.link {
            // The kernel closes the socket of a dead process.
            scene.close(link, End::Worker);
        }
        let rise = Happening::Rise { node: self.index };
        scene.sometime(Span::millis(100), Span::seconds(25), rise);
    }

    /// Stopped, as by SIGSTOP; the handlers, which have processes of their own, go on.
    pub fn pause(&mut self, scene: &mut Scene) {
        let life = self.life;
        if let Some(process) = self.process.as_mut().filter(|process| process.stopped.is_none()) {
            process.stopped = Some(Vec::new());
            let resume = Happening::Resume { node: self.index, life };
            scene.sometime(Span::millis(100), Span::seconds(40), resume);
        }
    }

    /// Goes on, perhaps as a zombie, with all that arrived meanwhile.
    pub fn resume(&mut self, scene: &mut Scene, life: u64) {
        let Some(process) = self.in_life(life) else { return };
        let mut inputs = process.stopped.take().unwrap_or_default();
        inputs.push(Input::Tick);
        scene.say(&self.name, format_args!("goes on with {} inputs", inputs.len() - 1));
        self.handle(scene, inputs);
        self.dial(scene, life);
    }

    /// Somebody asks the worker to finish what it holds and leave, or to leave at once.
    pub fn ask(&mut self, scene: &mut Scene, input: Input) {
        if self.process.is_some() {
            self.input(scene, input);
        }
    }

    /// The instance that runs now, if it is connected and has nothing left to do or say.
    #[must_use]
    pub fn idle_instance(&self) -> Option<u64> {
        let process = self.process.as_ref()?;
        let at_rest = process.core.is_idle() && process.tasks.is_empty();
        (at_rest && process.link.is_some()).then_some(process.instance)
    }

    fn link(&self) -> Option<LinkId> {
        self.process.as_ref()?.link
    }

    fn in_life(&mut self, life: u64) -> Option<&mut Process> {
        self.process.as_mut().filter(|_| self.life == life)
    }

    fn input(&mut self, scene: &mut Scene, input: Input) {
        let process = self.process.as_mut().expect("asked only while it runs");
        match &mut process.stopped {
            Some(waiting) => waiting.push(input),
            None => self.handle(scene, vec![input]),
        }
    }

    fn handle(&mut self, scene: &mut Scene, inputs: Vec<Input>) {
        let process = self.process.as_mut().expect("asked only while it runs");
        let now = scene.now + process.skew;
        let (mut actions, mut news) = (Vec::new(), Vec::new());
        let mut unheard = std::mem::take(&mut process.unheard);
        for (place, input) in inputs.into_iter().enumerate() {
            let before = actions.len();
            hosts::tell_judge(scene, self.index, &self.kind, &input);
            let heard = hosts::news(&input, unheard.remove(&place));
            news.extend(heard.into_iter().map(|news| (before, news)));
            process.core.handle(now, input, &mut actions);
            hosts::judge_begins(scene, self.index, &actions[before..]);
        }
        // What was decided before it had heard something is judged without it.
        let mut news = news.into_iter().peekable();
        for (place, action) in actions.into_iter().enumerate() {
            while let Some((_, news)) = news.next_if(|(before, _)| *before <= place) {
                scene.judge.floor.learns(self.index, news);
            }
            self.act(scene, action);
        }
        // Who has left takes along what it knew: the next worker on this machine knows nothing.
        for (_, news) in news.filter(|_| self.process.is_some()) {
            scene.judge.floor.learns(self.index, news);
        }
        self.set_alarm(scene);
    }

    fn act(&mut self, scene: &mut Scene, action: Action) {
        let Some(process) = self.process.as_mut() else { return };
        match action {
            Action::Send(frame) => {
                process.keeps_its_word(scene, &frame);
                if let Some(link) = process.link {
                    // Heartbeats would drown the story.
                    if frame != FromWorker::Heartbeat {
                        scene.say(&self.name, format_args!("says {}", brief::from_worker(&frame)));
                    }
                    scene.send(link, End::Server, &frame);
                }
            }
            Action::Start(assignment) => self.start(scene, assignment),
            Action::Stop(attempt) => {
                self.forget_lock(scene, attempt);
                let Some(process) = self.process.as_mut() else { return };
                if let Some(task) = process.tasks.get_mut(&attempt) {
                    let (takes, turn) = (task.stop(scene), task.turn);
                    let done = Happening::Done { node: self.index, life: self.life, attempt, turn };
                    scene.later(takes, done);
                }
            }
            Action::Open(opening) => self.open(scene, opening),
            Action::Call(session, assignments) => self.call(scene, session, assignments),
            Action::Close(session) => self.close(scene, session),
            Action::Trust(_) => {}
            Action::Leave => {
                scene.say(&self.name, format_args!("leaves"));
                self.kill(scene);
            }
        }
    }

    fn start(&mut self, scene: &mut Scene, mut assignment: Assignment) {
        if scene.has(Bug::HalfGiven) {
            assignment.seat.iter_mut().for_each(|seat| seat.devices.truncate(1));
        }
        let devices = assignment.seat.iter().any(|seat| !seat.devices.is_empty());
        scene.tally.device_runs += u64::from(devices);
        scene.judge.started(&assignment);
        scene.judge.starts_on(self.index, &self.kind, &assignment);
        let attempt = assignment.attempt;
        if scene.dice.chance(100) {
            let mutter = Happening::Mutter { node: self.index, life: self.life, attempt };
            scene.sometime(Span::millis(1), Span::seconds(2), mutter);
        }
        self.begin(scene, assignment, None);
    }

    /// Work begins, by a handler of its own or in a session.
    fn begin(&mut self, scene: &mut Scene, assignment: Assignment, host: Option<SessionId>) {
        let (node, life, attempt) = (self.index, self.life, assignment.attempt);
        let process = self.process.as_mut().expect("it starts things");
        let devices = assignment.seat.iter().flat_map(|seat| &seat.devices);
        let sick = devices.into_iter().any(|device| process.sick.contains(device));
        let (task, takes) = Task::start(scene, assignment, host, sick);
        if let Some(takes) = takes {
            scene.later(takes, Happening::Done { node, life, attempt, turn: task.turn });
        }
        process.tasks.insert(attempt, task);
        // A session is booked once, however many work in it.
        let mut counted = BTreeSet::new();
        let booked = process.tasks.values().filter(|task| match task.host {
            Some(host) => counted.insert(host),
            None => true,
        });
        let requests: Vec<Resources> =
            booked.map(|task| task.assignment.resources.clone()).collect();
        let assignment = &process.tasks[&attempt].assignment;
        scene.judge.runs_on(&self.kind, assignment, &requests);
    }

    fn set_alarm(&mut self, scene: &mut Scene) {
        let Some(process) = self.process.as_mut() else { return };
        let Some(due) = process.core.next_deadline() else { return };
        let due = (due - process.skew).max(scene.now);
        if process.tick_at.is_none_or(|at| due < at) {
            process.tick_at = Some(due);
            scene.agenda.note(due, Happening::Tick { node: self.index, life: self.life });
        }
    }
}

impl Process {
    fn keeps_its_word(&mut self, scene: &mut Scene, frame: &FromWorker) {
        let FromWorker::Ended(ended) = frame else { return };
        for end in ended {
            let first = self.words.entry(end.attempt).or_insert_with(|| end.clone());
            let same = first == end;
            scene.judge.require(same, "a worker keeps its word", &end.attempt.to_string());
        }
    }
}
