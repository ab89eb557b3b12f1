//! Images: read, process, write aside, rename; on a thread that keeps its codecs and buffers warm.

mod pool;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use gristmill_imaging::{ImageError, Limits, Processed, Recipe, process};
use gristmill_model::AttemptId;
use gristmill_model::attempt::{Failure, FailureKind};
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::ImagesSpec;

use super::{Made, Product};
use crate::attempt::{Bench, Given, panicked, placed};
use crate::disk::{Aside, cannot_read, cannot_write};
pub(crate) use pool::{Desk, Pool};

/// One image to make.
struct Order {
    source: PathBuf,
    recipe: Recipe,
    target: PathBuf,
    parts: Option<PathBuf>,
    attempt: AttemptId,
}

/// Makes one image.
pub(crate) async fn run(
    bench: &mut Bench,
    spec: &ImagesSpec,
    input: Given,
) -> Result<Made, Failure> {
    let recipe = serde_json::from_str(&spec.recipe).map_err(|error| {
        Failure::new(FailureKind::Invalid, "recipe_invalid", format!("the recipe: {error}"))
    })?;
    let (source, name) = match input {
        Given::File { path, name } => (path, name),
        // A line of text may name a file, as a list of files piped into `submit` does.
        Given::Text(path) => (bench.shop.roots.readable(&path)?, path),
    };
    let target = match &bench.assignment.output {
        Some(path) => bench.shop.roots.writable(path)?,
        None => bench.folder.path()?.join("output"),
    };
    let (parts, attempt) = (bench.shop.parts.clone(), bench.assignment.attempt);
    let order = Order { source, recipe, target: target.clone(), parts, attempt };
    let stop = bench.stop.clone();
    let work = move |desk: &mut Desk| make(desk, &order);
    let (done, cpu) = bench.shop.images.run(stop, work).await.unwrap_or_else(|| Err(panicked()))?;
    bench.usage.cpu = cpu;
    Ok(made(bench, target, &name, done?))
}

fn made(bench: &Bench, target: PathBuf, name: &str, done: Done) -> Made {
    let product = match &bench.assignment.output {
        Some(path) => Product::Payload(Payload::File(placed(path, done.size))),
        None => {
            let name = Path::new(name).with_extension(done.extension);
            let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Product::File { path: target, name }
        }
    };
    Made { product, artifacts: Vec::new(), warnings: done.warnings }
}

/// What is left to say of an image whose bytes are on the disk.
struct Done {
    size: u64,
    extension: &'static str,
    warnings: Vec<String>,
}

/// The work itself, on a thread of the pool.
fn make(desk: &mut Desk, order: &Order) -> Result<Done, Failure> {
    let limits = Limits::default();
    read(&order.source, &limits, &mut desk.input)?;
    let processed = process(&mut desk.workspace, &desk.input, &order.recipe, &limits)
        .map_err(|error| not_made(&order.source, &error))?;
    write(order, &processed).map_err(|error| cannot_write(&order.target, &error))?;
    Ok(Done {
        size: processed.bytes.len() as u64,
        extension: processed.format.extension(),
        warnings: processed.warnings,
    })
}

/// Reads a file into a buffer that is used again, unless it is longer than an image may be.
fn read(source: &Path, limits: &Limits, buffer: &mut Vec<u8>) -> Result<(), Failure> {
    buffer.clear();
    let read = File::open(source).and_then(|file| {
        let length = file.metadata()?.len();
        if length > limits.max_input_bytes {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it has {length} bytes, at most {} are read", limits.max_input_bytes),
            ));
        }
        buffer.reserve_exact(usize::try_from(length).unwrap_or_default() + 1);
        file.take(limits.max_input_bytes).read_to_end(buffer)
    });
    read.map(drop).map_err(|error| cannot_read(source, &error))
}

fn write(order: &Order, processed: &Processed) -> io::Result<()> {
    let aside = Aside::new(order.parts.as_deref(), &order.target, order.attempt);
    aside.write(&processed.bytes)?;
    aside.place()
}

/// A codec that fails says nothing about the image; everything else will be the same next time.
fn not_made(source: &Path, error: &ImageError) -> Failure {
    let kind = match error {
        ImageError::Codec { .. } => FailureKind::Failed,
        _ => FailureKind::Invalid,
    };
    Failure::new(kind, error.code(), format!("{}: {error}", source.display()))
}
