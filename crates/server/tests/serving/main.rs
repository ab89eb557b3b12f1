//! A real server on a free port, asked over HTTP, with workers that say what a test tells them to.
//! Nothing sleeps to be in step: tests wait for answers, frames and events, each within a bound.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod auth;
mod blobs;
mod bulk;
mod callbacks;
mod calls;
mod compaction;
mod devices;
mod events;
mod golden;
mod link;
mod lists;
mod logs;
mod malformed;
mod openapi;
mod ranges;
mod restart;
mod steering;
mod submissions;
mod submit;
mod worker;
mod world;
