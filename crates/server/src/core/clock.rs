//! The server's own time, by the monotonic clock from where the log ends. What goes by the calendar
//! goes by the wall clock instead, which is read with every round.
//!
//! It never runs backwards, and no wall clock that is set changes it, not at a start either: a
//! clock that is a month ahead then would end every lease and delete what is kept for a day. Nor
//! does it leap while the server runs: what the process slept through (stopped by Ctrl-Z, a disk
//! that hung) is made up for slowly, so that no lease runs out merely because nobody was there to
//! hear its worker. What workers said meanwhile waits in sockets, and must be read before their
//! leases are looked at: so after a stall not even the deadline has come for which the loop went to
//! sleep.

use gristmill_model::{Moment, Span, Time, limits};

/// A wait that lasts this much longer than it was meant to is a stall.
const STALL: Span = Span::seconds(1);
/// So far the clock goes on over a stall: never to stand still, and less than any heartbeat's span.
const OVER_STALL: Span = Span::millis(100);
/// The clock makes up for a stall by running this fraction faster.
const MAKE_UP: u64 = 8;

/// Turns the monotonic clock into engine time.
#[derive(Debug)]
pub(super) struct Clock {
    time: Time,
    seen: Span,
    behind: Span,
    /// What the wall clock showed with the time, when it was last looked at.
    wall: Option<Moment>,
}

impl Clock {
    /// A clock that goes on where the log ends.
    pub(super) fn new(last: Time) -> Clock {
        Clock { time: last, seen: Span::ZERO, behind: Span::ZERO, wall: None }
    }

    /// What it showed last.
    pub(super) fn time(&self) -> Time {
        self.time
    }

    /// Notes what the wall clock shows now, and says by how much it has gone forward or back beside
    /// this one, where that is far.
    pub(super) fn note_wall(&mut self, wall: Time) -> Option<String> {
        let at = Moment { now: self.time, wall };
        let expected = self.wall.replace(at)?.wall_at(at.now);
        let seconds = |span: Span| Span::seconds(span.0 / 1_000_000);
        let (forward, back) = (seconds(wall.since(expected)), seconds(expected.since(wall)));
        if forward.max(back) <= limits::WALL_ASTRAY {
            return None;
        }
        Some(if forward > back {
            format!("forward by {forward}")
        } else {
            format!("back by {back}")
        })
    }

    /// The time after a wait: `elapsed` since the clock was made, where the wait was to end at
    /// `deadline` at the latest.
    pub(super) fn woke(&mut self, elapsed: Span, deadline: Option<Time>) -> Time {
        let passed = Span(elapsed.0.saturating_sub(self.seen.0));
        self.seen = elapsed;
        let made_up = self.behind.0.min(passed.0 / MAKE_UP);
        self.behind.0 -= made_up;
        let reached = self.time + Span(passed.0 + made_up);
        let expected = deadline.map_or(reached, |deadline| deadline.max(self.time));
        self.time = if reached > expected + STALL {
            let held = expected.min(self.time + OVER_STALL);
            self.behind.0 += reached.since(held).0;
            held
        } else {
            reached
        };
        self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn it_starts_where_the_log_ends_and_follows_the_monotonic_clock() {
        let mut clock = Clock::new(Time(9));
        assert_eq!(clock.woke(Span(3), None), Time(12));
        assert_eq!(clock.woke(Span(3), None), Time(12));
        assert_eq!(clock.woke(Span(1), None), Time(12), "never backwards");
    }

    #[test]
    fn a_stall_does_not_reach_the_deadline_and_is_made_up_for() {
        let mut clock = Clock::new(Time(0));
        let deadline = Some(Time(15 * SECOND));
        let held = Time(OVER_STALL.0);
        assert_eq!(clock.woke(Span::seconds(60), deadline), held);
        let later = clock.woke(Span::seconds(68), None);
        assert_eq!(later, held + Span::seconds(9), "eight seconds passed, and one was made up");
        let late = clock.woke(Span::seconds(68 + 8 * 60), None);
        assert_eq!(late, Time((68 + 8 * 60) * SECOND), "all is made up");
    }

    #[test]
    fn a_stall_that_follows_a_stall_does_not_stop_time() {
        let mut clock = Clock::new(Time(0));
        let deadline = Some(Time(SECOND));
        for n in 1..=10 {
            assert_eq!(clock.woke(Span::seconds(n * 5), deadline), Time(n * OVER_STALL.0));
        }
    }

    #[test]
    fn waking_a_little_late_is_no_stall() {
        let mut clock = Clock::new(Time(0));
        let woke = clock.woke(Span::millis(1_500), Some(Time(SECOND)));
        assert_eq!(woke, Time(SECOND * 3 / 2));
    }

    #[test]
    fn a_wall_clock_that_is_set_is_told_of_once() {
        let mut clock = Clock::new(Time(7));
        let shows = |hours: u64, passed: Span| Time(hours * 3_600 * SECOND) + passed;
        assert_eq!(clock.note_wall(shows(50, Span::ZERO)), None, "wherever it stands");
        clock.woke(Span::seconds(30), None);
        assert_eq!(clock.note_wall(shows(50, Span::seconds(31))), None);
        let forward = clock.note_wall(shows(51, Span::seconds(31)));
        assert_eq!(forward.as_deref(), Some("forward by 1h"));
        assert_eq!(clock.note_wall(shows(51, Span::seconds(31))), None);
        assert_eq!(clock.note_wall(shows(49, Span::seconds(31))).as_deref(), Some("back by 2h"));
    }
}
