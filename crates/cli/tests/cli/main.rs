//! The binary as people use it: real processes, real files; exit code, standard output and standard
//! error are what is looked at.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod benches;
mod devices;
mod explaining;
mod foreign;
mod images;
mod images_by_workers;
mod jobs;
mod logs;
mod mill;
mod results;
mod serving;
mod settings;
mod steering;
mod submit;
