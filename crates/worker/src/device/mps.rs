//! Whether NVIDIA's Multi-Process Service runs: with it many processes share a GPU that takes but
//! one.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the service's control daemon listens unless it is told otherwise.
const PIPES: &str = "/tmp/nvidia-mps";

/// The folder of the service's pipes, as CUDA looks for it.
#[must_use]
pub fn pipes() -> PathBuf {
    let named = std::env::var_os("CUDA_MPS_PIPE_DIRECTORY").filter(|folder| !folder.is_empty());
    named.map_or_else(|| PIPES.into(), PathBuf::from)
}

/// Whether the control daemon of those pipes is alive; `proc` is `/proc`.
#[must_use]
pub fn runs(pipes: &Path, proc: &Path) -> bool {
    if !pipes.join("control").exists() {
        return false;
    }
    // The daemon leaves its files behind when it is killed. Where it does not say who it is, or its
    // process cannot be seen from here, the pipe is taken as a sign of life.
    let pid = fs::read_to_string(pipes.join("nvidia-cuda-mps-control.pid")).ok();
    match pid.and_then(|pid| pid.trim().parse::<u32>().ok()) {
        Some(pid) => proc.join(pid.to_string()).exists(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_daemon_is_not_taken_for_a_live_one() {
        let root = tempfile::tempdir().unwrap();
        let (pipes, proc) = (root.path().join("pipes"), root.path().join("proc"));
        assert!(!runs(&pipes, &proc));
        fs::create_dir_all(&pipes).unwrap();
        assert!(!runs(&pipes, &proc));
        fs::write(pipes.join("control"), "").unwrap();
        assert!(runs(&pipes, &proc), "it does not say who it is");
        fs::write(pipes.join("nvidia-cuda-mps-control.pid"), "77\n").unwrap();
        assert!(!runs(&pipes, &proc));
        fs::create_dir_all(proc.join("77")).unwrap();
        assert!(runs(&pipes, &proc));
    }
}
