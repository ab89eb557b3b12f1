//! `gristmill bench images`: one at a time against all cores, over the same folder.
//!
//! Each round is a run of this binary's own `images`, in a process and a folder of its own, so what
//! is measured is what people get: walk, engine, log, worker and files.

use std::path::{Path, PathBuf};
use std::time::Instant;

use gristmill_model::problem::exit;
use serde::Serialize;
use serde_json::Value;
use tokio::process::Command;

use crate::args::Context;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;
use crate::output::{Table, say};

/// Measure `images`: one at a time against all cores
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder of pictures
    #[arg(default_value = "samples/photos")]
    folder: PathBuf,
    /// Rounds of each kind; the best one counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Each picture stands for so many [default: as many as make 1000 in all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    copies: Option<u32>,
    /// Options of `images` to measure with
    #[arg(last = true, default_values = ["--resize", "512x512"])]
    options: Vec<String>,
}

/// Pictures in a round when nobody says.
const ENOUGH: usize = 1_000;

/// The best of some rounds.
#[derive(Debug, Clone, Serialize)]
struct Figure {
    mode: String,
    workers: u32,
    images: u64,
    failed: u64,
    seconds: f64,
    images_per_second: f64,
    megabytes_per_second: f64,
    ms_per_image: f64,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let interrupt = Interrupt::listen("")?;
    let scratch = scratch()?;
    let source = scratch.path().join("in");
    let count = multiply(&args.folder, &source, args.copies)?;
    say(format!(
        "{count} pictures, {} rounds each, options {}.",
        args.rounds,
        args.options.join(" ")
    ));
    let cores = crate::cmd::images::all_cores();
    let mut figures: Vec<Figure> = Vec::new();
    for (mode, workers) in [("sequential", 1), ("all cores", cores)] {
        let mut best: Option<Figure> = None;
        for round in 0..args.rounds {
            let results = scratch.path().join(format!("{mode}-{round}"));
            let measured = interrupt.unless(measure(args, &source, &results, mode, workers)).await;
            let Some(figure) = measured else { return Ok(exit::INTERRUPTED) };
            let figure = figure?;
            std::fs::remove_dir_all(&results)
                .map_err(|error| Error::file("remove", &results, &error))?;
            if best.as_ref().is_none_or(|best| figure.seconds < best.seconds) {
                best = Some(figure);
            }
        }
        figures.extend(best);
    }
    show(context, &figures)?;
    Ok(exit::OK)
}

fn scratch() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("gristmill-bench-")
        .tempdir()
        .map_err(|error| Error::file("make a folder in", &std::env::temp_dir(), &error))
}

/// Lays out the pictures so many times, as links: reading is what it is, and no disk fills up.
fn multiply(folder: &Path, to: &Path, copies: Option<u32>) -> Result<usize> {
    let failed = |error: &std::io::Error| Error::file("read", folder, error);
    let pictures: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(std::result::Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.extension().is_some_and(|ending| ending != "md" && ending != "txt"))
        .collect();
    if pictures.is_empty() {
        return Err(Error::input(format!("no pictures in {}", folder.display()))
            .hint("name a folder of pictures: gristmill bench images photos/"));
    }
    let copies = copies.map_or(ENOUGH.div_ceil(pictures.len()), |copies| copies as usize);
    for copy in 0..copies {
        let below = to.join(format!("{copy:05}"));
        std::fs::create_dir_all(&below).map_err(|error| failed(&error))?;
        for (number, picture) in pictures.iter().enumerate() {
            let real = picture.canonicalize().map_err(|error| failed(&error))?;
            let name = picture.file_name().unwrap_or_default().to_string_lossy();
            // The number keeps a.jpg and a.png apart, whatever both become.
            let link = below.join(format!("{number:04}-{name}"));
            std::os::unix::fs::symlink(&real, &link).map_err(|error| failed(&error))?;
        }
    }
    Ok(copies * pictures.len())
}

async fn measure(
    args: &Args,
    source: &Path,
    results: &Path,
    mode: &str,
    workers: u32,
) -> Result<Figure> {
    let this = std::env::current_exe()
        .map_err(|error| Error::internal(format!("cannot find this program: {error}")))?;
    let mut command = Command::new(this);
    command.arg("images").arg(source).arg(results).args(["--json", "--no-progress"]);
    command.args(&args.options).kill_on_drop(true);
    match mode {
        "sequential" => command.arg("--sequential"),
        _ => command.args(["--workers", &workers.to_string()]),
    };
    let started = Instant::now();
    let done = command.output().await;
    let done = done.map_err(|error| Error::internal(format!("cannot run images: {error}")))?;
    let whole = started.elapsed().as_secs_f64();
    let said: Value = serde_json::from_slice(&done.stdout).map_err(|_| {
        Error::input(String::from_utf8_lossy(&done.stderr).trim().to_owned())
            .hint("try the same options with `gristmill images`")
    })?;
    let number = |name: &str| said["summary"][name].as_f64().unwrap_or(0.0);
    let images = number("done");
    Ok(Figure {
        mode: mode.to_owned(),
        workers,
        images: images as u64,
        failed: number("failed") as u64,
        // The whole process: start, walk and records count for whoever waits.
        seconds: whole,
        images_per_second: images / whole,
        megabytes_per_second: number("bytes_in") / 1e6 / whole,
        ms_per_image: if images > 0.0 { whole * 1e3 / images } else { 0.0 },
    })
}

fn show(context: &Context, figures: &[Figure]) -> Result<()> {
    if context.output.json {
        return figures.iter().try_for_each(|figure| context.output.json(figure));
    }
    let headings =
        ["mode", "workers", "images", "failed", "seconds", "images/s", "MB/s", "ms/image"];
    let mut table = Table::new(headings);
    for figure in figures {
        table.row([
            figure.mode.clone(),
            figure.workers.to_string(),
            figure.images.to_string(),
            figure.failed.to_string(),
            format!("{:.2}", figure.seconds),
            format!("{:.0}", figure.images_per_second),
            format!("{:.1}", figure.megabytes_per_second),
            format!("{:.3}", figure.ms_per_image),
        ]);
    }
    table.print(context.output)?;
    if let [one, all] = figures {
        let times = all.images_per_second / one.images_per_second;
        let share = times / f64::from(all.workers) * 100.0;
        say(format!("{times:.2} times as fast on {} cores: {share:.0}% each.", all.workers));
    }
    Ok(())
}
