//! What is looked at, one function each.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gristmill_model::problem::exit;
use gristmill_worker::device::inventory::{Inventory, Options};
use gristmill_worker::device::nvml::NoNvml;
use gristmill_worker::probe;

use super::Check;
use crate::client::Client;
use crate::output::{bytes, counted, duration, wall_clock};

/// Below this much free space a server would soon stop acknowledging.
const LOW: u64 = 1 << 30;
/// A clock before this moment (2025) was never set.
const LONG_AGO: u64 = 1_735_689_600;

/// A server that nobody named need not be there.
pub async fn server(client: &Client, named: bool) -> Vec<Check> {
    let url = client.server();
    let health = match client.health().await {
        Ok(health) => health,
        Err(error) if error.exit == exit::UNREACHABLE && !named => {
            return vec![Check::note(
                "server",
                format!("none at {url}; `gristmill serve` starts one"),
            )];
        }
        Err(error) => {
            return vec![Check::bad("server", error.message, error.hint.unwrap_or_default())];
        }
    };
    let uptime = duration(health.uptime.to_std());
    let workers = counted(health.workers.into(), "worker");
    let mut checks = vec![if health.status == "ok" {
        Check::good("server", format!("{url} is up since {uptime}, {workers}"))
    } else {
        Check::bad("server", format!("{url} says: {}", health.status), "look at its log")
    }];
    let ours = env!("CARGO_PKG_VERSION");
    if health.version != ours {
        let found = format!("the server is {}, this is {ours}", health.version);
        checks.push(Check::bad("versions", found, "use the same gristmill on both sides"));
    }
    if let Err(error) = client.workers(false, 1).await {
        checks.push(Check::bad("access", error.message, error.hint.unwrap_or_default()));
    }
    checks
}

/// Whether `serve` could write there.
pub fn folder(data: &Path) -> Check {
    let existing = nearest(data);
    let probe = tempfile::Builder::new().prefix(".gristmill-").tempfile_in(existing);
    match probe {
        Ok(_) if existing == data => Check::good("data folder", data.display().to_string()),
        Ok(_) => Check::good("data folder", format!("{} can be made", data.display())),
        Err(error) => Check::bad(
            "data folder",
            format!("{} cannot be written: {}", data.display(), crate::error::cause(&error)),
            "change its owner, or name another with --data",
        ),
    }
}

/// The folder itself, or the first above it that exists.
fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"))
}

/// Room where data and scratch files go.
pub fn space(data: &Path) -> Vec<Check> {
    let temp = std::env::temp_dir();
    let places = [("disk space", nearest(data)), ("scratch", temp.as_path())];
    let look = |(name, path)| match free(path) {
        Some(free) if free < LOW => Check::bad(
            name,
            format!("only {} free at {}", bytes(free), Path::display(path)),
            "free some space: a server on a full disk stops acknowledging",
        ),
        Some(free) => Check::good(name, format!("{} free at {}", bytes(free), path.display())),
        None => Check::note(name, format!("cannot tell the free space at {}", path.display())),
    };
    places.map(look).into()
}

fn free(path: &Path) -> Option<u64> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `path` ends in a zero byte and `stat` is large enough for what the call writes.
    let done = unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) };
    // SAFETY: the call has filled it in where it says that it succeeded.
    (done == 0).then(|| unsafe { stat.assume_init() }).map(|s| s.f_bavail * s.f_frsize)
}

/// A clock that was never set makes every time shown a riddle.
pub fn clock() -> Check {
    let shown = wall_clock();
    if shown.0 / 1_000_000 < LONG_AGO {
        return Check::bad("clock", format!("it says {shown}"), "set it, or start an NTP client");
    }
    Check::good("clock", shown.to_string())
}

pub fn cpus() -> Check {
    Check::good("cpus", format!("{} for this process", probe::cpus()))
}

/// What the image codecs pick their code by.
pub fn simd() -> Check {
    #[cfg(target_arch = "x86_64")]
    let features = [
        ("sse4.1", std::arch::is_x86_feature_detected!("sse4.1")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("avx512bw", std::arch::is_x86_feature_detected!("avx512bw")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let features = [(std::env::consts::ARCH, true)];
    let found: Vec<&str> = features.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
    if cfg!(target_arch = "x86_64") && !found.contains(&"avx2") {
        return Check::note("simd", format!("no AVX2 ({}): images take longer", found.join(" ")));
    }
    Check::good("simd", found.join(" "))
}

pub fn memory() -> Check {
    match probe::memory() {
        0 => Check::note("memory", "cannot tell how much"),
        found => Check::good("memory", format!("{} for this process", bytes(found))),
    }
}

/// A machine without GPUs is an ordinary one; a driver that does not work is not.
pub fn gpus() -> Check {
    let inventory = Inventory::probe(Options::of_this_process());
    let note = |found: String| Check::note("gpus", found);
    match inventory.absent() {
        Some(none @ NoNvml::NoDriver { .. }) => return note(none.to_string()),
        Some(broken) => {
            let advice = "work that needs no GPU is not affected";
            return Check::bad("gpus", broken.to_string(), advice);
        }
        None => {}
    }
    let usable = inventory.gpus.iter().filter(|gpu| gpu.is_usable()).count() as u64;
    let driver = inventory.driver.as_deref().unwrap_or("unknown");
    let found = format!("{} can be used, driver {driver}", counted(usable, "device"));
    let barred = inventory
        .gpus
        .iter()
        .filter_map(|gpu| Some(format!("{}: {}", gpu.uuid, gpu.unusable.as_ref()?)));
    let wonders: Vec<String> = inventory.notes.iter().cloned().chain(barred).collect();
    if wonders.is_empty() {
        return Check::good("gpus", found);
    }
    note(format!("{found}; {}", wonders.join("; ")))
}
