//! Contract with session hosts: the frames between a worker and the process in which a session
//! lives. Python's host and the ONNX host speak it; anybody's may.
//!
//! **Transport.** The worker starts the host with one end of a Unix stream socket, whose number the
//! variable [`FD_VARIABLE`] gives. A frame is its length in bytes (four, little-endian, at most
//! [`limits::HOST_FRAME_BYTES`](crate::limits::HOST_FRAME_BYTES)) and then one MessagePack map with
//! its kind in `type`. Standard output and error are not part of it: they are captured as logs.
//!
//! **Order.** The host says `hello` at once; the worker says `open`; the host loads and says
//! `ready`, or `failed` and ends. Then the worker makes calls, one at a time. For each item of a
//! call the host says `ended` exactly once, and `done` when the call is over. While it loads or
//! works it says `alive` as often as `open` asked. After `close` it tidies up and ends; so it does
//! when the socket closes.
//!
//! **Values** are JSON values. What JSON cannot say is an object with one key that begins with `$`:
//! `{"$bytes": base64}`, `{"$array": {"dtype": "float32", "shape": [2, 3], "data": base64}}` with
//! the elements little-endian in C order, and `{"$file": {"path": ..., "name": ..., "media":
//! ...}}`. A file that a host makes lies in the folder that `open` named; the worker moves it into
//! the blob store, and to the rest of the world it is `{"$blob": {"digest": ..., "name": ...,
//! "size": ..., "media": ...}}`.
//!
//! **Rule of change.** Both sides ignore keys that they do not know; a new key has a default.
//! Anything else raises [`PROTOCOL`], and a worker refuses a host that speaks another.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of this contract.
pub const PROTOCOL: u32 = 1;

/// The variable that tells a host the number of its socket.
pub const FD_VARIABLE: &str = "GRISTMILL_SESSION_FD";

/// What a worker says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToHost {
    /// Load what is named.
    Open(Open),
    /// Work on these inputs.
    Call(Call),
    /// Items of the call that nobody wants any more. Each still ends with `ended`.
    Cancel {
        /// Which call.
        call: u64,
        /// Which of its items, by their place.
        items: Vec<u32>,
    },
    /// Tidy up and end.
    Close {},
}

/// What a host is to load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The worker's [`PROTOCOL`].
    pub protocol: u32,
    /// What to load: `app.py:generate`, `package.module:function`, `model.onnx`.
    pub entry: String,
    /// The session's name, for people.
    pub session: String,
    /// Devices that it may use, in the order in which it sees them; empty for CPUs alone.
    pub devices: Vec<HostDevice>,
    /// Files with data that all calls share, by name; handed to `setup`.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
    /// A folder for files among inputs and outputs.
    pub folder: String,
    /// Bytes and arrays beyond this size become files.
    pub inline_bytes: u64,
    /// Say `alive` at least this often, in milliseconds.
    pub alive_every_ms: u64,
}

/// A device as a host is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDevice {
    /// Stable name: a GPU's UUID.
    pub id: String,
    /// Kind of device, for example `gpu`.
    pub kind: String,
    /// Bytes of its memory that are booked for this session.
    pub vram: u64,
}

/// One call: several inputs where the handler takes batches, else one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its number; it grows.
    pub call: u64,
    /// Inputs, in order.
    pub items: Vec<Item>,
}

/// One input of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The job, as people write it.
    pub job: String,
    /// 1 for the job's first attempt.
    pub number: u32,
    /// Its input.
    pub input: Value,
}

/// What a host says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromHost {
    /// It has started.
    Hello {
        /// The host's [`PROTOCOL`].
        protocol: u32,
        /// What it is, with versions: `gristmill`, `python`, `torch`.
        versions: BTreeMap<String, String>,
    },
    /// It has loaded and takes calls.
    Ready {
        /// Devices that it really got, where it can tell; empty where it cannot.
        #[serde(default)]
        devices: Vec<SeenDevice>,
        /// Whether the work really happens there and not on the CPUs; nothing where it cannot tell.
        #[serde(default)]
        on_device: Option<bool>,
    },
    /// It could not load; it ends.
    Failed {
        /// Why.
        error: HostError,
    },
    /// It lives.
    Alive {},
    /// An item has come so far.
    Progress {
        /// Which call.
        call: u64,
        /// Which of its items.
        item: u32,
        /// Units done.
        done: u64,
        /// Units in all; 0 where not known.
        #[serde(default)]
        total: u64,
        /// A few words.
        #[serde(default)]
        message: String,
    },
    /// Words for an item's log, apart from standard output and error.
    Log {
        /// Which call.
        call: u64,
        /// Which of its items; all of them where it is not said.
        #[serde(default)]
        item: Option<u32>,
        /// The words, with their line ends.
        text: String,
    },
    /// A part of an item's result, ahead of the whole.
    Partial {
        /// Which call.
        call: u64,
        /// Which of its items.
        item: u32,
        /// Its place among the parts, from 0.
        index: u64,
        /// The part.
        value: Value,
    },
    /// An item is done.
    Ended {
        /// Which call.
        call: u64,
        /// Which of its items.
        item: u32,
        /// What came of it.
        result: HostResult,
    },
    /// The call is over.
    Done {
        /// Which.
        call: u64,
        /// Device memory as the framework knows it, where it does.
        #[serde(default)]
        memory: Option<HostMemory>,
    },
}

/// A device as a host found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenDevice {
    /// Its UUID with the prefix `GPU-` or `MIG-`, as the driver gives it.
    pub id: String,
    /// What it is called.
    #[serde(default)]
    pub name: String,
    /// Bytes of its memory in all; 0 where not known.
    #[serde(default)]
    pub vram: u64,
}

/// What came of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostResult {
    /// Its result.
    Ok(Value),
    /// Why there is none.
    Error(HostError),
}

/// An error in the handler, or around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostError {
    /// Its class.
    pub kind: HostErrorKind,
    /// A stable code: the exception's class (`ValueError`), `bad_input`, `import_failed`, ...
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Where it happened, as the language tells it; empty where it has nothing to tell.
    #[serde(default)]
    pub traceback: String,
    /// Whether the host cannot go on: it ends, and a new one must be started.
    #[serde(default)]
    pub fatal: bool,
}

/// Classes of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostErrorKind {
    /// The handler failed; another try may help.
    Failed,
    /// The input can never succeed.
    Invalid,
    /// There was too little device memory.
    OutOfMemory,
    /// The device or its driver failed: an error after which a CUDA context is of no use.
    Device,
    /// Stopped as it was asked to.
    Cancelled,
}

/// Device memory in bytes as a framework knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMemory {
    /// Held now, caches included.
    pub now: u64,
    /// The most that was in use during the call.
    pub peak: u64,
}

/// What a host tells of an entry without loading more than it must: the answer to `describe`, one
/// JSON object on standard output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// What jobs call it: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// What it does, in the author's words.
    #[serde(default)]
    pub doc: String,
    /// What it takes and gives.
    pub signature: Signature,
    /// GPUs in thousandths: 1000 is a whole one, 500 half of one; nothing where the author did not
    /// say.
    #[serde(default)]
    pub gpus: Option<u32>,
    /// Bytes of device memory.
    #[serde(default)]
    pub vram: Option<u64>,
    /// CPUs in thousandths.
    #[serde(default)]
    pub cpus: Option<u32>,
    /// Bytes of memory.
    #[serde(default)]
    pub memory: Option<u64>,
    /// Jobs of one call at most; 1 where it takes them one by one.
    #[serde(default = "one")]
    pub batch: u32,
    /// How long a call waits for more jobs, in milliseconds.
    #[serde(default)]
    pub batch_wait_ms: u64,
    /// A call may take this long, in milliseconds.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Attempts in all.
    #[serde(default)]
    pub attempts: Option<u32>,
    /// Whether a session stays even where another needs the room.
    #[serde(default)]
    pub pinned: bool,
    /// Names of data that `setup` takes.
    #[serde(default)]
    pub data: Vec<String>,
}

const fn one() -> u32 {
    1
}

/// What a handler takes and gives, as JSON Schema of these words: `type`, `enum`, `properties`,
/// `required`, `additionalProperties`, `items`, `anyOf`, `default`, `description`, and
/// `x-gristmill` (`file`, `image`, `bytes`, `array`, `tensor`) for what JSON cannot say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// An object with one property for each parameter.
    pub input: Value,
    /// What comes back.
    pub output: Value,
    /// Whether results come in parts.
    #[serde(default)]
    pub streams: bool,
}
