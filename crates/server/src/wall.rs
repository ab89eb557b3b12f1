//! The wall clock: the one place in the server that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use gristmill_model::{Span, Time};

/// What it shows. Somebody may set it at any time; what must not leap by that goes by the core
/// loop's own clock.
#[expect(clippy::disallowed_methods, reason = "this is where it is read")]
pub(crate) fn clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(Span::from_std(since).0)
}
