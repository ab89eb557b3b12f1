//! `gristmill backup DEST`: a copy of a data folder, also while its server runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gristmill_model::problem::exit;
use gristmill_server::backup::{self, Backup, BackupError, Part, Step};
use serde_json::json;

use crate::args::Context;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::output::{Progress, bytes, counted};

/// Copy a server's data folder, while the server runs or not
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Run it on the server's machine as the user that the server runs as. The copy holds everything that
was acknowledged before it began, and is a data folder: `gristmill serve --data DEST` serves it.
How to restore: docs/how-to/backup.md")]
pub struct Args {
    /// The new folder; it must not exist, and appears when the copy is whole
    #[arg(value_name = "DEST")]
    dest: PathBuf,
    /// The data folder [env: GRISTMILL_SERVE_DATA] [default: the one that `serve` would use]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    super::serve::start_tracing();
    let data = super::serve::data_folder(context, args.data.as_deref())?;
    let dest = std::path::absolute(&args.dest)
        .map_err(|error| Error::file("write", &args.dest, &error))?;
    let interrupt = Interrupt::listen("Stopping; nothing will be left of the copy.")?;
    let go_on = Arc::new(AtomicBool::new(true));
    let copying = tokio::task::spawn_blocking({
        let (dest, go_on, plain) = (dest.clone(), Arc::clone(&go_on), context.output.json);
        move || {
            let mut shown = Shown::new(plain);
            backup::take(&data, &dest, &mut |step| {
                shown.reached(step);
                go_on.load(Ordering::Relaxed)
            })
        }
    });
    tokio::pin!(copying);
    let copied = tokio::select! {
        copied = &mut copying => copied,
        () = interrupt.asked() => {
            go_on.store(false, Ordering::Relaxed);
            copying.await
        }
    };
    let copied = copied.map_err(|error| Error::internal(format!("the copy broke off: {error}")))?;
    tell(context, &dest, &copied.map_err(|error| refused(&error))?)
}

fn tell(context: &Context, dest: &Path, backup: &Backup) -> Result<u8> {
    let Backup { events, log_bytes, read_tables, blobs, output } = backup;
    if context.output.json {
        context.output.json(&json!({
            "backup": dest,
            "events": events,
            "log_bytes": log_bytes,
            "read_tables": read_tables,
            "blobs": blobs.files,
            "blob_bytes": blobs.bytes,
            "output_files": output.files,
            "output_bytes": output.bytes,
        }))?;
    } else {
        context.output.line(format!(
            "{}: {}, a log of {}, {} of {}, captured output of {}",
            dest.display(),
            counted(*events, "event"),
            bytes(*log_bytes),
            counted(blobs.files, "blob"),
            bytes(blobs.bytes),
            bytes(output.bytes)
        ))?;
    }
    Ok(exit::OK)
}

/// What is being copied, part by part.
struct Shown {
    plain: bool,
    now: Option<(Part, Progress)>,
}

impl Shown {
    fn new(plain: bool) -> Shown {
        Shown { plain, now: None }
    }

    fn reached(&mut self, step: Step) {
        const MB: u64 = 1_000_000;
        let (noun, unit) = match step.part {
            Part::ReadTables => ("MB of read tables", MB),
            Part::Log => ("MB of the log", MB),
            Part::Check => ("events checked", 1),
            Part::Blobs => ("MB of blobs", MB),
            Part::Output => ("MB of captured output", MB),
        };
        if self.now.as_ref().is_none_or(|(part, _)| *part != step.part) {
            if let Some((_, before)) = self.now.take() {
                before.finish();
            }
            self.now = Some((step.part, Progress::new(step.total / unit, noun, self.plain)));
        }
        if let Some((_, progress)) = &mut self.now {
            progress.reached(step.done / unit, 0);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some((_, progress)) = &self.now {
            progress.finish();
        }
    }
}

/// Why there is no copy.
fn refused(error: &BackupError) -> Error {
    let (what, way_out) = super::serve::split(&error.to_string());
    Error { exit: error.exit(), message: what, hint: way_out }
}
