//! One file a verb.

pub mod backup;
pub mod batch;
pub mod bench;
pub mod cancel;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod explain;
pub mod images;
pub mod job;
pub mod jobs;
pub mod logs;
pub mod retry;
pub mod serve;
pub mod submit;
mod target;
pub mod work;
pub mod workers;
