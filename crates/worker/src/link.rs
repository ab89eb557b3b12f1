//! The link to the server, seen from the worker: connections that come up, speak and go down.
//!
//! Every connection brings its own sender. Whoever holds it cannot speak into a later connection
//! by mistake, so nothing that was said too late can be taken for news.

mod backoff;
mod frame;
mod websocket;

use gristmill_model::limits;
use gristmill_model::wire::{FromWorker, ToWorker};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use websocket::{Address, BadAddress};

/// What happens on the link.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// A connection stands; frames for it go here.
    Up(mpsc::Sender<FromWorker>),
    /// The server spoke.
    Frame(ToWorker),
    /// The connection broke; another one is being tried.
    Down,
    /// There will be no other connection.
    Closed(Closed),
}

/// Why the link has ended for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The server in this process is gone.
    Gone,
    /// The server wants to see a token, or another one.
    Unauthorized,
}

/// One of the two ways to a server.
pub(crate) enum Link {
    /// A server in this process.
    InProcess {
        /// Taken with the first event.
        sender: Option<mpsc::Sender<FromWorker>>,
        /// What the server says.
        receiver: mpsc::Receiver<ToWorker>,
    },
    /// A server behind a socket; a task keeps the connection.
    WebSocket {
        /// What happens there.
        events: mpsc::Receiver<LinkEvent>,
        /// The task; it ends with the receiver.
        keeper: JoinHandle<()>,
    },
}

impl Link {
    /// Joins a server of this process.
    pub(crate) fn in_process(
        sender: mpsc::Sender<FromWorker>,
        receiver: mpsc::Receiver<ToWorker>,
    ) -> Link {
        Link::InProcess { sender: Some(sender), receiver }
    }

    /// Begins to connect to a server, for as long as the link lives.
    pub(crate) fn connect(address: Address) -> Link {
        let (sender, events) = mpsc::channel(limits::FRAMES_PER_WORKER);
        let keeper = tokio::spawn(websocket::keep(address, sender));
        Link::WebSocket { events, keeper }
    }

    /// The next thing that happens. Safe to drop half-way: nothing is lost.
    pub(crate) async fn next(&mut self) -> LinkEvent {
        match self {
            Link::InProcess { sender, receiver } => {
                if let Some(sender) = sender.take() {
                    return LinkEvent::Up(sender);
                }
                match receiver.recv().await {
                    Some(frame) => LinkEvent::Frame(frame),
                    None => LinkEvent::Closed(Closed::Gone),
                }
            }
            Link::WebSocket { events, .. } => {
                events.recv().await.unwrap_or(LinkEvent::Closed(Closed::Gone))
            }
        }
    }

    /// Waits until the last frames are written. The caller has dropped the connection's sender.
    pub(crate) async fn close(self) {
        let Link::WebSocket { events, mut keeper } = self else { return };
        drop(events);
        let wait = limits::LAST_WORDS.to_std();
        if tokio::time::timeout(wait, &mut keeper).await.is_err() {
            keeper.abort();
        }
    }
}
