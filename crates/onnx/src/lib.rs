//! Host for ONNX models: the process in which a model stays loaded while a worker hands it inputs.
//!
//! It speaks the contract of [`gristmill_model::host`] over an inherited socket. The runtime is the
//! library of ONNX Runtime, found when the host starts; nothing of it is in this program. It knows
//! nothing of jobs beyond their inputs: batches are put together by the worker, retries are the
//! server's, and the bytes of large values lie in files that both sides name.

mod call;
mod cuda_libraries;
mod describe;
mod desk;
mod dtype;
mod error;
mod failure;
mod input;
mod line;
mod model;
mod npy;
mod output;
mod placement;
mod plain;
mod pulse;
mod runtime;
mod serve;
mod signature;
mod stack;
mod tensor;
mod threads;

pub use describe::describe;
pub use error::OnnxError;
pub use runtime::Runtime;
pub use serve::{Options, inherited_socket, serve};
