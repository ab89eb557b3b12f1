//! The nouns of gristmill: plain data that every other crate speaks, and nothing that does I/O.
//!
//! Four modules are contracts with the world, each with its rule of change on top and golden files
//! beside it: [`event`] (what lies on disk), [`wire`] (what workers hear and say), [`host`] (what
//! hosts of sessions hear and say) and [`api`] (what HTTP and `--json` show). Everything else may
//! be renamed freely.

pub mod access;
pub mod api;
pub mod attempt;
pub mod booking;
pub mod cause;
pub mod command;
pub mod device;
pub mod digest;
pub mod event;
pub mod filter;
pub mod host;
pub mod ids;
pub mod job;
pub mod limits;
pub mod name;
pub mod payload;
pub mod pipeline;
pub mod problem;
pub mod resources;
pub mod restored;
pub mod retry;
pub mod scope;
pub mod signature;
pub mod source;
pub mod template;
pub mod terms;
pub mod time;
pub mod wire;
pub mod worker;

pub use ids::{AttemptId, BatchId, JobId, JobRun, PipelineId, ProjectId, WorkerId};
pub use time::{Moment, Span, Time};
