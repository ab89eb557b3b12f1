//! `gristmill images SRC DST`: a folder of pictures through a chain of operations.
//!
//! Without `--server` the work is done here, by the same engine and the same worker as anywhere
//! else, in this process, with its records in `DST/.gristmill`. With `--server` it is done by that
//! server's workers. Both are a [`mill::Mill`] to the loop in [`drive`].

mod drive;
mod end;
mod local;
mod mill;
mod plan;
pub mod recipe;
mod remote;
mod report;
mod tally;
mod walk;

use std::path::{Path, PathBuf};
use std::time::Instant;

use gristmill_imaging::Recipe;
use gristmill_model::problem::exit;

use crate::args::Context;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::output::{Progress, say};
use drive::Drive;
use mill::Mill;
use tally::{Summary, Tally};

/// Run a folder of pictures through a chain of operations
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Interrupted and run again with the same options it goes on where it was.
Example:  gristmill images photos/ out/ --resize 512x512 --gray --flip h")]
pub struct Args {
    /// A picture, or a folder of pictures with all that is below it
    src: PathBuf,
    /// The folder of the results; sub-folders are kept
    dst: PathBuf,
    #[command(flatten)]
    operations: recipe::Operations,
    #[command(flatten)]
    encoding: recipe::Encoding,
    /// Take only files whose path below SRC matches; may be given again
    #[arg(long, value_name = "GLOB", help_heading = "Files")]
    include: Vec<String>,
    /// Leave out files whose path below SRC matches; may be given again
    #[arg(long, value_name = "GLOB", help_heading = "Files")]
    exclude: Vec<String>,
    /// Start over: make every result again
    #[arg(long, help_heading = "Files")]
    force: bool,
    /// Images worked on at once on this machine [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with_all = ["sequential", "server"])]
    workers: Option<u32>,
    /// One image at a time: the baseline to compare with
    #[arg(long, conflicts_with = "server")]
    sequential: bool,
    /// Let this server's workers do it
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The server's token [env: GRISTMILL_TOKEN]
    #[arg(long, value_name = "TOKEN", requires = "server")]
    token: Option<String>,
    /// Send pictures through the server, for workers that do not see this disk
    #[arg(long, requires = "server", conflicts_with = "shared_disk")]
    upload: bool,
    /// The workers see SRC and DST under the same paths [default with a server on this machine]
    #[arg(long, requires = "server")]
    shared_disk: bool,
    /// Write what became of each picture, as JSON or CSV by the ending
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// No progress bar
    #[arg(long)]
    no_progress: bool,
}

impl Args {
    /// Whether a server's workers do it.
    pub fn is_remote(&self) -> bool {
        self.server.is_some()
    }
}

pub async fn run(context: &Context, args: &Args, recipe: Recipe) -> Result<u8> {
    let choice = walk::Choice::new(&args.include, &args.exclude)?;
    let results = results_folder(&args.src, &args.dst)?;
    // Judged after DST was made, for that is where most people want it.
    args.report.as_deref().map_or(Ok(()), report::check)?;
    let found = walk::walk(&args.src, &results, &choice)?;
    let images = plan::plan(found.sources, &results, &recipe, &scope(args, &results))?;
    if images.is_empty() && found.unreadable.is_empty() {
        return Err(nothing_found(args, found.passed_over));
    }

    let interrupt =
        Interrupt::listen("Finishing what is running; press Ctrl-C again to stop at once.")?;
    let mut tally = Tally::new(&images);
    let progress = Progress::new(images.len() as u64, "images", args.no_progress);
    for (path, cause) in found.unreadable {
        progress.say(&tally.unreadable(path, cause));
    }
    let started = Instant::now();
    let mut mill = open(context, args, &results, &recipe).await?;
    let mut drive = Drive::new(&images, args.force, &mut tally, progress, interrupt.clone());
    let driven = drive.run(&mut mill).await;
    let closed = mill.close(interrupt.is_asked(), &mut drive).await;
    drive.finish();
    let summary = tally.summary(found.passed_over, started.elapsed());
    if let Some(report) = &args.report {
        report::write(report, &summary, tally.rows())?;
    }
    driven.and(closed)?;
    conclude(context, args, &summary, interrupt.is_asked(), &tally)
}

async fn open(context: &Context, args: &Args, results: &Path, recipe: &Recipe) -> Result<Mill> {
    let stage = mill::stage(recipe)?;
    if let Some(server) = &args.server {
        let token = args.token.as_deref().or_else(|| context.settings.text("token"));
        let client = crate::client::Client::new(server, token)?;
        let shared = args.shared_disk || (client.is_loopback() && !args.upload);
        return remote::Remote::open(client, stage, shared, &args.src)
            .await
            .map(|mill| Mill::Remote(Box::new(mill)));
    }
    let settled = args.workers.or_else(|| context.settings.count("images.workers"));
    let workers = if args.sequential { 1 } else { settled.unwrap_or_else(all_cores) };
    local::Local::open(&results.join(".gristmill"), stage, workers, args.force)
        .await
        .map(|mill| Mill::Local(Box::new(mill)))
}

/// As many as this process may use.
pub fn all_cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}

/// Makes the folder of results and gives its absolute path.
fn results_folder(src: &Path, dst: &Path) -> Result<PathBuf> {
    let source = src.canonicalize().map_err(|error| Error::file("read", src, &error))?;
    std::fs::create_dir_all(dst).map_err(|error| Error::file("make folder", dst, &error))?;
    let results = dst.canonicalize().map_err(|error| Error::file("use", dst, &error))?;
    if results == source {
        return Err(Error::usage(format!("{} is both SRC and DST", src.display()))
            .hint("name another folder for the results: the sources are never touched"));
    }
    Ok(results)
}

/// On a server pictures of many folders meet; in a folder's own records the paths below it say
/// enough, and the folder may be moved.
fn scope(args: &Args, results: &Path) -> String {
    match &args.server {
        Some(_) => {
            let source = args.src.canonicalize().unwrap_or_else(|_| args.src.clone());
            format!("{}\n{}", source.display(), results.display())
        }
        None => String::new(),
    }
}

fn nothing_found(args: &Args, passed_over: u64) -> Error {
    let error = Error::input(format!("no pictures in {}", args.src.display()));
    if !args.include.is_empty() || !args.exclude.is_empty() {
        error.hint("look at --include and --exclude: they are matched with paths below SRC")
    } else if passed_over > 0 {
        let files = crate::output::counted(passed_over, "file");
        error.hint(format!("{files} there are no pictures by content or name; --include takes any"))
    } else {
        error.hint("the folder is empty; hidden files are not looked at")
    }
}

fn conclude(
    context: &Context,
    args: &Args,
    summary: &Summary,
    interrupted: bool,
    tally: &Tally,
) -> Result<u8> {
    if context.output.json {
        let failures: Vec<_> = tally.rows().iter().filter(|row| row.message.is_some()).collect();
        context.output.json(&serde_json::json!({
            "summary": summary,
            "interrupted": interrupted,
            "failures": failures,
        }))?;
    } else {
        context.output.line(summary.to_string())?;
    }
    if interrupted && summary.pending > 0 {
        say("Interrupted. Run the same command again to go on where it stopped.");
        return Ok(exit::INTERRUPTED);
    }
    if summary.failed > 0 {
        let where_told = match &args.report {
            Some(report) => format!("; {} has a row for each", report.display()),
            None => String::new(),
        };
        say(format!("{} failed{where_told}.", crate::output::counted(summary.failed, "picture")));
        return Ok(exit::WORK_FAILED);
    }
    Ok(exit::OK)
}
