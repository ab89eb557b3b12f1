//! What is run: a seed, perhaps a planted bug, and what is cut off of the seed's world. The
//! shrinker cuts; a person repeats its cuts on the command line.

use std::collections::BTreeSet;
use std::fmt;

use gristmill_model::Span;

use crate::bug::Bug;
use crate::trace;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all chance comes from.
    pub seed: u64,
    /// A bug to plant.
    pub bug: Option<Bug>,
    /// How many lines of the story are kept.
    pub keep: usize,
    /// What is cut off.
    pub cuts: Cuts,
}

/// What is cut off of a seed's world.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cuts {
    /// Faults and features that are off, by name.
    pub without: BTreeSet<String>,
    /// Faults stop and clients rest after this time.
    pub storm: Option<Span>,
    /// No more clients than this.
    pub clients: Option<usize>,
    /// No more machines than this.
    pub nodes: Option<usize>,
    /// No submission has more jobs than this.
    pub jobs: Option<u64>,
}

impl Plan {
    /// A whole seed.
    #[must_use]
    pub fn of(seed: u64) -> Plan {
        Plan { seed, bug: None, keep: trace::LAST_LINES, cuts: Cuts::default() }
    }

    /// A seed with a bug, whose story nobody wants to hear.
    #[must_use]
    pub fn with(seed: u64, bug: Bug) -> Plan {
        Plan { bug: Some(bug), keep: 0, ..Plan::of(seed) }
    }
}

/// The options by which `gristmill-sim` runs the plan again.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--start {} --seeds 1", self.seed)?;
        if let Some(bug) = self.bug {
            write!(f, " --bug {bug}")?;
        }
        let Cuts { without, storm, clients, nodes, jobs } = &self.cuts;
        if let Some(storm) = storm {
            write!(f, " --storm {}", storm.to_string().replace(' ', ""))?;
        }
        for (name, most) in [("clients", clients), ("nodes", nodes)] {
            most.map_or(Ok(()), |most| write!(f, " --{name} {most}"))?;
        }
        jobs.map_or(Ok(()), |most| write!(f, " --jobs {most}"))?;
        if !without.is_empty() {
            let names: Vec<&str> = without.iter().map(String::as_str).collect();
            write!(f, " --without {}", names.join(","))?;
        }
        Ok(())
    }
}
