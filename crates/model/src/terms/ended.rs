//! By which of its batch's terms a job ended: in words for people, and as the failure that the job
//! shows. No event says it; it follows from what is stored.

use std::fmt;

use super::{Target, When};
use crate::attempt::{Failure, FailureKind};
use crate::time::Time;

/// The term that ended a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// What it waited for ended otherwise than it was to end.
    Dependency(Target, When),
    /// It had not begun by then.
    Expiry(Time),
    /// It was not final by then.
    Deadline(Time),
}

impl EndedBy {
    /// Code of what waited in vain.
    pub const DEPENDENCY_FAILED: &str = "dependency_failed";
    /// Code of what had not begun in time.
    pub const EXPIRED: &str = "expired";
    /// Code of what had not ended in time.
    pub const DEADLINE_PASSED: &str = "deadline_passed";

    /// Why a job expired at a time, under an expiry and a deadline.
    ///
    /// Where both have passed it was the deadline: an expiry that was the first of them would have
    /// struck before, unless the job had begun or nobody was there to see it pass.
    #[must_use]
    pub fn expired(expires_at: Option<Time>, deadline: Option<Time>, at: Time) -> Option<EndedBy> {
        let passed = |time: &Time| *time <= at;
        let deadline = deadline.filter(passed).map(EndedBy::Deadline);
        deadline.or(expires_at.filter(passed).map(EndedBy::Expiry))
    }

    /// The stable code of the failure.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            EndedBy::Dependency(..) => EndedBy::DEPENDENCY_FAILED,
            EndedBy::Expiry(_) => EndedBy::EXPIRED,
            EndedBy::Deadline(_) => EndedBy::DEADLINE_PASSED,
        }
    }

    /// The failure that the job shows.
    #[must_use]
    pub fn failure(self) -> Failure {
        Failure::new(FailureKind::Cancelled, self.code(), self.to_string())
    }
}

impl fmt::Display for EndedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndedBy::Dependency(on, when) => {
                let missed = if *when == When::Failed { "fail" } else { "succeed" };
                write!(f, "{on}, which its batch waited for, did not {missed}")
            }
            EndedBy::Expiry(at) => write!(f, "it had not begun by {at}, when it expired"),
            EndedBy::Deadline(at) => write!(f, "its deadline passed at {at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_times_the_one_that_struck_is_told() {
        let [early, late, later] = [5, 9, 12].map(Time);
        let ended = |expires_at, deadline, at| EndedBy::expired(expires_at, deadline, at);
        assert_eq!(ended(Some(early), Some(late), early), Some(EndedBy::Expiry(early)));
        assert_eq!(ended(Some(early), Some(late), later), Some(EndedBy::Deadline(late)));
        assert_eq!(ended(Some(early), None, later), Some(EndedBy::Expiry(early)));
        assert_eq!(ended(Some(late), None, early), None);
    }
}
