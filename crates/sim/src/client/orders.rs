//! What people order about work that is there, and about scopes, workers and projects.

use gristmill_model::command::Command;
use gristmill_model::resources::WorkerShape;
use gristmill_model::scope::{Flow, Limit, Rate};
use gristmill_model::terms::Target;
use gristmill_model::{JobRun, Span, WorkerId};

use super::{Client, Own, Palette};
use crate::features::Feature;
use crate::scene::Scene;

/// What may be ordered.
#[derive(Debug, Clone, Copy)]
enum Order {
    CancelJob,
    CancelBatch,
    CancelMany,
    RetryJob,
    RetryMany,
    Hold,
    Release,
    Limit,
    Unlimit,
    Flow,
    PauseWorker,
    Declare,
    Weigh,
    Define,
    DrainWorker,
    SetDevice,
}

/// What may be ordered, how often beside the others, and what must be there for it.
const ORDERS: [(Order, u64, Option<Feature>); 18] = [
    (Order::CancelJob, 12, Some(Feature::Cancels)),
    (Order::CancelBatch, 12, Some(Feature::Cancels)),
    (Order::CancelMany, 12, Some(Feature::Bulk)),
    (Order::RetryJob, 15, Some(Feature::Retries)),
    (Order::RetryMany, 12, Some(Feature::Bulk)),
    (Order::Hold, 15, Some(Feature::Holds)),
    (Order::Release, 15, Some(Feature::Holds)),
    (Order::Limit, 15, Some(Feature::Concurrency)),
    (Order::Limit, 15, Some(Feature::Rates)),
    (Order::Unlimit, 5, Some(Feature::Concurrency)),
    (Order::Flow, 12, Some(Feature::Pauses)),
    (Order::Flow, 8, Some(Feature::Drains)),
    (Order::PauseWorker, 10, Some(Feature::WorkerPauses)),
    (Order::Declare, 6, Some(Feature::Declarations)),
    (Order::Weigh, 10, Some(Feature::Weights)),
    (Order::Define, 3, None),
    (Order::DrainWorker, 5, None),
    (Order::SetDevice, 20, Some(Feature::DeviceOrders)),
];

impl Client {
    /// Something that may be asked twice, about the client's own work or about everybody's.
    pub(super) fn order(&mut self, scene: &mut Scene, palette: &Palette) -> Command {
        let at = scene.dice.below(self.batches.len());
        let own = &mut self.batches[at];
        match draw(scene) {
            Order::CancelJob if !own.jobs.is_empty() => {
                Command::CancelJob(*scene.dice.pick(&own.jobs))
            }
            Order::CancelJob | Order::CancelBatch => {
                (own.cancelled, own.open) = (true, false);
                Command::CancelBatch(own.batch)
            }
            Order::CancelMany => Command::CancelJobs(some_of(scene, own)),
            // Work that never ends by itself is not asked for again.
            Order::RetryJob if !own.doomed && !own.jobs.is_empty() => {
                Command::RetryJob(*scene.dice.pick(&own.jobs))
            }
            Order::RetryMany if !own.doomed => Command::RetryJobs(some_of(scene, own)),
            Order::Hold => Command::Hold(target(scene, own)),
            Order::Release => Command::Release(target(scene, own)),
            Order::PauseWorker => {
                Command::PauseWorker { worker: worker(scene), paused: scene.dice.chance(600) }
            }
            Order::DrainWorker => Command::Drain(worker(scene)),
            Order::SetDevice => Command::SetDevice {
                worker: worker(scene),
                device: format!("GPU-{}", scene.dice.below(3)),
                quarantined: scene.dice.chance(600).then(|| "it is being looked at".to_owned()),
            },
            Order::Declare => declare(scene, palette),
            order => about_project(scene, palette, order),
        }
    }
}

fn draw(scene: &mut Scene) -> Order {
    let there = |feature: &Option<Feature>| feature.is_none_or(|it| scene.features.has(it));
    let orders: Vec<_> = ORDERS.iter().filter(|(_, _, needs)| there(needs)).collect();
    let mut roll = scene.dice.between(1, orders.iter().map(|(_, weight, _)| weight).sum());
    for (order, weight, _) in orders {
        if roll <= *weight {
            return *order;
        }
        roll -= weight;
    }
    unreachable!("the roll is within the weights")
}

fn about_project(scene: &mut Scene, palette: &Palette, order: Order) -> Command {
    let project = scene.dice.pick(&palette.projects).clone();
    let keys = scene.features.has(Feature::LimitKeys);
    let scope = palette.scope(&mut scene.dice, keys);
    match order {
        Order::Limit => Command::SetLimit { project, scope, limit: limit(scene) },
        Order::Unlimit => Command::SetLimit { project, scope, limit: Limit::default() },
        Order::Flow => {
            let features = &scene.features;
            let (pauses, drains) = (features.has(Feature::Pauses), features.has(Feature::Drains));
            let flow = match scene.dice.between(1, 10) {
                1..=4 if pauses => Flow::Paused,
                1..=6 if drains => Flow::Draining,
                _ => Flow::Open,
            };
            Command::SetFlow { project, scope, flow }
        }
        Order::Weigh => {
            let weight = u32::try_from(scene.dice.between(1, 5)).expect("five is small");
            Command::DefineProject { name: project, weight }
        }
        _ => {
            let spec = scene.dice.pick(&palette.pipelines).clone();
            Command::DefinePipeline { project, spec }
        }
    }
}

fn limit(scene: &mut Scene) -> Limit {
    let most = scene.draws(Feature::Concurrency, 700);
    let concurrency = most.then(|| u32::try_from(scene.dice.between(1, 4)).expect("four is small"));
    let rate = scene.draws(Feature::Rates, 700).then(|| Rate {
        count: *scene.dice.pick(&[1, 2, 5, 10]),
        per: Span::seconds(*scene.dice.pick(&[1, 2, 5, 20])),
    });
    Limit { concurrency, rate }
}

fn declare(scene: &mut Scene, palette: &Palette) -> Command {
    let at = scene.dice.below(palette.shapes.len());
    let shape: Option<WorkerShape> = scene.dice.chance(600).then(|| palette.shapes[at].clone());
    Command::DeclareWorker { name: format!("node{at}"), shape }
}

fn worker(scene: &mut Scene) -> WorkerId {
    WorkerId(scene.dice.between(1, scene.tally.joins.max(1)))
}

fn target(scene: &mut Scene, own: &Own) -> Target {
    match own.jobs.is_empty() || scene.dice.chance(500) {
        true => Target::Batch(own.batch),
        false => Target::Job(*scene.dice.pick(&own.jobs)),
    }
}

/// Some jobs of a batch, as runs in order.
fn some_of(scene: &mut Scene, own: &Own) -> Vec<JobRun> {
    let share = *scene.dice.pick(&[100, 500, 900, 1_000]);
    let mut jobs = own.jobs.clone();
    jobs.sort_unstable();
    jobs.dedup();
    jobs.retain(|_| scene.dice.chance(share));
    JobRun::gather(jobs)
}
