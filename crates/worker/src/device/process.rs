//! Whose a process is and what it runs, as far as `/proc` tells; and whether the process numbers
//! that the driver tells are ours at all.

use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

/// The number that the kernel gives to the first process namespace, that of the host
/// (`PROC_PID_INIT_INO` in its `proc_ns.h`).
const HOST_NAMESPACE: &str = "pid:[4026531836]";
/// Bytes of a command that are shown.
const SHOWN_BYTES: usize = 80;

/// A process by its number, with what can be seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its number.
    pub pid: u32,
    /// Its user.
    pub user: Option<String>,
    /// Its command, cut.
    pub command: Option<String>,
}

/// The driver knows nothing of containers: it tells the host's process numbers. In another
/// namespace than the host's they cannot be matched with those that are known here.
#[must_use]
pub fn numbers_are_ours(proc: &Path) -> bool {
    fs::read_link(proc.join("self/ns/pid")).is_ok_and(|link| link.as_os_str() == HOST_NAMESPACE)
}

/// Looks up a process.
#[must_use]
pub fn named(proc: &Path, pid: u32) -> Named {
    let folder = proc.join(pid.to_string());
    let user = fs::metadata(&folder).ok().map(|folder| user(folder.uid()));
    let command = fs::read(folder.join("cmdline"))
        .ok()
        .filter(|words| !words.is_empty())
        .or_else(|| fs::read(folder.join("comm")).ok())
        .map(|words| shown(&words));
    Named { pid, user, command }
}

/// A command line as one line; anybody may have written it.
fn shown(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let plain = text.trim_end_matches(['\0', '\n']).chars();
    let line: String = plain.map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(SHOWN_BYTES) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// The user's name, or the number where it has none.
fn user(uid: u32) -> String {
    let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
    let mut found = std::ptr::null_mut();
    let mut text = [0; 4_096];
    // SAFETY: all pointers lead to memory of this function, as long as it is said to be.
    let code = unsafe {
        let room = text.len();
        libc::getpwuid_r(uid, entry.as_mut_ptr(), text.as_mut_ptr(), room, &raw mut found)
    };
    if code != 0 || found.is_null() {
        return uid.to_string();
    }
    // SAFETY: an entry was found, so the name in it is a text that ends in a zero byte.
    unsafe { CStr::from_ptr((*found).pw_name) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_named_as_far_as_it_can_be_seen() {
        let proc = tempfile::tempdir().unwrap();
        let folder = proc.path().join("4711");
        assert_eq!(named(proc.path(), 4711), Named { pid: 4711, user: None, command: None });
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("comm"), "python3\n").unwrap();
        fs::write(folder.join("cmdline"), "").unwrap();
        let found = named(proc.path(), 4711);
        assert_eq!(found.command.as_deref(), Some("python3"));
        assert!(found.user.is_some());
        fs::write(folder.join("cmdline"), b"python3\0train.py\0--name\0\x1b[2J\0").unwrap();
        let command = named(proc.path(), 4711).command.unwrap();
        assert_eq!(command, "python3 train.py --name  [2J");
        fs::write(folder.join("cmdline"), "é".repeat(500)).unwrap();
        assert_eq!(named(proc.path(), 4711).command.unwrap().chars().count(), 81);
    }

    #[test]
    fn root_has_a_name_and_nobody_else_needs_one() {
        assert_eq!(user(0), "root");
        assert_eq!(user(3_999_999_999), "3999999999");
    }

    #[test]
    fn only_in_the_hosts_namespace_are_the_drivers_numbers_ours() {
        let proc = tempfile::tempdir().unwrap();
        assert!(!numbers_are_ours(proc.path()));
        fs::create_dir_all(proc.path().join("self/ns")).unwrap();
        let link = proc.path().join("self/ns/pid");
        std::os::unix::fs::symlink("pid:[4026532999]", &link).unwrap();
        assert!(!numbers_are_ours(proc.path()));
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(HOST_NAMESPACE, &link).unwrap();
        assert!(numbers_are_ours(proc.path()));
    }
}
