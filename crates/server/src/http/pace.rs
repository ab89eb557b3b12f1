//! How fast jobs end, so that a full queue can say when to come back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gristmill_model::{Span, limits};

use crate::handle::Handle;

/// Shorter stretches say little.
const STRETCH: Duration = Duration::from_secs(1);
/// The pause when nothing is known, and the longest that is ever asked for.
const UNKNOWN: Span = Span::seconds(5);
const LONGEST: Span = Span::seconds(60);

/// Remembers how many jobs had ended when it was last asked.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Mutex<Option<(Instant, u64)>>,
}

impl Pace {
    /// How long a full queue takes, at its present pace, to have room for one more command's jobs.
    pub(super) async fn pause(&self, handle: &Handle) -> Span {
        let Ok(snapshot) = handle.snapshot().await else { return UNKNOWN };
        let ended = snapshot.jobs.iter().filter(|(state, _)| state.is_final());
        let ended: u64 = ended.map(|(_, count)| count).sum();
        self.judge(Instant::now(), ended)
    }

    fn judge(&self, now: Instant, ended: u64) -> Span {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((since, before)) = *last else {
            *last = Some((now, ended));
            return UNKNOWN;
        };
        let passed = now.saturating_duration_since(since);
        if passed < STRETCH {
            return UNKNOWN;
        }
        *last = Some((now, ended));
        match ended.saturating_sub(before) {
            0 => LONGEST,
            done => {
                let wanted = limits::JOBS_PER_COMMAND as f64;
                let seconds = passed.as_secs_f64() * wanted / done as f64;
                Span::from_std(Duration::from_secs_f64(seconds)).min(LONGEST)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_follows_the_pace() {
        let pace = Pace::default();
        let start = Instant::now();
        assert_eq!(pace.judge(start, 100), UNKNOWN);
        let later = start + Duration::from_secs(2);
        assert_eq!(pace.judge(later, 100 + 5_000), Span::seconds(4));
        assert_eq!(pace.judge(later + Duration::from_secs(2), 5_100), LONGEST);
    }
}
