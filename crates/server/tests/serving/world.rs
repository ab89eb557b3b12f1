//! The server under test, and a client that knows its address.

use std::time::Duration;

use gristmill_model::limits::Timing;
use gristmill_server::{Config, Durability, Handle, Listen, Listener, Server, StartError};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::worker::Worker;

/// Nothing in these tests takes longer, on the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a folder of its own.
pub struct World {
    folder: TempDir,
    timing: Timing,
    keep_events: Option<u64>,
    server: Option<Server>,
    listener: Option<Listener>,
    pub http: reqwest::Client,
    pub token: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The code of a problem, which must be well formed.
    pub fn code(&self) -> String {
        let problem = self.json();
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json", "{problem}");
        assert_eq!(problem["status"], self.status, "{problem}");
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("/problems/{code}"));
        for field in ["title", "detail", "advice"] {
            assert!(!problem[field].as_str().unwrap().is_empty(), "{problem}");
        }
        code.to_owned()
    }

    pub fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap().to_owned()
    }

    /// Asserts the status.
    pub fn ok(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl World {
    pub async fn start() -> World {
        World::with(Timing::default(), false).await
    }

    /// With a log that keeps so many events one by one.
    pub async fn keeping(events: u64) -> World {
        World::made(Timing::default(), false, Some(events)).await
    }

    pub async fn with(timing: Timing, guarded: bool) -> World {
        World::made(timing, guarded, None).await
    }

    /// On a data folder that is there.
    pub fn on(folder: TempDir, timing: Timing) -> World {
        World::in_folder(folder, timing, false, None)
    }

    async fn made(timing: Timing, guarded: bool, keep_events: Option<u64>) -> World {
        World::in_folder(TempDir::new().unwrap(), timing, guarded, keep_events)
    }

    fn in_folder(
        folder: TempDir,
        timing: Timing,
        guarded: bool,
        keep_events: Option<u64>,
    ) -> World {
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        let mut world =
            World { folder, timing, keep_events, server: None, listener: None, http, token: None };
        world.open(guarded);
        world
    }

    pub fn config(&self) -> Config {
        Config {
            data: self.folder.path().to_owned(),
            durability: Durability::Normal,
            timing: self.timing,
            keep_events: self.keep_events,
        }
    }

    fn open(&mut self, guarded: bool) {
        let mut server = Server::open(self.config()).unwrap();
        let bind = "127.0.0.1:0".parse().unwrap();
        let listener = server.listen(Listen { bind, require_token: guarded }).unwrap();
        if let Some(token) = listener.new_token() {
            self.token = Some(token.to_owned());
        }
        self.server = Some(server);
        self.listener = Some(listener);
    }

    /// Stops the server, and starts it again on the same folder and another port.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.open(false);
    }

    /// The data folder.
    pub fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Starts again after a stop.
    pub fn open_again(&mut self) {
        self.open(false);
    }

    pub async fn stop(&mut self) {
        self.listener.take().unwrap().close().await;
        self.server.take().unwrap().close();
    }

    /// Another port of the same server.
    pub fn listen_too(&mut self, listen: Listen) -> Result<Listener, StartError> {
        self.server.as_mut().unwrap().listen(listen)
    }

    pub fn handle(&self) -> Handle {
        self.server.as_ref().unwrap().handle()
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.listener.as_ref().unwrap().address()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("http://{}{path}", self.address()));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn post_lines(&self, path: &str, lines: String) -> Answer {
        let request = self.request(Method::POST, path);
        self.send(request.header(CONTENT_TYPE, "application/x-ndjson").body(lines)).await
    }

    /// Asks again until what is answered is as it should be.
    pub async fn until(&self, path: &str, holds: impl Fn(&str) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).await;
            if answer.status == 200 && holds(&answer.text) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "waited too long: {answer:?}");
            tokio::task::yield_now().await;
        }
    }

    pub async fn worker(&self) -> Worker {
        Worker::connect(self, 1, vec![]).await
    }
}

/// A pipeline of one stage that runs a program.
pub fn stages() -> Value {
    json!([{ "name": "only", "handler": { "command": { "argv": ["true"] } } }])
}

/// A batch of jobs with these inputs.
pub fn batch(inputs: &[&str]) -> Value {
    let jobs: Vec<Value> = inputs.iter().map(|input| json!({ "input": input })).collect();
    json!({ "stages": stages(), "jobs": jobs })
}
