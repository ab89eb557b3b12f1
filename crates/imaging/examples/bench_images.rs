//! The contender `gristmill` of `bench/images/run.py`: one thread, bytes in, bytes out.
//!
//! `bench_images CASE FOLDER PASSES` reads every file of the folder into memory, warms up with one
//! pass, then prints one line of JSON: CPU milliseconds an image and bytes written a pass. With a
//! fourth argument it also writes the last pass's results into that folder.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use gristmill_imaging::{
    Filter, Fit, Format, Limits, Operation, Recipe, Threshold, Workspace, process,
};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [case, folder, passes, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: bench_images CASE FOLDER PASSES [RESULTS]");
        process::exit(2);
    };
    let recipe = recipe(case)?;
    let passes: u32 = passes.parse()?;
    let mut names: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, Error>>()?;
    names.sort();
    let files = names.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;

    let mut workspace = Workspace::new();
    let mut one_pass = || -> Result<Vec<Vec<u8>>, Error> {
        let limits = Limits::default();
        let one = |file| Ok(process(&mut workspace, file, &recipe, &limits)?.bytes);
        files.iter().map(Vec::as_slice).map(one).collect()
    };
    let results = one_pass()?;
    let before = cpu_ms()?;
    for _ in 0..passes {
        one_pass()?;
    }
    let ms = (cpu_ms()? - before) / f64::from(passes) / files.len() as f64;
    let bytes: usize = results.iter().map(Vec::len).sum();
    println!(r#"{{"ms": {ms:.4}, "bytes": {bytes}}}"#);
    if let [out] = rest {
        for (name, bytes) in names.iter().zip(results) {
            let name = name.file_name().ok_or("a file without a name")?;
            fs::write(Path::new(out).join(name), bytes)?;
        }
    }
    Ok(())
}

fn recipe(case: &str) -> Result<Recipe, Error> {
    let resize = |filter| Operation::Resize { width: 512, height: 512, fit: Fit::Exact, filter };
    let bilinear = resize(Filter::Bilinear);
    let operations = match case {
        "colour" | "fast" => vec![bilinear],
        "gray" => vec![bilinear, Operation::Gray],
        "threshold" => vec![bilinear, Operation::Threshold(Threshold::Level(127))],
        "lanczos" => vec![resize(Filter::Lanczos3)],
        other => return Err(format!("unknown case '{other}'").into()),
    };
    let format = Some(Format::Jpeg);
    Ok(Recipe { operations, format, fast: case == "fast", ..Recipe::default() })
}

/// CPU time of this process so far, in milliseconds: the kernel's own sum of its threads
/// (`/proc/self/schedstat` counts nanoseconds run).
fn cpu_ms() -> Result<f64, Error> {
    let stat = fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: f64 = stat.split(' ').next().ok_or("an empty schedstat")?.parse()?;
    Ok(nanoseconds / 1e6)
}
