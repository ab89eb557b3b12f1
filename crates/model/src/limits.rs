//! Every bound in one place. A loop, queue or buffer elsewhere cites one of these.
//!
//! Bounds are constants until somebody needs to turn one; then it moves into a configuration with
//! the constant as its default.

use crate::time::Span;

/// Bytes of a payload that travel inline; larger values become blobs.
pub const INLINE_BYTES: usize = 16 * 1024;
/// Bytes of a name (pipeline, stage, worker, batch).
pub const NAME_BYTES: usize = 128;
/// Bytes of an idempotency key.
pub const KEY_BYTES: usize = 256;
/// Labels of a job or a batch.
pub const LABELS: usize = 32;
/// Bytes of a label's name or value.
pub const LABEL_BYTES: usize = 256;
/// Bytes of a path.
pub const PATH_BYTES: usize = 4096;
/// Alternative resources of a stage, beside the preferred ones.
pub const ALTERNATIVES: usize = 8;
/// Projects, in all.
pub const PROJECTS: usize = 100_000;
/// Weight of a project at most.
pub const PROJECT_WEIGHT: u32 = 1_000_000;
/// What one level of priority is worth: a job goes before jobs of the level below it that were
/// accepted up to this long before it, and behind those that have waited longer.
pub const AGEING: Span = Span::seconds(3_600);
/// What a lease costs its project's share at least, however short: so many microseconds of what
/// it books.
pub const LEAST_CHARGE: u64 = 1_000;
/// What a device weighs beside CPUs when projects share them out, in thousandths of a CPU.
pub const DEVICE_WEIGHT: u64 = 16_000;
/// A part of a device weighs at least this much of the whole, in thousandths.
pub const LEAST_SHARE: u32 = 100;
/// Limits, and paused or draining scopes, of one project.
pub const SCOPES: usize = 10_000;
/// Things that one batch may wait for.
pub const DEPENDENCIES: usize = 256;
/// Runs of jobs that one command names.
pub const RUNS_PER_COMMAND: usize = 10_000;
/// Jobs that one event names one by one; more become several events.
pub const JOBS_PER_EVENT: usize = 10_000;
/// Workers that may be declared.
pub const DECLARED_WORKERS: usize = 1_000;
/// Batches that have finished and are kept for retries and keys; beyond it the oldest go first.
pub const FINISHED_BATCHES: usize = 250_000;
/// Batches that one event forgets.
pub const PRUNED_PER_EVENT: usize = 256;
/// Waiting jobs that an explanation names as going first.
pub const NAMED_AHEAD: usize = 5;
/// Devices of one worker that an explanation tells of, and ...
pub const DEVICES_EXPLAINED: usize = 16;
/// ... holders of each that it names, with as many jobs of each.
pub const HOLDERS_NAMED: usize = 8;
/// Jobs that an estimate of a start places one by one; of more than these only the sum counts.
pub const JOBS_FORESEEN: u64 = 4_096;
/// Callbacks under way at once; further ones wait in turn.
pub const CALLS: usize = 64;
/// Whoever is called back must answer within this.
pub const CALL: Span = Span::seconds(10);
/// Tries of one callback, ...
pub const CALL_TRIES: u32 = 8;
/// ... with this pause after the first, and twice as long after each.
pub const CALL_PAUSE: Span = Span::millis(500);
/// Bytes of a callback's URL.
pub const URL_BYTES: usize = 2_048;
/// Named resources of a request or a worker.
pub const NAMED_RESOURCES: usize = 32;
/// Kinds of device that one attempt may ask for.
pub const DEVICE_REQUESTS: usize = 16;
/// Devices of one worker.
pub const WORKER_DEVICES: usize = 256;
/// A device that fails under this many different jobs in a row is taken out of service.
pub const DEVICE_FAILURES: usize = 3;
/// Bytes of the reason why a device is out of service.
pub const REASON_BYTES: usize = 512;
/// What sessions take of a device's memory is told in steps of this many bytes.
pub const VRAM_STEP: u64 = 64 << 20;
/// What programs of others have of a device's memory is noted in steps of this many bytes, ...
pub const FOREIGN_STEP: u64 = 256 << 20;
/// ... but of a large device in no more steps than these: it is no chart.
pub const FOREIGN_STEPS: u64 = 64;
/// That they have given some of it back is believed after this many looks in a row.
pub const FOREIGN_LOOKS: u32 = 3;
/// A worker that starts waits this long for a device that another program has, ...
pub const LOCK_PATIENCE: Span = Span::seconds(5);
/// ... and tries again this often.
pub const LOCK_PAUSE: Span = Span::millis(100);
/// A worker tells that it still needs the files of its locks this often: `/tmp` is tidied of what
/// nobody has touched for days.
pub const LOCK_RENEWAL: Span = Span::seconds(3_600);
/// A worker looks at its GPUs, and tells how its sessions do, this often.
pub const DEVICE_LOOK: Span = Span::seconds(2);
/// One look at GPUs may take this long; a driver that hangs is not waited for.
pub const DEVICE_LOOK_PATIENCE: Span = Span::seconds(10);
/// Reasons for throttling, and other users, that a sample of a device names.
pub const DEVICE_WORDS: usize = 32;
/// Bytes of a session's key: its name with those of its data.
pub const SESSION_KEY_BYTES: usize = 2_048;
/// Sessions of one worker.
pub const SESSIONS: usize = 1_024;
/// First and longest pause before a session is opened again that could not load.
pub const SESSION_PAUSE_FIRST: Span = Span::seconds(1);
/// See [`SESSION_PAUSE_FIRST`].
pub const SESSION_PAUSE_LONGEST: Span = Span::seconds(60);
/// A session may take this long to load, unless its worker says otherwise.
pub const SESSION_START: Span = Span::seconds(600);
/// A session that says nothing for this long while it loads or works is taken for hung.
pub const SESSION_SILENCE: Span = Span::seconds(60);
/// A session says at least this often that it lives.
pub const SESSION_ALIVE: Span = Span::seconds(1);
/// The memory of a session that has ended must be back on its devices within this.
pub const VRAM_RETURN: Span = Span::seconds(30);
/// A job goes behind younger ones whose session is hot for as long as its own session takes to
/// load, so many times over, ...
pub const HOT_PATIENCE: u64 = 4;
/// ... but at least this long, ...
pub const HOT_PATIENCE_LEAST: Span = Span::seconds(10);
/// ... and at most this long.
pub const HOT_PATIENCE_MOST: Span = Span::seconds(600);
/// So many jobs of a line are looked at, and so many lines that want the same, for one that has
/// gone behind a hot session for long enough.
pub const HOT_LINE: usize = 16;
/// Devices that a report names.
pub const DEVICES: usize = 64;
/// Stages of a pipeline.
pub const STAGES: usize = 32;
/// Versions of pipelines, in all.
pub const PIPELINES: usize = 100_000;
/// Attempts that a retry policy may ask for.
pub const ATTEMPTS: u32 = 100;
/// Workers that a job may lose before it is quarantined as failed.
pub const LOST_WORKERS: usize = 3;
/// Jobs of one submit command; larger submissions arrive in pieces.
pub const JOBS_PER_COMMAND: usize = 10_000;
/// Items of one range; their text is made up when an item is wanted, so they cost nothing before.
pub const RANGE_ITEMS: u64 = 1_000_000_000;
/// Groups within groups of one brace pattern.
pub const BRACE_DEPTH: usize = 32;
/// Jobs that are not final, in all; beyond it submissions are turned away with `queue_full`.
pub const LIVE_JOBS: usize = 10_000_000;
/// Workers connected at once.
pub const WORKERS: usize = 10_000;
/// Attempts that a worker may hold beyond those that run.
pub const PREFETCH: u32 = 1_024;
/// Attempts leased to one worker at a time. Half of [`HELD_PER_WORKER`], for a worker also holds
/// reports that were committed and whose settling is still on its way.
pub const ATTEMPTS_PER_WORKER: usize = HELD_PER_WORKER / 2;
/// Timers fired in one round of the core loop; what is left fires in the next.
pub const TIMERS_PER_ROUND: usize = 4_096;
/// The wall clock is looked at this often while something is to happen at a given time: it may be
/// set at any moment.
pub const WALL_LOOK: Span = Span::seconds(1);
/// A wall clock that is astray by more than this is told of.
pub const WALL_ASTRAY: Span = Span::seconds(60);
/// Attempts placed in one round of the core loop, so that replies are never long in coming.
pub const PLACEMENTS_PER_ROUND: usize = 1_024;
/// Commands gathered into one group commit: as many as pay for the wait on a disk, and so few that
/// what a round makes of them stays in the cache of a core. With 4,096 the drain was a quarter
/// slower (docs/benchmarks.md).
pub const COMMANDS_PER_COMMIT: usize = 1_024;
/// Commands that wait for the core loop; beyond it callers wait in turn.
pub const INBOX: usize = 16_384;
/// Bytes of encoded events in one row of the log; a larger group commit becomes several rows of one
/// transaction.
pub const COMMIT_ROW_BYTES: usize = 4 * 1024 * 1024;
/// Events in one row of the log.
pub const COMMIT_ROW_RECORDS: u64 = 4_096;
/// Events that a log keeps one by one at least, where nobody says otherwise: of those before them
/// only what they led to is kept, once they are as many again.
pub const KEPT_EVENTS: u64 = 500_000;
/// A log is compacted for this many events that can be let go, or more: ...
pub const COMPACTED_EVENTS: u64 = 100;
/// ... at least this many times the records of the base before.
pub const COMPACTED_PER_RECORD: u64 = 2;
/// Records of a new base that are written in one step, give or take the bounds of a row.
pub const BASE_RECORDS_PER_WRITE: usize = 1_024;
/// Rows of the log that are cleared in one step, and ...
pub const CLEARED_ROWS: usize = 1_024;
/// ... their bytes, give or take a row.
pub const CLEARED_BYTES: u64 = 4 * 1024 * 1024;
/// After each step of a compaction it rests as long as the step took, and at least this long.
pub const COMPACTION_REST: Span = Span::millis(1);
/// Files of old read tables that are kept aside for one reason.
pub const TABLES_ASIDE: u32 = 100;
/// Tries to copy tables and log between two compactions.
pub const BACKUP_TRIES: u32 = 5;
/// After a compaction that failed the next one waits this long.
pub const COMPACTION_RETRY: Span = Span::seconds(60);
/// Events that one read of the log gives, or that a listener takes at a time.
pub const EVENTS_PER_READ: usize = 4_096;
/// Bytes of encoded events that one read of the log gathers, give or take a row.
pub const EVENT_BYTES_PER_READ: usize = 4 * 1024 * 1024;
/// Committed events may wait this long for company before the tables take them in; they come at
/// once when somebody asks, or when as much has gathered as one transaction takes.
pub const GATHER: Span = Span::millis(20);
/// Bytes of committed rounds, roughly, that wait in memory for the tables to take them in: beyond
/// them the core loop waits, ...
pub const PENDING_BYTES: usize = 256 * 1024 * 1024;
/// ... each time this long at most.
pub const PENDING_PATIENCE: Span = Span::seconds(1);
/// Events that the tables take in with one transaction, at most, ...
pub const CHANGES_PER_CHUNK: usize = 16_384;
/// ... and their bytes, roughly.
pub const CHUNK_BYTES: usize = 16 * 1024 * 1024;
/// Events that stay in memory for listeners after the tables have taken them in, ...
pub const FEED_KEPT: u64 = 10_000;
/// ... and their bytes, roughly.
pub const FEED_KEPT_BYTES: usize = 8 * 1024 * 1024;
/// The newest rounds among which one job or batch is looked for before the tables are asked.
pub const ROUNDS_LOOKED_AT: usize = 64;
/// Pipelines that are remembered to show young jobs.
pub const PIPELINES_KEPT: usize = 256;
/// Questions to the read tables that are answered at once; further ones wait in turn.
pub const READERS: usize = 4;
/// A question waits this long for the read tables to show what was acknowledged before it.
pub const CATCH_UP: Span = Span::seconds(10);
/// A question to the read tables is given up after this long.
pub const QUESTION: Span = Span::seconds(10);
/// Bytes of one frame on the worker link.
pub const FRAME_BYTES: usize = 16 * 1024 * 1024;
/// Bytes that one end of a link makes ready to read into, and clears before each read.
pub const LINK_READ_BYTES: usize = 16 * 1024;
/// Frames that wait to be written to one worker.
pub const FRAMES_PER_WORKER: usize = 1_024;
/// Frames that a session takes in, or writes, in one go.
pub const FRAMES_PER_TURN: usize = 64;
/// Bytes of assignments, give or take one, that share a frame.
pub const RUN_FRAME_BYTES: usize = 1024 * 1024;
/// Reports of attempts that share one frame.
pub const REPORTS_PER_FRAME: usize = 128;
/// A report may wait this long for others while more work waits at its worker.
pub const REPORT_GATHER: Span = Span::millis(5);
/// Attempts at one worker: running, waiting, or ended and not settled. Far above what prefetch
/// leads to; a worker gives back what a server leases beyond it.
pub const HELD_PER_WORKER: usize = 16 * 1_024;
/// Working folders that a worker keeps for later attempts while it has work.
pub const SPARE_FOLDERS: usize = 256;
/// Bytes of captured output that a worker keeps while no server listens.
pub const WITHHELD_LOG_BYTES: usize = 4 * 1024 * 1024;
/// Pieces of captured output that a worker keeps while no server listens.
pub const WITHHELD_LOG_FRAMES: usize = 4_096;
/// A worker speaks no more often than this merely to say that it lives, whatever it is asked for.
pub const HEARTBEAT_LEAST: Span = Span::millis(50);
/// Inputs that a worker's loop takes in before it acts on them.
pub const INPUTS_PER_ROUND: usize = 256;
/// Words of handlers that wait for a worker's loop; beyond it handlers wait in turn.
pub const HANDLER_INBOX: usize = 1_024;
/// A worker gives a connection this long to come up.
pub const CONNECT: Span = Span::seconds(5);
/// First and longest pause of a worker between tries to connect.
pub const RECONNECT_FIRST: Span = Span::millis(50);
/// See [`RECONNECT_FIRST`].
pub const RECONNECT_LONGEST: Span = Span::seconds(2);
/// What a worker has sent must be acknowledged by the server's machine within this.
pub const UNACKNOWLEDGED: Span = Span::seconds(15);
/// A worker that leaves gives its last frames this long to be written.
pub const LAST_WORDS: Span = Span::seconds(2);
/// A request about a blob may stand still this long.
pub const BLOB_STALL: Span = Span::seconds(30);
/// Tries of one transfer of a blob.
pub const BLOB_TRIES: u32 = 5;
/// Captured output is sent on when this much has gathered, ...
pub const LOG_PIECE_BYTES: usize = 16 * 1024;
/// ... or when this long has passed since the first byte of it.
pub const LOG_PIECE_WAIT: Span = Span::millis(20);
/// After a program ended, its pipes may stay open in other hands this long before they are hunted.
pub const OUTPUT_AFTER_EXIT: Span = Span::millis(250);
/// Between TERM and KILL for a program that is to end.
pub const STOP_GRACE: Span = Span::seconds(5);
/// Jobs of one call to a session.
pub const BATCH: u32 = 1_024;
/// A call to a session waits at most this long for more jobs.
pub const BATCH_WAIT: Span = Span::seconds(60);
/// Names of data that the sessions of a stage share.
pub const SHARED_DATA: usize = 8;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64 * 1024;
/// Bytes of one frame between a worker and a session's host; larger values travel as files.
pub const HOST_FRAME_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of one array that an ONNX model takes, and of those that are held for its runs at a time.
pub const ARRAY_BYTES: usize = 2 * 1024 * 1024 * 1024;
/// Dimensions of an array.
pub const ARRAY_DIMENSIONS: usize = 32;
/// Bytes of the header of a `.npy` file.
pub const NPY_HEADER_BYTES: usize = 64 * 1024;
/// Bytes of a JSON request body.
pub const BODY_BYTES: usize = 16 * 1024 * 1024;
/// Jobs submitted over one submission link that wait for their answers; more are not read.
pub const SUBMISSIONS_UNDERWAY: usize = 1_024;
/// Bytes of one line of a bulk submission.
pub const LINE_BYTES: usize = 64 * 1024;
/// Lines of a list, and ...
pub const LIST_PART_LINES: u64 = 1_024;
/// ... its bytes, give or take a line, that one read gives.
pub const LIST_PART_BYTES: u64 = 256 * 1024;
/// Parts of lists that stay in memory.
pub const LIST_WINDOWS: usize = 32;
/// Lists of which it is remembered where their lines lie, and ...
pub const LISTS: usize = 64;
/// ... the places that are noted of all of them together, unless one alone has more.
pub const LIST_MARKS: usize = 2 * 1024 * 1024;
/// Jobs of one bulk submission over HTTP.
pub const JOBS_PER_REQUEST: usize = 1_000_000;
/// Bytes of one blob.
pub const BLOB_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// Bytes of a blob that one upload holds in memory; object stores take no smaller parts.
pub const BLOB_PART_BYTES: usize = 5 * 1024 * 1024;
/// Bytes of a refused upload that are still read, so that its sender hears why.
pub const DRAINED_BYTES: usize = 256 * 1024 * 1024;
/// Uploads of blobs at once; further ones wait in turn.
pub const UPLOADS: usize = 64;
/// Bytes of a job's standard output that become its text output.
pub const TEXT_OUTPUT_BYTES: usize = INLINE_BYTES;
/// Bytes of captured output kept for one attempt; then only the tail goes on being kept.
pub const LOG_BYTES: u64 = 1024 * 1024;
/// Bytes of the tail kept once an attempt's log is full.
pub const LOG_TAIL_BYTES: usize = 64 * 1024;
/// News of attempts that said something, kept for one slow reader of the output of many.
pub const LOG_NEWS: usize = 4_096;
/// Joint logs that are read at once; further ones are refused.
pub const JOINT_LOGS: usize = 16;
/// Attempts whose kept output is put in the order of time together, ...
pub const JOINT_LOG_ATTEMPTS: usize = 64;
/// ... and the bytes of it that are in memory then, give or take an attempt's.
pub const JOINT_LOG_BYTES: usize = 8 * 1024 * 1024;
/// Attempts that one joint log follows at a time; others are told of as not followed.
pub const JOINT_LOG_FOLLOWED: usize = 65_536;
/// The newest attempts among which those of a worker are looked for.
pub const WORKER_LOG_LOOK_BACK: u64 = 1_000_000;
/// Bytes of a line of output; a longer one is told in pieces.
pub const LOG_LINE_BYTES: usize = 64 * 1024;
/// Bytes of a failure's message.
pub const MESSAGE_BYTES: usize = 2_048;
/// Bytes of a traceback; of a longer one the end is kept.
pub const TRACEBACK_BYTES: usize = 16 * 1024;
/// Artifacts collected from one attempt.
pub const ARTIFACTS: usize = 256;
/// Rows of one page of a listing.
pub const PAGE: usize = 1_000;
/// Rows of one page when nobody says.
pub const PAGE_DEFAULT: usize = 100;
/// Events kept for a slow subscriber before it is told to read them from the log.
pub const FEED: usize = 4_096;
/// Longest `?wait=`.
pub const WAIT: Span = Span::seconds(60);
/// HTTP connections at once; further ones wait in turn.
pub const CONNECTIONS: usize = 4_096;
/// A connection may take this long to send the head of a request, and be idle this long between
/// two of them.
pub const HEAD_WAIT: Span = Span::seconds(60);
/// A request's body may stand still this long.
pub const BODY_STALL: Span = Span::seconds(30);
/// Bytes of JSON bodies in memory at once, over all requests; further ones wait in turn.
pub const BODIES_BYTES: usize = 256 * 1024 * 1024;
/// Bytes of a bulk submission, give or take a line, that become one command.
pub const BULK_PIECE_BYTES: usize = 4 * 1024 * 1024;
/// A server that stops gives open requests this long to end.
pub const SHUTDOWN: Span = Span::seconds(5);
/// Terms of a filter.
pub const FILTER_TERMS: usize = 32;

/// Spans that decide how fast a dead worker is noticed. All are the server's; workers are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A lease lives this long without a heartbeat.
    pub lease: Span,
    /// A worker speaks at least this often.
    pub heartbeat: Span,
    /// After its connection broke a worker has this long to come back.
    pub disconnect_grace: Span,
    /// After a restart of the server every worker has this long to come back.
    pub restart_grace: Span,
    /// A worker ends an attempt at its timeout; the engine steps in this much later.
    pub timeout_grace: Span,
    /// A batch that has finished is kept this long for retries and keys; then it is forgotten by
    /// the engine and only its rows stay.
    pub keep_finished: Span,
}

impl Default for Timing {
    /// A dead worker is noticed within 15 s, and within 5 s where its connection broke.
    fn default() -> Self {
        Timing {
            lease: Span::seconds(15),
            heartbeat: Span::seconds(3),
            disconnect_grace: Span::seconds(5),
            restart_grace: Span::seconds(15),
            timeout_grace: Span::seconds(15),
            keep_finished: Span::seconds(24 * 3_600),
        }
    }
}
