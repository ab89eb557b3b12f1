//! Bytes up and down.

use reqwest::Method;

use crate::world::World;

fn digest(bytes: &[u8]) -> String {
    format!("b3-{}", blake3::hash(bytes).to_hex())
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_come_back_as_they_went() {
    let world = World::start().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let path = format!("/v1/blobs/{}", digest(&bytes));
    let head = world.send(world.request(Method::HEAD, &path)).await;
    assert_eq!(head.status, 404);
    let put = world.send(world.request(Method::PUT, &path).body(bytes.clone())).await.ok(200);
    assert_eq!(put.json()["size"], bytes.len());
    let head = world.send(world.request(Method::HEAD, &path)).await.ok(200);
    assert_eq!(head.headers["content-length"], bytes.len().to_string());
    let back = world.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(back.headers()["x-content-type-options"], "nosniff");
    assert_eq!(back.bytes().await.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_names_small_ones() {
    let world = World::start().await;
    let made = world.send(world.request(Method::POST, "/v1/blobs").body("abc")).await.ok(201);
    assert_eq!(made.json()["digest"], digest(b"abc"));
    let path = made.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(world.get(&path).await.ok(200).text, "abc");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_it_says_is_refused_and_not_kept() {
    let world = World::start().await;
    let path = format!("/v1/blobs/{}", digest(b"other"));
    let refused = world.send(world.request(Method::PUT, &path).body("abc")).await.ok(422);
    assert_eq!(refused.code(), "digest_mismatch");
    assert_eq!(world.get(&path).await.ok(404).code(), "no_such_blob");
    let name = world.get("/v1/blobs/abc").await.ok(400);
    assert!(name.detail().contains("not a blob digest"), "{name:?}");
}
