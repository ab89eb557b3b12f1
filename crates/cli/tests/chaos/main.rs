//! End to end under fire, from outside: a real server and real workers as processes, and clients
//! that remember what was acknowledged to them. Processes are killed and stopped, the disk fails
//! under the server, its data folder is copied and its log compacted while it works. Afterwards
//! nothing acknowledged is lost, nothing is committed twice and nothing is half there.
//!
//! Each kind of fault has its module. How much there is of it the environment says, and by default
//! it is little; docs/reliability.md names the command for the full measure. `GRISTMILL_CHAOS_SEED`
//! replays what is drawn by chance, not the timing of the machine.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod backups;
mod compactions;
mod disk;
mod fleet;
mod kills;
mod load;
#[path = "../../../worker/tests/devices/mock.rs"]
#[allow(dead_code, reason = "the tests of devices use all of it")]
mod mock;
mod random;
mod sessions;
mod stops;
mod verdict;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}
