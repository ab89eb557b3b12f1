//! A call under way: the host is heard until it is over, stops are passed on, and what it says goes
//! to the attempt that it is about.

use std::collections::BTreeMap;

use gristmill_model::Span;
use gristmill_model::attempt::{Failure, Usage};
use gristmill_model::host::{Call, FromHost, HostMemory, HostResult, ToHost};
use gristmill_model::wire::{Assignment, Stream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::Order;
use super::super::call::{self, Sitter};
use super::super::host::{Host, Taken};
use super::{Happening, Life, Ruin};
use crate::core::{Input, Opening};

impl Life {
    /// Makes a call and listens until it is over.
    pub(super) async fn call(
        &mut self,
        opening: &Opening,
        assignments: Vec<(Assignment, CancellationToken)>,
    ) -> Result<(), Ruin> {
        let brought = call::bring(&self.shop, assignments, &self.terms).await;
        let (sitters, items): (Vec<_>, Vec<_>) = brought.into_iter().unzip();
        if items.is_empty() {
            self.tell(Input::Done(opening.session)).await;
            return Ok(());
        }
        self.calls += 1;
        let mut at = Sitting {
            call: self.calls,
            count: items.len() as u64,
            sitters: (0..).zip(sitters).collect(),
            before: self.host.taken(),
            told: Vec::new(),
            deadline: None,
        };
        // What was printed before the call is not of its attempts.
        for (_, bytes) in self.host.output.printed() {
            self.host.output.keep(&self.work.name, &bytes);
        }
        self.heard = Instant::now();
        let said = self.host.frames.say(&ToHost::Call(Call { call: at.call, items })).await;
        let end = match said {
            Ok(()) => self.work_on(opening, &mut at).await,
            Err(error) => Err(self.lost(&format!("it heard nothing: {error}"))),
        };
        self.flush_output(&mut at).await;
        match end {
            Ok(memory) => {
                let said = memory.map(|memory| memory.now.max(memory.peak));
                self.measured(opening, said.unwrap_or(0)).await;
                self.tell(Input::Done(opening.session)).await;
                Ok(())
            }
            Err(failure) => {
                self.left = at.sitters.into_values().collect();
                Err(Some(failure))
            }
        }
    }

    /// Listens to the host until its call is over.
    async fn work_on(
        &mut self,
        opening: &Opening,
        at: &mut Sitting,
    ) -> Result<Option<HostMemory>, Failure> {
        let mut dead: Option<Failure> = None;
        loop {
            let stops = at.stops();
            match self.next(&stops, at.deadline, true).await {
                Happening::Frame(frame) => {
                    if let Some(memory) = self.hear(opening, at, frame, &mut dead).await {
                        return dead.map_or(Ok(memory), Err);
                    }
                }
                Happening::Printed(stream, bytes) => self.log(at, None, stream, &bytes).await,
                Happening::Stopped => self.cancel(at).await,
                Happening::Ordered(Order::Close) => {
                    return Err(self.stopped("the worker is leaving"));
                }
                Happening::Ordered(Order::Call(_)) => {}
                Happening::Broken(why) => {
                    return Err(
                        dead.unwrap_or_else(|| self.lost(&format!("it ended in a call: {why}")))
                    );
                }
                Happening::Hung => {
                    let silence = Span::from_std(self.work.silence);
                    return Err(self.lost(&format!(
                        "it said nothing for {silence} in a call, and was taken for hung"
                    )));
                }
                Happening::Late => {
                    return Err(
                        self.stopped("another job of its call did not stop when it was told to")
                    );
                }
            }
        }
    }

    /// One frame of a call. Gives what the host says of its memory when the call is over.
    async fn hear(
        &mut self,
        opening: &Opening,
        at: &mut Sitting,
        frame: FromHost,
        dead: &mut Option<Failure>,
    ) -> Option<Option<HostMemory>> {
        match frame {
            FromHost::Ended { call, item, result } if call == at.call => {
                if let HostResult::Error(error) = &result
                    && error.fatal
                {
                    *dead = Some(call::failure(error.clone()));
                }
                self.flush_output(at).await;
                if let Some(sitter) = at.sitters.remove(&item) {
                    let (usage, terms) = (at.usage(&mut self.host), self.terms.clone());
                    self.publishing
                        .spawn(async move { sitter.finish(result, usage, &terms).await });
                }
            }
            FromHost::Done { call, memory } if call == at.call => {
                if !at.sitters.is_empty() {
                    let count = at.sitters.len();
                    *dead =
                        Some(self.lost(&format!(
                            "it ended a call and {count} of its jobs have no result"
                        )));
                }
                return Some(memory);
            }
            FromHost::Progress { call, item, done, total, message } if call == at.call => {
                if let Some(sitter) = at.sitters.get(&item) {
                    let attempt = sitter.attempt();
                    self.tell(Input::Progress { attempt, done, total, message }).await;
                }
            }
            FromHost::Partial { call, item, index, value } if call == at.call => {
                if let (Some(sitter), Some(value)) = (at.sitters.get(&item), call::part(&value)) {
                    let attempt = sitter.attempt();
                    self.tell(Input::Partial { attempt, index, value }).await;
                }
            }
            FromHost::Log { call, item, text } if call == at.call => {
                self.log(at, item, Stream::Worker, text.as_bytes()).await;
            }
            FromHost::Ready { .. } | FromHost::Hello { .. } => {
                tracing::debug!(session = %opening.session, "it greets again");
            }
            _ => {}
        }
        None
    }

    /// Tells the host which of its items nobody wants any more; it then has a grace to give them
    /// up.
    async fn cancel(&mut self, at: &mut Sitting) {
        let items = at.cancelled();
        if !items.is_empty() {
            at.told.extend(&items);
            at.deadline.get_or_insert(Instant::now() + self.shop.stop_grace);
            // One that hears nothing will be ended.
            let _ = self.host.frames.say(&ToHost::Cancel { call: at.call, items }).await;
        }
    }

    /// Words for the log of an item, or of all.
    async fn log(&self, at: &mut Sitting, item: Option<u32>, stream: Stream, bytes: &[u8]) {
        for (place, sitter) in &mut at.sitters {
            if item.is_some_and(|item| item != *place) || sitter.log_room == 0 {
                continue;
            }
            sitter.log_room = sitter.log_room.saturating_sub(bytes.len() as u64);
            let (attempt, bytes) = (sitter.attempt(), bytes.to_vec());
            self.tell(Input::Log { attempt, stream, bytes }).await;
        }
    }

    /// What was printed and not yet looked at belongs to the call that ends.
    async fn flush_output(&mut self, at: &mut Sitting) {
        for (stream, bytes) in self.host.output.printed() {
            if at.sitters.is_empty() {
                self.host.output.keep(&self.work.name, &bytes);
            } else {
                self.log(at, None, stream, &bytes).await;
            }
        }
    }
}

/// A call under way.
struct Sitting {
    call: u64,
    count: u64,
    sitters: BTreeMap<u32, Sitter>,
    before: Taken,
    /// Items that the host was told to give up, ...
    told: Vec<u32>,
    /// ... and when it must have.
    deadline: Option<Instant>,
}

impl Sitting {
    /// What would tell of a stop that the host has not been told of.
    fn stops(&self) -> Vec<CancellationToken> {
        let untold = self.sitters.iter().filter(|(item, _)| !self.told.contains(item));
        untold.map(|(_, sitter)| sitter.stop().clone()).collect()
    }

    fn cancelled(&self) -> Vec<u32> {
        let stopped =
            |item: &u32, sitter: &Sitter| !self.told.contains(item) && sitter.stop().is_cancelled();
        let items = self.sitters.iter().filter(|(item, sitter)| stopped(item, sitter));
        items.map(|(item, _)| *item).collect()
    }

    /// An item's part of what the call took so far.
    fn usage(&self, host: &mut Host) -> Usage {
        let now = host.taken();
        let cpu = now.cpu.0.saturating_sub(self.before.cpu.0) / self.count;
        Usage { cpu: Span(cpu), peak_memory: now.peak_memory, ..Usage::default() }
    }
}
