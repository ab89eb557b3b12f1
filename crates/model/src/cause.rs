//! Causes: why jobs were cancelled, expired or asked to stop, other than by how their work ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::attempt::{Failure, FailureKind};
use crate::terms::{Target, When};
use crate::time::Time;

/// Why jobs were cancelled, expired or asked to stop. On disk it is an event's part: variants are
/// only ever added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Somebody asked for it.
    Request,
    /// What their batch depends on ended otherwise than it was to end.
    Dependency(Target, When),
    /// They had not begun by then.
    Expiry(Time),
    /// They were not final by then.
    Deadline(Time),
}

impl Cause {
    /// Code of jobs whose dependency failed.
    pub const DEPENDENCY_FAILED: &str = "dependency_failed";
    /// Code of jobs that had not begun in time.
    pub const EXPIRED: &str = "expired";
    /// Code of jobs that had not ended in time.
    pub const DEADLINE_PASSED: &str = "deadline_passed";

    /// The stable code of the failure that the jobs show; nothing where somebody asked.
    #[must_use]
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Cause::Request => None,
            Cause::Dependency(..) => Some(Cause::DEPENDENCY_FAILED),
            Cause::Expiry(_) => Some(Cause::EXPIRED),
            Cause::Deadline(_) => Some(Cause::DEADLINE_PASSED),
        }
    }

    /// The failure that the jobs show; nothing where somebody asked.
    ///
    /// ```
    /// use gristmill_model::{Time, cause::Cause};
    /// let failure = Cause::Deadline(Time(0)).failure().unwrap();
    /// assert_eq!(failure.code, "deadline_passed");
    /// assert_eq!(failure.message, "its deadline passed at 1970-01-01T00:00:00.000000Z");
    /// assert_eq!(Cause::Request.failure(), None);
    /// ```
    #[must_use]
    pub fn failure(self) -> Option<Failure> {
        let code = self.code()?;
        Some(Failure::new(FailureKind::Cancelled, code, self.to_string()))
    }

    /// Why a job expired at a time, under an expiry and a deadline, as far as these tell.
    ///
    /// Where both have passed it was the deadline: an expiry that was the first of them would have
    /// struck before, unless the job had begun or nobody was there to see it pass.
    #[must_use]
    pub fn of_times(expires_at: Option<Time>, deadline: Option<Time>, at: Time) -> Option<Cause> {
        let passed = |time: &Time| *time <= at;
        let deadline = deadline.filter(passed).map(Cause::Deadline);
        deadline.or(expires_at.filter(passed).map(Cause::Expiry))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Request => f.write_str("somebody asked for it"),
            Cause::Dependency(on, when) => {
                let missed = if *when == When::Failed { "fail" } else { "succeed" };
                write!(f, "{on}, which its batch waited for, did not {missed}")
            }
            Cause::Expiry(at) => write!(f, "it had not begun by {at}, when it expired"),
            Cause::Deadline(at) => write!(f, "its deadline passed at {at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_times_the_one_that_struck_is_told() {
        let [early, late, later] = [5, 9, 12].map(Time);
        let cause = |expires_at, deadline, at| Cause::of_times(expires_at, deadline, at);
        assert_eq!(cause(Some(early), Some(late), early), Some(Cause::Expiry(early)));
        assert_eq!(cause(Some(early), Some(late), later), Some(Cause::Deadline(late)));
        assert_eq!(cause(Some(early), None, later), Some(Cause::Expiry(early)));
        assert_eq!(cause(Some(late), None, early), None);
    }
}
