//! What there is to choose from: projects, pipelines, keys. Every stage can run on the first
//! machine.

use std::collections::BTreeMap;

use gristmill_model::Span;
use gristmill_model::attempt::FailureKind;
use gristmill_model::pipeline::{
    CommandSpec, Handler, ImagesSpec, PipelineSpec, SessionSpec, StageSpec,
};
use gristmill_model::resources::{Capacity, DeviceRequest, Resources, WHOLE, WorkerShape};
use gristmill_model::retry::RetryPolicy;
use gristmill_model::scope::Scope;

use crate::dice::Dice;
use crate::features::{Feature, Features};
use crate::worker::Kind;

/// A licence that machines may have.
pub const LICENCE: &str = "licence";

/// What of a machine a session that stays takes, so that there is one of them at the most.
pub const PIN: &str = "pin";

/// The session that stays, where one does.
pub const PINNED: &str = "c";

/// What there is to choose from.
#[derive(Debug)]
pub struct Palette {
    /// Names of projects.
    pub projects: Vec<String>,
    /// Pipelines.
    pub pipelines: Vec<PipelineSpec>,
    /// Machines that may be declared.
    pub shapes: Vec<WorkerShape>,
}

impl Palette {
    /// Draws pipelines that the first machine can run.
    pub fn draw(dice: &mut Dice, features: &Features, kinds: &[Kind]) -> Palette {
        let most = match (features.has(Feature::ManyProjects), features.has(Feature::Projects)) {
            (true, _) => 12,
            (false, true) => 3,
            (false, false) => 1,
        };
        let names = (1..most).map(|number| format!("project{number}"));
        let projects = std::iter::once("default".to_owned()).chain(names).collect();
        let largest = &kinds[0].capacity;
        // Pipelines of different names often ask for the same, so that projects and classes meet.
        let shared = draw_stage(dice, features, 0, largest);
        let pipelines = ["one", "two", "two", "three"].map(|name| {
            let count = if features.has(Feature::Stages) { dice.between(1, 3) } else { 1 };
            let stage = |dice: &mut Dice, index| match dice.chance(400) {
                true => StageSpec { name: format!("s{index}"), ..shared.clone() },
                false => draw_stage(dice, features, index, largest),
            };
            let stages = (0..count).map(|index| stage(dice, index)).collect();
            PipelineSpec { name: name.into(), stages }
        });
        let shape = |kind: &Kind| WorkerShape {
            capacity: kind.capacity.clone(),
            handlers: kind.handlers.clone(),
            labels: kind.labels.clone(),
            shared_disk: kind.shared_disk,
        };
        let shapes = kinds.iter().map(shape).collect();
        Palette { projects, pipelines: pipelines.into(), shapes }
    }

    /// A scope of any kind.
    pub fn scope(&self, dice: &mut Dice, keys: bool) -> Scope {
        let spec = dice.pick(&self.pipelines);
        match dice.between(1, if keys { 4 } else { 3 }) {
            1 => Scope::Project,
            2 => Scope::Pipeline(spec.name.clone()),
            3 => Scope::Stage(spec.name.clone(), dice.pick(&spec.stages).name.clone()),
            _ => Scope::Key(limit_key(dice)),
        }
    }
}

/// A key that limits may speak of.
pub fn limit_key(dice: &mut Dice) -> String {
    (*dice.pick(&["user:ada", "user:bob"])).to_owned()
}

fn draw_stage(dice: &mut Dice, features: &Features, index: u64, largest: &Capacity) -> StageSpec {
    let argv = vec!["work".into(), "{input}".into()];
    let command = CommandSpec { argv, shell: false, env: BTreeMap::new() };
    let handler = if dice.chance(800) {
        Handler::Command(command)
    } else {
        Handler::Images(ImagesSpec { recipe: "{}".into() })
    };
    let sessions = features.has(Feature::Sessions) && dice.chance(600);
    let name = *dice.pick(&["a", "b", PINNED]);
    let handler = if sessions { Handler::Session(session(features, name)) } else { handler };
    let pinned = handler.session().is_some_and(|session| session.pinned);
    let resources = match handler.session() {
        Some(_) if pinned => pinned_resources(),
        Some(_) => {
            let drawn = draw_resources(dice, features, largest);
            let on_device = drawn.devices.is_empty() && dice.chance(700);
            let wish = on_device.then(|| draw_wish(dice, features, largest));
            let devices = wish.into_iter().chain(drawn.devices).collect();
            Resources { cpus: 100, devices, ..drawn }
        }
        None => draw_resources(dice, features, largest),
    };
    let timed = features.has(Feature::Timeouts) && dice.chance(500);
    let mut stage = StageSpec {
        retry: draw_retry(dice),
        timeout: timed.then(|| dice.span(Span::millis(500), Span::seconds(60))),
        ..StageSpec::new(format!("s{index}"), handler)
    };
    stage.resources = resources;
    if features.has(Feature::Alternatives) && !pinned && dice.chance(500) {
        let other = draw_resources(dice, features, largest);
        // What is preferred may be more than anybody has; then only the other will do.
        match dice.between(1, 3) {
            1 => {
                let preferred = Resources { cpus: 64_000, ..stage.resources.clone() };
                stage.alternatives = vec![std::mem::replace(&mut stage.resources, preferred)];
            }
            2 => stage.alternatives = vec![Resources { cpus: 64_000, ..other.clone() }, other],
            _ => stage.alternatives = vec![other],
        }
    }
    if features.has(Feature::Labels) {
        let zone = |zone: &str| BTreeMap::from([("zone".to_owned(), zone.to_owned())]);
        stage.requires = if dice.chance(300) { zone("a") } else { BTreeMap::new() };
        stage.prefers = if dice.chance(300) { zone("b") } else { BTreeMap::new() };
    }
    stage
}

fn draw_resources(dice: &mut Dice, features: &Features, largest: &Capacity) -> Resources {
    let cpus = *dice.pick(&[100, 500, 1_000, 1_000, 2_000, largest.cpus]);
    let memory = if dice.chance(200) { largest.memory / 2 } else { 0 };
    let named = match features.has(Feature::NamedResources) && dice.chance(300) {
        true => BTreeMap::from([(LICENCE.to_owned(), *dice.pick(&[500, 1_000, 1_500]))]),
        false => BTreeMap::new(),
    };
    // Now and then a stage wants the GPU that the first machine has for sure.
    let wants = features.has(Feature::Gpus) && dice.chance(500);
    let devices = if wants { vec![draw_wish(dice, features, largest)] } else { Vec::new() };
    Resources { cpus: cpus.min(largest.cpus), memory, devices, named }
}

/// Devices that the first machine has: one or several, whole, in parts, or by their memory.
fn draw_wish(dice: &mut Dice, features: &Features, largest: &Capacity) -> DeviceRequest {
    if features.has(Feature::Pins) && dice.chance(400) {
        return DeviceRequest { kind: "npu".into(), count: 1, vram: 15 << 30, share: 0 };
    }
    let gpus = largest.devices.iter().filter(|device| device.kind == "gpu").count();
    let several = gpus > 1 && dice.chance(250);
    let vram = if several { 0 } else { *dice.pick(&[0, 2 << 30, 8 << 30, 16 << 30]) };
    let share = *dice.pick(&[WHOLE, WHOLE, 500, 250, 0]);
    let vram = if share == 0 { vram.max(1 << 30) } else { vram };
    DeviceRequest { kind: "gpu".into(), count: if several { 2 } else { 1 }, vram, share }
}

/// What sessions of a name are like: the same in every pipeline.
fn session(features: &Features, name: &str) -> SessionSpec {
    let (batch, batch_wait) = match name {
        "a" => (1, Span::ZERO),
        "b" => (4, Span::millis(50)),
        _ => (2, Span::ZERO),
    };
    let pinned = name == PINNED && features.has(Feature::Pins);
    SessionSpec { batch, batch_wait, pinned, ..SessionSpec::new(name) }
}

/// A session that stays leaves room for everything else: another device is there beside its own.
fn pinned_resources() -> Resources {
    let wish = DeviceRequest { kind: "npu".into(), count: 1, vram: 2 << 30, share: 0 };
    let named = BTreeMap::from([(PIN.to_owned(), 1_000)]);
    Resources { cpus: 0, devices: vec![wish], named, ..Resources::default() }
}

fn draw_retry(dice: &mut Dice) -> RetryPolicy {
    let mut on = vec![FailureKind::Failed, FailureKind::TimedOut];
    if dice.chance(200) {
        on.push(FailureKind::Invalid);
    }
    if dice.chance(200) {
        on.remove(0);
    }
    RetryPolicy {
        attempts: u32::try_from(dice.between(1, 5)).expect("five is small"),
        backoff: dice.span(Span::millis(50), Span::seconds(20)),
        max_backoff: dice.span(Span::seconds(1), Span::seconds(60)),
        jitter_percent: u8::try_from(dice.between(0, 100)).expect("a hundred is small"),
        on,
    }
}
