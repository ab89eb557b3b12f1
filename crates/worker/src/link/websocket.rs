//! The connection to a server as a WebSocket at `/v1/link`: kept up for ever, with pauses that
//! grow while nobody answers, and one line in the log for each change of state.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use gristmill_model::limits;
use gristmill_model::wire::FromWorker;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

use super::backoff::Backoff;
use super::frame::{self, FrameError};
use super::{Closed, LinkEvent};

/// Where a server's link is, and what opens it.
#[derive(Debug, Clone)]
pub struct Address {
    request: Request<()>,
    host: String,
    port: u16,
}

/// Why a server's address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a server's address: {why}; expected one like http://127.0.0.1:7077")]
pub struct BadAddress {
    given: String,
    why: String,
}

/// Why a connection did not come up, or broke.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("no connection to {0}: {1}")]
    Connect(String, io::Error),
    #[error("no answer from {0} within {limit}", limit = limits::CONNECT)]
    TimedOut(String),
    #[error("the server wants another token")]
    Unauthorized,
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the server closed the connection")]
    ClosedByServer,
}

impl Address {
    /// Reads a server's URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(server: &str, token: Option<&str>) -> Result<Address, BadAddress> {
        let bad = |why: &str| BadAddress { given: server.into(), why: why.into() };
        let rest = match server.split_once("://") {
            Some(("http", rest)) => rest.trim_end_matches('/'),
            Some(("https", _)) => {
                return Err(bad("https is not spoken here, use a tunnel or proxy"));
            }
            _ => return Err(bad("it does not begin with http://")),
        };
        let link = format!("ws://{rest}/v1/link");
        let mut request = link.into_client_request().map_err(|error| bad(&error.to_string()))?;
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| bad("the token holds characters that no header can carry"))?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let uri = request.uri();
        let host = uri.host().ok_or_else(|| bad("it names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(80);
        Ok(Address { request, host, port })
    }

    fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Connects, speaks, and connects again, until nobody listens to `events` any more.
pub(super) async fn keep(address: Address, events: mpsc::Sender<LinkEvent>) {
    let mut backoff = Backoff::default();
    let mut silent = false;
    loop {
        match connect(&address).await {
            Ok(socket) => {
                backoff.reset();
                silent = false;
                tracing::info!(server = address.name(), "connected");
                match converse(socket, &events).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(server = address.name(), %error, "connection lost")
                    }
                }
                if events.send(LinkEvent::Down).await.is_err() {
                    return;
                }
            }
            Err(LinkError::Unauthorized) => {
                // Nobody is left to tell where this fails.
                let _ = events.send(LinkEvent::Closed(Closed::Unauthorized)).await;
                return;
            }
            Err(error) if !silent => {
                silent = true;
                tracing::warn!(%error, "trying again until the server is there");
            }
            Err(_) => {}
        }
        let pause = backoff.next(getrandom::u64().unwrap_or(0));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = events.closed() => return,
        }
    }
}

async fn connect(address: &Address) -> Result<WebSocketStream<TcpStream>, LinkError> {
    let shake = async {
        let stream = TcpStream::connect((address.host.as_str(), address.port))
            .await
            .and_then(tuned)
            .map_err(|error| LinkError::Connect(address.name(), error))?;
        let request = address.request.clone();
        match tokio_tungstenite::client_async_with_config(request, stream, Some(bounds())).await {
            Ok((socket, _)) => Ok(socket),
            Err(WebSocketError::Http(response))
                if matches!(
                    response.status(),
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
                ) =>
            {
                Err(LinkError::Unauthorized)
            }
            Err(error) => Err(error.into()),
        }
    };
    timeout(limits::CONNECT.to_std(), shake)
        .await
        .unwrap_or_else(|_| Err(LinkError::TimedOut(address.name())))
}

fn bounds() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(limits::LINK_READ_BYTES)
        .max_message_size(Some(limits::FRAME_BYTES))
        .max_frame_size(Some(limits::FRAME_BYTES))
}

/// No waiting for more to send, and no waiting for ever for a machine that is gone: what was sent
/// (a heartbeat at least) must be acknowledged in time.
fn tuned(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let patience = u32::try_from(limits::UNACKNOWLEDGED.to_std().as_millis()).unwrap_or(u32::MAX);
    // SAFETY: the descriptor is open for as long as `stream` lives, and the option's value is a
    // `u32` whose address and length are passed.
    let done = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_USER_TIMEOUT,
            (&raw const patience).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(stream) } else { Err(io::Error::last_os_error()) }
}

/// Speaks over one connection; `Ok` when the worker wants no more of it.
async fn converse(
    socket: WebSocketStream<TcpStream>,
    events: &mpsc::Sender<LinkEvent>,
) -> Result<(), LinkError> {
    let (sender, frames) = mpsc::channel(limits::FRAMES_PER_WORKER);
    if events.send(LinkEvent::Up(sender)).await.is_err() {
        return Ok(());
    }
    let (sink, stream) = socket.split();
    // Reading and writing do not wait for each other, or two full buffers could block both sides.
    tokio::select! {
        ended = write(sink, frames) => ended,
        broken = read(stream, events) => broken,
    }
}

async fn read(
    mut stream: SplitStream<WebSocketStream<TcpStream>>,
    events: &mpsc::Sender<LinkEvent>,
) -> Result<(), LinkError> {
    while let Some(message) = stream.next().await {
        let frame = match message? {
            Message::Binary(bytes) => frame::decode(&bytes)?,
            Message::Close(_) => break,
            // Pings are answered by the library.
            _ => continue,
        };
        if events.send(LinkEvent::Frame(frame)).await.is_err() {
            // The worker leaves: nothing more is read, the writer ends the conversation.
            std::future::pending::<()>().await;
        }
    }
    Err(LinkError::ClosedByServer)
}

/// Writes what is there, in one go where several frames wait.
async fn write(
    mut sink: SplitSink<WebSocketStream<TcpStream>, Message>,
    mut frames: mpsc::Receiver<FromWorker>,
) -> Result<(), LinkError> {
    let mut waiting = Vec::with_capacity(FRAMES_PER_WRITE);
    while frames.recv_many(&mut waiting, FRAMES_PER_WRITE).await > 0 {
        for frame in waiting.drain(..) {
            sink.feed(Message::Binary(frame::encode(&frame)?.into())).await?;
        }
        sink.flush().await?;
    }
    // Every frame is written; how the server takes the farewell changes nothing.
    let _ = timeout(Duration::from_secs(1), sink.close()).await;
    Ok(())
}

/// Frames gathered into one write.
const FRAMES_PER_WRITE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_wrong_ones_explained() {
        let address = Address::parse("http://[::1]:7077/", Some("secret")).unwrap();
        assert_eq!((address.host.as_str(), address.port), ("::1", 7077));
        assert_eq!(address.request.uri().path(), "/v1/link");
        assert_eq!(address.request.headers()[header::AUTHORIZATION], "Bearer secret");
        for (given, why) in [
            ("127.0.0.1:7077", "begin with http://"),
            ("https://mill", "https is not spoken"),
            ("http://", "not a server's address"),
        ] {
            let error = Address::parse(given, None).unwrap_err().to_string();
            assert!(error.contains(why), "{given}: {error}");
        }
        assert!(Address::parse("http://mill", Some("a\nb")).is_err());
    }
}
