//! `gristmill host`: hosts of sessions that are part of this program. Workers start them; people
//! have no use for them.

use std::path::PathBuf;

use gristmill_model::problem::exit;
use gristmill_onnx::{OnnxError, Options, Runtime};

use crate::args::Context;
use crate::error::{Error, Result};

/// Host a session
#[derive(Debug, clap::Subcommand)]
#[command(hide = true)]
pub enum Verb {
    /// Of an ONNX model
    Onnx {
        /// The ONNX Runtime library
        #[arg(long, value_name = "PATH")]
        runtime: Option<PathBuf>,
        #[command(subcommand)]
        what: What,
    },
}

/// What a host is asked.
#[derive(Debug, clap::Subcommand)]
pub enum What {
    /// Tell what a model takes and gives
    Describe { model: PathBuf },
    /// Serve a session over the socket that GRISTMILL_SESSION_FD names
    Run,
}

pub fn run(context: &Context, verb: &Verb) -> Result<u8> {
    let Verb::Onnx { runtime, what } = verb;
    let runtime = Runtime { library: runtime.clone(), ..Runtime::default() };
    match what {
        What::Describe { model } => {
            let described = gristmill_onnx::describe(model, &runtime).map_err(refused)?;
            context.output.line(serde_json::to_string(&described).map_err(|error| {
                Error::internal(format!("a description is no JSON: {error}"))
            })?)?;
        }
        What::Run => {
            let socket = gristmill_onnx::inherited_socket().map_err(refused)?;
            let options = Options { runtime, ..Options::default() };
            gristmill_onnx::serve(socket, &options).map_err(refused)?;
        }
    }
    Ok(exit::OK)
}

fn refused(error: OnnxError) -> Error {
    Error::usage(error.to_string())
}
