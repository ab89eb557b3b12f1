//! The server's clocks. The wall clock may be anywhere when the server starts; while it runs, time
//! passes by a clock that only goes forward. The log's last time is the least that a start
//! believes: else every lease and pause would wait until the wall clock has caught up.

use gristmill_model::{Moment, Span, Time};

use crate::bug::Bug;
use crate::faults::Fault;
use crate::scene::Scene;

/// The machine's wall clock.
#[derive(Debug)]
pub(super) struct Wall {
    /// What it showed when true time began.
    origin: Time,
}

/// The clock of one life of the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    base: Time,
    wall: Time,
    since: Time,
}

impl Default for Wall {
    fn default() -> Self {
        Wall { origin: Time(1_795_250_000_000_000) }
    }
}

impl Wall {
    /// The clock of a life that begins now; `last` is the last time in the log.
    pub(super) fn start(&mut self, scene: &mut Scene, last: Time) -> Clock {
        let (least, most) = (Span::seconds(60), Span::seconds(3 * 86_400));
        if scene.strikes(Fault::ClockAhead) {
            self.origin = self.origin + scene.dice.span(least, most);
        }
        if scene.strikes(Fault::ClockBehind) {
            self.origin = self.origin - scene.dice.span(least, most);
        }
        let wall = self.origin + Span(scene.now.0);
        let base = if scene.has(Bug::BelievesClock) { wall } else { wall.max(last) };
        Clock { base, wall, since: scene.now }
    }
}

impl Clock {
    /// What it shows at a true time. The wall clock goes along with it until it is set again.
    pub(super) fn read(self, now: Time) -> Moment {
        let passed = now.since(self.since);
        Moment { now: self.base + passed, wall: self.wall + passed }
    }

    /// The true time at which it shows something.
    pub(super) fn when(self, shows: Time) -> Time {
        self.since + shows.since(self.base)
    }
}
