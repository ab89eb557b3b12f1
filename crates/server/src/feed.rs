//! What happens, for those who listen: committed events in order, each exactly once, and ephemeral
//! ones between them.
//!
//! A subscriber reads the newest rounds at its own pace and holds up nobody. One that has fallen
//! behind further than these reach is told how many events it has missed. Ephemeral events
//! (connections, progress) are only handed round: a slow subscriber misses some of them.

pub(crate) mod committed;
mod tail;
mod topic;
mod view;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use gristmill_model::api::FeedEvent;
use gristmill_model::event::{BatchEvent, Event};
use gristmill_model::limits;
use tokio::sync::{broadcast, watch};

pub(crate) use committed::{Committed, Happened};
pub(crate) use tail::Tail;
pub use topic::Topic;
use view::About;

/// The core loop's end of the feed.
pub(crate) struct Publisher {
    tail: Arc<Tail>,
    committed: watch::Sender<u64>,
    ephemeral: broadcast::Sender<Arc<Committed>>,
    /// The last event by which a batch ended that somebody is to be told of.
    ended: watch::Sender<u64>,
}

/// The listeners' end; a clone is the same.
#[derive(Clone)]
pub struct Feed {
    tail: Arc<Tail>,
    committed: watch::Receiver<u64>,
    ephemeral: broadcast::WeakSender<Arc<Committed>>,
}

/// Events that a listener wanted are no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{events} events up to number {through} are no longer kept for listeners")]
pub struct Missed {
    /// How many.
    pub events: u64,
    /// The last of them.
    pub through: u64,
}

/// Both ends of a feed over a tail.
pub(crate) fn feed(tail: Arc<Tail>) -> (Publisher, Feed) {
    let last = tail.committed();
    let (committed, hears) = watch::channel(last);
    let (ephemeral, _) = broadcast::channel(limits::FEED);
    let feed = Feed { tail: Arc::clone(&tail), committed: hears, ephemeral: ephemeral.downgrade() };
    let (ended, _) = watch::channel(last);
    (Publisher { tail, committed, ephemeral, ended }, feed)
}

impl Publisher {
    /// Tells of a round. What is durable of it is in the log.
    pub(crate) fn publish(&self, round: &Arc<Committed>) {
        self.tail.push(round);
        let ended = |event: &Event| matches!(event, Event::Batch(BatchEvent::Finished { .. }));
        if round.records.iter().any(|record| ended(&record.event)) {
            self.ended.send_replace(round.last);
        }
        let last = round.last;
        self.committed.send_if_modified(|committed| std::mem::replace(committed, last) != last);
        let ephemeral = (round.records.len() as u64) > round.durable();
        if ephemeral && self.ephemeral.receiver_count() > 0 {
            // Nobody may listen any more.
            let _ = self.ephemeral.send(Arc::clone(round));
        }
    }

    /// Waits while the tables are too far behind.
    pub(crate) fn wait_for_room(&self) {
        self.tail.wait_for_room();
    }

    /// Tells when a batch has ended that somebody is to be told of; closed at the end.
    pub(crate) fn ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.tail.close();
    }
}

impl Feed {
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
            ephemeral: self.ephemeral.upgrade().map(|sender| sender.subscribe()),
            held: None,
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
                        Err(Missed { events, through }) => {
                            tracing::debug!(events, through, "events that were missed");
                        }
                        Ok(None) => return,
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
        actor = event.actor.map(tracing::field::display),
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
    ephemeral: Option<broadcast::Receiver<Arc<Committed>>>,
    /// A round with ephemeral events that waits for the events before it.
    held: Option<Arc<Committed>>,
}

impl Subscription {
    /// The next event, waiting for it; nothing once the server has stopped and all is told. Safe to
    /// drop half-way.
    ///
    /// # Errors
    /// What would come next is no longer kept, because this listener is so far behind; it goes on
    /// after that.
    pub async fn next(&mut self) -> Result<Option<FeedEvent>, Missed> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.after < *self.committed.borrow_and_update() {
                self.read()?;
            } else if let Some(round) = self.held.take() {
                self.gather_ephemeral(&round);
            } else if !self.news().await {
                return Ok(None);
            }
        }
    }

    /// The next event up to a committed one; nothing when all up to it is told.
    ///
    /// # Errors
    /// As [`Subscription::next`].
    pub(crate) fn next_up_to(&mut self, seq: u64) -> Result<Option<FeedEvent>, Missed> {
        while self.ready.is_empty() && self.after < seq {
            self.read()?;
        }
        Ok(self.ready.pop_front())
    }

    /// Waits until there is something new; `false` when there never will be.
    async fn news(&mut self) -> bool {
        let Some(ephemeral) = &mut self.ephemeral else { return false };
        tokio::select! {
            biased;
            changed = self.committed.changed() => changed.is_ok(),
            round = ephemeral.recv() => match round {
                Ok(round) => {
                    self.held = Some(round);
                    true
                }
                Err(broadcast::error::RecvError::Lagged(_)) => true,
                Err(broadcast::error::RecvError::Closed) => {
                    // What was committed last may still be unread.
                    self.ephemeral = None;
                    true
                }
            },
        }
    }

    fn read(&mut self) -> Result<(), Missed> {
        let rounds = self.feed.tail.after(self.after).map_err(|through| {
            let events = through - self.after;
            self.after = through;
            Missed { events, through }
        })?;
        for round in &rounds {
            for happened in round.happened() {
                if happened.record.event.is_durable() && happened.seq > self.after {
                    self.gather(round, &happened);
                }
            }
            self.after = self.after.max(round.last);
        }
        Ok(())
    }

    /// What was committed after an ephemeral event may have been told before it: whoever comes back
    /// after what they heard last must not hear that again.
    fn gather_ephemeral(&mut self, round: &Committed) {
        for happened in round.happened().filter(|it| !it.record.event.is_durable()) {
            let seq = happened.seq.max(self.after);
            self.gather(round, &Happened { seq, ..happened });
        }
    }

    fn gather(&mut self, round: &Committed, happened: &Happened<'_>) {
        let about = About::of(happened);
        if self.topic.concerns(&happened.record.event, &about) {
            self.ready.push_back(view::of(round, happened, &about));
        }
    }
}
