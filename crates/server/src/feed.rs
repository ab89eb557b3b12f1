//! What happens, for those who listen: committed events in order, each exactly once, and the pulse
//! between them.
//!
//! A subscriber reads the log behind the last commit at its own pace. So it may come back after any
//! event and miss none, it may be slow and lose none, and it holds up nobody. Only the pulse
//! (connections, progress) is handed round in memory: a slow subscriber misses some of that.

mod runs;
mod tail;
mod topic;
mod view;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use gristmill_model::api::FeedEvent;
use gristmill_model::event::{Event, Record};
use gristmill_model::{BatchId, JobId, limits};
use tokio::sync::{broadcast, watch};

use crate::log::{LogError, LogReader};
use crate::threads::blocking;
pub(crate) use runs::Runs;
pub(crate) use tail::{Next, Piece, Story, Tail};
pub use topic::Topic;

/// A pulse event with the sequence number of the last event before it.
#[derive(Debug, Clone)]
struct Pulse {
    seq: u64,
    record: Arc<Record>,
}

/// The core loop's end of the feed.
pub(crate) struct Publisher {
    runs: Arc<RwLock<Runs>>,
    tail: Arc<Tail>,
    committed: watch::Sender<u64>,
    pulses: broadcast::Sender<Pulse>,
    /// The last event by which a batch ended that somebody is to be told of.
    ended: watch::Sender<u64>,
}

/// The listeners' end; a clone is the same.
#[derive(Clone)]
pub struct Feed {
    reader: Arc<dyn LogReader>,
    runs: Arc<RwLock<Runs>>,
    tail: Arc<Tail>,
    committed: watch::Receiver<u64>,
    pulses: broadcast::WeakSender<Pulse>,
}

/// Both ends of a feed over a log that has been replayed up to `last`.
pub(crate) fn feed(reader: Box<dyn LogReader>, runs: Runs, last: u64) -> (Publisher, Feed) {
    let runs = Arc::new(RwLock::new(runs));
    let (committed, hears) = watch::channel(last);
    let (pulses, _) = broadcast::channel(limits::FEED);
    let tail = Arc::new(Tail::new(last));
    let feed = Feed {
        reader: reader.into(),
        runs: Arc::clone(&runs),
        tail: Arc::clone(&tail),
        committed: hears,
        pulses: pulses.downgrade(),
    };
    let (ended, _) = watch::channel(last);
    (Publisher { runs, tail, committed, pulses, ended }, feed)
}

impl Publisher {
    /// Tells of a round whose durable records end at `seq`. They are in the log; of `records` only
    /// the pulse is handed on.
    pub(crate) fn publish(&self, seq: u64, records: &Arc<Vec<Record>>) {
        self.learn(records);
        self.tail.push(seq, records);
        if records.iter().any(|record| matches!(record.event, Event::BatchFinished { .. })) {
            self.ended.send_replace(seq);
        }
        self.committed.send_if_modified(|committed| std::mem::replace(committed, seq) != seq);
        if self.pulses.receiver_count() == 0 {
            return;
        }
        for record in records.iter().filter(|record| !record.event.is_durable()) {
            // Nobody may listen any more.
            let _ = self.pulses.send(Pulse { seq, record: Arc::new(record.clone()) });
        }
    }

    /// Tells when a batch has ended that somebody is to be told of; closed at the end.
    pub(crate) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    /// The newest events, for the follower.
    pub(crate) fn tail(&self) -> Arc<Tail> {
        Arc::clone(&self.tail)
    }

    /// The batches that an event is about.
    pub(crate) fn batches_of(&self, event: &Event) -> Vec<BatchId> {
        view::batches_of(event, &self.runs.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn learn(&self, records: &[Record]) {
        if records.iter().any(|record| Runs::is_news(&record.event)) {
            let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
            records.iter().for_each(|record| runs.learn(&record.event));
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.tail.close();
    }
}

impl Feed {
    /// All that has happened to a batch, where that is in memory still and not much.
    pub(crate) fn story(&self, batch: BatchId) -> Option<Story> {
        self.tail.story(batch, &self.runs())
    }

    /// The batch of a job that was accepted.
    pub(crate) fn batch_of(&self, job: JobId) -> Option<BatchId> {
        self.runs().batch_of(job)
    }

    fn runs(&self) -> RwLockReadGuard<'_, Runs> {
        self.runs.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sequence number of the last committed event.
    #[must_use]
    pub fn committed(&self) -> u64 {
        *self.committed.borrow()
    }

    /// Listens to what concerns a topic: what comes after the event `after`, or from now on.
    #[must_use]
    pub fn subscribe(&self, topic: Topic, after: Option<u64>) -> Subscription {
        let committed = self.committed.clone();
        let now = *committed.borrow();
        Subscription {
            feed: self.clone(),
            topic,
            after: after.unwrap_or(now).min(now),
            ready: VecDeque::new(),
            // The core loop is gone where there is no sender: then nothing more will come.
            pulses: self.pulses.upgrade().map(|pulses| pulses.subscribe()),
            held: None,
            missed: 0,
            committed,
        }
    }

    /// Writes one line an event into the process's own log, where that is wanted, for as long as
    /// the server runs. Needs a tokio runtime to run in.
    pub(crate) fn trace(&self) {
        let wanted = tracing::enabled!(tracing::Level::DEBUG);
        if let (true, Ok(runtime)) = (wanted, tokio::runtime::Handle::try_current()) {
            let mut events = self.subscribe(Topic::default(), None);
            runtime.spawn(async move {
                loop {
                    match events.next().await {
                        Ok(Some(event)) => line(&event),
                        Err(LogError::Compacted { through }) => {
                            tracing::debug!(through, "events that were missed");
                        }
                        Ok(None) | Err(_) => return,
                    }
                }
            });
        }
    }
}

fn line(event: &FeedEvent) {
    tracing::debug!(
        seq = event.seq,
        event = event.event,
        job = event.job.map(tracing::field::display),
        batch = event.batch.map(tracing::field::display),
        worker = event.worker.map(tracing::field::display),
        state = event.state.map(tracing::field::display),
    );
}

/// One listener's place in the feed.
pub struct Subscription {
    feed: Feed,
    topic: Topic,
    after: u64,
    ready: VecDeque<FeedEvent>,
    committed: watch::Receiver<u64>,
    pulses: Option<broadcast::Receiver<Pulse>>,
    /// A pulse that waits for the events before it.
    held: Option<Pulse>,
    missed: u64,
}

impl Subscription {
    /// The next event, waiting for it; nothing once the server has stopped and all is told. Safe to
    /// drop half-way.
    ///
    /// # Errors
    /// The log cannot be read. Where it no longer keeps what would come next, because this listener
    /// is so far behind ([`LogError::Compacted`]), it goes on after that: see [`Self::missed`].
    pub async fn next(&mut self) -> Result<Option<FeedEvent>, LogError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.after < *self.committed.borrow_and_update() {
                self.read().await?;
            } else if let Some(pulse) = self.held.take() {
                // What was committed after it may have been told before it: whoever comes back
                // after what they heard last must not hear that again.
                self.gather(pulse.seq.max(self.after), &pulse.record);
            } else if !self.news().await {
                return Ok(None);
            }
        }
    }

    /// The next event up to a committed one; nothing when all up to it is told.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    pub(crate) async fn next_up_to(&mut self, seq: u64) -> Result<Option<FeedEvent>, LogError> {
        while self.ready.is_empty() && self.after < seq {
            self.read().await?;
        }
        Ok(self.ready.pop_front())
    }

    /// Waits until there is something new; `false` when there never will be.
    async fn news(&mut self) -> bool {
        let Some(pulses) = &mut self.pulses else { return false };
        tokio::select! {
            biased;
            changed = self.committed.changed() => changed.is_ok(),
            pulse = pulses.recv() => match pulse {
                Ok(pulse) => {
                    self.held = Some(pulse);
                    true
                }
                Err(broadcast::error::RecvError::Lagged(_)) => true,
                Err(broadcast::error::RecvError::Closed) => {
                    // What was committed last may still be unread.
                    self.pulses = None;
                    true
                }
            },
        }
    }

    /// How many events were no longer there the last time that some were not.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    async fn read(&mut self) -> Result<(), LogError> {
        if let Some(pieces) = self.feed.tail.after(self.after) {
            let after = self.after;
            let events = pieces.iter().flat_map(Piece::events);
            for (seq, record) in events.skip_while(|(seq, _)| *seq <= after) {
                self.gather(seq, record);
                self.after = seq;
            }
            return Ok(());
        }
        let (reader, after) = (Arc::clone(&self.feed.reader), self.after);
        let read = blocking(move || reader.read(after, limits::EVENTS_PER_READ)).await;
        // A task that was not run because the runtime stops has nothing to tell.
        let records = match read.unwrap_or_else(|_| Ok(Vec::new())) {
            Err(LogError::Compacted { through }) => {
                self.missed = through.saturating_sub(self.after);
                self.after = self.after.max(through);
                return Err(LogError::Compacted { through });
            }
            read => read?,
        };
        for (seq, record) in &records {
            self.gather(*seq, record);
            self.after = *seq;
        }
        Ok(())
    }

    fn gather(&mut self, seq: u64, record: &Record) {
        let runs = self.feed.runs();
        let batches = view::batches_of(&record.event, &runs);
        if self.topic.concerns(&record.event, &batches) {
            self.ready.push_back(view::of(seq, record, &batches));
        }
    }
}
