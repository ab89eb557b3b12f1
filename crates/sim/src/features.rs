//! What a world may contain besides faults. Swarm testing holds for features too: each seed
//! switches each on or off, so that those that are left get room, and rare mixtures come about.

use std::collections::BTreeSet;
use std::fmt;

use crate::dice::Dice;

/// Something that clients ask for, or that machines have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// More than one project.
    Projects,
    /// A dozen of them.
    ManyProjects,
    /// Projects with weights of their own.
    Weights,
    /// Pipelines of more than one stage.
    Stages,
    /// Other resources that would do as well.
    Alternatives,
    /// Labels that stages require or prefer.
    Labels,
    /// Licences and the like.
    NamedResources,
    /// GPUs.
    Gpus,
    /// Memory that counts.
    Memory,
    /// Outputs on a shared disk.
    SharedDisk,
    /// Timeouts of stages.
    Timeouts,
    /// Jobs that go before others.
    Priorities,
    /// Many jobs as one record.
    Ranges,
    /// Lists whose lines the server fills in.
    Lines,
    /// Jobs that are added to an open batch.
    Appends,
    /// Batches that begin later.
    StartTimes,
    /// Batches that must have begun by a time.
    Expiries,
    /// Batches that must have ended by a time.
    Deadlines,
    /// Batches and jobs that a person holds.
    Holds,
    /// Batches that wait for others, or for jobs.
    Dependencies,
    /// Free keys that limits speak of.
    LimitKeys,
    /// Limits of what may run at once.
    Concurrency,
    /// Limits of what may begin in a span of time.
    Rates,
    /// Scopes that are paused.
    Pauses,
    /// Scopes that are drained.
    Drains,
    /// Workers that are paused.
    WorkerPauses,
    /// Workers that are declared before they join.
    Declarations,
    /// Callbacks at a batch's end.
    Callbacks,
    /// Single jobs and whole batches that are cancelled.
    Cancels,
    /// Jobs that are put back by hand.
    Retries,
    /// Many that are cancelled or retried at once.
    Bulk,
    /// Work that ends only when somebody cancels it.
    Sleepers,
    /// Batches that are forgotten soon after their end.
    Pruning,
    /// A log that is compacted while the server works.
    Compaction,
    /// Functions and models that stay loaded.
    Sessions,
    /// Sessions that take less of a device than was asked for, or more.
    Measurements,
    /// Sessions that stay where nothing waits for them.
    Pins,
    /// Devices that people take out of service and put back.
    DeviceOrders,
}

impl Feature {
    /// Every feature with its name.
    pub const ALL: [(Feature, &'static str); 38] = [
        (Feature::Projects, "projects"),
        (Feature::ManyProjects, "many_projects"),
        (Feature::Weights, "weights"),
        (Feature::Stages, "stages"),
        (Feature::Alternatives, "alternatives"),
        (Feature::Labels, "labels"),
        (Feature::NamedResources, "named_resources"),
        (Feature::Gpus, "gpus"),
        (Feature::Memory, "memory"),
        (Feature::SharedDisk, "shared_disk"),
        (Feature::Timeouts, "timeouts"),
        (Feature::Priorities, "priorities"),
        (Feature::Ranges, "ranges"),
        (Feature::Lines, "lines"),
        (Feature::Appends, "appends"),
        (Feature::StartTimes, "start_times"),
        (Feature::Expiries, "expiries"),
        (Feature::Deadlines, "deadlines"),
        (Feature::Holds, "holds"),
        (Feature::Dependencies, "dependencies"),
        (Feature::LimitKeys, "limit_keys"),
        (Feature::Concurrency, "concurrency"),
        (Feature::Rates, "rates"),
        (Feature::Pauses, "pauses"),
        (Feature::Drains, "drains"),
        (Feature::WorkerPauses, "worker_pauses"),
        (Feature::Declarations, "declarations"),
        (Feature::Callbacks, "callbacks"),
        (Feature::Cancels, "cancels"),
        (Feature::Retries, "retries"),
        (Feature::Bulk, "bulk"),
        (Feature::Sleepers, "sleepers"),
        (Feature::Pruning, "pruning"),
        // Drawn last, so that the others are drawn as before there were these.
        (Feature::Compaction, "compaction"),
        (Feature::Sessions, "sessions"),
        (Feature::Measurements, "measurements"),
        (Feature::Pins, "pins"),
        (Feature::DeviceOrders, "device_orders"),
    ];
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Feature::ALL[*self as usize].1)
    }
}

/// The features of one seed.
#[derive(Debug, Clone)]
pub struct Features(BTreeSet<Feature>);

impl Features {
    /// Draws which there are. Each is off in half of the seeds, apart from those cut off.
    pub fn draw(dice: &mut Dice, cut: &BTreeSet<String>) -> Features {
        let drawn = Feature::ALL.iter().filter(|_| dice.chance(500)).collect::<Vec<_>>();
        let kept = drawn.into_iter().filter(|(_, name)| !cut.contains(*name));
        Features(kept.map(|(feature, _)| *feature).collect())
    }

    /// Whether a feature is there.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.0.contains(&feature)
    }

    /// The names of those that are there.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(Feature::to_string)
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.names().collect();
        f.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_order_of_the_features() {
        let in_order =
            |(index, (feature, _)): (usize, &(Feature, &str))| *feature as usize == index;
        assert!(Feature::ALL.iter().enumerate().all(in_order));
    }
}
