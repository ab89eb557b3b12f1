//! The submission link: answers in order, refusals that stop nothing, keys, bounds.

use futures::{SinkExt, StreamExt};
use gristmill_model::limits;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::world::{PATIENCE, World, stages};

struct Link(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Link {
    async fn open(world: &World) -> Link {
        let url = format!("ws://{}/v1/submissions", world.address());
        Link(connect_async(url).await.unwrap().0)
    }

    async fn say(&mut self, body: &Value) {
        self.0.send(Message::Text(body.to_string().into())).await.unwrap();
    }

    /// The next answer; nothing when the server has hung up.
    async fn hear(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.unwrap() {
                Some(Ok(Message::Text(text))) => {
                    return Some(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }
}

fn job(input: &str) -> Value {
    json!({ "stages": stages(), "input": input })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_submission_is_answered_in_order_without_waiting_in_between() {
    let world = World::start().await;
    let mut link = Link::open(&world).await;
    // More than may be underway at once: what is not read yet waits in the connection.
    let count = limits::SUBMISSIONS_UNDERWAY + 200;
    for n in 0..count {
        link.say(&job(&format!("input {n}"))).await;
    }
    for n in 1..=count {
        let answer = link.hear().await.unwrap();
        assert_eq!(answer, json!({ "job": format!("j{n}"), "batch": format!("b{n}") }));
    }
    let last = world.get(&format!("/v1/jobs/j{count}")).await.ok(200).json();
    assert_eq!(last["input"]["text"], format!("input {}", count - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_answered_in_its_turn_and_stops_nothing() {
    let world = World::start().await;
    let mut link = Link::open(&world).await;
    link.say(&job("good")).await;
    link.say(&json!({ "stages": stages(), "input": 1, "inptu": 2 })).await;
    link.say(&json!({ "pipeline": "nowhere", "input": 1 })).await;
    link.say(&job("good too")).await;
    assert_eq!(link.hear().await.unwrap()["job"], "j1");
    let misspelt = link.hear().await.unwrap();
    assert_eq!(misspelt["code"], "invalid_request");
    assert!(misspelt["detail"].as_str().unwrap().contains("inptu"), "{misspelt}");
    assert_eq!(link.hear().await.unwrap()["code"], "no_such_pipeline");
    assert_eq!(link.hear().await.unwrap()["job"], "j2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_with_a_key_is_not_made_twice() {
    let world = World::start().await;
    let keyed = json!({ "stages": stages(), "input": "x", "key": "monday" });
    let mut link = Link::open(&world).await;
    link.say(&keyed).await;
    assert_eq!(link.hear().await.unwrap(), json!({ "job": "j1", "batch": "b1" }));
    drop(link);
    let mut again = Link::open(&world).await;
    again.say(&keyed).await;
    let answer = again.hear().await.unwrap();
    assert_eq!((&answer["job"], &answer["known"]), (&json!("j1"), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_beyond_the_bound_ends_the_link_with_a_word() {
    let world = World::start().await;
    let mut link = Link::open(&world).await;
    link.say(&job("before")).await;
    link.say(&job(&"x".repeat(2 * limits::LINE_BYTES))).await;
    assert_eq!(link.hear().await.unwrap()["job"], "j1");
    let refused = link.hear().await.unwrap();
    assert_eq!(refused["code"], "invalid_request", "{refused}");
    assert_eq!(link.hear().await, None);
    let plain = world.get("/v1/submissions").await.ok(400);
    assert!(plain.detail().contains("WebSocket"), "{plain:?}");
}
