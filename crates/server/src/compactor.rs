//! The compactor: lets the log go of old events, on a thread of its own, while the server works.
//!
//! It replays the log up to a point into an engine of its own, writes that engine's snapshot aside
//! as the log's new base, reads it back into a second one, and compares the two. Only then does the
//! base take the place of the events. So it never touches the core loop; for as long as it works it
//! takes the memory of the engine once more, and twice while it compares.
//!
//! Nothing goes that the read tables have not taken in and synced: of jobs that have succeeded they
//! are from then on the only place that tells. The work is done in small steps, each followed by a
//! rest as long as the step, so on a busy machine it has at most half a CPU.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use gristmill_engine::Engine;
use gristmill_model::event::Record;
use gristmill_model::limits::{self, Timing};

use crate::feed::Tail;
use crate::log::{self, Base, Compaction, LogError, LogReader};
use crate::read::schema;

#[cfg(test)]
mod tests;

/// The running compactor. It ends when the tail is closed.
#[derive(Debug)]
pub(crate) struct Compactor {
    thread: JoinHandle<()>,
}

/// What compaction works on.
pub(crate) struct Mill {
    pub log: Box<dyn LogReader>,
    pub compaction: Box<dyn Compaction>,
    /// Says how far the follower is.
    pub tail: Arc<Tail>,
    /// The read tables' file.
    pub tables: PathBuf,
    pub timing: Timing,
    /// How many events are kept one by one at least.
    pub kept: u64,
    /// The last event that is not kept one by one, for those who ask.
    pub through: Arc<AtomicU64>,
}

/// Why a compaction does not come to its end.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("the server stops")]
    Closed,
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("read.db cannot be synced: {0}")]
    Tables(#[from] io::Error),
    #[error("the base that was written does not lead to the state that it was made from")]
    Different,
}

impl Compactor {
    /// Starts to watch how the log grows.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start(mill: Mill) -> io::Result<Compactor> {
        let thread = thread::Builder::new().name("compactor".into()).spawn(move || mill.run())?;
        Ok(Compactor { thread })
    }

    /// Waits until the compactor has ended: close the tail first. What it was at it gives up.
    pub(crate) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the compactor panicked; the log grows until the next start");
        }
    }
}

impl Mill {
    fn run(mut self) {
        let mut base = match self.clear().and_then(|()| Ok(self.log.base()?)) {
            Ok(base) => base,
            Err(Stop::Closed) => return,
            Err(error) => return tracing::warn!(%error, "the log is not compacted"),
        };
        while let Some(taken) = self.tail.until_taken(due(base, self.kept)) {
            let through = taken - self.kept;
            let done = catch_unwind(AssertUnwindSafe(|| self.compact(through)));
            match done {
                Ok(Ok(new)) => base = Some(new),
                Ok(Err(Stop::Closed)) => return,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the log could not be compacted; trying again later");
                    if !self.tail.rest(limits::COMPACTION_RETRY.to_std()) {
                        return;
                    }
                }
                Err(_) => {
                    return tracing::error!(
                        through,
                        "the log's events could not be brought together: its message stands \
                         above; the log is left as it is, and is not compacted"
                    );
                }
            }
        }
    }

    /// Puts a base in the place of all events up to this one.
    fn compact(&mut self, through: u64) -> Result<Base, Stop> {
        let started = Instant::now();
        self.clear()?;
        let engine = self.replay(through)?;
        self.write(&engine)?;
        self.compare(&engine)?;
        drop(engine);
        schema::sync(&self.tables)?;
        let base = self.compaction.finish(through)?;
        self.through.store(through, Ordering::Relaxed);
        let (records, took) = (base.records, started.elapsed().as_secs_f64());
        tracing::info!(through, records, seconds = took, "the log begins with a new base");
        self.clear()?;
        Ok(base)
    }

    /// An engine as it was after an event.
    fn replay(&self, through: u64) -> Result<Engine, Stop> {
        let mut engine = Engine::new(self.timing);
        engine.make_changes(false);
        let mut begun = Instant::now();
        log::replay(&*self.log, through, |_, records| {
            records.iter().for_each(|(_, record)| engine.apply(record));
            self.rest(&mut begun)
        })?;
        Ok(engine)
    }

    /// Writes an engine's snapshot aside.
    fn write(&mut self, engine: &Engine) -> Result<(), Stop> {
        self.compaction.begin()?;
        let mut begun = Instant::now();
        let mut parts = engine.snapshot();
        loop {
            let piece: Vec<Record> = parts.by_ref().take(limits::BASE_RECORDS_PER_WRITE).collect();
            if piece.is_empty() {
                return Ok(());
            }
            self.compaction.write(&piece)?;
            self.rest(&mut begun)?;
        }
    }

    /// Reads back what was written, and whether it leads to the same.
    fn compare(&self, engine: &Engine) -> Result<(), Stop> {
        let mut again = Engine::new(self.timing);
        again.make_changes(false);
        let mut begun = Instant::now();
        let mut after = 0;
        loop {
            let records = self.compaction.written(after, limits::EVENTS_PER_READ)?;
            let Some((last, _)) = records.last() else { break };
            after = *last;
            records.iter().for_each(|(_, record)| again.apply(record));
            self.rest(&mut begun)?;
        }
        if again.state().same_as(engine.state()) { Ok(()) } else { Err(Stop::Different) }
    }

    /// Clears what no longer counts, also what a compaction left that came to no end.
    fn clear(&mut self) -> Result<(), Stop> {
        let mut begun = Instant::now();
        while self.compaction.clear()? {
            self.rest(&mut begun)?;
        }
        Ok(())
    }

    /// Rests after a step for as long as it took, and begins the next.
    fn rest(&self, begun: &mut Instant) -> Result<(), Stop> {
        let rest = begun.elapsed().max(limits::COMPACTION_REST.to_std());
        let goes_on = self.tail.rest(rest);
        *begun = Instant::now();
        if goes_on { Ok(()) } else { Err(Stop::Closed) }
    }
}

/// The event with which there is enough to let go of. A base costs what it holds, so the larger it
/// is the more events must be saved by the next one.
fn due(base: Option<Base>, kept: u64) -> u64 {
    let (through, records) = base.map_or((0, 0), |base| (base.through, base.records));
    let least = kept.max(limits::COMPACTED_EVENTS).max(limits::COMPACTED_PER_RECORD * records);
    through.saturating_add(kept).saturating_add(least)
}
