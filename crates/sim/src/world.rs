//! One world from one seed: a server, some workers, some clients, a time of storms and a calm
//! after it in which everything must come to its end.

use std::collections::BTreeMap;

use gristmill_model::limits::Timing;
use gristmill_model::resources::{Capacity, Device};
use gristmill_model::{Span, Time};
use gristmill_worker::core::Input;

use crate::agenda::{Agenda, Happening};
use crate::client::{Client, LICENCE, PIN, PINNED, Palette};
use crate::dice::Dice;
use crate::faults::{Fault, Faults};
use crate::features::{Feature, Features};
use crate::judge::Judge;
use crate::network::{End, Network};
use crate::plan::{Cuts, Plan};
use crate::scene::Scene;
use crate::server::Server;
use crate::tally::Tally;
use crate::trace::Trace;
use crate::worker::{Kind, Node};

/// The calm must bring everything to its end within this time.
const PATIENCE: Span = Span::seconds(6 * 3_600);

/// Steps of one run: beyond them something goes round in circles.
const STEPS: u64 = 400_000;

/// Everything there is.
#[derive(Debug)]
pub struct World {
    /// What everybody shares.
    pub scene: Scene,
    server: Server,
    nodes: Vec<Node>,
    clients: Vec<Client>,
    palette: Palette,
    calm_since: Option<Time>,
    done: bool,
}

impl World {
    /// The world of a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> World {
        let Cuts { without, storm, clients, nodes, jobs } = &plan.cuts;
        let mut dice = Dice::new(plan.seed);
        let faults = Faults::draw(dice.fork(), without);
        let features = Features::draw(&mut dice.fork(), without);
        let timing = draw_timing(&mut dice, &features);
        let mut kinds = draw_kinds(&mut dice, &features);
        kinds.truncate(nodes.unwrap_or(usize::MAX).max(1));
        let palette = Palette::draw(&mut dice, &features, &kinds);
        let server = Server::draw(&mut dice, plan.seed);
        let clients = (dice.below(3) + 1).min(clients.unwrap_or(usize::MAX).max(1));
        let storm =
            dice.span(Span::seconds(20), Span::seconds(240)).min(storm.unwrap_or(Span(u64::MAX)));
        let scene = Scene {
            now: Time::default(),
            dice,
            agenda: Agenda::default(),
            faults,
            features,
            most_jobs: jobs.unwrap_or(50),
            network: Network::default(),
            judge: Judge::new(timing, plan.blind),
            trace: Trace::new(plan.keep),
            tally: Tally::default(),
            timing,
            bug: plan.bug,
        };
        let nodes = kinds.into_iter().enumerate().map(|(index, kind)| Node::new(index, kind));
        let mut world = World {
            scene,
            server,
            nodes: nodes.collect(),
            clients: (0..clients).map(Client::new).collect(),
            palette,
            calm_since: None,
            done: false,
        };
        if world.scene.features.has(Feature::Pins) {
            world.scene.judge.floor.pin(PINNED);
        }
        world.set_out(storm);
        world
    }

    /// Lets the world run to its end, or to the first broken promise.
    pub fn run(&mut self) {
        while !self.done && self.scene.judge.violation().is_none() {
            let Some((at, happening)) = self.scene.agenda.take() else { break };
            self.scene.now = at;
            self.scene.tally.steps += 1;
            self.scene.tally.reached(at);
            self.step(happening);
            let steps = self.scene.tally.steps;
            self.scene.judge.require(steps < STEPS, "nothing goes round in circles", "too long");
        }
        let done = self.done;
        self.scene.judge.require(done, "the world comes to its end", "nothing is left to do");
    }

    fn set_out(&mut self, storm: Span) {
        let scene = &mut self.scene;
        scene.agenda.note(Time(0), Happening::Boot);
        for node in 0..self.nodes.len() {
            scene.sometime(Span(0), Span::seconds(5), Happening::Rise { node });
        }
        for client in 0..self.clients.len() {
            scene.sometime(Span(0), Span::seconds(5), Happening::Act { client });
        }
        scene.later(Span::seconds(1), Happening::Storm);
        scene.later(storm, Happening::Calm);
    }

    fn step(&mut self, happening: Happening) {
        let World { scene, server, nodes, clients, palette, .. } = self;
        match happening {
            Happening::Frame { link, at: End::Server, bytes } => server.frame(scene, link, &bytes),
            Happening::Frame { link, at: End::Worker, bytes } => {
                if let Some(node) = scene.network.node_of(link) {
                    nodes[node].frame(scene, link, &bytes);
                }
            }
            Happening::Dialled { link } => {
                if let Some(node) = scene.network.node_of(link) {
                    nodes[node].dialled(scene, link);
                }
            }
            Happening::Broken { link, at: End::Server } => server.broken(scene, link),
            Happening::Broken { link, at: End::Worker } => {
                if let Some(node) = scene.network.node_of(link) {
                    nodes[node].broken(scene, link);
                }
            }
            Happening::Replaced { link } => scene.close(link, End::Server),
            Happening::Request { client, number, command } => {
                server.request(scene, client, number, *command);
            }
            Happening::Answer { client, number, answer } => {
                clients[client].answer(scene, number, answer);
            }
            Happening::Called { batch } => server.called(scene, batch),
            Happening::Round { life } => server.round(scene, life),
            Happening::Synced { life } => server.synced(scene, life),
            Happening::Compacted { life } => server.compacted(scene, life),
            Happening::Boot => server.boot(scene),
            Happening::Rise { node } => nodes[node].rise(scene),
            Happening::Dial { node, life } => nodes[node].dial(scene, life),
            Happening::Tick { node, life } => nodes[node].tick(scene, life),
            Happening::Mutter { node, life, attempt } => nodes[node].mutter(scene, life, attempt),
            Happening::Done { node, life, attempt, turn } => {
                nodes[node].done(scene, life, attempt, turn);
            }
            Happening::Loaded { node, life, session } => nodes[node].loaded(scene, life, session),
            Happening::HostEnds { node, life, session } => {
                nodes[node].host_ends(scene, life, session);
            }
            Happening::Recovers { node, life, device } => {
                nodes[node].recovers(scene, life, device);
            }
            Happening::OthersLeave { node, life, device } => {
                nodes[node].others_leave(scene, life, device);
            }
            Happening::Resume { node, life } => nodes[node].resume(scene, life),
            Happening::Heal { node } => scene.heal(node),
            Happening::Act { client } => clients[client].act(scene, palette),
            Happening::Impatience { client, number } => clients[client].impatience(scene, number),
            Happening::Storm => self.storm(),
            Happening::Calm => self.calm(),
            Happening::Inspect => self.inspect(),
        }
    }

    /// Once in a while misfortune looks at everybody.
    fn storm(&mut self) {
        let World { scene, server, nodes, .. } = self;
        if scene.faults.is_calm() {
            return;
        }
        if scene.strikes(Fault::CrashAnytime) {
            server.crash(scene, server.life());
        }
        for (index, node) in nodes.iter_mut().enumerate() {
            if scene.strikes(Fault::LinkReset) {
                scene.reset(index);
            }
            if scene.strikes(Fault::Partition) {
                scene.set_apart(index);
                let heal = Happening::Heal { node: index };
                scene.sometime(Span::millis(500), Span::seconds(60), heal);
            }
            node.storm_devices(scene);
            if scene.strikes(Fault::WorkerKilled) {
                node.kill(scene);
            }
            if scene.strikes(Fault::WorkerPaused) {
                node.pause(scene);
            }
            if scene.strikes(Fault::WorkerDrained) {
                node.ask(scene, Input::Drain);
            }
            if scene.strikes(Fault::WorkerQuit) {
                node.ask(scene, Input::Quit);
            }
        }
        scene.sometime(Span::millis(500), Span::seconds(3), Happening::Storm);
    }

    fn calm(&mut self) {
        self.calm_since = Some(self.scene.now);
        self.scene.say("world", format_args!("faults stop"));
        self.scene.faults.calm();
        self.server.settle_clock(&mut self.scene);
        self.nodes.iter_mut().for_each(Node::heal_devices);
        self.clients.iter_mut().for_each(|client| client.tidy(&mut self.scene));
        self.scene.later(Span::seconds(1), Happening::Inspect);
    }

    /// After the faults everything must come to rest: jobs final, hands empty, workers welcome.
    fn inspect(&mut self) {
        self.done = self.at_rest();
        if self.done {
            return self.last_words();
        }
        let since = self.calm_since.expect("inspected after the calm");
        if self.scene.now.since(since) > PATIENCE {
            let why = self.what_sticks();
            return self.scene.judge.require(false, "nothing sticks", &why);
        }
        self.clients[0].let_go(&mut self.scene);
        self.scene.later(Span::seconds(2), Happening::Inspect);
    }

    fn at_rest(&self) -> bool {
        let connected = |node: &Node| {
            let worker = node.idle_instance().and_then(|it| self.scene.judge.worker_of(it));
            let engine = self.server.settled_engine();
            worker.zip(engine).is_some_and(|(id, engine)| engine.state().is_connected(id))
        };
        self.scene.judge.unfinished().is_none()
            && self.clients.iter().all(Client::is_content)
            && self.nodes.iter().all(connected)
    }

    fn what_sticks(&self) -> String {
        match self.scene.judge.unfinished() {
            Some(job) => format!("{job}: {}", self.server.explain(self.scene.now, job)),
            None => {
                let busy = self.nodes.iter().position(|node| node.idle_instance().is_none());
                format!("every job is final; node {busy:?} is not at rest")
            }
        }
    }

    /// The last look: all is durable, and one more restart changes nothing.
    fn last_words(&mut self) {
        let engine = self.server.settled_engine().expect("it is at rest");
        self.scene.judge.compare(engine.state());
        self.scene.judge.at_the_end();
        self.server.crash(&mut self.scene, self.server.life());
        self.server.boot(&mut self.scene);
        self.scene.say("world", format_args!("is at rest"));
    }
}

fn draw_timing(dice: &mut Dice, features: &Features) -> Timing {
    let keep = dice.span(Span::seconds(1), Span::seconds(90));
    let usual = Timing::default();
    let keep_finished =
        if features.has(Feature::Pruning) { keep } else { Span::seconds(365 * 86_400) };
    match dice.below(3) {
        0 => Timing {
            lease: dice.span(Span::seconds(4), Span::seconds(30)),
            heartbeat: dice.span(Span::millis(500), Span::seconds(2)),
            disconnect_grace: dice.span(Span::millis(500), Span::seconds(10)),
            restart_grace: dice.span(Span::seconds(2), Span::seconds(20)),
            timeout_grace: dice.span(Span::millis(500), Span::seconds(20)),
            keep_finished,
        },
        _ => Timing { keep_finished, ..usual },
    }
}

/// One to four machines. The first can run whatever is asked for.
fn draw_kinds(dice: &mut Dice, features: &Features) -> Vec<Kind> {
    let count = dice.between(1, 4);
    (0..count).map(|index| draw_kind(dice, features, index == 0)).collect()
}

fn draw_kind(dice: &mut Dice, features: &Features, first: bool) -> Kind {
    let both = ["command".to_owned(), "images".to_owned()];
    let cpus = u32::try_from(dice.between(if first { 2 } else { 1 }, 4)).expect("small");
    let memory = if features.has(Feature::Memory) && dice.chance(600) { 8 << 30 } else { 0 };
    let devices = draw_devices(dice, features, first);
    let licences = dice.chance(if first { 1_000 } else { 500 });
    let licences = licences.then(|| (LICENCE.to_owned(), 2_000));
    let pin = features.has(Feature::Pins).then(|| (PIN.to_owned(), 1_000));
    let named = licences.into_iter().chain(pin).collect();
    let zone = if first { "a" } else { *dice.pick(&["a", "b", "c"]) };
    let mut handlers = if first { both.to_vec() } else { both[..=dice.below(2)].to_vec() };
    if features.has(Feature::Sessions) {
        let sessions = ["a", "b", PINNED].into_iter().filter(|_| first || dice.chance(700));
        handlers.extend(sessions.map(str::to_owned));
    }
    Kind {
        handlers,
        capacity: Capacity { memory, devices, named, ..Capacity::of_cpus(cpus) },
        shared_disk: first || dice.chance(500),
        labels: BTreeMap::from([("zone".to_owned(), zone.to_owned())]),
        prefetch: u32::try_from(dice.between(1, 64)).expect("small"),
    }
}

/// GPUs of different sizes, some for a few processes at a time; the first machine has one for sure.
/// Where sessions stay, every machine has devices for them too.
fn draw_devices(dice: &mut Dice, features: &Features, first: bool) -> Vec<Device> {
    let gpus = dice.between(u64::from(first), 3);
    let mut gpu = |index: u64| {
        let vram = [16, 8, 24][usize::try_from(index).expect("three")] << 30;
        let slots = *dice.pick(&[0, 0, 1, 2, 4]);
        Device { slots, ..Device::new("gpu", format!("GPU-{index}"), vram) }
    };
    let gpus: Vec<Device> = (0..gpus).map(&mut gpu).collect();
    let npus = if features.has(Feature::Pins) { 2 } else { 0 };
    let npu = |index| Device::new("npu", format!("NPU-{index}"), 16 << 30);
    gpus.into_iter().chain((0..npus).map(npu)).collect()
}
