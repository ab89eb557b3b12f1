//! Starting a program: finding it, and saying why it could not be started.
//!
//! Nothing here needs code between fork and exec, so the standard library takes its fast way
//! (`posix_spawn`, which does not copy the worker's page tables).

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gristmill_model::attempt::{Failure, FailureKind};

use super::environment::{self, Variables};
use crate::process::Running;

/// All that is needed to start a program.
#[derive(Debug)]
pub(super) struct Launch {
    /// What the template calls it.
    pub(super) program: String,
    path: PathBuf,
    arguments: Vec<String>,
    variables: Variables,
    folder: PathBuf,
}

impl Launch {
    pub(super) fn new(
        argv: Vec<String>,
        variables: Variables,
        folder: PathBuf,
    ) -> Result<Launch, Failure> {
        let mut words = argv.into_iter();
        let program = words.next().unwrap_or_default();
        let Some(path) = environment::find(&program, &variables, &folder) else {
            return Err(not_found(&program, &folder));
        };
        Ok(Launch { program, path, arguments: words.collect(), variables, folder })
    }
}

/// Starts a program in a process group of its own.
pub(super) fn spawn(launch: &Launch) -> Result<Running, Failure> {
    let mut command = Command::new(&launch.path);
    command
        .args(&launch.arguments)
        .env_clear()
        .envs(launch.variables.iter().map(|(name, value)| (name, value)))
        .current_dir(&launch.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    Running::start(&mut command).map_err(|error| not_started(&launch.program, &error))
}

/// Says where a program was looked for, and the way out.
fn not_found(program: &str, folder: &Path) -> Failure {
    let path = Path::new(program);
    let message = if !program.contains('/') {
        format!(
            "there is no program `{program}` on this worker's PATH; install it there, or name it by \
             an absolute path"
        )
    } else if folder.join(path).is_file() {
        format!("`{program}` is a file on this worker that may not be run; make it executable")
    } else if path.is_absolute() {
        format!(
            "there is no program `{program}` on this worker's machine; put it there, or name one \
             that is on the worker's PATH"
        )
    } else {
        format!(
            "there is no program `{program}` in the attempt's own folder, which begins empty; name \
             it by an absolute path, or one that is on the worker's PATH"
        )
    };
    Failure::new(FailureKind::Invalid, "program_not_found", message)
}

fn not_started(program: &str, error: &io::Error) -> Failure {
    let (kind, code) = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            (FailureKind::Invalid, "program_not_found")
        }
        io::ErrorKind::ArgumentListTooLong => (FailureKind::Invalid, "arguments_too_long"),
        _ => (FailureKind::Failed, "not_started"),
    };
    Failure::new(kind, code, format!("cannot start `{program}`: {error}"))
}
