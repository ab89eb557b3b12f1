//! What was simulated, counted: a fault that never strikes proves nothing.

use gristmill_model::{Span, Time};

use crate::faults::Fault;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts of what happened.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Tally {
            $($(#[$doc])* pub $name: u64,)*
            faults: [u64; Fault::COUNT],
        }

        impl Tally {
            /// Every counter with its name; the faults last.
            pub fn rows(&self) -> Vec<(String, u64)> {
                let own = vec![$((stringify!($name).to_owned(), self.$name),)*];
                let faults = Fault::all().map(|fault| (fault.to_string(), self.fault(fault)));
                own.into_iter().chain(faults).collect()
            }

            /// Adds another run's counts.
            pub fn add(&mut self, other: &Tally) {
                $(self.$name += other.$name;)*
                for (sum, count) in self.faults.iter_mut().zip(other.faults) {
                    *sum += count;
                }
            }
        }
    };
}

counters! {
    /// Things that happened on the agenda.
    steps,
    /// Virtual time, in microseconds.
    virtual_micros,
    /// Rounds of the server's loop.
    rounds,
    /// Durable records.
    records,
    /// Batches made.
    batches,
    /// Jobs taken in.
    jobs,
    /// Of them those of ranges, as records.
    ranges,
    /// Attempts leased.
    attempts,
    /// Attempts that book other resources than the preferred ones.
    alternatives,
    /// Results committed.
    results,
    /// Jobs that succeeded.
    succeeded,
    /// Jobs that failed.
    failed,
    /// Jobs that were cancelled.
    cancelled,
    /// Jobs whose time passed.
    expired,
    /// Batches whose start time came.
    starts,
    /// Batches whose time to begin passed.
    expiries,
    /// Batches whose deadline passed.
    deadlines,
    /// Batches and jobs that somebody held.
    holds,
    /// Dependencies that ended as they were to.
    met,
    /// Dependencies that ended otherwise.
    unmet,
    /// Limits set or taken away.
    limits_set,
    /// Scopes paused, drained or opened.
    flows_set,
    /// Workers that somebody paused.
    worker_pauses,
    /// Ends of batches that somebody was told of.
    announced,
    /// Batches forgotten.
    pruned,
    /// Submissions turned away because a scope drained.
    drained,
    /// Explanations held against what happened.
    explained,
    /// Jobs given up because they lost too many workers.
    quarantined,
    /// Pauses after a failure.
    retries,
    /// Jobs put back by hand.
    retried_by_hand,
    /// Stages handed over.
    handed_over,
    /// Crashes of the server.
    crashes,
    /// Groups that a crash kept though nobody had been told.
    tails_kept,
    /// Groups that a crash lost.
    tails_lost,
    /// Tails of which a part was kept.
    tails_torn,
    /// Bases that took the place of the records before them.
    compactions,
    /// Of them those that ended within a group.
    compactions_within,
    /// Bases that a crash found half written.
    compactions_lost,
    /// Workers that joined.
    joins,
    /// Workers that came back under their id.
    reconnects,
    /// Workers given up.
    leases_lost,
    /// Workers that said goodbye.
    goodbyes,
    /// Leases that did not reach their worker.
    undelivered,
    /// Attempts far beyond their timeout that the engine ended.
    overdue,
    /// Attempts that their worker ended at their timeout.
    timed_out,
    /// Attempts that a worker was welcomed with as stale.
    stale,
    /// Reports that were not believed.
    reports_refused,
    /// Frames of a link that a newer one had replaced.
    late_frames,
    /// Submissions found by their key.
    replays,
    /// Appended jobs found by their key.
    known_jobs,
    /// Requests that were refused.
    rejections,
    /// Requests sent again because no answer came.
    asked_again,
    /// Attempts that worked on though they were no longer the live one.
    zombies,
    /// Processes of sessions that were started.
    opened,
    /// Calls of sessions.
    calls,
    /// Calls of several jobs.
    shared_calls,
    /// Processes that were told to make room.
    evicted,
    /// Attempts without a session that had devices.
    device_runs,
    /// Devices taken out of service, by whomever.
    quarantines,
    /// Devices put back.
    returns,
    /// Devices that failed under too many jobs in a row.
    devices_condemned,
    /// Measurements of sessions that were news.
    measured,
    /// News of what programs of others have of a device.
    foreign_uses,
    /// Jobs that went behind younger ones of another session.
    bypassed,
}

impl Tally {
    /// A fault struck.
    pub fn struck(&mut self, fault: Fault) {
        self.faults[fault.index()] += 1;
    }

    /// How often a fault struck.
    #[must_use]
    pub fn fault(&self, fault: Fault) -> u64 {
        self.faults[fault.index()]
    }

    /// Virtual time that has passed.
    #[must_use]
    pub fn virtual_time(&self) -> Span {
        Span(self.virtual_micros)
    }

    /// Notes how far virtual time has come.
    pub fn reached(&mut self, now: Time) {
        self.virtual_micros = now.0;
    }
}
