//! A session's life: its host starts and loads, answers calls, and ends: because it was told to,
//! because it was hung, or by itself. Whatever happens, each attempt of a call has an end, and the
//! core hears that the session is gone only when all that it had is back.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures::future::select_all;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, SESSION_LOST, Usage};
use gristmill_model::host::{Call, FromHost, HostMemory, Open, PROTOCOL, ToHost};
use gristmill_model::{Span, limits};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use gristmill_model::wire::{Assignment, Stream};

use super::Order;
use super::call::{self, Sitter, Terms};
use super::host::{Host, Taken};
use super::work::SessionWork;
use crate::core::{Gone, Input, Opening};
use crate::workshop::Workshop;

/// Leads a session until it is gone.
pub(super) async fn live(
    shop: Arc<Workshop>,
    opening: Opening,
    orders: mpsc::UnboundedReceiver<Order>,
) {
    let session = opening.session;
    let before = shop.equipment.before(&opening.holds).await;
    let (ruin, leader) = lead(&shop, &opening, orders).await;
    let stuck = shop.equipment.settle(leader, before).await;
    if let Some(failure) = &ruin {
        tracing::warn!(session = opening.name, code = failure.code, "{}", failure.message);
    }
    let _ = shop.inputs.send(Input::Gone(Gone { session, ruin, stuck })).await;
}

/// Why a session is over; nothing where it was told to end.
type Ruin = Option<Failure>;

async fn lead(
    shop: &Arc<Workshop>,
    opening: &Opening,
    orders: mpsc::UnboundedReceiver<Order>,
) -> (Ruin, Option<u32>) {
    let Some(work) = shop.sessions.get(&opening.name) else {
        let message = format!("this worker has nothing called `{}` to open", opening.name);
        let failure = Failure::new(FailureKind::Failed, "session_not_started", message);
        return (Some(failure), None);
    };
    let host = match Host::start(shop, work, opening) {
        Ok(host) => host,
        Err(failure) => return (Some(failure), None),
    };
    let leader = host.pid().cast_unsigned();
    let mut life = Life {
        terms: Terms {
            devices: opening.holds.iter().map(|h| shop.equipment.id(h.device)).collect(),
            folder: host.folder.clone(),
        },
        shop: Arc::clone(shop),
        work: Arc::clone(work),
        host,
        orders,
        heard: Instant::now(),
        calls: 0,
        publishing: JoinSet::new(),
    };
    let ruin = match life.load(opening).await {
        Ok(true) => life.serve(opening).await.err().flatten(),
        Ok(false) => None,
        Err(failure) => Some(failure),
    };
    (life.end(ruin).await, Some(leader))
}

struct Life {
    shop: Arc<Workshop>,
    work: Arc<SessionWork>,
    terms: Terms,
    host: Host,
    orders: mpsc::UnboundedReceiver<Order>,
    /// When the host spoke last.
    heard: Instant,
    calls: u64,
    publishing: JoinSet<()>,
}

/// What happens while a session is open.
enum Happening {
    Frame(FromHost),
    Broken(String),
    Printed(Stream, Vec<u8>),
    Ordered(Order),
    Stopped,
    Hung,
    Late,
}

impl Life {
    /// Waits for what happens next. `deadline` is when loading, or a stop, has taken too long.
    async fn next(
        &mut self,
        stops: &[CancellationToken],
        deadline: Option<Instant>,
        busy: bool,
    ) -> Happening {
        let silent = self.heard + self.work.silence;
        let stopped = async {
            if stops.is_empty() {
                return std::future::pending().await;
            }
            select_all(stops.iter().map(|stop| Box::pin(stop.cancelled()))).await;
        };
        let stopped = pin!(stopped);
        tokio::select! {
            frame = self.host.frames.hear() => match frame {
                Ok(frame) => {
                    self.heard = Instant::now();
                    Happening::Frame(frame)
                }
                Err(error) => Happening::Broken(error.to_string()),
            },
            (stream, bytes) = self.host.output.next() => Happening::Printed(stream, bytes),
            order = self.orders.recv() => Happening::Ordered(order.unwrap_or(Order::Close)),
            () = stopped => Happening::Stopped,
            () = sleep_until(silent), if busy => Happening::Hung,
            () = until(deadline) => Happening::Late,
        }
    }

    /// Lets the host load; `false` where it was told to end meanwhile.
    async fn load(&mut self, opening: &Opening) -> Result<bool, Failure> {
        let deadline = Instant::now() + self.work.start;
        let mut greeted = false;
        self.host.frames.say(&ToHost::Open(self.opening(opening))).await.map_err(|error| {
            self.failed("session_not_started", &format!("it heard nothing: {error}"))
        })?;
        loop {
            match self.next(&[], Some(deadline), true).await {
                Happening::Frame(FromHost::Hello { protocol, versions }) => {
                    self.greet(protocol, &versions)?;
                    greeted = true;
                }
                Happening::Frame(FromHost::Ready { devices, on_device }) if greeted => {
                    self.judge_place(&devices, on_device)?;
                    self.tell(Input::Ready(opening.session)).await;
                    self.measure(opening, None).await;
                    return Ok(true);
                }
                Happening::Frame(FromHost::Failed { error }) => return Err(call::failure(error)),
                Happening::Frame(_) => {}
                Happening::Printed(_, bytes) => self.host.output.keep(&self.work.name, &bytes),
                Happening::Ordered(Order::Close) => return Ok(false),
                // The core calls only who is ready.
                Happening::Ordered(Order::Call(_)) | Happening::Stopped => {}
                Happening::Broken(why) => {
                    return Err(
                        self.failed("session_lost", &format!("it ended while it loaded: {why}"))
                    );
                }
                Happening::Hung => {
                    let silence = Span::from_std(self.work.silence);
                    return Err(self.failed(
                        "session_hung",
                        &format!("it said nothing for {silence} while it loaded"),
                    ));
                }
                Happening::Late => {
                    let start = Span::from_std(self.work.start);
                    return Err(
                        self.failed("session_slow", &format!("it had not loaded after {start}"))
                    );
                }
            }
        }
    }

    fn opening(&self, opening: &Opening) -> Open {
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let devices = opening.holds.iter().map(|hold| self.shop.equipment.for_host(hold));
        Open {
            protocol: PROTOCOL,
            entry: self.work.entry.clone(),
            session: format!("{}-{}", self.work.name, opening.session),
            devices: devices.collect(),
            data: self.work.data.iter().map(|(name, path)| (name.clone(), text(path))).collect(),
            folder: text(&self.terms.folder),
            inline_bytes: (limits::INLINE_BYTES / 4) as u64,
            alive_every_ms: limits::SESSION_ALIVE.0 / 1_000,
        }
    }

    fn greet(&self, protocol: u32, versions: &BTreeMap<String, String>) -> Result<(), Failure> {
        if protocol != PROTOCOL {
            let message = format!("its host speaks version {protocol}, this worker {PROTOCOL}");
            return Err(self.failed("wrong_protocol", &message));
        }
        let versions: Vec<String> =
            versions.iter().map(|(name, v)| format!("{name} {v}")).collect();
        tracing::info!(session = self.work.name, versions = versions.join(", "), "loading");
        Ok(())
    }

    /// What was asked for must be what it got: work that quietly runs elsewhere is an error.
    fn judge_place(
        &self,
        devices: &[gristmill_model::host::SeenDevice],
        on_device: Option<bool>,
    ) -> Result<(), Failure> {
        if on_device == Some(false) && !self.terms.devices.is_empty() {
            let message =
                format!("it was given {} and works on the CPUs", self.terms.devices.join(", "));
            return Err(self.failed("not_on_device", &message));
        }
        let stranger = devices.iter().find(|device| !self.terms.devices.contains(&device.id));
        if let Some(stranger) = stranger.filter(|_| !self.terms.devices.is_empty()) {
            let message =
                format!("it was given {} and sees {}", self.terms.devices.join(", "), stranger.id);
            return Err(self.failed("wrong_device", &message));
        }
        Ok(())
    }

    /// Answers calls until it is told to end.
    async fn serve(&mut self, opening: &Opening) -> Result<(), Ruin> {
        loop {
            match self.next(&[], None, false).await {
                Happening::Ordered(Order::Call(assignments)) => {
                    self.call(opening, assignments).await?
                }
                Happening::Ordered(Order::Close) => return Ok(()),
                Happening::Broken(why) => {
                    return Err(Some(self.lost(&format!("it ended while it was idle: {why}"))));
                }
                Happening::Printed(_, bytes) => self.host.output.keep(&self.work.name, &bytes),
                Happening::Frame(_) | Happening::Stopped | Happening::Hung | Happening::Late => {}
            }
        }
    }

    async fn call(
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
        self.heard = Instant::now();
        let said = self.host.frames.say(&ToHost::Call(Call { call: at.call, items })).await;
        let end = match said {
            Ok(()) => self.work_on(opening, &mut at).await,
            Err(error) => Err(self.lost(&format!("it heard nothing: {error}"))),
        };
        self.flush_output(&mut at).await;
        match end {
            Ok(memory) => {
                self.measure(opening, memory).await;
                self.tell(Input::Done(opening.session)).await;
                Ok(())
            }
            Err(failure) => {
                self.end_all(at, &failure).await;
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
                Happening::Frame(frame) => match self.hear(opening, at, frame, &mut dead).await {
                    Some(memory) => return dead.map_or(Ok(memory), Err),
                    None => {}
                },
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
                if let gristmill_model::host::HostResult::Error(error) = &result
                    && error.fatal
                {
                    *dead = Some(call::failure(error.clone()));
                }
                if let Some(sitter) = at.sitters.remove(&item) {
                    let (usage, terms) = (at.usage(self.host.taken()), self.terms.clone());
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

    /// Tells the host which of its items nobody wants any more; it then has a grace to give them up.
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
        for (stream, bytes) in self.host.output.take_waiting() {
            if at.sitters.is_empty() {
                self.host.output.keep(&self.work.name, &bytes);
            } else {
                self.log(at, None, stream, &bytes).await;
            }
        }
    }

    /// Ends what the host has left open.
    async fn end_all(&self, at: Sitting, why: &Failure) {
        for sitter in at.sitters.into_values() {
            // A device's failure was told of the attempt that met it; the others only went with it.
            let failure = match why.kind {
                FailureKind::Lost => why.clone(),
                _ => self.lost(&format!("it ended in a call: {}", why.message)),
            };
            sitter.end(Outcome::Failed(failure), Usage::default(), &self.terms).await;
        }
    }

    /// What the session really takes of its devices' memory.
    async fn measure(&self, opening: &Opening, memory: Option<HostMemory>) {
        let seen = self.shop.equipment.taken_by(self.host.pid(), &opening.holds).await;
        let said = memory.map(|memory| memory.now.max(memory.peak));
        if let Some(vram) = seen.max(said).filter(|vram| *vram > 0) {
            self.tell(Input::Measured(opening.session, vram)).await;
        }
    }

    /// Ends the host and all that it started; adds to a ruin what can be said then.
    async fn end(mut self, ruin: Ruin) -> Ruin {
        while self.publishing.join_next().await.is_some() {}
        let words = match &ruin {
            Some(_) => self.host.output.last_words(&self.work.name).await,
            None => None,
        };
        let status = self.host.end(ruin.is_none()).await;
        ruin.map(|mut failure| {
            if failure.code == SESSION_LOST {
                failure.message = format!("{}; {status}", failure.message);
            }
            failure.traceback = failure.traceback.or(words);
            failure
        })
    }

    fn failed(&self, code: &str, why: &str) -> Failure {
        let kind = if code == SESSION_LOST { FailureKind::Lost } else { FailureKind::Failed };
        Failure::new(kind, code, format!("session {}: {why}", self.work.name))
    }

    fn lost(&self, why: &str) -> Failure {
        self.failed(SESSION_LOST, why)
    }

    /// Ended without being at fault, and without those who sat there being at fault.
    fn stopped(&self, why: &str) -> Failure {
        let message = format!("session {} was ended: {why}", self.work.name);
        Failure::new(FailureKind::Lost, "session_stopped", message)
    }

    async fn tell(&self, input: Input) {
        let _ = self.shop.inputs.send(input).await;
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
    fn usage(&self, now: Taken) -> Usage {
        let cpu = now.cpu.0.saturating_sub(self.before.cpu.0) / self.count;
        Usage { cpu: Span(cpu), peak_memory: now.peak_memory, ..Usage::default() }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
