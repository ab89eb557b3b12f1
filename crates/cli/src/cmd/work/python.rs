//! Which Python hosts a file's functions: the one that is named, that of the active environment,
//! that beside this program, or the one on the PATH.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The host of a Python entry, as `app.py:generate` or `package.module:function`.
pub fn host(named: Option<&Path>, entry: &str) -> Result<Vec<OsString>> {
    if !entry.contains(':') {
        return Err(Error::usage(format!("`{entry}` names no function"))
            .hint("write FILE.py:FUNCTION, as app.py:generate; models are given with --onnx"));
    }
    let own = || beside(&std::env::current_exe().ok()?);
    let python = named.map(Path::to_owned).or_else(active).or_else(own);
    let python = python.unwrap_or_else(|| "python3".into());
    Ok(vec![python.into(), "-m".into(), "gristmill.host".into()])
}

fn active() -> Option<PathBuf> {
    std::env::var_os("VIRTUAL_ENV").map(|folder| Path::new(&folder).join("bin/python"))
}

/// A wheel puts this program beside the Python that has the package: in an environment, or in
/// whatever else pip installs into, which need not be on a service's PATH.
fn beside(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?;
    let python = ["python", "python3"].map(|name| folder.join(name));
    let python = python.into_iter().find(|python| python.exists())?;
    let prefix = folder.parent()?;
    (prefix.join("pyvenv.cfg").is_file() || has_package(prefix)).then_some(python)
}

fn has_package(prefix: &Path) -> bool {
    let versions = ["lib", "lib64"].into_iter().filter_map(|lib| prefix.join(lib).read_dir().ok());
    versions.flatten().flatten().any(|version| {
        version.file_name().as_encoded_bytes().starts_with(b"python3")
            && version.path().join("site-packages/gristmill").is_dir()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn place(files: &[&str]) -> tempfile::TempDir {
        let prefix = tempfile::tempdir().unwrap();
        for file in files {
            let path = prefix.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        prefix
    }

    fn found(files: &[&str]) -> Option<String> {
        let prefix = place(files);
        let python = beside(&prefix.path().join("bin/gristmill"))?;
        Some(python.strip_prefix(prefix.path()).unwrap().display().to_string())
    }

    #[test]
    fn the_python_beside_it_is_taken_where_it_can_have_the_package() {
        let package = "lib/python3.12/site-packages/gristmill/__init__.py";
        assert_eq!(found(&["bin/python", "pyvenv.cfg"]).unwrap(), "bin/python");
        assert_eq!(found(&["bin/python3", package]).unwrap(), "bin/python3");
        assert_eq!(found(&["bin/python3", "lib/python3.12/site-packages/other"]), None);
        assert_eq!(found(&["pyvenv.cfg", package]), None, "no Python is there");
    }
}
