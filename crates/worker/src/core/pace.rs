//! How many attempts a worker likes to hold beyond those that run: enough to hide the round trip
//! to the server, no more than others could have done in the meantime.

use gristmill_model::{Span, limits};

/// Moving averages over the attempts that ended here.
#[derive(Debug)]
pub(super) struct Pace {
    most: u32,
    /// Mean run time in microseconds; 0 before the first attempt ended.
    run: u64,
    /// Mean number of attempts that ran at once, in [`FINE`]ths.
    width: u64,
}

/// How much work should wait behind each running attempt.
const AHEAD: Span = Span::millis(75);

/// One new value moves a mean by one part in this many.
const INERTIA: u64 = 16;

/// Parts of an attempt in which the mean is kept: so many that what it loses in rounding does not
/// add up to a slot.
const FINE: u64 = 1 << 16;

impl Pace {
    pub(super) fn new(most: u32) -> Pace {
        Pace { most: most.clamp(1, limits::PREFETCH), run: 0, width: FINE }
    }

    /// An attempt took `run` while `at_once` attempts ran, itself among them.
    pub(super) fn learn(&mut self, run: Span, at_once: usize) {
        // An hour is as good as for ever here, and keeps the sums small.
        let run = run.0.clamp(1, Span::seconds(3_600).0);
        let at_once = (at_once as u64).min(u64::from(limits::PREFETCH)).max(1);
        if self.run == 0 {
            self.run = run;
            self.width = at_once * FINE;
        } else {
            self.run = ((self.run * (INERTIA - 1) + run) / INERTIA).max(1);
            self.width = (self.width * (INERTIA - 1) + at_once * FINE) / INERTIA;
        }
    }

    /// The number that the averages ask for; 1 before anything is known.
    pub(super) fn prefetch(&self) -> u32 {
        if self.run == 0 {
            return 1;
        }
        let wanted = (self.width * AHEAD.0).div_ceil(self.run * FINE);
        u32::try_from(wanted).unwrap_or(u32::MAX).clamp(1, self.most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_attempts_ask_for_many_and_long_ones_for_one() {
        let mut pace = Pace::new(1_024);
        assert_eq!(pace.prefetch(), 1);
        pace.learn(Span::millis(2), 4);
        assert_eq!(pace.prefetch(), 150, "4 slots, 75 ms of work each");
        for _ in 0..200 {
            pace.learn(Span::seconds(10), 4);
        }
        assert_eq!(pace.prefetch(), 1);
    }

    #[test]
    fn nothing_exceeds_the_bound_or_overflows() {
        let mut pace = Pace::new(u32::MAX);
        pace.learn(Span(0), usize::MAX);
        assert_eq!(pace.prefetch(), limits::PREFETCH);
        pace.learn(Span(u64::MAX), usize::MAX);
        assert!(pace.prefetch() >= 1);
        assert_eq!(Pace::new(0).prefetch(), 1);
    }

    #[test]
    fn an_even_pace_is_found_again_exactly() {
        let mut pace = Pace::new(1_024);
        for _ in 0..100 {
            pace.learn(Span::millis(5), 2);
        }
        assert_eq!(pace.prefetch(), 30);
    }

    #[test]
    fn a_wide_past_is_forgotten() {
        let mut pace = Pace::new(1_024);
        pace.learn(Span(1), 1_024);
        for _ in 0..500 {
            pace.learn(Span::millis(5), 1);
        }
        // Exactly 15, but for what the mean run loses in whole microseconds.
        assert!((15..=16).contains(&pace.prefetch()), "it runs one at a time: {pace:?}");
    }

    proptest! {
        #[test]
        fn whatever_ended_here_the_number_is_bounded_and_follows_the_last_runs(
            most in any::<u32>(),
            before in vec((any::<u64>(), any::<usize>()), 0..40),
            run in 1..20_000_000_u64,
            at_once in 1..64_usize,
        ) {
            let mut pace = Pace::new(most);
            let bound = most.clamp(1, limits::PREFETCH);
            for (run, at_once) in before {
                pace.learn(Span(run), at_once);
                prop_assert!((1..=bound).contains(&pace.prefetch()));
            }
            for _ in 0..500 {
                pace.learn(Span(run), at_once);
            }
            // What is asked for from now on is what an even pace asks for, give or take what the
            // means lose in whole microseconds.
            let exact = at_once as f64 * AHEAD.0 as f64 / run as f64;
            let (low, high) = (exact * 0.9 - 1.0, exact * 1.1 * (1.0 + 16.0 / run as f64) + 2.0);
            let asked = f64::from(pace.prefetch());
            let most = f64::from(bound);
            prop_assert!(asked >= low.min(most).max(1.0).floor(), "{asked} below {low}");
            prop_assert!(asked <= high.max(1.0).ceil(), "{asked} above {high}");
        }
    }
}
