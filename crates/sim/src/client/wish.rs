//! What a client wants next.

use std::collections::BTreeMap;

use gristmill_model::attempt::FailureKind;
use gristmill_model::command::{BatchKey, Command, PipelineRef, Submission};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, ImagesSpec, PipelineSpec, StageSpec};
use gristmill_model::resources::{Capacity, DeviceRequest, Resources};
use gristmill_model::retry::RetryPolicy;
use gristmill_model::{ProjectId, Span, WorkerId};

use super::{Client, Own};
use crate::dice::Dice;
use crate::handler::SLEEPER;
use crate::scene::Scene;

/// Pipelines to choose from.
#[derive(Debug)]
pub struct Palette {
    pipelines: Vec<PipelineSpec>,
}

impl Palette {
    /// Draws pipelines that the largest worker can run.
    pub fn draw(dice: &mut Dice, largest: &Capacity) -> Palette {
        let names = ["one", "two", "two", "three"];
        let pipelines = names.map(|name| {
            let count = dice.between(1, 3);
            let stages = (0..count).map(|index| draw_stage(dice, index, largest)).collect();
            PipelineSpec { name: name.into(), stages }
        });
        Palette { pipelines: pipelines.into() }
    }
}

fn draw_stage(dice: &mut Dice, index: u64, largest: &Capacity) -> StageSpec {
    let command = CommandSpec {
        argv: vec!["work".into(), "{input}".into()],
        shell: false,
        env: BTreeMap::new(),
    };
    let handler = if dice.chance(800) {
        Handler::Command(command)
    } else {
        Handler::Images(ImagesSpec { recipe: "{}".into() })
    };
    let cpus = *dice.pick(&[100, 500, 1_000, 1_000, 2_000, largest.cpus]);
    let memory = if dice.chance(200) { largest.memory / 2 } else { 0 };
    StageSpec {
        name: format!("s{index}"),
        handler,
        resources: Resources { cpus: cpus.min(largest.cpus), memory, devices: draw_gpu(dice) },
        retry: draw_retry(dice),
        timeout: dice.chance(500).then(|| dice.span(Span::millis(500), Span::seconds(60))),
    }
}

/// Now and then a stage wants the GPU that the largest worker has for sure.
fn draw_gpu(dice: &mut Dice) -> Vec<DeviceRequest> {
    let vram = *dice.pick(&[0, 8 << 30, 16 << 30]);
    let gpu = DeviceRequest { kind: "gpu".into(), count: 1, vram };
    if dice.chance(200) { vec![gpu] } else { Vec::new() }
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

impl Client {
    /// The next command, whether it may be asked twice, and whether it makes work that never ends.
    pub(super) fn wish(&mut self, scene: &mut Scene, palette: &Palette) -> (Command, bool, bool) {
        let number = self.asked;
        if self.batches.is_empty() || scene.dice.chance(450) {
            return self.submission(scene, palette, number);
        }
        let at = scene.dice.below(self.batches.len());
        let roll = scene.dice.between(1, 100);
        let own = &mut self.batches[at];
        let command = match roll {
            1..=35 if own.open => {
                own.open = scene.dice.chance(600);
                let mut jobs = append(scene, self.index, number, own);
                // A job that was made under its key before, here or elsewhere, is found again.
                let twin = self.keyed.take().filter(|_| scene.dice.chance(300));
                self.keyed = jobs.last().cloned().filter(|_| !own.doomed);
                jobs.extend(twin);
                Command::Append { batch: own.batch, jobs, close: !own.open }
            }
            1..=45 => match own.jobs.is_empty() {
                true => Command::CancelBatch(own.batch),
                false => Command::CancelJob(*scene.dice.pick(&own.jobs)),
            },
            46..=65 => {
                (own.cancelled, own.open) = (true, false);
                Command::CancelBatch(own.batch)
            }
            // Work that never ends by itself is not asked for again.
            66..=85 if !own.doomed && !own.jobs.is_empty() => {
                Command::RetryJob(*scene.dice.pick(&own.jobs))
            }
            86..=90 => Command::DefinePipeline {
                project: ProjectId::DEFAULT,
                spec: scene.dice.pick(&palette.pipelines).clone(),
            },
            _ => Command::Drain(WorkerId(scene.dice.between(1, scene.tally.joins.max(1)))),
        };
        (command, true, false)
    }

    fn submission(
        &mut self,
        scene: &mut Scene,
        palette: &Palette,
        number: u64,
    ) -> (Command, bool, bool) {
        let spec = scene.dice.pick(&palette.pipelines).clone();
        let named = scene.dice.chance(150);
        let keyed = scene.dice.chance(700);
        // Somebody must come to know of the batch to cancel it: without a key its answer may be
        // lost, and a name may be unknown to the first copy of a request and known to the second.
        let doomed = keyed && !named && scene.dice.chance(120);
        let open = scene.dice.chance(250);
        let count = scene.dice.between(u64::from(!open), 12);
        let prefix = if doomed { SLEEPER } else { "input" };
        let stem = format!("{prefix}-{}-{number}", self.index);
        let jobs = (0..count).map(|index| job(scene, format!("{stem}-{index}"))).collect();
        let submission = Submission {
            project: ProjectId::DEFAULT,
            pipeline: if named { PipelineRef::Named(spec.name) } else { PipelineRef::Inline(spec) },
            name: scene.dice.chance(200).then(|| stem.clone()),
            key: keyed.then(|| BatchKey { key: format!("batch-{stem}"), fingerprint: number }),
            priority: priority(scene),
            labels: BTreeMap::new(),
            jobs,
            open,
        };
        (Command::Submit(submission), keyed, doomed)
    }
}

/// Appended jobs carry keys: that is what makes an append safe to repeat.
fn append(scene: &mut Scene, client: usize, number: u64, own: &Own) -> Vec<JobSpec> {
    let prefix = if own.doomed { SLEEPER } else { "input" };
    let count = scene.dice.between(0, 8);
    (0..count)
        .map(|index| {
            let text = format!("{prefix}-{client}-{number}-{index}");
            JobSpec { key: Some(format!("key-{text}")), ..job(scene, text) }
        })
        .collect()
}

fn job(scene: &mut Scene, text: String) -> JobSpec {
    let output = scene.dice.chance(100).then(|| format!("/shared/{text}"));
    let priority = scene.dice.chance(100).then(|| priority(scene));
    JobSpec { output, priority, ..JobSpec::of(Payload::Text(text)) }
}

fn priority(scene: &mut Scene) -> i32 {
    *scene.dice.pick(&[0, 0, 0, 0, 1, 5, -3])
}
