//! Any program: words filled in, a folder and an environment of its own, output captured, the
//! whole tree of processes ended when it has to stop.

mod artifacts;
mod capture;
mod environment;
mod spawn;
mod verdict;
mod words;

use std::path::PathBuf;
use std::process::Command;

use gristmill_model::attempt::{Failure, FailureKind};
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::CommandSpec;
use gristmill_model::wire::Stream;

use super::{Made, Product};
use crate::attempt::{Bench, Given, stopped};
use crate::core::Input;
use crate::folder::plain_name;
use crate::orphans::Left;
use crate::process::{Running, Status, Tree};
use capture::{Capture, Captured};
pub(crate) use environment::Environment;
use spawn::Launch;

/// The folder inside an attempt's own in which a program leaves what is to be collected.
pub(crate) const ARTIFACTS: &str = "artifacts";

/// Runs a program.
pub(crate) async fn run(
    bench: &mut Bench,
    spec: &CommandSpec,
    input: Given,
) -> Result<Made, Failure> {
    let output = spec.writes_output().then(|| output_name(bench, &input));
    let launch = prepare(bench, spec, &input, output.as_deref())?;
    if bench.stop.is_cancelled() {
        return Err(stopped());
    }
    bench.shop.orphans.expect(bench.assignment.attempt);
    let devices = bench.seat_devices();
    let booked = bench.assignment.resources.cpus;
    let dress = |command: &mut Command| bench.shop.equipment.place(&devices, booked, command);
    let running = match spawn::spawn(&launch, dress) {
        Ok(running) => running,
        Err(failure) => {
            bench.shop.orphans.forget(bench.assignment.attempt);
            return Err(failure);
        }
    };
    let (status, captured) = watch(bench, running).await;
    verdict::judge(&launch.program, status, &captured)?;
    let product = match output {
        Some(name) => product_file(bench, name)?,
        None => Product::Payload(Payload::Text(captured.text.clone())),
    };
    let mut warnings = captured.warnings();
    let artifacts = artifacts::collect(&bench.folder.place_of(ARTIFACTS), &mut warnings)?;
    Ok(Made { product, artifacts, warnings })
}

/// What `{output}` is called: as it will be called in the end, for programs read endings.
fn output_name(bench: &Bench, input: &Given) -> String {
    match (&bench.assignment.output, input) {
        (Some(path), _) => plain_name(path),
        (None, Given::File { name, .. }) => name.clone(),
        (None, Given::Text(_)) => "output".into(),
    }
}

fn prepare(
    bench: &Bench,
    spec: &CommandSpec,
    input: &Given,
    output: Option<&str>,
) -> Result<Launch, Failure> {
    let artifacts = bench.folder.sub_folder(ARTIFACTS)?;
    let output = match output {
        Some(name) => bench.folder.sub_folder("output")?.join(name),
        None => PathBuf::new(),
    };
    let mut environment = bench.shop.environment.of(&bench.assignment, spec, &artifacts);
    environment.extend(bench.shop.equipment.variables(&bench.seat_devices()));
    let argv = words::fill(spec, &bench.assignment, input, &output)?;
    Launch::new(argv, environment, bench.folder.path()?.to_owned())
}

fn product_file(bench: &Bench, name: String) -> Result<Product, Failure> {
    let path = bench.folder.place_of("output").join(&name);
    match std::fs::symlink_metadata(&path) {
        Ok(file) if file.is_file() => Ok(Product::File { path, name }),
        _ => {
            let message = "the program ended well but wrote no file to {output}";
            Err(Failure { exit_code: Some(0), ..no_output(message) })
        }
    }
}

fn no_output(message: &str) -> Failure {
    Failure::new(FailureKind::Failed, "no_output", message)
}

/// Listens until the program has ended, by itself or because it had to.
async fn watch(bench: &mut Bench, mut running: Running) -> (Status, Captured) {
    let attempt = bench.assignment.attempt;
    let inputs = bench.shop.inputs.clone();
    let say = move |stream: Stream, bytes: Vec<u8>| Input::Log { attempt, stream, bytes };
    let mut capture = Capture::new(running.stdout.take(), running.stderr.take(), inputs, say);
    let own = format!("GRISTMILL_ATTEMPT={attempt}");
    let tree = Tree::new(running.pid, bench.shop.environment.mark(), own);
    capture.during(tree.ended(&running, &bench.stop, bench.shop.stop_grace)).await;
    // Whatever the program left in its group goes with it, before its id can be given to another.
    tree.kill_group();
    let status = running.reap();
    bench.usage.cpu = status.cpu;
    bench.usage.peak_memory = status.peak_memory;
    let left = bench.shop.orphans.end(attempt, running.pid).await;
    let stopped = bench.stop.is_cancelled();
    bench.alone = left == Left::Nothing && !stopped;
    if stopped || left == Left::Unknown || !capture.finish_soon().await {
        // Stopped, nobody knows, or somebody outside the group still holds the pipes.
        tree.hunt_strays().await;
        capture.finish_soon().await;
    }
    (status, capture.close().await)
}
