//! Blobs over HTTP, against a server small enough to read here: it answers one request a
//! connection, and hangs up on the first ones to see whether anybody comes back.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use gristmill_model::digest::Digest;
use gristmill_worker::{BlobError, Blobs, HttpBlobs};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct Store {
    blobs: Mutex<HashMap<String, Vec<u8>>>,
    hang_ups: AtomicU32,
    puts: AtomicU32,
}

async fn serve(store: Arc<Store>) -> HttpBlobs {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let left = store.hang_ups.load(Ordering::SeqCst);
            if left > 0 {
                store.hang_ups.store(left - 1, Ordering::SeqCst);
            } else {
                answer(stream, &store).await;
            }
        }
    });
    HttpBlobs::new(&format!("http://{address}/"), Some("secret".into())).unwrap()
}

async fn answer(stream: TcpStream, store: &Store) {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push(line);
    }
    assert!(head.iter().any(|line| line.trim() == "authorization: Bearer secret"), "{head:?}");
    let mut words = head[0].split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap().to_owned());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let found = store.blobs.lock().unwrap().get(&path).cloned();
    let (status, body) = match (method, found) {
        ("PUT", _) => {
            store.puts.fetch_add(1, Ordering::SeqCst);
            store.blobs.lock().unwrap().insert(path, body);
            ("201 Created", Vec::new())
        }
        (_, None) => ("404 Not Found", Vec::new()),
        ("HEAD", Some(_)) => ("200 OK", Vec::new()),
        (_, Some(bytes)) => ("200 OK", bytes),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
}

#[tokio::test]
async fn bytes_go_there_once_and_come_back() {
    let store = Arc::new(Store::default());
    let blobs = serve(Arc::clone(&store)).await;
    let home = tempfile::tempdir().unwrap();
    let (source, copy) = (home.path().join("source"), home.path().join("copy"));
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    fs::write(&source, &bytes).unwrap();
    let stored = blobs.store(&source).await.unwrap();
    assert_eq!((stored.size, stored.digest.0), (1_000_000, *blake3::hash(&bytes).as_bytes()));
    assert_eq!(blobs.store(&source).await.unwrap(), stored);
    assert_eq!(store.puts.load(Ordering::SeqCst), 1, "what is there is not sent again");
    blobs.fetch(&stored.digest, &copy).await.unwrap();
    assert_eq!(fs::read(&copy).unwrap(), bytes);
}

#[tokio::test]
async fn a_server_that_hangs_up_is_asked_again() {
    let store = Arc::new(Store::default());
    let blobs = serve(Arc::clone(&store)).await;
    let home = tempfile::tempdir().unwrap();
    let source = home.path().join("source");
    fs::write(&source, "grist").unwrap();
    store.hang_ups.store(3, Ordering::SeqCst);
    blobs.store(&source).await.unwrap();
    assert_eq!(store.puts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_missing_or_damaged_is_told_apart() {
    let store = Arc::new(Store::default());
    let blobs = serve(Arc::clone(&store)).await;
    let home = tempfile::tempdir().unwrap();
    let (digest, copy) = (Digest([9; 32]), home.path().join("copy"));
    let error = blobs.fetch(&digest, &copy).await.unwrap_err();
    assert!(matches!(error, BlobError::Missing(_)), "{error}");
    store.blobs.lock().unwrap().insert(format!("/v1/blobs/{digest}"), b"chaff".to_vec());
    let error = blobs.fetch(&digest, &copy).await.unwrap_err();
    assert!(matches!(error, BlobError::Damaged { .. }), "{error}");
}
