//! Callbacks: whoever asked for it hears of a batch's end, after failures and restarts too.

use std::collections::VecDeque;

use gristmill_model::BatchId;
use gristmill_model::access::Actor;
use gristmill_model::command::{Command, PipelineRef, Reply, Submission};
use gristmill_model::job::JobSpec;
use gristmill_model::payload::Payload;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::terms::Terms;
use gristmill_server::feed::Topic;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::world::{PATIENCE, World};

/// A call that was heard.
pub struct Call {
    head: String,
    pub body: Value,
}

impl Call {
    fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find(|line| line.to_lowercase().starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}: {}", self.head)).split_once(": ").unwrap().1
    }
}

/// A server that answers with these words in turn; with nothing it leaves the caller waiting.
pub struct Hook {
    pub url: String,
    calls: mpsc::Receiver<Call>,
}

impl Hook {
    pub async fn start(answers: &[&'static str]) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let mut answers: VecDeque<_> = answers.iter().copied().collect();
        let (heard, calls) = mpsc::channel(8);
        tokio::spawn(async move {
            let mut waiting = Vec::new();
            while let Some(answer) = answers.pop_front() {
                let (mut socket, _) = listener.accept().await.unwrap();
                let call = read(&mut socket).await;
                if answer.is_empty() {
                    waiting.push(socket);
                } else {
                    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
                heard.send(call).await.unwrap();
            }
        });
        Hook { url, calls }
    }

    pub async fn call(&mut self) -> Call {
        timeout(PATIENCE, self.calls.recv()).await.expect("a call in time").unwrap()
    }
}

async fn read(socket: &mut TcpStream) -> Call {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).await.unwrap();
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return Call { head: head.to_owned(), body };
        }
        assert!(count > 0, "a whole call");
    }
}

async fn submit(world: &World, callback: &str) -> Result<BatchId, Rejection> {
    let command = CommandSpec { argv: vec!["true".into()], shell: false, env: Default::default() };
    let stages = vec![StageSpec::new("only", Handler::Command(command))];
    let spec = PipelineSpec { name: "called".into(), stages };
    let submission = Submission {
        name: Some("harvest".into()),
        terms: Terms { callback: Some(callback.into()), ..Terms::default() },
        ..Submission::new(PipelineRef::Inline(spec), vec![JobSpec::of(Payload::empty()); 2])
    };
    match world.handle().request(Actor::LOCAL, Command::Submit(Box::new(submission))).await? {
        Reply::Batch(submitted) => Ok(submitted.batch),
        other => panic!("{other:?}"),
    }
}

/// What came of the call, once that is known.
async fn settled(world: &World, batch: BatchId) -> (bool, String) {
    let mut events = world.handle().feed().subscribe(Topic::batch(batch), Some(0));
    loop {
        let event = timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
        if event.event == "callback_settled" {
            break;
        }
    }
    let shown = world.handle().read().ask(move |tables| tables.batch(batch)).await.unwrap();
    let called = shown.unwrap().called.unwrap();
    (called.delivered, called.detail)
}

#[tokio::test]
async fn a_call_that_fails_is_made_again_under_the_same_id() {
    let world = World::start().await;
    let mut hook = Hook::start(&["503 Busy", "204 No Content"]).await;
    let batch = submit(&world, &hook.url).await.unwrap();
    world.worker().await.work_off(2).await;
    let (first, second) = (hook.call().await, hook.call().await);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert!(first.header("webhook-timestamp").parse::<u64>().unwrap() > 1_700_000_000);
    assert!(first.head.starts_with("POST /hook HTTP/1.1"), "{}", first.head);
    assert_eq!(first.body, second.body);
    assert_eq!(first.body["type"], "batch.finished");
    let data = &first.body["data"];
    assert_eq!((&data["batch"], &data["name"]), (&batch.to_string().into(), &"harvest".into()));
    assert_eq!((&data["counts"]["succeeded"], &data["finished"]), (&2.into(), &true.into()));
    assert_eq!(data["link"], format!("/v1/batches/{batch}"));
    let (delivered, detail) = settled(&world, batch).await;
    assert!(delivered && detail.starts_with("answered 204"), "{detail}");
}

#[tokio::test]
async fn a_call_that_a_restart_cut_off_is_made_by_the_next_server() {
    let mut world = World::start().await;
    let mut hook = Hook::start(&["", "200 OK"]).await;
    let batch = submit(&world, &hook.url).await.unwrap();
    world.worker().await.work_off(2).await;
    let first = hook.call().await;
    world.restart().await;
    let second = hook.call().await;
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert!(settled(&world, batch).await.0);
}

#[tokio::test]
async fn nobody_is_called_elsewhere() {
    let world = World::start().await;
    let mut elsewhere = Hook::start(&["200 OK"]).await;
    let to: &'static str = format!("302 Found\r\nlocation: {}", elsewhere.url).leak();
    let mut hook = Hook::start(&[to]).await;
    let batch = submit(&world, &hook.url).await.unwrap();
    world.worker().await.work_off(2).await;
    hook.call().await;
    let (delivered, detail) = settled(&world, batch).await;
    assert!(!delivered && detail.starts_with("answered 302"), "{detail}");
    assert!(elsewhere.calls.try_recv().is_err());
}

#[tokio::test]
async fn what_needs_tls_is_refused() {
    let world = World::start().await;
    let refused = submit(&world, "https://127.0.0.1/").await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidRequest);
    assert!(refused.detail.contains("http URLs only"), "{refused}");
}
