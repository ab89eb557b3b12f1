//! Seeds in, counterexamples out. From one seed a world is built around the real engine and the
//! real worker core: virtual time, a network that loses and delays, a disk that forgets its tail,
//! processes that die, pause and come back. One seed means one run, step for step.
//!
//! Nothing of this is shipped. The simulator knows the engine only by what a server may use, and
//! its judge keeps a model of its own to hold against the engine's.

mod agenda;
mod brief;
pub mod bug;
mod client;
mod dice;
mod disk;
pub mod faults;
pub mod features;
mod handler;
mod items;
mod judge;
mod network;
pub mod plan;
mod run;
mod scene;
mod server;
pub mod shrink;
pub mod tally;
pub mod trace;
mod worker;
mod world;

pub use judge::Violation;
pub use run::{Outcome, run};
