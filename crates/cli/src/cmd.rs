//! One file a verb.

pub mod append;
pub mod backup;
pub mod batch;
pub mod bench;
pub mod cancel;
pub mod close;
pub mod completions;
pub mod config;
pub mod data;
pub mod devices;
pub mod doctor;
pub mod drain;
pub mod explain;
#[expect(dead_code, reason = "`gristmill devices` calls it where a server is asked")]
pub mod fleet;
mod flow;
pub mod hold;
pub mod host;
pub mod images;
pub mod job;
pub mod jobs;
pub mod limit;
pub mod limits;
pub mod logs;
mod many;
pub mod pause;
pub mod pipelines;
pub mod projects;
pub mod release;
pub mod resume;
pub mod retry;
pub mod serve;
pub mod sessions;
pub mod submit;
mod target;
pub mod work;
pub mod workers;
