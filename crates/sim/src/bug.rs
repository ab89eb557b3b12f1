//! Bugs that can be planted in the simulated server loop, never in the engine: a judge that finds
//! none of them would be no judge.

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
}

impl Bug {
    /// Every bug with its name.
    pub const ALL: [(Bug, &'static str); 11] = [
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
