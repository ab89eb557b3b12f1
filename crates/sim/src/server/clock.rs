//! The server's clocks. The wall clock may be anywhere when the server starts. In the calm it is
//! set to the latest that it would ever have shown, while the server runs: what clients asked for
//! at a given time comes then. The engine's own clock goes on from where the log ends.

use gristmill_model::{Moment, Span, Time};

use crate::bug::Bug;
use crate::faults::Fault;
use crate::scene::Scene;

/// The machine's wall clock.
#[derive(Debug)]
pub(super) struct Wall {
    /// What it showed when true time began, ...
    origin: Time,
    /// ... and the latest of all that it was set to.
    latest: Time,
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
        let origin = Time(1_795_250_000_000_000);
        Wall { origin, latest: origin }
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
        self.latest = self.latest.max(self.origin);
        let wall = self.origin + Span(scene.now.0);
        let begins = last == Time::default();
        let base = if begins || scene.has(Bug::BelievesClock) { wall } else { last };
        Clock { base, wall, since: scene.now }
    }

    /// Somebody sets it for good; a server that runs goes on with it.
    pub(super) fn settle(&mut self, now: Time, running: Option<&mut Clock>) {
        self.origin = self.latest;
        if let Some(clock) = running {
            clock.wall = self.origin + Span(now.0) - now.since(clock.since);
        }
    }
}

impl Clock {
    /// What it shows at a true time. The wall clock goes along with it until it is set again.
    pub(super) fn read(self, now: Time) -> Moment {
        let passed = now.since(self.since);
        Moment { now: self.base + passed, wall: self.wall + passed }
    }

    /// The true time at which the engine's clock shows something.
    pub(super) fn when(self, shows: Time) -> Time {
        self.since + shows.since(self.base)
    }

    /// The true time at which the wall clock shows something.
    pub(super) fn when_wall(self, shows: Time) -> Time {
        self.since + shows.since(self.wall)
    }
}
