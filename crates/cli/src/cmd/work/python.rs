//! Which Python hosts a file's functions: the one that is named, that of the active environment,
//! that of the environment in which this program lies, or the one on the PATH.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The host of a Python entry, as `app.py:generate` or `package.module:function`.
pub fn host(named: Option<&Path>, entry: &str) -> Result<Vec<OsString>> {
    if !entry.contains(':') {
        return Err(Error::usage(format!("`{entry}` names no function"))
            .hint("write FILE.py:FUNCTION, as app.py:generate; models are given with --onnx"));
    }
    let python = named.map(Path::to_owned).or_else(active).or_else(beside);
    let python = python.unwrap_or_else(|| "python3".into());
    Ok(vec![python.into(), "-m".into(), "gristmill.host".into()])
}

fn active() -> Option<PathBuf> {
    std::env::var_os("VIRTUAL_ENV").map(|folder| Path::new(&folder).join("bin/python"))
}

/// A wheel puts this program beside its Python.
fn beside() -> Option<PathBuf> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    let is_environment = folder.parent()?.join("pyvenv.cfg").is_file();
    Some(folder.join("python")).filter(|python| is_environment && python.exists())
}
