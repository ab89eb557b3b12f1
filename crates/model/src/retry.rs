//! When a failed attempt is followed by another one, and how long after.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::attempt::FailureKind;
use crate::ids::JobId;
use crate::time::Span;

/// A stage's retry policy: exponential backoff with jitter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1. A worker's death is not counted: the work
    /// was not at fault.
    pub attempts: u32,
    /// Pause after the first failure; it doubles with every further one.
    #[schema(value_type = String, example = "1s")]
    pub backoff: Span,
    /// The pause never grows beyond this.
    #[schema(value_type = String, example = "5m")]
    pub max_backoff: Span,
    /// Up to this share of the pause is taken off, so that failures do not come back in step
    /// (percent, 0 to 100).
    pub jitter_percent: u8,
    /// Outcomes that are tried again.
    pub on: Vec<FailureKind>,
}

impl Default for RetryPolicy {
    /// Three attempts after failures and timeouts, from one second up to five minutes apart.
    fn default() -> Self {
        RetryPolicy {
            attempts: 3,
            backoff: Span::seconds(1),
            max_backoff: Span::seconds(300),
            jitter_percent: 25,
            on: vec![FailureKind::Failed, FailureKind::TimedOut],
        }
    }
}

impl RetryPolicy {
    /// A single attempt: whatever fails has failed.
    #[must_use]
    pub fn never() -> RetryPolicy {
        RetryPolicy { attempts: 1, ..RetryPolicy::default() }
    }

    /// The pause before the next attempt, or nothing when the failure is final. `failures` counts
    /// the failed attempts of this stage, this one included.
    ///
    /// The jitter is a pure function of job and count, so a replay finds the same pause.
    ///
    /// ```
    /// use gristmill_model::{attempt::FailureKind, retry::RetryPolicy, JobId, Span};
    /// let policy = RetryPolicy { jitter_percent: 0, ..RetryPolicy::default() };
    /// let pause = |failures| policy.pause(JobId(1), failures, FailureKind::Failed);
    /// assert_eq!(pause(1), Some(Span::seconds(1)));
    /// assert_eq!(pause(2), Some(Span::seconds(2)));
    /// assert_eq!(pause(3), None);
    /// ```
    #[must_use]
    pub fn pause(&self, job: JobId, failures: u32, kind: FailureKind) -> Option<Span> {
        if failures >= self.attempts || !self.on.contains(&kind) {
            return None;
        }
        let doublings = failures.saturating_sub(1).min(63);
        let full = self.backoff.0.saturating_mul(1u64 << doublings).min(self.max_backoff.0);
        let share = u64::from(self.jitter_percent.min(100));
        let widest = full / 100 * share;
        let cut = if widest == 0 { 0 } else { scatter(job.0, failures) % (widest + 1) };
        Some(Span(full - cut))
    }
}

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): spreads neighbouring numbers apart.
fn scatter(job: u64, failures: u32) -> u64 {
    let mut z = job.wrapping_add(u64::from(failures).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
