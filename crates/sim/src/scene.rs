//! What everybody on the stage shares: the clock, chance, the agenda, the network, and those who
//! watch.

use std::fmt;

use gristmill_model::limits::Timing;
use gristmill_model::{Span, Time};

use crate::agenda::{Agenda, Happening};
use crate::bug::Bug;
use crate::dice::Dice;
use crate::faults::{Fault, Faults};
use crate::features::{Feature, Features};
use crate::judge::Judge;
use crate::network::Network;
use crate::tally::Tally;
use crate::trace::Trace;

/// The shared part of a world.
#[derive(Debug)]
pub struct Scene {
    /// True time since the beginning; the server's clock and the workers' only derive from it.
    pub now: Time,
    /// Chance, except for faults.
    pub dice: Dice,
    /// What will happen.
    pub agenda: Agenda,
    /// What goes wrong.
    pub faults: Faults,
    /// What there is besides.
    pub features: Features,
    /// The most jobs of one submission.
    pub most_jobs: u64,
    /// Links between workers and server.
    pub network: Network,
    /// Who watches that promises are kept.
    pub judge: Judge,
    /// Who tells the story.
    pub trace: Trace,
    /// Who counts.
    pub tally: Tally,
    /// The spans that the server was given.
    pub timing: Timing,
    /// The planted bug, if any.
    pub bug: Option<Bug>,
}

impl Scene {
    /// Notes something for a while from now.
    pub fn later(&mut self, after: Span, happening: Happening) {
        self.agenda.note(self.now + after, happening);
    }

    /// Notes something for a time from now that lies between two spans.
    pub fn sometime(&mut self, least: Span, most: Span, happening: Happening) {
        let after = self.dice.span(least, most);
        self.later(after, happening);
    }

    /// Whether a fault strikes here and now.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let strikes = self.faults.strikes(fault);
        if strikes {
            self.tally.struck(fault);
            self.say("fault", format_args!("{fault}"));
        }
        strikes
    }

    /// Whether a feature is there, and is drawn now in so many of a thousand throws.
    pub fn draws(&mut self, feature: Feature, per_mille: u64) -> bool {
        self.features.has(feature) && self.dice.chance(per_mille)
    }

    /// Whether a bug is planted.
    #[must_use]
    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Tells the story's next line.
    pub fn say(&mut self, who: &str, what: fmt::Arguments) {
        self.trace.say(self.now, who, what);
    }
}
