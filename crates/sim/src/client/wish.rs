//! What a client wants next.

use std::collections::BTreeMap;

use gristmill_model::command::{BatchKey, Command, PipelineRef, Submission};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::source::{Lines, Source};
use gristmill_model::terms::{Dependency, Target, Terms, When};
use gristmill_model::{Span, Time};

use super::{Client, Own, Palette, palette};
use crate::features::Feature;
use crate::handler::SLEEPER;
use crate::items;
use crate::scene::Scene;

/// A question: whether it may be asked twice, and whether it makes work that never ends.
pub(super) type Wish = (Command, bool, bool);

impl Client {
    /// The next question.
    pub(super) fn wish(&mut self, scene: &mut Scene, palette: &Palette) -> Wish {
        let number = self.asked;
        if self.batches.is_empty() || scene.dice.chance(450) {
            return self.submission(scene, palette, number);
        }
        if let Some(appended) = self.append(scene, number) {
            return appended;
        }
        (self.order(scene, palette), true, false)
    }

    fn submission(&mut self, scene: &mut Scene, palette: &Palette, number: u64) -> Wish {
        let spec = scene.dice.pick(&palette.pipelines).clone();
        let named = scene.dice.chance(150);
        let terms = self.terms(scene);
        // What somebody must let go of later must be known to somebody.
        let keyed = scene.dice.chance(700);
        // Somebody must come to know of the batch to cancel it: without a key its answer may be
        // lost, and a name may be unknown to the first copy of a request and known to the second.
        let plain = terms == Terms::default();
        let doomed = keyed && !named && plain && scene.draws(Feature::Sleepers, 120);
        let open = scene.draws(Feature::Appends, 300);
        let prefix = if doomed { SLEEPER } else { "input" };
        let stem = format!("{prefix}-{}-{number}", self.index);
        let range = scene.draws(Feature::Ranges, 400);
        let range = range.then(|| source(scene, self.index, number, &stem, doomed));
        let least = u64::from(!open && range.is_none());
        let most = if range.is_some() { 2 } else { scene.most_jobs.min(12) };
        let count = scene.dice.between(least, most.max(least));
        let jobs = (0..count).map(|index| job(scene, format!("{stem}-{index}"))).collect();
        let submission = Submission {
            project: scene.dice.pick(&palette.projects).clone(),
            pipeline: if named { PipelineRef::Named(spec.name) } else { PipelineRef::Inline(spec) },
            key: keyed.then(|| BatchKey { key: format!("batch-{stem}"), fingerprint: number }),
            name: Some(stem.clone()),
            priority: priority(scene),
            labels: BTreeMap::from([("of".to_owned(), self.name.clone())]),
            terms,
            jobs,
            range,
            open,
        };
        (Command::Submit(Box::new(submission)), keyed, doomed)
    }

    /// More jobs for a batch that is open. Those that carry keys may be asked for twice.
    fn append(&mut self, scene: &mut Scene, number: u64) -> Option<Wish> {
        let at = scene.dice.below(self.batches.len());
        if !self.batches[at].open || !scene.dice.chance(400) {
            return None;
        }
        let client = self.index;
        let own = &mut self.batches[at];
        own.open = scene.dice.chance(600);
        let prefix = if own.doomed { SLEEPER } else { "input" };
        let stem = format!("{prefix}-{client}-{number}");
        let (doomed, batch, close) = (own.doomed, own.batch, !own.open);
        if scene.draws(Feature::Ranges, 400) {
            let range = Some(source(scene, client, number, &stem, doomed));
            let append = Command::Append { batch, jobs: Vec::new(), range, close };
            return Some((append, false, false));
        }
        let count = scene.dice.between(0, scene.most_jobs.min(8));
        let keyed = |scene: &mut Scene, index| {
            let text = format!("{stem}-{index}");
            JobSpec { key: Some(format!("key-{text}")), ..job(scene, text) }
        };
        let mut jobs: Vec<JobSpec> = (0..count).map(|index| keyed(scene, index)).collect();
        // A job that was made under its key before, here or elsewhere, is found again.
        let twin = self.keyed.take().filter(|(project, _)| *project == self.batches[at].project);
        let twin = twin.filter(|_| scene.dice.chance(300) && !doomed);
        let project = self.batches[at].project.clone();
        self.keyed = jobs.last().cloned().filter(|_| !doomed).map(|job| (project, job));
        jobs.extend(twin.map(|(_, job)| job));
        Some((Command::Append { batch, jobs, range: None, close }, true, false))
    }

    /// Mostly none, now and then several at once.
    fn terms(&self, scene: &mut Scene) -> Terms {
        let now = scene.judge.wall();
        let soon = |scene: &mut Scene, feature, least, most| {
            let drawn = scene.draws(feature, 250);
            drawn.then(|| now + scene.dice.span(Span::seconds(least), Span::seconds(most)))
        };
        let start_at = soon(scene, Feature::StartTimes, 0, 60);
        let after_start = |time: Time| start_at.map_or(time, |start| time.max(start + Span(1)));
        let expires_at = soon(scene, Feature::Expiries, 2, 90).map(after_start);
        let deadline = soon(scene, Feature::Deadlines, 2, 150).map(after_start);
        let held = scene.draws(Feature::Holds, 150);
        let key = scene.draws(Feature::LimitKeys, 400);
        let limit_key = key.then(|| palette::limit_key(&mut scene.dice));
        let callback = scene.draws(Feature::Callbacks, 300).then(|| "http://localhost/done".into());
        let after = self.dependencies(scene);
        Terms { start_at, expires_at, deadline, held, after, limit_key, callback }
    }

    fn dependencies(&self, scene: &mut Scene) -> Vec<Dependency> {
        if self.batches.is_empty() || !scene.draws(Feature::Dependencies, 400) {
            return Vec::new();
        }
        let count = scene.dice.between(1, 3);
        let one = |scene: &mut Scene| {
            let own: &Own = scene.dice.pick(&self.batches);
            let batch = own.jobs.is_empty() || scene.dice.chance(600);
            let on = match batch {
                true => Target::Batch(own.batch),
                false => Target::Job(*scene.dice.pick(&own.jobs)),
            };
            let when = *scene.dice.pick(&[When::Succeeded, When::Failed, When::Finished]);
            (on, when)
        };
        let drawn: BTreeMap<Target, When> = (0..count).map(|_| one(scene)).collect();
        drawn.into_iter().map(|(on, when)| Dependency { on, when }).collect()
    }
}

/// A range of any kind; no two clients and no two questions name the same.
fn source(scene: &mut Scene, client: usize, number: u64, stem: &str, doomed: bool) -> Source {
    let most = if scene.dice.chance(50) { 200 } else { 24 };
    let count = scene.dice.between(1, most.min(scene.most_jobs * 4));
    let last = count - 1;
    match scene.dice.between(1, 4) {
        1 if !doomed && scene.features.has(Feature::Lines) => {
            Source::Lines(Lines { list: items::list(client, number), count })
        }
        2 if !doomed => {
            let step = *scene.dice.pick(&[1, 2, 7, -3]);
            let first = i64::try_from(client as u64 * 1_000_000 + number * 1_000).expect("small");
            let last = first + step * i64::try_from(last).expect("small");
            // Whether or not the steps lead exactly to it.
            let last = if scene.dice.chance(300) { last + step / 2 } else { last };
            Source::Numbers { first, last, step }
        }
        3 => Source::Brace(format!("{stem}-{{left,right}}-{{0..{}}}", last / 2)),
        _ => Source::Brace(format!("{stem}-{{0..{last}}}")),
    }
}

fn job(scene: &mut Scene, text: String) -> JobSpec {
    let output = scene.draws(Feature::SharedDisk, 200).then(|| format!("/shared/{text}"));
    let priority = scene.draws(Feature::Priorities, 150).then(|| priority(scene));
    JobSpec { output, priority, ..JobSpec::of(Payload::Text(text)) }
}

fn priority(scene: &mut Scene) -> i32 {
    match scene.features.has(Feature::Priorities) {
        true => *scene.dice.pick(&[0, 0, 0, 0, 1, 5, -3]),
        false => 0,
    }
}
