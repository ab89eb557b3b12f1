//! What all attempts of a worker share: its voice, its disks, its stores and its tools.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::core::Input;
use crate::disk::SharedRoots;
use crate::equipment::Equipment;
use crate::folder::Folders;
use crate::handler::command::Environment;
use crate::handler::images::Pool;
use crate::orphans::Orphans;
use crate::session::SessionWork;
use crate::uplink::Blobs;

/// Shared by all attempts, for the worker's whole life.
pub(crate) struct Workshop {
    /// Where handlers tell the worker's loop what they have to say.
    pub(crate) inputs: mpsc::Sender<Input>,
    /// Bytes by digest.
    pub(crate) blobs: Arc<dyn Blobs>,
    /// Folders shared with submitters.
    pub(crate) roots: SharedRoots,
    /// Where attempts have their working folders.
    pub(crate) folders: Arc<Folders>,
    /// Where files are written before they are put in their place; without it, beside that.
    pub(crate) parts: Option<PathBuf>,
    /// Threads that make images.
    pub(crate) images: Pool,
    /// What programs find in their environment.
    pub(crate) environment: Environment,
    /// What programs leave behind.
    pub(crate) orphans: Orphans,
    /// Between TERM and KILL.
    pub(crate) stop_grace: Duration,
    /// Devices.
    pub(crate) equipment: Equipment,
    /// What sessions do, by name.
    pub(crate) sessions: BTreeMap<String, Arc<SessionWork>>,
    /// Where data that sessions share lies, by digest.
    pub(crate) data_folder: PathBuf,
    /// Held by whoever brings some of it.
    pub(crate) bringing: tokio::sync::Mutex<()>,
    /// Where sessions have their folders.
    pub(crate) sessions_folder: PathBuf,
}
