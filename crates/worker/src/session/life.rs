//! A session's life: its host starts and loads, answers calls, and ends: because it was told to,
//! because it was hung, or by itself. Whatever happens, each attempt of a call has an end, and the
//! core hears that the session is gone only when all that it had is back.

mod calling;
mod loading;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use futures::future::select_all;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, SESSION_LOST, Usage};
use gristmill_model::host::FromHost;
use gristmill_model::limits;
use gristmill_model::wire::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Order;
use super::call::{Sitter, Terms};
use super::data;
use super::host::Host;
use super::work::SessionWork;
use crate::core::{Gone, Input, Opening};
use crate::equipment::Tenant;
use crate::workshop::Workshop;

/// Leads a session until it is gone.
pub(super) async fn live(
    shop: Arc<Workshop>,
    opening: Opening,
    orders: mpsc::UnboundedReceiver<Order>,
) {
    let session = opening.session;
    let before = shop.equipment.before(&opening.holds).await;
    let (ruin, leader) = lead(&shop, &opening, before.tenant, orders).await;
    let stuck = shop.equipment.settle(leader, before).await;
    if let Some(failure) = &ruin {
        tracing::warn!(session = opening.spec.name, code = failure.code, "{}", failure.message);
    }
    let _ = shop.inputs.send(Input::Gone(Gone { session, ruin, stuck })).await;
}

/// Why a session is over; nothing where it was told to end.
type Ruin = Option<Failure>;

async fn lead(
    shop: &Arc<Workshop>,
    opening: &Opening,
    tenant: Tenant,
    orders: mpsc::UnboundedReceiver<Order>,
) -> (Ruin, Option<u32>) {
    let Some(work) = shop.sessions.get(&opening.spec.name) else {
        let message = format!("this worker has nothing called `{}` to open", opening.spec.name);
        let failure = Failure::new(FailureKind::Failed, "session_not_started", message);
        return (Some(failure), None);
    };
    let started = async {
        let data = data::bring(shop, &opening.spec).await?;
        Ok((data, Host::start(shop, work, opening)?))
    };
    let (data, host) = match started.await {
        Ok(started) => started,
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
        data,
        left: Vec::new(),
        tenant,
        measured: 0,
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
    /// Files that all calls share, by name.
    data: BTreeMap<String, PathBuf>,
    calls: u64,
    publishing: JoinSet<()>,
    /// Attempts of a call that the session's end has cut off.
    left: Vec<Sitter>,
    /// Who it is among those that have devices.
    tenant: Tenant,
    /// Bytes of device memory that the core knows of.
    measured: u64,
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

    /// Says what the session takes of its devices' memory, when that has grown: what it has once
    /// taken it may take again. In steps, so that it is not said with every call.
    async fn measured(&mut self, opening: &Opening, vram: u64) {
        let vram = vram.div_ceil(limits::VRAM_STEP) * limits::VRAM_STEP;
        if vram > self.measured {
            self.measured = vram;
            self.shop.equipment.measured(self.tenant, vram);
            self.tell(Input::Measured(opening.session, vram)).await;
        }
    }

    /// Ends the host and all that it started, and then the attempts that it has left open: with
    /// what can be said now. Adds that to a ruin too.
    async fn end(mut self, ruin: Ruin) -> Ruin {
        while self.publishing.join_next().await.is_some() {}
        let words = match &ruin {
            Some(_) => self.host.output.last_words(&self.work.name).await,
            None => None,
        };
        let Life { host, left, terms, work, .. } = self;
        let status = host.end(ruin.is_none()).await;
        let mut failure = ruin?;
        if failure.code == SESSION_LOST {
            failure.message = format!("{}; {status}", failure.message);
        }
        failure.traceback = failure.traceback.or(words);
        for sitter in left {
            // A device's failure was told of the attempt that met it; the others only went with it.
            let why = match failure.kind {
                FailureKind::Lost => failure.clone(),
                _ => lost(&work.name, &format!("it ended in a call: {}", failure.message)),
            };
            sitter.end(Outcome::Failed(why), Usage::default(), &terms).await;
        }
        Some(failure)
    }

    fn failed(&self, code: &str, why: &str) -> Failure {
        if code == SESSION_LOST {
            return lost(&self.work.name, why);
        }
        Failure::new(FailureKind::Failed, code, format!("session {}: {why}", self.work.name))
    }

    fn lost(&self, why: &str) -> Failure {
        lost(&self.work.name, why)
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

fn lost(session: &str, why: &str) -> Failure {
    Failure::new(FailureKind::Lost, SESSION_LOST, format!("session {session}: {why}"))
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
