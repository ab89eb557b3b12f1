//! The host's life: hello, open, load, calls one at a time, the end.
//!
//! Three threads: one hears the worker, one says `alive`, and the one that called [`serve`] loads
//! and works. They hand over by channels, and what is to be stopped stands on the [`Desk`].

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use gristmill_model::host::{Call, FD_VARIABLE, FromHost, Open, PROTOCOL, ToHost};

use crate::call::Clerk;
use crate::desk::Desk;
use crate::line::{self, Line};
use crate::model::{Model, Place, Settings};
use crate::output::Shelf;
use crate::pulse::Pulse;
use crate::runtime::Started;
use crate::{OnnxError, Runtime, threads};

/// How to serve.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where to look for ONNX Runtime.
    pub runtime: Runtime,
    /// Threads that share the work of one node; where it is not said, the CPUs that
    /// `GRISTMILL_CPUS` or `OMP_NUM_THREADS` names, else all.
    pub threads: Option<usize>,
}

/// The socket that the worker gave this process.
///
/// # Errors
/// There is none: the host was not started by a worker.
pub fn inherited_socket() -> Result<OwnedFd, OnnxError> {
    let number = std::env::var(FD_VARIABLE).ok().and_then(|number| number.parse::<RawFd>().ok());
    let none = || OnnxError::Protocol {
        what: format!("{FD_VARIABLE} names no socket; a host is started by a worker"),
    };
    let number = number.filter(|number| *number > 2).ok_or_else(none)?;
    if !Path::new(&format!("/dev/fd/{number}")).exists() {
        return Err(none());
    }
    // SAFETY: it is open, and the worker left it to this process for nothing else; the standard
    // streams were refused.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Serves one session over this socket, until the worker says `close` or is gone.
///
/// # Errors
/// The model could not be loaded (the worker has been told so), the worker does not keep to the
/// contract, or the device failed.
pub fn serve(socket: OwnedFd, options: &Options) -> Result<(), OnnxError> {
    let broken = |error| OnnxError::io("taking the worker's socket", error);
    let mut ear = UnixStream::from(socket);
    let line = Line::new(ear.try_clone().map_err(broken)?);
    let end = ear.try_clone().map_err(broken)?;

    let started = options.runtime.start();
    line.send(&FromHost::Hello { protocol: PROTOCOL, versions: versions(started.as_ref().ok()) })?;
    let open = match line::receive(&mut ear)? {
        Some(ToHost::Open(open)) => open,
        None | Some(ToHost::Close {}) => return Ok(()),
        Some(_) => return Err(OnnxError::Protocol { what: "it did not begin with `open`".into() }),
    };

    let (desk, pulse) = (Desk::default(), Pulse::default());
    let (stop_beating, until) = mpsc::channel();
    // Calls come one at a time: room for one is room enough.
    let (calls, heard) = mpsc::sync_channel(1);
    let every = Duration::from_millis(open.alive_every_ms);
    thread::scope(|scope| {
        let listener = scope.spawn(|| listen(ear, &desk, calls));
        let (beating, mouth) = (&pulse, &line);
        scope.spawn(move || beating.beat(mouth, every, until));
        let served = work(&open, started, options, (&desk, &line, &pulse), &heard);
        drop(stop_beating);
        // The listener may still wait for words that nobody would hear.
        let _ = end.shutdown(Shutdown::Both);
        let heard = listener.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match served {
            // Nobody is left to be told; that is how most sessions end.
            Err(OnnxError::Io { .. }) if desk.is_closed() => heard,
            Err(error) => Err(error),
            Ok(()) => heard,
        }
    })
}

/// Loads the model and answers calls until there are no more.
fn work(
    open: &Open,
    started: Result<Started, OnnxError>,
    options: &Options,
    (desk, line, pulse): (&Desk, &Line, &Pulse),
    calls: &mpsc::Receiver<Call>,
) -> Result<(), OnnxError> {
    let loaded = started.and_then(|started| pulse.during(|| load(open, &started, options, desk)));
    let model = match loaded {
        Ok(model) => model,
        Err(_) if desk.is_closed() => return Ok(()),
        Err(error) => {
            line.send(&FromHost::Failed { error: error.for_worker() })?;
            return Err(error);
        }
    };
    let placement = model.placement();
    eprintln!("{} is loaded: {placement}", open.entry);
    let on_device = (!open.devices.is_empty()).then(|| placement.on_device());
    line.send(&FromHost::Ready { devices: Vec::new(), on_device })?;

    let stackable = model.signature().is_batchable();
    let mut clerk = Clerk { model, stackable, desk, line, shelf: Shelf::new(open) };
    for call in calls {
        pulse.during(|| clerk.answer(call))?;
    }
    Ok(())
}

fn load(
    open: &Open,
    started: &Started,
    options: &Options,
    desk: &Desk,
) -> Result<Model, OnnxError> {
    if open.protocol != PROTOCOL {
        let what = format!("it speaks version {}, this host {PROTOCOL}", open.protocol);
        return Err(OnnxError::Protocol { what });
    }
    let place = match &open.devices[..] {
        [] => Place::Cpus,
        [device] if device.kind == "gpu" => Place::Gpu { memory: device.vram },
        [device] => {
            let what =
                format!("a device of kind `{}`: ONNX models run on GPUs or CPUs", device.kind);
            return Err(OnnxError::Unsupported { what });
        }
        devices => {
            let what = format!("{} devices: an ONNX model runs on one", devices.len());
            return Err(OnnxError::Unsupported { what });
        }
    };
    let threads = threads::count(options.threads, |name| std::env::var(name).ok());
    let settings = Settings::for_work(place, threads);
    Model::load_stoppable(started, Path::new(&open.entry), &settings, |load| desk.loading(load))
}

/// Hears the worker until it is gone, says `close`, or says something that it must not.
fn listen(
    mut ear: UnixStream,
    desk: &Desk,
    calls: mpsc::SyncSender<Call>,
) -> Result<(), OnnxError> {
    let result = loop {
        match line::receive(&mut ear) {
            Ok(Some(ToHost::Call(call))) => {
                if !desk.heard(call.call, call.items.len()) {
                    let what = "it called again before the last call was over".into();
                    break Err(OnnxError::Protocol { what });
                }
                // Nobody takes it any more: the work ended, and why is said there.
                if calls.send(call).is_err() {
                    break Ok(());
                }
            }
            Ok(Some(ToHost::Cancel { call, items })) => desk.cancel(call, &items),
            Ok(Some(ToHost::Close {}) | None) => break Ok(()),
            Ok(Some(ToHost::Open(_))) => {
                break Err(OnnxError::Protocol { what: "it said `open` twice".into() });
            }
            Err(error) => break Err(error),
        }
    };
    desk.close();
    result
}

fn versions(started: Option<&Started>) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    versions.insert("gristmill".into(), env!("CARGO_PKG_VERSION").into());
    if let Some(version) = started.and_then(Started::version) {
        versions.insert("onnxruntime".into(), version);
    }
    versions
}
