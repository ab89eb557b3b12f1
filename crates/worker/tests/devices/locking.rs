//! One owner a device on one machine, whoever asks and however the owner ends. The owners are real
//! processes, this test's own binary run again.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use gristmill_worker::device::lock::{LockError, Locks};

const GPU: &str = "GPU-aaaa1111-0000-0000-0000-000000000001";
/// Names the folder to a process that is to hold a lock there.
const HOLD_IN: &str = "GRISTMILL_TEST_HOLD_IN";

fn locks(root: &Path) -> Locks {
    Locks::within(&[root.join("run"), root.join("tmp")]).unwrap()
}

/// Not a test of its own: the part of the other process, which only that plays.
#[test]
fn the_other_process() {
    let Some(root) = std::env::var_os(HOLD_IN).map(PathBuf::from) else { return };
    let held = locks(&root).take(GPU, "other").unwrap();
    if root.join("share").exists() {
        let mut command = Command::new("sleep");
        held.share_with(&mut command).unwrap();
        let mut child = command.arg("600").spawn().unwrap();
        fs::write(root.join("heir"), child.id().to_string()).unwrap();
        println!("\nholds");
        let _ = child.wait();
    }
    println!("\nholds");
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A process that has the lock, once this returns.
fn other_process(root: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "locking::the_other_process", "--nocapture"])
        .env(HOLD_IN, root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "holds"), "it never had the lock");
    child
}

#[test]
fn another_process_is_refused_and_told_who_holds_it_until_that_is_killed() {
    let root = tempfile::tempdir().unwrap();
    let mut other = other_process(root.path());
    let locks = locks(root.path());
    let refused = locks.take(GPU, "me").unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("{GPU} is in use by another program (pid {}, worker other)", other.id())
    );
    assert!(locks.holder(GPU).unwrap().to_string().contains("worker other"));
    assert!(locks.holder("GPU-2").is_none());
    assert!(locks.take("GPU-2", "me").is_ok());

    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(locks.holder(GPU), None);
    let held = locks.take(GPU, "a long name").unwrap();
    assert!(locks.holder(GPU).unwrap().to_string().ends_with("worker a long name"));
    drop(held);
    assert_eq!(locks.holder(GPU), None);
}

#[test]
fn a_program_that_is_started_has_the_lock_only_if_it_is_to() {
    let root = tempfile::tempdir().unwrap();
    let locks = locks(root.path());
    let held = locks.take(GPU, "me").unwrap();
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    drop(held);
    assert!(locks.take(GPU, "me").is_ok(), "a child has taken the lock with it");
    child.kill().unwrap();
    child.wait().unwrap();

    File::create(root.path().join("share")).unwrap();
    let mut other = other_process(root.path());
    other.kill().unwrap();
    other.wait().unwrap();
    let heir = fs::read_to_string(root.path().join("heir")).unwrap();
    assert!(matches!(locks.take(GPU, "me"), Err(LockError::Held { .. })), "the heir has it");
    assert!(Command::new("kill").args(["-KILL", &heir]).status().unwrap().success());
    // The heir is nobody's child here; the kernel lets go of its lock when it has ended it.
    while Path::new("/proc").join(&heir).join("exe").read_link().is_ok() {
        std::thread::yield_now();
    }
    while locks.holder(GPU).is_some() {
        std::thread::yield_now();
    }
    assert!(locks.take(GPU, "me").is_ok());
}

#[test]
fn several_are_had_together_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    let locks = locks(root.path());
    let names = |names: [&str; 3]| names.map(str::to_owned).to_vec();
    let middle = locks.take("GPU-b", "me").unwrap();
    let error = locks.take_all(&names(["GPU-c", "GPU-b", "GPU-a"]), "me").unwrap_err();
    assert!(matches!(&error, LockError::Held { device, .. } if device == "GPU-b"), "{error}");
    assert_eq!(locks.holder("GPU-a"), None, "what was taken is given back");
    drop(middle);
    let held = locks.take_all(&names(["GPU-c", "GPU-a", "GPU-c"]), "me").unwrap();
    let held: Vec<&str> = held.iter().map(|held| held.device()).collect();
    assert_eq!(held, ["GPU-a", "GPU-c"], "in the order of their names, each once");
}

#[test]
fn a_lock_in_either_folder_is_a_lock() {
    let root = tempfile::tempdir().unwrap();
    let (run, tmp) = (root.path().join("run"), root.path().join("tmp"));
    let both = locks(root.path());
    let one = Locks::within(std::slice::from_ref(&tmp)).unwrap();
    let held = one.take(GPU, "who sees only /tmp").unwrap();
    assert!(both.holder(GPU).is_some() && both.take(GPU, "me").is_err());
    drop(held);
    let _held = both.take(GPU, "me").unwrap();
    assert!(one.take(GPU, "who sees only /tmp").is_err());
    assert!(Locks::within(&[run]).unwrap().take(GPU, "who sees only /run").is_err());
}

#[test]
fn everybody_can_use_the_files_whatever_the_mask() {
    let root = tempfile::tempdir().unwrap();
    let _held = locks(root.path()).take(GPU, "me").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let folder = root.path().join("tmp");
    assert_eq!(mode(&folder), 0o1777);
    assert_eq!(mode(&folder.join(format!("{GPU}.lock"))), 0o666);
}

#[test]
fn nothing_is_followed_and_nothing_is_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("tmp");
    let locks = Locks::within(std::slice::from_ref(&folder)).unwrap();
    let precious = root.path().join("precious");
    fs::write(&precious, "precious").unwrap();

    symlink(&precious, folder.join("GPU-link.lock")).unwrap();
    symlink(root.path().join("nowhere"), folder.join("GPU-gone.lock")).unwrap();
    fs::hard_link(&precious, folder.join("GPU-hard.lock")).unwrap();
    fs::create_dir(folder.join("GPU-dir.lock")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("GPU-pipe.lock")).status().unwrap().success());
    for device in ["GPU-link", "GPU-gone", "GPU-hard", "GPU-dir", "GPU-pipe"] {
        let refused = locks.take(device, "me").unwrap_err();
        assert!(matches!(refused, LockError::Unusable { .. }), "{device}: {refused}");
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert!(!root.path().join("nowhere").exists());

    let _held = locks.take("../../etc/x\n", "me").unwrap();
    assert!(folder.join("%2e%2e%2f%2e%2e%2fetc%2fx%0a.lock").exists());

    let other = root.path().join("other");
    symlink(&folder, &other).unwrap();
    assert!(matches!(Locks::within(&[other]), Err(LockError::NoFolder(_))));
    let shut = root.path().join("absent/deep");
    let error = Locks::within(&[shut]).unwrap_err().to_string();
    assert!(error.starts_with("no folder for the locks of devices: "), "{error}");
}

#[test]
fn what_a_file_says_cannot_move_the_cursor() {
    let root = tempfile::tempdir().unwrap();
    let locks = locks(root.path());
    let held = locks.take(GPU, "\x1b[2Jé".repeat(100).as_str()).unwrap();
    let holder = locks.holder(GPU).unwrap().to_string();
    assert!(holder.starts_with("pid ") && !holder.contains('\x1b') && holder.len() < 256);
    let file = root.path().join(format!("tmp/{GPU}.lock"));
    assert_eq!(fs::metadata(&file).unwrap().size(), 256);

    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    fs::File::open(&file).unwrap().set_modified(long_ago).unwrap();
    held.renew();
    assert!(fs::metadata(&file).unwrap().modified().unwrap() > long_ago, "it is young again");
    assert!(held.stands());
    fs::remove_file(&file).unwrap();
    assert!(!held.stands(), "it is told that the file was taken away");
}
