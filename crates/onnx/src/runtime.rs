//! Finds the library of ONNX Runtime and starts it, once a process.
//!
//! It is loaded while the program runs and is no part of it: a machine without it can do all other
//! work, and whoever wants a GPU installs the build that has one.

use std::error::Error as _;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::OnnxError;

/// Where to look for the library.
#[derive(Debug, Clone, Default)]
pub struct Runtime {
    /// The library, or the folder in which it lies; nowhere else is then looked.
    pub library: Option<PathBuf>,
    /// Folders in which Pythons or their virtual environments are installed: looked through before
    /// those that this machine's environment names.
    pub prefixes: Vec<PathBuf>,
}

/// The started library.
#[derive(Clone)]
pub(crate) struct Started {
    pub(crate) environment: Environment,
    /// The file it was loaded from.
    pub(crate) library: PathBuf,
}

impl Started {
    /// The library's version, as its file is named: `libonnxruntime.so.1.31.1`. Nothing where the
    /// name does not tell.
    pub(crate) fn version(&self) -> Option<String> {
        let file = self.library.canonicalize().ok()?;
        let name = file.file_name()?.to_str()?;
        let version = name.strip_prefix("libonnxruntime.")?;
        let version = version.trim_start_matches("so").trim_start_matches('.');
        let version = version.trim_end_matches("dylib").trim_end_matches('.');
        (!version.is_empty()).then(|| version.to_owned())
    }
}

/// A process loads one library, ever: another cannot take its place, nor can it be let go of.
static STARTED: Mutex<Option<Started>> = Mutex::new(None);

impl Runtime {
    /// Loads the first library that will do, or gives the one that this process has loaded.
    pub(crate) fn start(&self) -> Result<Started, OnnxError> {
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(started) = &*started {
            return Ok(started.clone());
        }
        let places = self.places();
        let mut unfit = Vec::new();
        for library in places.iter().flat_map(|place| libraries(place)) {
            match ort::init_from(&library) {
                Ok(builder) => {
                    let environment =
                        builder.with_name("gristmill").with_telemetry(false).build().map_err(
                            |error| OnnxError::RuntimeFailed { reason: error.to_string() },
                        )?;
                    environment.set_log_level(LogLevel::Error);
                    return Ok(started.insert(Started { environment, library }).clone());
                }
                Err(error) => unfit.push(why_unfit(&error)),
            }
        }
        Err(OnnxError::RuntimeMissing { reason: reason(&places, &unfit) })
    }

    /// Files and folders to look at, in order.
    fn places(&self) -> Vec<PathBuf> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(library) = &self.library {
            return vec![library.clone()];
        }
        if let Some(library) = variable("ORT_DYLIB_PATH") {
            return vec![library.into()];
        }
        let mut prefixes = self.prefixes.clone();
        prefixes.extend(
            ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(variable).map(Into::into),
        );
        prefixes.extend(variable("PATH").iter().flat_map(|path| pythons_on(path)));
        prefixes.extend(variable("HOME").map(|home| Path::new(&home).join(".local")));
        prefixes.extend(["/usr/local", "/usr"].map(PathBuf::from));

        let mut places: Vec<PathBuf> =
            prefixes.iter().flat_map(|prefix| packages(prefix)).collect();
        if let Some(paths) = variable("LD_LIBRARY_PATH") {
            places.extend(std::env::split_paths(&paths));
        }
        for prefix in prefixes.iter().rev().take(2) {
            let folders = ["lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"];
            places.extend(folders.map(|folder| prefix.join(folder)));
        }
        places.retain(|place| place.exists());
        places
    }
}

/// Where the Pythons are installed that a shell would find.
fn pythons_on(path: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.join("python3").exists())
        .filter_map(|folder| Some(folder.parent()?.to_path_buf()))
        .collect()
}

/// The folders in which the Python package keeps the library, one for each Python below `prefix`.
fn packages(prefix: &Path) -> Vec<PathBuf> {
    let mut pythons: Vec<PathBuf> = std::fs::read_dir(prefix.join("lib"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3"))
        })
        .collect();
    pythons.sort();
    pythons
        .iter()
        .flat_map(|python| ["site-packages", "dist-packages"].map(|folder| python.join(folder)))
        .map(|packages| packages.join("onnxruntime/capi"))
        .collect()
}

/// The file itself, or the libraries in the folder.
fn libraries(place: &Path) -> Vec<PathBuf> {
    if !place.is_dir() {
        return vec![place.to_path_buf()];
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir(place)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // `libonnxruntime.so`, `libonnxruntime.so.1.32.0`, `libonnxruntime.1.32.0.dylib`: not
            // `libonnxruntime_providers_cuda.so`.
            name.starts_with("libonnxruntime.")
                && (name.contains(".so") || name.ends_with(".dylib"))
        })
        .collect();
    found.sort();
    found
}

/// Names the file, and what the system's loader has against it.
fn why_unfit(error: &LoadDynamicError) -> String {
    match error {
        LoadDynamicError::Dlopen { error: refused, .. } => match refused.source() {
            Some(words) => format!("{error}: {words}"),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

fn reason(places: &[PathBuf], unfit: &[String]) -> String {
    if !unfit.is_empty() {
        return unfit.join("; ");
    }
    if places.is_empty() {
        return "there is no virtual environment and no folder for libraries to look in".into();
    }
    let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    format!("looked for libonnxruntime in {}", places.join(", "))
}
