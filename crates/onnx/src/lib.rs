//! Host for ONNX models: the process in which a model stays loaded while a worker hands it inputs.
//!
//! It speaks the contract of [`gristmill_model::host`] over an inherited socket. The runtime
//! is the library of ONNX Runtime, found when the host starts; nothing of it is in this program. It
//! knows nothing of jobs beyond their inputs: batches are put together by the worker, retries are the
//! server's, and the bytes of large values lie in files that both sides name.

mod describe;
mod dtype;
mod error;
mod failure;
mod model;
mod placement;
mod runtime;
mod signature;
mod tensor;

pub use describe::describe;
pub use error::OnnxError;
pub use runtime::Runtime;
