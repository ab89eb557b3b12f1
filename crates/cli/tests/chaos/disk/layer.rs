//! The test's side of the fault layer: compiles it, switches it, reads what it counted.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What can be made to fail.
pub const WRITE: u32 = 1;
pub const SYNC: u32 = 2;
pub const TRUNCATE: u32 = 4;

/// Where the fields of fault.c's `struct control` lie.
const OPERATIONS: u64 = 0;
const ERROR: u64 = 4;
const BRIEF: u64 = 8;
const SKIP: u64 = 12;
const SEEN: u64 = 16;
const FAILED: u64 = 24;
const PATH: u64 = 32;
const PATH_BYTES: usize = 4096;

/// How the disk fails.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// In the names of the files it fails for; at their end where it ends in `$`.
    pub path: &'static str,
    pub operations: u32,
    /// The errno; 0 where writes are only short.
    pub error: i32,
    /// Whether a write is cut in half before one fails.
    pub brief: bool,
    /// So many operations are let through first.
    pub skip: u32,
}

/// A layer between one process and its disk.
pub struct Layer {
    library: PathBuf,
    name: PathBuf,
    control: File,
}

impl Layer {
    /// Compiles the layer into a folder; nothing, and a line that says so, without a C compiler.
    pub fn compile(folder: &Path) -> Option<Layer> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chaos/disk/fault.c");
        let library = folder.join("fault.so");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source);
        match cc.output() {
            Err(error) => {
                println!("SKIPPED: no C compiler to make disks fail with (cc: {error})");
                return None;
            }
            Ok(done) => assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr)),
        }
        let name = folder.join("fault.control");
        let control = File::options().read(true).write(true).create_new(true).open(&name).unwrap();
        control.set_len(PATH + PATH_BYTES as u64).unwrap();
        Some(Layer { library, name, control })
    }

    /// What the process must find in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        vec![
            ("LD_PRELOAD".into(), text(&self.library)),
            ("GRISTMILL_TEST_DISK".into(), text(&self.name)),
        ]
    }

    /// Looks at these files, without failing yet.
    pub fn watch(&self, path: &str) {
        self.set(OPERATIONS, 0);
        let mut bytes = path.as_bytes().to_vec();
        bytes.push(0);
        self.control.write_all_at(&bytes, PATH).unwrap();
    }

    /// From now on the disk fails.
    pub fn fail(&self, fault: Fault) {
        self.watch(fault.path);
        self.set(ERROR, fault.error as u32);
        self.set(BRIEF, fault.brief.into());
        self.set(SKIP, fault.skip);
        self.control.write_all_at(&0_u64.to_ne_bytes(), FAILED).unwrap();
        self.set(OPERATIONS, fault.operations);
    }

    /// The disk is well again.
    pub fn lift(&self) {
        self.set(OPERATIONS, 0);
    }

    /// Operations on the chosen files, failed or not.
    pub fn seen(&self) -> u64 {
        self.count(SEEN)
    }

    /// Operations that were failed or cut.
    pub fn failed(&self) -> u64 {
        self.count(FAILED)
    }

    fn set(&self, field: u64, value: u32) {
        self.control.write_all_at(&value.to_ne_bytes(), field).unwrap();
    }

    fn count(&self, field: u64) -> u64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, field).unwrap();
        u64::from_ne_bytes(bytes)
    }
}
