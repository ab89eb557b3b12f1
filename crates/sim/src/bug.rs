//! Bugs that can be planted in the simulated server loop and at the engine's borders, never in the
//! engine: a judge that finds none of them would be no judge.

use std::fmt;
use std::str::FromStr;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Clients are answered before the append is durable.
    ReplyBeforeAppend,
    /// Workers are told before the append is durable.
    FramesBeforeAppend,
    /// A restart does not replay the last durable group.
    ForgetsLastGroup,
    /// A restart does not begin the engine's new life.
    SkipsStart,
    /// A restart believes a wall clock that was set back.
    BelievesClock,
    /// The end of a worker's old link is taken for the end of its new one.
    BelievesOldLink,
    /// A report is now and then settled without having been handed to the engine.
    SettlesUnheard,
    /// Workers are never told to stop.
    DropsStops,
    /// A worker hears of its leases before it is welcomed.
    WelcomesLast,
    /// The link of a worker that was given up stays open.
    KeepsLost,
    /// A submission's idempotency key is not passed on.
    DropsKeys,
    /// Who comes back goes on with what it lost, and its reports are taken for the live attempt's.
    UnfencedReport,
    /// A lease survives its worker.
    LeaseSurvives,
    /// A restart takes the last range in again.
    RangeTwice,
    /// After a restart the items of a range are those beside them.
    RangeShifts,
    /// A restart forgets when a pause ends.
    BackoffForgotten,
    /// A restart forgets limits.
    LimitLost,
    /// A limit lets twice as many through.
    LimitDoubled,
    /// A restart begins every rate anew.
    RateClockLost,
    /// Batches do not fall under their limit key.
    DropsLimitKeys,
    /// A dependency is met by a failure too.
    MetByFailure,
    /// A restart forgets start times.
    GateOpened,
    /// A restart forgets that batches were held.
    HoldLost,
    /// A restart forgets that batches were submitted held.
    HoldForgotten,
    /// Deadlines pass unnoticed.
    IgnoresDeadline,
    /// The time to begin passes unnoticed.
    IgnoresExpiry,
    /// Cancelling a batch misses the jobs of ranges that are folded.
    CancelMissesFolded,
    /// A restart forgets pauses.
    PauseLost,
    /// A restart forgets drains.
    DrainLost,
    /// A restart forgets that workers are paused.
    WorkerPauseLost,
    /// A restart forgets declared workers.
    DeclarationLost,
    /// A restart forgets the first project's weight.
    WeightLost,
    /// A restart forgets priorities.
    PriorityLost,
    /// A restart forgets how many workers a job has lost.
    QuarantineReset,
    /// A restart books the preferred resources for what runs on others.
    AlternativeForgotten,
    /// Workers book other resources than were leased.
    BooksPreferred,
    /// Every worker is taken to be in zone a.
    InventsLabels,
    /// Batches are forgotten after half of their time.
    PrunesEarly,
    /// A batch is forgotten that has not finished.
    PrunesUnfinished,
    /// The end of a batch is not noted for its callback.
    CallbackForgotten,
    /// A submission that is delivered once is applied twice.
    AppliesTwice,
    /// A restart applies half of the last durable group.
    HalfGroup,
    /// Now and then a worker is sent another line of a list.
    SwapsLines,
    /// What was appended while a base was being written goes with what the base stands for.
    BaseForgetsTail,
    /// What a worker is told to stop counts as ended, and its devices as free, while it still runs.
    LockForgotten,
    /// The memory of a session is not counted.
    IdleMemoryUncounted,
    /// Nobody hears that a session's process has died.
    SeatLost,
    /// Want of device memory counts as a failure like any other.
    ShortageCounted,
    /// A restart forgets that a job wanted for device memory before.
    ShortageForgotten,
    /// The server does not take in what workers say of their devices.
    QuarantineUnheard,
    /// A restart forgets that devices are out of service.
    QuarantineLost,
    /// A base forgets what was known of devices.
    BaseForgetsDevices,
    /// A device counts as free while the session that was told to leave is still there.
    OpensBeforeMemoryIsBack,
    /// The last item of a call never ends.
    CallLosesItem,
    /// Hot sessions are fed for far longer than loading another costs.
    HotForTooLong,
    /// Who asks for two devices gets one.
    HalfGiven,
    /// Devices that fail under one job after the other stay in service.
    DeviceErrorsUncounted,
    /// What sessions really take is not taken in.
    MeasuredIgnored,
    /// Sessions that are to stay are sent away like others.
    PinnedEvicted,
    /// What programs of others have of devices is not taken in.
    ForeignUseIgnored,
}

impl Bug {
    /// Every bug with its name.
    pub const ALL: [(Bug, &'static str); 60] = [
        (Bug::ReplyBeforeAppend, "reply_before_append"),
        (Bug::FramesBeforeAppend, "frames_before_append"),
        (Bug::ForgetsLastGroup, "forgets_last_group"),
        (Bug::SkipsStart, "skips_start"),
        (Bug::BelievesClock, "believes_clock"),
        (Bug::BelievesOldLink, "believes_old_link"),
        (Bug::SettlesUnheard, "settles_unheard"),
        (Bug::DropsStops, "drops_stops"),
        (Bug::WelcomesLast, "welcomes_last"),
        (Bug::KeepsLost, "keeps_lost"),
        (Bug::DropsKeys, "drops_keys"),
        (Bug::UnfencedReport, "unfenced_report"),
        (Bug::LeaseSurvives, "lease_survives"),
        (Bug::RangeTwice, "range_twice"),
        (Bug::RangeShifts, "range_shifts"),
        (Bug::BackoffForgotten, "backoff_forgotten"),
        (Bug::LimitLost, "limit_lost"),
        (Bug::LimitDoubled, "limit_doubled"),
        (Bug::RateClockLost, "rate_clock_lost"),
        (Bug::DropsLimitKeys, "drops_limit_keys"),
        (Bug::MetByFailure, "met_by_failure"),
        (Bug::GateOpened, "gate_opened"),
        (Bug::HoldLost, "hold_lost"),
        (Bug::HoldForgotten, "hold_forgotten"),
        (Bug::IgnoresDeadline, "ignores_deadline"),
        (Bug::IgnoresExpiry, "ignores_expiry"),
        (Bug::CancelMissesFolded, "cancel_misses_folded"),
        (Bug::PauseLost, "pause_lost"),
        (Bug::DrainLost, "drain_lost"),
        (Bug::WorkerPauseLost, "worker_pause_lost"),
        (Bug::DeclarationLost, "declaration_lost"),
        (Bug::WeightLost, "weight_lost"),
        (Bug::PriorityLost, "priority_lost"),
        (Bug::QuarantineReset, "quarantine_reset"),
        (Bug::AlternativeForgotten, "alternative_forgotten"),
        (Bug::BooksPreferred, "books_preferred"),
        (Bug::InventsLabels, "invents_labels"),
        (Bug::PrunesEarly, "prunes_early"),
        (Bug::PrunesUnfinished, "prunes_unfinished"),
        (Bug::CallbackForgotten, "callback_forgotten"),
        (Bug::AppliesTwice, "applies_twice"),
        (Bug::HalfGroup, "half_group"),
        (Bug::SwapsLines, "swaps_lines"),
        (Bug::BaseForgetsTail, "base_forgets_tail"),
        (Bug::LockForgotten, "lock_forgotten"),
        (Bug::IdleMemoryUncounted, "idle_memory_uncounted"),
        (Bug::SeatLost, "seat_lost"),
        (Bug::ShortageCounted, "shortage_counted"),
        (Bug::ShortageForgotten, "shortage_forgotten"),
        (Bug::QuarantineUnheard, "quarantine_unheard"),
        (Bug::QuarantineLost, "quarantine_lost"),
        (Bug::BaseForgetsDevices, "base_forgets_devices"),
        (Bug::OpensBeforeMemoryIsBack, "opens_before_memory_is_back"),
        (Bug::CallLosesItem, "call_loses_item"),
        (Bug::HotForTooLong, "hot_for_too_long"),
        (Bug::HalfGiven, "half_given"),
        (Bug::DeviceErrorsUncounted, "device_errors_uncounted"),
        (Bug::MeasuredIgnored, "measured_ignored"),
        (Bug::PinnedEvicted, "pinned_evicted"),
        (Bug::ForeignUseIgnored, "foreign_use_ignored"),
    ];
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Bug::ALL[*self as usize].1)
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(text: &str) -> Result<Bug, String> {
        let found = Bug::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(bug, _)| *bug).ok_or_else(|| {
            let names: Vec<&str> = Bug::ALL.iter().map(|(_, name)| *name).collect();
            format!("`{text}` is not a bug: expected one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_order_of_the_bugs() {
        for (bug, name) in Bug::ALL {
            assert_eq!(bug.to_string(), name);
            assert_eq!(name.parse(), Ok(bug));
        }
    }
}
