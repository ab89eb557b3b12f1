//! Projects: the lanes between which work is shared out fairly, by the resources it books over
//! time.
//!
//! Each project has **used** so many thousandths of a CPU times microseconds, divided by its
//! weight; the project that has used least goes first. A project that had nothing to do does not
//! save up: when it comes back it begins where the others are (start-time fair queueing, Goyal,
//! Vin and Cheng 1996, with what running attempts have used so far in place of their lengths,
//! which nobody knows beforehand).

use std::collections::BTreeMap;
use std::ops::Bound;

use gristmill_model::resources::{DeviceRequest, Resources, WHOLE};
use gristmill_model::{ProjectId, Time, limits};

use super::State;

/// Owns pipelines and jobs; the lane in which work is shared out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its name.
    pub name: Box<str>,
    /// Its share beside the other projects'.
    pub weight: u32,
    /// Jobs in the queue.
    pub queued: u64,
    /// Attempts that are leased.
    pub leased: u64,
    /// What it had used when `settled_at` was.
    settled: u128,
    settled_at: Time,
    /// What its running attempts book together.
    booked: u64,
}

/// What resources weigh beside each other: thousandths of a CPU, or what stands for them.
pub(crate) fn weight_of(resources: &Resources) -> u64 {
    let devices: u64 = resources.devices.iter().map(device_weight).sum();
    (u64::from(resources.cpus) + devices).max(1)
}

/// A part of a device weighs what it is of the whole; of one that is asked for by its memory nobody
/// can say that without the device, so it counts as the least part that counts.
fn device_weight(wish: &DeviceRequest) -> u64 {
    let share = u64::from(wish.share.max(limits::LEAST_SHARE));
    u64::from(wish.count) * share * limits::DEVICE_WEIGHT / u64::from(WHOLE)
}

impl Project {
    pub(super) fn new(name: &str, weight: u32) -> Project {
        Project {
            name: name.into(),
            weight,
            queued: 0,
            leased: 0,
            settled: 0,
            settled_at: Time(0),
            booked: 0,
        }
    }

    /// What it has used until now.
    #[must_use]
    pub fn used(&self, now: Time) -> u128 {
        let running = u128::from(self.booked) * u128::from(now.since(self.settled_at).0);
        self.settled + running / u128::from(self.weight)
    }

    /// What it had used, and when that was settled.
    pub(super) fn share(&self, id: ProjectId) -> (ProjectId, u128, Time) {
        (id, self.settled, self.settled_at)
    }

    /// What its running attempts book together.
    pub(crate) fn booked(&self) -> u64 {
        self.booked
    }

    fn settle(&mut self, at: Time) {
        self.settled = self.used(at);
        self.settled_at = self.settled_at.max(at);
    }

    fn is_idle(&self) -> bool {
        self.queued == 0 && self.leased == 0
    }
}

impl State {
    pub(super) fn define_project(&mut self, id: ProjectId, name: &str, weight: u32, at: Time) {
        if let Some(known) = self.projects.get_mut(&id) {
            known.settle(at);
            known.weight = weight;
            return;
        }
        assert_eq!(id.0, self.next.project, "project ids come in order");
        self.next.project += 1;
        self.projects.insert(id, Project::new(name, weight));
        self.project_names.insert(name.into(), id);
    }

    pub(super) fn restore_project(&mut self, id: ProjectId, name: &str, weight: u32) {
        self.projects.insert(id, Project::new(name, weight));
        self.project_names.insert(name.into(), id);
    }

    pub(super) fn restore_share(&mut self, (id, used, at): (ProjectId, u128, Time)) {
        let project = self.project_mut(id);
        (project.settled, project.settled_at) = (used, at);
    }

    fn project_mut(&mut self, id: ProjectId) -> &mut Project {
        self.projects.get_mut(&id).expect("events name projects that exist")
    }

    /// Jobs of a project joined the queue.
    pub(super) fn project_queued(&mut self, id: ProjectId, count: u64, at: Time) {
        let floor = self.served;
        let project = self.project_mut(id);
        if project.is_idle() {
            project.settle(at);
            project.settled = project.settled.max(floor);
        }
        project.queued += count;
    }

    /// Jobs of a project left the queue.
    pub(super) fn project_dequeued(&mut self, id: ProjectId, count: u64) {
        self.project_mut(id).queued -= count;
    }

    /// An attempt was leased: even the shortest costs something, so that projects take turns
    /// within one round.
    pub(super) fn project_leased(&mut self, id: ProjectId, weight: u64, at: Time) {
        let project = self.project_mut(id);
        let used = project.used(at);
        project.settle(at);
        let charge = u128::from(weight) * u128::from(limits::LEAST_CHARGE);
        project.settled += charge / u128::from(project.weight);
        project.leased += 1;
        self.served = self.served.max(used);
    }

    /// A leased attempt began to run, and weighs this much while it does.
    pub(super) fn project_running(&mut self, id: ProjectId, weight: u64, at: Time) {
        let project = self.project_mut(id);
        project.settle(at);
        project.booked += weight;
    }

    /// A leased attempt ended; it ran if it was booked.
    pub(super) fn project_ended(&mut self, id: ProjectId, weight: u64, ran: bool, at: Time) {
        let project = self.project_mut(id);
        project.settle(at);
        project.leased -= 1;
        if ran {
            project.booked -= weight;
        }
    }

    /// A project.
    #[must_use]
    pub fn project(&self, id: ProjectId) -> Option<&Project> {
        self.projects.get(&id)
    }

    /// The name of a project, as changes tell it.
    pub(super) fn project_name(&self, id: ProjectId) -> Box<str> {
        self.projects.get(&id).map_or_else(Box::default, |project| project.name.clone())
    }

    /// A project by its name.
    #[must_use]
    pub fn project_named(&self, name: &str) -> Option<ProjectId> {
        self.project_names.get(name).copied()
    }

    /// Projects in the order of their names.
    pub fn projects_by_name(&self, from: Bound<&str>) -> impl Iterator<Item = ProjectId> + '_ {
        let names = self.project_names.range::<str, _>((from, Bound::Unbounded));
        names.map(|(_, id)| *id)
    }

    /// How many projects there are.
    #[must_use]
    pub fn project_count(&self) -> usize {
        self.projects.len()
    }

    /// All projects, oldest first.
    pub fn projects(&self) -> impl Iterator<Item = (ProjectId, &Project)> {
        self.projects.iter().map(|(id, project)| (*id, project))
    }
}

/// The project that is there from the start.
pub(super) fn first() -> BTreeMap<ProjectId, Project> {
    BTreeMap::from([(ProjectId::DEFAULT, Project::new("default", 1))])
}
