//! What a program finds in its environment: little of the worker's own, what the stage says, and
//! who it is. And where on the `PATH` a program lies.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gristmill_model::pipeline::CommandSpec;
use gristmill_model::wire::Assignment;

use crate::equipment::cpus;
use crate::lifeline::MARK;

/// Variables that programs inherit from the worker; everything else stays out, secrets with it.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "TMPDIR", "TZ", "USER"];

const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Name and value of each variable.
pub(super) type Variables = Vec<(OsString, OsString)>;

/// What all programs of a worker share.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    inherited: Variables,
    mark: String,
}

impl Environment {
    /// Takes what is inherited from this process; `mark` tells this worker's processes apart.
    pub(crate) fn of_this_process(mark: String) -> Environment {
        let mut inherited: Variables = INHERITED
            .iter()
            .filter_map(|name| Some(((*name).into(), std::env::var_os(name)?)))
            .collect();
        if !inherited.iter().any(|(name, _)| name == "PATH") {
            inherited.push(("PATH".into(), USUAL_PATH.into()));
        }
        Environment { inherited, mark }
    }

    /// The mark that every process of this worker wears.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// The variables of one attempt. What the stage says goes before what is inherited and booked,
    /// and who the attempt is before all.
    pub(super) fn of(
        &self,
        assignment: &Assignment,
        spec: &CommandSpec,
        artifacts: &Path,
    ) -> Variables {
        let mut variables = self.inherited.clone();
        variables.extend(cpus::variables(assignment.resources.cpus));
        variables.extend(spec.env.iter().map(|(name, value)| (name.into(), value.into())));
        let own: [(&str, OsString); 6] = [
            ("GRISTMILL_JOB", assignment.job.to_string().into()),
            ("GRISTMILL_ATTEMPT", assignment.attempt.to_string().into()),
            ("GRISTMILL_BATCH", assignment.batch.to_string().into()),
            ("GRISTMILL_STAGE", assignment.stage.clone().into()),
            ("GRISTMILL_ARTIFACTS", artifacts.into()),
            (MARK, self.mark.clone().into()),
        ];
        variables.extend(own.map(|(name, value)| (name.into(), value)));
        variables
    }
}

/// Finds a program as a shell would: a name with a slash is a path, others are looked up.
///
/// It is done here, before spawning, because a program that is not there is then told from one
/// that fails, and because the fast way to spawn needs a path.
pub(super) fn find(program: &str, variables: &Variables, folder: &Path) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(folder.join(program)).filter(|path| is_executable(path));
    }
    let path = variables.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or(OsStr::new(USUAL_PATH), |(_, value)| value);
    std::env::split_paths(path)
        .map(|place| folder.join(place).join(program))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path_of_the_stage() {
        let variables = vec![("PATH".into(), "/nowhere".into()), ("PATH".into(), "/bin".into())];
        let folder = Path::new("/tmp");
        assert_eq!(find("sh", &variables, folder), Some("/bin/sh".into()));
        assert_eq!(find("/bin/sh", &variables, folder), Some("/bin/sh".into()));
        assert_eq!(find("no-such-program", &variables, folder), None);
        assert_eq!(find("./sh", &variables, folder), None);
        assert_eq!(find("/bin", &variables, folder), None);
    }
}
