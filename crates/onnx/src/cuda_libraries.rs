//! Loads CUDA's libraries from the Python packages that bring them. They lie where the system's
//! loader does not look; once loaded, the runtime finds them by their names.

use std::path::{Path, PathBuf};

/// What the runtime's part for CUDA needs, in an order in which each finds what it needs itself.
const NEEDED: [&str; 9] = [
    "libcudart.so",
    "libnvrtc.so",
    "libnvJitLink.so",
    "libcublasLt.so",
    "libcublas.so",
    "libcurand.so",
    "libcufft.so",
    "libcudnn_graph.so",
    "libcudnn.so",
];

/// Loads what is there: `site-packages/nvidia/*/lib`, beside `site-packages/onnxruntime/capi`. What
/// is missing the runtime will name itself, and a machine may well have it elsewhere.
pub(crate) fn load_beside(library: &Path) {
    let Some(packages) = library.ancestors().nth(3) else { return };
    let found = libraries(&packages.join("nvidia"));
    for needed in NEEDED {
        for library in found.iter().filter(|path| is_named(path, needed)) {
            if let Err(error) = ort::util::preload_dylib(library) {
                eprintln!("{} was not loaded: {error}", library.display());
            }
        }
    }
}

fn libraries(nvidia: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries(nvidia)
        .flat_map(|package| entries(&package.path().join("lib")))
        .map(|library| library.path())
        .collect();
    found.sort();
    found
}

fn is_named(path: &Path, name: &str) -> bool {
    path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name))
}
