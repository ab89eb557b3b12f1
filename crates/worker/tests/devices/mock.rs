//! A machine with GPUs that are not there: builds the mock of NVML and says what it tells.
//!
//! The mock is C, compiled by the machine's `cc` when a test begins; what it tells is in
//! `mock_nvml.c`. Each machine has a copy of its own, so tests do not meet.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../worker/tests/devices/mock_nvml.c");

/// A folder with a mock of the library and its state.
pub struct Mock {
    folder: tempfile::TempDir,
}

impl Mock {
    /// A library with every call that the mock knows.
    pub fn new(state: &str) -> Mock {
        Mock::without(state, &[])
    }

    /// A library that lacks some calls, as an older driver does.
    pub fn without(state: &str, lacks: &[&str]) -> Mock {
        let folder = tempfile::Builder::new().prefix("gristmill-nvml-").tempdir().unwrap();
        let mock = Mock { folder };
        let script = mock.root().join("exports");
        let hidden: String = lacks.iter().map(|name| format!(" {name};")).collect();
        fs::write(&script, format!("{{ global: nvml*; local:{hidden} *; }};")).unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-w", "-o"])
            .arg(mock.library())
            .arg(format!("-Wl,--version-script={}", script.display()))
            .arg(SOURCE)
            .arg("-ldl")
            .output()
            .expect("these tests build a mock of NVML with `cc`: install a C compiler");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        mock.tell(state);
        mock
    }

    /// Changes the machine; whoever has the library open sees it at the next call.
    pub fn tell(&self, state: &str) {
        let aside = self.root().join("state.new");
        fs::write(&aside, state).unwrap();
        fs::rename(aside, self.root().join("state")).unwrap();
    }

    /// Where the library lies.
    pub fn library(&self) -> PathBuf {
        self.root().join("libnvidia-ml.so.1")
    }

    /// A folder for whatever else a test needs.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }
}
