//! Projects: what each has used, reckoned apart from the engine, in thousandths of a CPU times
//! microseconds and per weight.

use gristmill_model::resources::{DeviceRequest, Resources};
use gristmill_model::{AttemptId, ProjectId, Time, limits};

use super::jobs::Class;
use super::{History, Verdict, require};

const FAIR: &str = "of projects that wait for the same the one that has used least goes first";

/// Rounding, in thousandths of a CPU times microseconds: far below what the shortest attempt costs.
const ROUNDING: f64 = 2_000.0;

/// A project as the log tells of it.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) weight: u32,
    pub(super) queued: u64,
    pub(super) leased: u64,
    used: f64,
    until: Time,
    booked: f64,
}

/// What a request weighs: a whole device counts like sixteen CPUs, a part of one for what it is of
/// it, and what is asked for by its memory alone like the least part that counts.
fn weight_of(resources: &Resources) -> f64 {
    let device = |wish: &DeviceRequest| {
        let share = f64::from(wish.share.max(limits::LEAST_SHARE));
        (f64::from(wish.count) * share * 16.0).floor()
    };
    let devices: f64 = resources.devices.iter().map(device).sum();
    (f64::from(resources.cpus) + devices).max(1.0)
}

impl Project {
    pub(super) fn new(weight: u32, at: Time) -> Project {
        Project { weight, queued: 0, leased: 0, used: 0.0, until: at, booked: 0.0 }
    }

    fn used(&self, now: Time) -> f64 {
        self.used + self.booked * now.since(self.until).0 as f64 / f64::from(self.weight)
    }

    fn settle(&mut self, now: Time) {
        (self.used, self.until) = (self.used(now), now);
    }
}

impl History {
    pub(super) fn define_project(&mut self, id: ProjectId, name: &str, weight: u32) {
        let now = self.at;
        self.ever_set.insert(format!("{name} weighs {weight}"));
        self.project_names.insert(name.to_owned(), id);
        let project = self.projects.entry(id).or_insert_with(|| Project::new(weight, now));
        project.settle(now);
        project.weight = weight;
    }

    fn project_mut(&mut self, id: ProjectId) -> &mut Project {
        self.projects.entry(id).or_insert_with(|| Project::new(1, Time(0)))
    }

    /// A job joins the queue: who had nothing at all begins where the others are.
    pub(super) fn project_queued(&mut self, id: ProjectId) {
        let (now, floor) = (self.at, self.served);
        let project = self.project_mut(id);
        if project.queued + project.leased == 0 {
            project.settle(now);
            project.used = project.used.max(floor);
        }
        project.queued += 1;
    }

    pub(super) fn project_dequeued(&mut self, id: ProjectId) {
        self.project_mut(id).queued -= 1;
    }

    /// An attempt is leased: even the shortest costs a millisecond of what it books.
    pub(super) fn project_leased(&mut self, id: ProjectId, weight: f64) {
        let now = self.at;
        let project = self.project_mut(id);
        project.settle(now);
        let used = project.used;
        project.used += weight * 1_000.0 / f64::from(project.weight);
        project.leased += 1;
        self.served = self.served.max(used);
    }

    /// An attempt runs from now on, or no longer.
    pub(super) fn project_books(&mut self, id: ProjectId, weight: f64, runs: bool) {
        let now = self.at;
        let project = self.project_mut(id);
        project.settle(now);
        project.booked += if runs { weight } else { -weight };
    }

    /// What an attempt costs its project: of a session what one of its seats is worth.
    pub(super) fn weight(&self, id: AttemptId) -> f64 {
        let attempt = &self.attempts[&id];
        let stage = self.stage(&self.jobs[&attempt.job], attempt.stage);
        let seats = stage.and_then(|stage| stage.handler.seats()).unwrap_or(1);
        (weight_of(&self.request_of(id)) / f64::from(seats)).floor().max(1.0)
    }

    pub(super) fn project_ended(&mut self, id: ProjectId) {
        self.project_mut(id).leased -= 1;
    }

    /// Whose turn it is: a class is served, and others wait that ask the same of a worker.
    pub(super) fn is_fair(&self, served: &Class) -> Verdict {
        let used = |project| self.projects.get(&project).map_or(0.0, |it| it.used(self.at));
        let own = used(served.0);
        let mut rivals = self.queue.keys().filter(|class| class.0 != served.0);
        let wronged = rivals.find(|class| {
            used(class.0) + ROUNDING < own
                && self.asks_the_same(class, served)
                && self.barred(class, self.at).is_none()
        });
        require(wronged.is_none(), FAIR, || {
            let (rival, _, stage, ..) = wronged.expect("somebody is wronged");
            let project = &served.0;
            format!("{project} used {own}, {rival} (stage {stage}) {}", used(*rival))
        })
    }

    /// Whether two classes need the same of a worker.
    pub(super) fn asks_the_same(&self, one: &Class, other: &Class) -> bool {
        let asks = |class: &Class| {
            let stage = &self.pipelines[&class.1].1.stages[usize::from(class.2)];
            let requests: Vec<Resources> = stage.requests().cloned().collect();
            let labels = (stage.requires.clone(), stage.prefers.clone());
            let session = stage.handler.session().map(|session| (session.batch, session.pinned));
            (stage.handler.word(), session, requests, labels, class.3)
        };
        asks(one) == asks(other)
    }
}
