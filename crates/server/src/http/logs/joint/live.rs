//! Follows the output of many attempts: each from its lease to its end, as the feed tells them, and
//! between these whenever it is told that an attempt has said something.
//!
//! The output of an attempt is kept before its end is told. So what is read at the end is all of
//! it, and news that were missed only delay.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use gristmill_model::api::FeedEvent;
use gristmill_model::{AttemptId, BatchId, limits};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Lines, Open, Origin, Over, Subscription, Teller, Topic, lines};
use crate::core::Goal;
use crate::feed::Missed;
use crate::http::Api;

/// What is said of an attempt for which there is no room.
const FULL: &str = "[not followed: too many attempts run at once; name a worker as well]";

/// What is followed.
pub(super) struct Live {
    events: Subscription,
    news: broadcast::Receiver<AttemptId>,
    /// Comes when the batch has finished.
    finished: BoxFuture<'static, Result<(), Over>>,
    /// Attempts that run, as far as there is room for them.
    open: BTreeMap<AttemptId, Open>,
    /// Bytes of lines that have no end yet.
    held: usize,
}

/// What may happen.
enum News {
    Event(FeedEvent),
    Finished,
    Said(AttemptId),
    /// Some news were missed.
    Missed,
}

impl Live {
    pub(super) fn new(api: &Api, topic: Topic, batch: Option<BatchId>) -> Live {
        let events = api.handle.feed().subscribe(topic, None);
        let news = api.handle.logs().news();
        let finished = match batch {
            Some(batch) => finished(api.clone(), batch).boxed(),
            None => pending().boxed(),
        };
        Live { events, news, finished, open: BTreeMap::new(), held: 0 }
    }

    /// Follows an attempt; says so where there is no room for it.
    pub(super) async fn add(&mut self, open: Open, to: &Teller) -> Result<(), Over> {
        if self.open.len() >= limits::JOINT_LOG_FOLLOWED {
            return to.send(&[lines::remark(&open.from, FULL)]).await;
        }
        self.held += open.lines.held();
        self.open.insert(open.from.attempt, open);
        Ok(())
    }

    /// Tells what attempts print that run already or that begin after `last`, until the batch has
    /// finished or the worker has left.
    pub(super) async fn follow(mut self, to: &Teller, last: AttemptId) -> Result<(), Over> {
        // News that came while kept output was read may be lost.
        self.look_at_all(to).await?;
        loop {
            match self.next().await? {
                News::Event(event) if has_left(&event, to) => return self.end_all(to).await,
                News::Event(event) => self.hear(&event, to, last).await?,
                News::Finished => {
                    let seq = to.api.handle.feed().committed();
                    while let Some(event) = heard(self.events.next_up_to(seq))? {
                        self.hear(&event, to, last).await?;
                    }
                    return self.end_all(to).await;
                }
                News::Said(attempt) => self.look(attempt, to).await?,
                News::Missed => self.look_at_all(to).await?,
            }
        }
    }

    async fn next(&mut self) -> Result<News, Over> {
        tokio::select! {
            // Whoever said something was leased before: it should be known by then.
            biased;
            event = self.events.next() => heard(event)?.map(News::Event).ok_or(Over),
            finished = &mut self.finished => finished.map(|()| News::Finished),
            said = self.news.recv() => match said {
                Ok(attempt) => Ok(News::Said(attempt)),
                Err(RecvError::Lagged(_)) => Ok(News::Missed),
                Err(RecvError::Closed) => Err(Over),
            },
        }
    }

    /// The beginning or the end of an attempt.
    async fn hear(&mut self, event: &FeedEvent, to: &Teller, last: AttemptId) -> Result<(), Over> {
        let Some(from) = origin(event) else { return Ok(()) };
        if to.whose.worker.is_some_and(|worker| worker != from.worker) {
            return Ok(());
        }
        match event.event.as_str() {
            // Those before are followed since they were looked at, or had ended by then.
            "attempt_leased" if from.attempt > last => {
                let job = from.job;
                let place = to.api.ask(move |tables| tables.place_of(job)).await;
                let index = place.map_err(|_| Over)?.unwrap_or_default();
                self.add(Open::new(Origin { index, ..from }, 0, Lines::default()), to).await?;
                // While the lease was read from the log, news of it may have passed by.
                self.look(from.attempt, to).await
            }
            "attempt_succeeded" | "attempt_failed" => match self.open.remove(&from.attempt) {
                Some(open) => self.end(open, to).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Tells what an attempt has said since the last look.
    async fn look(&mut self, attempt: AttemptId, to: &Teller) -> Result<(), Over> {
        let Some(open) = self.open.get_mut(&attempt) else { return Ok(()) };
        let before = open.lines.held();
        let captured = to.captured(&open.from, open.next).await?;
        open.next = captured.next;
        let mut told = open.lines.of(&open.from, captured, &to.wish);
        if self.held - before + open.lines.held() > limits::JOINT_LOG_BYTES {
            told.extend(open.lines.finish(&open.from, &to.wish));
        }
        self.held = self.held - before + open.lines.held();
        to.send(&told).await
    }

    async fn look_at_all(&mut self, to: &Teller) -> Result<(), Over> {
        let open: Vec<AttemptId> = self.open.keys().copied().collect();
        for attempt in open {
            self.look(attempt, to).await?;
        }
        Ok(())
    }

    /// Tells the rest of an attempt that has ended, and where it failed.
    async fn end(&mut self, mut open: Open, to: &Teller) -> Result<(), Over> {
        self.held -= open.lines.held();
        let captured = to.captured(&open.from, open.next).await?;
        let mut told = open.lines.of(&open.from, captured, &to.wish);
        told.extend(open.lines.finish(&open.from, &to.wish));
        told.extend(to.traceback(&open.from).await?);
        to.send(&told).await
    }

    /// Whoever left may have left attempts behind.
    async fn end_all(&mut self, to: &Teller) -> Result<(), Over> {
        while let Some((_, open)) = self.open.pop_first() {
            self.end(open, to).await?;
        }
        Ok(())
    }
}

/// Waits for the end of a batch.
async fn finished(api: Api, batch: BatchId) -> Result<(), Over> {
    while !api.handle.wait(Goal::Batch(batch), limits::WAIT).await.map_err(|_| Over)? {}
    Ok(())
}

/// Whether the worker that is followed has left.
fn has_left(event: &FeedEvent, to: &Teller) -> bool {
    event.event == "worker_left" && event.worker.is_some() && event.worker == to.whose.worker
}

fn heard(event: Result<Option<FeedEvent>, Missed>) -> Result<Option<FeedEvent>, Over> {
    event.map_err(|error| {
        tracing::warn!(%error, "a joint log breaks off");
        Over
    })
}

/// The attempt that an event is about; its place is not told.
fn origin(event: &FeedEvent) -> Option<Origin> {
    let attempt = event.data.get("attempt")?.as_str()?.parse().ok()?;
    let (job, batch, worker) = (event.job?, event.batch?, event.worker?);
    Some(Origin { job, batch, index: 0, attempt, worker })
}
