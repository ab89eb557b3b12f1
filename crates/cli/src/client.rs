//! A server's HTTP API as the commands use it. One method a route; what came back is checked once,
//! here, and every failure becomes a sentence with a way out.

mod answer;
mod batches;
mod blobs;
mod events;
mod fleet;
mod jobs;
mod pipelines;
mod steer;

use std::time::Duration;

use gristmill_model::api::{Health, Page, Worker};
use gristmill_model::limits;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use blobs::digest_of;
pub use events::Events;

use crate::error::{Error, Result};

/// A server that does not take a connection within this time is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// Silence beyond the longest wait that the server was asked for.
const SILENCE: Duration = limits::WAIT.to_std().saturating_add(Duration::from_secs(15));

/// A connection that nobody speaks over is asked this often whether it stands.
const ALIVE: Duration = Duration::from_secs(20);

/// A server, by its URL.
#[derive(Clone)]
pub struct Client {
    base: Url,
    token: Option<String>,
    http: reqwest::Client,
    /// For answers that may be silent for as long as they like.
    patient: reqwest::Client,
}

impl Client {
    pub fn new(server: &str, token: Option<&str>) -> Result<Client> {
        let base = parse(server)?;
        let build = |builder: reqwest::ClientBuilder| {
            let built = builder.connect_timeout(CONNECT).tcp_nodelay(true).no_proxy();
            let built = built.user_agent(concat!("gristmill/", env!("CARGO_PKG_VERSION"))).build();
            built.map_err(|error| Error::internal(format!("cannot make an HTTP client: {error}")))
        };
        let http = build(reqwest::Client::builder().read_timeout(SILENCE))?;
        let patient = build(reqwest::Client::builder().tcp_keepalive(ALIVE))?;
        Ok(Client { base, token: token.map(str::to_owned), http, patient })
    }

    /// The server as it was named, without a slash at the end.
    pub fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether the server runs on this machine, so that both sides see the same disk.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.base)
    }

    pub async fn health(&self) -> Result<Health> {
        self.get("healthz").await
    }

    pub async fn workers(&self, gone_too: bool, limit: usize) -> Result<Vec<Worker>> {
        let query = [("gone", gone_too.to_string())];
        self.pages("v1/workers", &query, limit, |worker: &Worker| worker.id.to_string()).await
    }

    /// Reads pages of a listing until `limit` rows are there or no more come.
    async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        given: &[(&'static str, String)],
        limit: usize,
        id: impl Fn(&T) -> String,
    ) -> Result<Vec<T>> {
        let mut rows: Vec<T> = Vec::new();
        while rows.len() < limit {
            let mut query = given.to_vec();
            query.push(("limit", (limit - rows.len()).min(limits::PAGE).to_string()));
            if let Some(last) = rows.last() {
                query.push(("after", id(last)));
            }
            let page: Page<T> = self.get_with(path, &query).await?;
            let more = page.has_more && !page.items.is_empty();
            rows.extend(page.items);
            if !more {
                break;
            }
        }
        Ok(rows)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.read(self.request(Method::GET, path)).await
    }

    async fn get_with<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T> {
        self.get(&with_query(path, query)).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.read(self.request(Method::POST, path).json(body)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_over(&self.http, method, path)
    }

    fn request_over(&self, http: &reqwest::Client, method: Method, path: &str) -> RequestBuilder {
        let request = http.request(method, format!("{}/{path}", self.server()));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        answer::check(answer).await
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let answer = self.send(request).await?;
        let url = answer.url().clone();
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::internal(format!("{url} did not answer as expected: {error}")))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        answer::unreachable(self.server(), error)
    }
}

/// A path with a query, its values escaped.
fn with_query(path: &str, query: &[(&str, String)]) -> String {
    let mut url = Url::parse("http://x/").expect("a constant that is a URL");
    url.query_pairs_mut().extend_pairs(query);
    format!("{path}?{}", url.query().unwrap_or_default())
}

fn parse(server: &str) -> Result<Url> {
    let refuse = |why: &str| {
        Error::usage(format!("`{server}` is not a server's URL: {why}"))
            .hint("write it like http://127.0.0.1:7077")
    };
    let url = Url::parse(server).map_err(|error| refuse(&error.to_string()))?;
    match url.scheme() {
        "http" if url.host_str().is_some() => Ok(url),
        "https" => Err(refuse("https is not spoken yet")
            .hint("reach the server over a trusted network or a tunnel, with http://")),
        _ => Err(refuse("expected http://HOST:PORT")),
    }
}

/// Whether a URL's host is this machine by way of its loopback interface.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_url_is_judged_before_it_is_used() {
        assert!(Client::new("http://127.0.0.1:7077/", None).unwrap().is_loopback());
        assert!(Client::new("http://[::1]:7077", None).unwrap().is_loopback());
        assert!(!Client::new("http://mill.lan:7077", None).unwrap().is_loopback());
        for bad in ["127.0.0.1:7077", "mill", "https://mill", "ftp://mill"] {
            let error = Client::new(bad, None).err().unwrap();
            assert!(error.message.contains(bad), "{error}");
            assert!(error.hint.unwrap().contains("http://"));
        }
    }
}
