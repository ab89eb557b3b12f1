//! Who may ask.

use gristmill_model::limits::Timing;
use gristmill_model::problem::exit;
use gristmill_server::{Listen, Server, StartError};
use reqwest::Method;
use serde_json::json;

use crate::worker::open;
use crate::world::{World, batch};

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_server_asks_for_its_token_everywhere_but_at_its_pulse() {
    let mut world = World::with(Timing::default(), true).await;
    let token = world.token.take().unwrap();
    assert!(token.starts_with("gm_"));
    let bare = world.get("/v1/jobs").await.ok(401);
    assert_eq!(bare.code(), "unauthorized");
    assert_eq!(bare.headers["www-authenticate"], "Bearer");
    assert!(!bare.text.contains(&token));
    for path in ["/", "/v1/openapi.json", "/v1/nowhere", "/problems/internal"] {
        assert_eq!(world.get(path).await.ok(401).code(), "unauthorized", "{path}");
    }
    world.get("/healthz").await.ok(200);
    for wrong in ["", "Bearer", "Bearer gm_0", "Basic Zm9v", &format!("Bearer {token}0")] {
        let request = world.request(Method::GET, "/v1/jobs").header("Authorization", wrong);
        assert_eq!(world.send(request).await.ok(401).code(), "unauthorized", "{wrong}");
    }
    match open(&world).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
            assert_eq!(answer.status(), 401);
        }
        other => panic!("{:?}", other.map(drop)),
    }
    world.token = Some(token);
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    assert_eq!(world.get("/v1/batches/b1").await.ok(200).json()["actor"], "token");
    world.worker().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_and_kept_over_a_restart() {
    let mut world = World::with(Timing::default(), true).await;
    let bind = "127.0.0.1:0".parse().unwrap();
    let second = world.listen_too(Listen { bind, require_token: true }).unwrap();
    assert_eq!(second.new_token(), None, "it was shown before");
    let url = format!("http://{}/v1/jobs", second.address());
    let request = world.http.get(url).bearer_auth(world.token.as_ref().unwrap());
    assert_eq!(request.send().await.unwrap().status(), 200);
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_cannot_ask_a_server_on_this_machine() {
    let world = World::start().await;
    let submit = |name: &'static str, value: String| {
        let request = world.request(Method::POST, "/v1/batches").json(&batch(&["a"]));
        world.send(request.header(name, value))
    };
    let port = world.address().port();
    let rebound = submit("Host", format!("evil.example:{port}")).await.ok(403);
    assert_eq!(rebound.code(), "forbidden");
    for origin in ["http://evil.example".to_owned(), "null".into(), format!("http://[::1]:{port}")]
    {
        assert_eq!(submit("Origin", origin).await.ok(403).code(), "forbidden");
    }
    submit("Host", format!("localhost:{port}")).await.ok(202);
    submit("Origin", format!("http://127.0.0.1:{port}")).await.ok(202);
    assert_eq!(world.get("/v1/batches/b1").await.json()["actor"], "local");
    assert_eq!(world.get("/v1/batches").await.json()["items"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_and_a_folder_in_use_are_named() {
    let mut world = World::start().await;
    let bind = world.address();
    let Err(error) = world.listen_too(Listen { bind, require_token: false }) else { panic!() };
    assert!(matches!(error, StartError::AddressInUse { .. }), "{error}");
    assert_eq!(error.exit(), exit::ADDRESS_IN_USE);
    let said = error.to_string();
    assert!(said.contains(&bind.to_string()) && said.contains("--bind"), "{said}");
    let Err(error) = Server::open(world.config()) else { panic!() };
    assert_eq!(error.exit(), exit::DATA_FOLDER);
    assert!(error.to_string().contains(&format!("http://{bind}")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_requests_are_answered_when_the_server_stops() {
    let mut world = World::start().await;
    world.post("/v1/batches", batch(&["a"])).await.ok(202);
    let request = world.request(Method::GET, "/v1/batches/b1?wait=60s");
    let asked = tokio::spawn(async move { request.send().await.unwrap().text().await });
    // It is being served as soon as a later request has been.
    world.get("/healthz").await.ok(200);
    world.stop().await;
    // Either it was heard and is answered, or the port was closed before it was.
    if let Ok(Ok(text)) = asked.await {
        let batch: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(batch["counts"], json!({ "queued": 1 }));
    }
}
