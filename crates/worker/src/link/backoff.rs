//! How long to wait before the next try to connect: doubling, with jitter, bounded, for ever.

use std::time::Duration;

use gristmill_model::limits;

/// The pauses between tries.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause, between half and all of a span that doubles up to its bound; `dice` is any
    /// number. Workers that lost the same server then do not come back in step.
    pub(super) fn next(&mut self, dice: u64) -> Duration {
        let full = limits::RECONNECT_FIRST
            .0
            .saturating_mul(1 << self.tries.min(20))
            .min(limits::RECONNECT_LONGEST.0);
        self.tries = self.tries.saturating_add(1);
        Duration::from_micros(full / 2 + dice % (full / 2 + 1))
    }

    /// A connection stood: the next break is a new one.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound_and_start_over() {
        let mut backoff = Backoff::default();
        let (first, longest) =
            (limits::RECONNECT_FIRST.to_std(), limits::RECONNECT_LONGEST.to_std());
        let pause = backoff.next(7);
        assert!(pause >= first / 2 && pause <= first, "{pause:?}");
        for _ in 0..40 {
            assert!(backoff.next(u64::MAX) <= longest);
        }
        assert!(backoff.next(0) >= longest / 2);
        backoff.reset();
        assert!(backoff.next(u64::MAX) <= first);
    }
}
