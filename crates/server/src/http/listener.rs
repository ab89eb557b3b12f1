//! The port: takes connections in, a bounded number at once, and lets the open requests end when it
//! closes.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use gristmill_model::limits;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Api;
use super::auth::Guard;
use crate::handle::Handle;
use crate::start_error::StartError;
use crate::token::TokenHash;

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// The address; port 0 takes any free one.
    pub bind: SocketAddr,
    /// Ask for the token on the loopback interface too: behind a proxy everybody comes from there.
    pub require_token: bool,
}

impl Listen {
    /// Whether whoever asks must show the token.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        self.require_token || !self.bind.ip().is_loopback()
    }
}

/// An open port; it closes when this is dropped.
pub struct Listener {
    address: SocketAddr,
    token: Option<String>,
    stopping: CancellationToken,
    accepting: JoinHandle<()>,
}

impl Listener {
    pub(crate) fn start(
        socket: std::net::TcpListener,
        asked: SocketAddr,
        hash: Option<TokenHash>,
        token: Option<String>,
        handle: Handle,
    ) -> Result<Listener, StartError> {
        let unusable = |source| StartError::of_address(asked, source);
        socket.set_nonblocking(true).map_err(unusable)?;
        let address = socket.local_addr().map_err(unusable)?;
        let socket = TcpListener::from_std(socket).map_err(unusable)?;
        let stopping = CancellationToken::new();
        let guard = Guard { bound: address, token: hash };
        let router = super::router(Api::new(handle, guard, stopping.clone()));
        let accepting = tokio::spawn(accept(socket, router, stopping.clone()));
        Ok(Listener { address, token, stopping, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The token, where it has just been made: it is not seen again.
    #[must_use]
    pub fn new_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Takes no more connections, and returns when the open requests have ended, or after
    /// `limits::SHUTDOWN`.
    pub async fn close(mut self) {
        self.stopping.cancel();
        let patience = limits::SHUTDOWN.to_std();
        if tokio::time::timeout(patience, &mut self.accepting).await.is_err() {
            tracing::warn!("requests that did not end in time are cut off");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

async fn accept(socket: TcpListener, router: Router, stopping: CancellationToken) {
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = next(&socket, &places) => accepted,
        };
        let (stream, place) = accepted;
        let serving = serve(stream, router.clone(), stopping.clone());
        connections.spawn(async move {
            serving.await;
            drop(place);
        });
    }
    // The port is free again at once; what is open may end.
    drop(socket);
    connections.close();
    connections.wait().await;
}

/// The next connection, once there is a place for it.
async fn next(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<tokio::sync::OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match socket.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                // Out of file descriptors, most likely: some come free when others are done.
                tracing::warn!(%error, "a connection cannot be taken in");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, router: Router, stopping: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_WAIT.to_std())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
}
