//! Which program on this machine has a device: one file a device, locked by the kernel (flock).
//!
//! The lock goes with the process, however that ends; what the file says is for people, and may be
//! out of date. It binds whoever asks for it, of any user: it is an agreement, not a fence.
//!
//! The files lie where every user of the machine can lock them, in folders of mode 1777. There are
//! two, because no single one does: the one in `/run` is never tidied away but only root can make
//! it, the one in `/tmp` anybody can make but a service may have a `/tmp` of its own. A lock is
//! taken in all that there are, so any two that share one of them meet. In folders that anybody may
//! write to nothing is followed, truncated or believed: a file must be a plain one with one name.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Timestamps};
use rustix::io::{Errno, FdFlags};

/// Where locks lie, in the order in which they are taken.
pub const FOLDERS: [&str; 2] = ["/run/gristmill-devices", "/tmp/gristmill-devices"];

/// Bytes that a holder writes about itself, always as many.
const SAID_BYTES: usize = 256;
/// How often a file that somebody takes away while it is opened is opened again.
const TRIES: u32 = 16;
/// Whoever only asks who holds a lock has it for less than this, and so many times in a row nobody
/// asks.
const QUESTION: Duration = Duration::from_millis(2);
const QUESTIONS: u32 = 4;
/// Everybody may write there, and remove only what is theirs.
const SHARED_FOLDER: u32 = 0o1777;
const SHARED_FILE: u32 = 0o666;

/// Why a device was not locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another program has it.
    #[error("{device} is in use by another program ({holder})")]
    Held {
        /// The device.
        device: String,
        /// Who.
        holder: Holder,
    },
    /// There is no folder for locks that would do.
    #[error("no folder for the locks of devices: {0}")]
    NoFolder(String),
    /// A lock file is not what it should be, or cannot be opened.
    #[error("the lock of {device} in {folder} cannot be used: {why}")]
    Unusable {
        /// The device.
        device: String,
        /// Where.
        folder: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// Who wrote last into a lock: its holder, or the one before where that has not written yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder(String);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "it does not say who it is" } else { &self.0 })
    }
}

/// The folders in which devices are locked.
#[derive(Debug)]
pub struct Locks {
    folders: Vec<(PathBuf, OwnedFd)>,
}

/// Devices that are ours until this is dropped or the process ends.
#[derive(Debug)]
pub struct Held {
    device: String,
    files: Vec<OwnedFd>,
}

impl Locks {
    /// The machine's own folders.
    ///
    /// # Errors
    /// None of them can be used.
    pub fn of_this_machine() -> Result<Locks, LockError> {
        Locks::within(&FOLDERS.map(PathBuf::from))
    }

    /// Uses those of `folders` that are there or can be made.
    ///
    /// # Errors
    /// None of them can be used.
    pub fn within(folders: &[PathBuf]) -> Result<Locks, LockError> {
        let (mut usable, mut why) = (Vec::new(), Vec::new());
        for path in folders {
            match make_folder(path).and_then(|()| open_folder(path)) {
                Ok(folder) => usable.push((path.clone(), folder)),
                Err(error) => why.push(format!("{}: {error}", path.display())),
            }
        }
        if usable.is_empty() {
            return Err(LockError::NoFolder(why.join("; ")));
        }
        Ok(Locks { folders: usable })
    }

    /// The machine's own folders as they are, to ask who holds what: nothing is made.
    #[must_use]
    pub fn to_look_at() -> Locks {
        let open = |path: &&str| Some((PathBuf::from(*path), open_folder(Path::new(*path)).ok()?));
        Locks { folders: FOLDERS.iter().filter_map(open).collect() }
    }

    /// Takes one device for `worker`, at once or not at all.
    ///
    /// # Errors
    /// Another program has it, or its lock cannot be used.
    pub fn take(&self, device: &str, worker: &str) -> Result<Held, LockError> {
        let name = file_name(device);
        let take = |(path, folder): &(PathBuf, OwnedFd)| {
            lock_file(folder, &name).map_err(|refusal| refusal.told(device, path))
        };
        let files = self.folders.iter().map(take).collect::<Result<Vec<_>, _>>()?;
        let said = said(std::process::id(), worker);
        for file in &files {
            // Who holds it is for people: where it cannot be written, the lock holds all the same.
            let _ = rustix::io::pwrite(file, &said, 0);
        }
        Ok(Held { device: device.to_owned(), files })
    }

    /// Takes all devices or none. They are taken in the order of their names, so two that want the
    /// same ones cannot each have a part of them and wait for the other.
    ///
    /// # Errors
    /// The first that could not be had.
    pub fn take_all(&self, devices: &[String], worker: &str) -> Result<Vec<Held>, LockError> {
        let mut devices: Vec<&String> = devices.iter().collect();
        devices.sort();
        devices.dedup();
        devices.into_iter().map(|device| self.take(device, worker)).collect()
    }

    /// Who has a device, if anybody has; asking takes nothing for longer than the question.
    #[must_use]
    pub fn holder(&self, device: &str) -> Option<Holder> {
        let name = file_name(device);
        self.folders.iter().find_map(|(_, folder)| match open_existing(folder, &name) {
            Ok(file) => match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
                Err(Errno::WOULDBLOCK) => Some(read_holder(&file)),
                _ => None,
            },
            Err(_) => None,
        })
    }
}

impl Held {
    /// The device.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Lets the program that `command` starts, and no other, have the lock too: the device is then
    /// taken until both have let go of it. For what must outlive this process.
    ///
    /// # Errors
    /// There are too many open files.
    pub fn share_with(&self, command: &mut Command) -> io::Result<()> {
        let files: Vec<OwnedFd> =
            self.files.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
        let keep = move || {
            for file in &files {
                rustix::io::fcntl_setfd(file, FdFlags::empty())?;
            }
            Ok(())
        };
        // SAFETY: between fork and exec it does nothing but a system call for each file.
        unsafe { command.pre_exec(keep) };
        Ok(())
    }

    /// Keeps the files young, so that nobody who tidies `/tmp` takes them away. A worker calls it
    /// now and then, less than a day apart.
    pub fn renew(&self) {
        let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let now = Timestamps { last_access: now, last_modification: now };
        for file in &self.files {
            let _ = rustix::fs::futimens(file, &now);
        }
    }

    /// Whether the files still have their names: without one another program could lock the device
    /// under a new file.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.files.iter().all(|file| rustix::fs::fstat(file).is_ok_and(|stat| stat.st_nlink == 1))
    }
}

enum Refusal {
    Held(Holder),
    Unusable(String),
}

impl Refusal {
    fn told(self, device: &str, folder: &Path) -> LockError {
        let (device, folder) = (device.to_owned(), folder.to_owned());
        match self {
            Refusal::Held(holder) => LockError::Held { device, holder },
            Refusal::Unusable(why) => LockError::Unusable { device, folder, why },
        }
    }
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Refusal {
        Refusal::Unusable(words(error))
    }
}

fn make_folder(path: &Path) -> Result<(), String> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(words(error)),
    }
}

/// Opens a folder for locks, and refuses one that not everybody can use.
fn open_folder(path: &Path) -> Result<OwnedFd, String> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(words)?;
    let stat = rustix::fs::fstat(&folder).map_err(words)?;
    let mode = stat.st_mode & 0o7777;
    if mode == SHARED_FOLDER {
        return Ok(folder);
    }
    // Ours: just made, by this process or by one that was killed before it came to this.
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(format!("its mode is {mode:o}, and all users share it: it must be 1777"));
    }
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(SHARED_FOLDER)).map_err(words)?;
    Ok(folder)
}

fn words(error: Errno) -> String {
    io::Error::from(error).to_string()
}

/// Opens and locks a file, and makes sure that the name still leads to it afterwards.
fn lock_file(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Refusal> {
    for _ in 0..TRIES {
        let file = match open_existing(folder, name) {
            Ok(file) => file,
            Err(Refused::Absent) => match create(folder, name)? {
                Some(file) => file,
                None => continue,
            },
            Err(Refused::For(refusal)) => return Err(refusal),
        };
        lock(&file)?;
        let ours = rustix::fs::fstat(&file)?;
        let named = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
        if named.is_ok_and(|named| (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)) {
            return Ok(file);
        }
    }
    Err(Refusal::Unusable("somebody keeps taking it away".into()))
}

fn lock(file: &OwnedFd) -> Result<(), Refusal> {
    for _ in 0..QUESTIONS {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(Errno::WOULDBLOCK) => thread::sleep(QUESTION),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::Held(read_holder(file)))
}

enum Refused {
    Absent,
    For(Refusal),
}

/// A lock needs no right to write; to say who we are does, where the file's owner gives it.
fn open_existing(folder: &OwnedFd, name: &str) -> Result<OwnedFd, Refused> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let open = |access| rustix::fs::openat(folder, name, flags | access, Mode::empty());
    let file = match open(OFlags::RDWR) {
        Err(Errno::ACCESS) => open(OFlags::RDONLY),
        other => other,
    };
    let file = match file {
        Ok(file) => file,
        Err(Errno::NOENT) => return Err(Refused::Absent),
        Err(Errno::LOOP) => return Err(Refused::For(Refusal::Unusable("it is a link".into()))),
        Err(error) => return Err(Refused::For(error.into())),
    };
    let stat = rustix::fs::fstat(&file).map_err(|error| Refused::For(error.into()))?;
    let plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !plain || stat.st_nlink > 1 {
        let why = "it is not a plain file with one name: remove it";
        return Err(Refused::For(Refusal::Unusable(why.into())));
    }
    Ok(file)
}

/// None where somebody else was faster.
fn create(folder: &OwnedFd, name: &str) -> Result<Option<OwnedFd>, Refusal> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    match rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(SHARED_FILE)) {
        Ok(file) => {
            // What the mask of this process took away.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(SHARED_FILE))?;
            Ok(Some(file))
        }
        Err(Errno::EXIST) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A device's name as a file's: what might lead elsewhere is written as its number.
fn file_name(device: &str) -> String {
    let mut name = String::with_capacity(device.len() + 5);
    for byte in device.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte as char),
            other => name.push_str(&format!("%{other:02x}")),
        }
    }
    name + ".lock"
}

/// A line of fixed length, so that nothing need be cut off what stood there before.
fn said(pid: u32, worker: &str) -> [u8; SAID_BYTES] {
    let mut said = [b' '; SAID_BYTES];
    let words = format!("pid {pid}, worker {worker}");
    let mut end = words.len().min(SAID_BYTES - 1);
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    said[..end].copy_from_slice(&words.as_bytes()[..end]);
    said[SAID_BYTES - 1] = b'\n';
    said
}

fn read_holder(file: &OwnedFd) -> Holder {
    let mut said = [0; SAID_BYTES];
    let length = rustix::io::pread(file, &mut said[..], 0).unwrap_or(0);
    let words = str::from_utf8(&said[..length]).unwrap_or_default();
    // Anybody may write there: nothing that would move a terminal's cursor gets through.
    Holder(words.chars().filter(|letter| !letter.is_control()).collect::<String>().trim().into())
}
