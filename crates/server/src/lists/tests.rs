//! Lists by what is asked of them: counts, single lines, and what a bad list is told.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use futures::stream;
use tempfile::TempDir;

use super::*;

struct Store {
    folder: TempDir,
    lists: Lists,
}

impl Store {
    fn new() -> Store {
        let folder = TempDir::new().unwrap();
        let lists = Lists::new(Blobs::local(folder.path()).unwrap());
        Store { folder, lists }
    }

    async fn put(&self, text: &[u8]) -> Digest {
        let digest = Digest(*blake3::hash(text).as_bytes());
        let bytes = stream::iter([Ok(Bytes::copy_from_slice(text))]);
        self.lists.blobs.put(digest, bytes).await.unwrap();
        digest
    }

    fn path(&self, list: Digest) -> PathBuf {
        let text = list.to_string();
        self.folder.path().join(&text[3..5]).join(&text[5..])
    }

    async fn line(&self, list: Digest, index: u64) -> Result<String, Rejection> {
        self.lists.line(Line { list, index }).await
    }
}

#[tokio::test]
async fn lines_are_counted_and_found_however_they_end() {
    let store = Store::new();
    let list = store.put("wheat\nrye\r\n\nr\u{f6}ggen\nlast".as_bytes()).await;
    assert_eq!(store.lists.count(list).await, Ok(5));
    for (index, expected) in ["wheat", "rye", "", "r\u{f6}ggen", "last"].into_iter().enumerate() {
        assert_eq!(store.line(list, index as u64).await.as_deref(), Ok(expected));
    }
    let beyond = store.line(list, 5).await.unwrap_err();
    assert!(beyond.detail.contains("has 5 lines"), "{beyond}");
    let empty = store.put(b"").await;
    assert_eq!(store.lists.count(empty).await, Ok(0));
}

#[tokio::test]
async fn a_long_list_is_found_in_parts_within_the_bounds() {
    let store = Store::new();
    let count = 3 * limits::LIST_PART_LINES + 17;
    let text: String = (0..count).map(|n| format!("line {n}\n")).collect();
    let list = store.put(text.as_bytes()).await;
    assert_eq!(store.lists.count(list).await, Ok(count));
    for index in [0, count - 1, limits::LIST_PART_LINES, 1, limits::LIST_PART_LINES - 1, 2_500] {
        assert_eq!(store.line(list, index).await, Ok(format!("line {index}")));
    }
    let known = store.lists.known(list);
    let index = known.get().unwrap();
    assert_eq!(index.marks(), 4);
    let part = index.part(limits::LIST_PART_LINES + 3).unwrap();
    assert_eq!(part.first, limits::LIST_PART_LINES);

    let fat = vec!["y".repeat(limits::LINE_BYTES); 9].join("\n");
    let list = store.put(fat.as_bytes()).await;
    assert_eq!(store.line(list, 8).await.unwrap().len(), limits::LINE_BYTES);
    let known = store.lists.known(list);
    let most = limits::LIST_PART_BYTES + limits::LINE_BYTES as u64 + 2;
    let part = |line| known.get().unwrap().part(line).unwrap().bytes;
    assert!((0..9).map(part).all(|part| part.end - part.start <= most));
    for n in 0..2 * limits::LIST_WINDOWS as u64 {
        store.line(list, n % 9).await.unwrap();
    }
    assert!(store.lists.lock().windows.len() <= limits::LIST_WINDOWS);
}

#[tokio::test]
async fn a_bad_line_is_named() {
    let store = Store::new();
    let list = store.put(b"good\nb\xffd\n").await;
    let told = store.lists.count(list).await.unwrap_err();
    assert_eq!(told.code, Code::InvalidRequest);
    assert!(told.detail.starts_with("line 2 of the list b3-"), "{told}");
    assert!(told.detail.ends_with("byte 2 is not UTF-8"), "{told}");
    let long = [b"x\n\n".as_slice(), &vec![b'y'; limits::LINE_BYTES + 1]].concat();
    let told = store.lists.count(store.put(&long).await).await.unwrap_err();
    assert_eq!(told.code, Code::TooLarge);
    assert!(told.detail.starts_with("line 3 "), "{told}");
}

#[tokio::test]
async fn a_list_that_is_gone_or_damaged_is_told_so() {
    let store = Store::new();
    let told = store.lists.count(Digest([7; 32])).await.unwrap_err();
    assert_eq!(told.code, Code::NoSuchBlob);
    let list = store.put(b"one\ntwo\n").await;
    fs::write(store.path(list), b"one\ntwx\n").unwrap();
    let told = store.lists.count(list).await.unwrap_err();
    assert_eq!(told.code, Code::DigestMismatch);
    assert!(told.detail.contains("is damaged"), "{told}");
    // What failed is tried again.
    fs::write(store.path(list), b"one\ntwo\n").unwrap();
    assert_eq!(store.lists.count(list).await, Ok(2));
    fs::remove_file(store.path(list)).unwrap();
    assert_eq!(store.line(list, 1).await.unwrap_err().code, Code::NoSuchBlob);
}

#[tokio::test]
async fn only_so_many_lists_are_remembered() {
    let store = Store::new();
    for n in 0..limits::LISTS + 3 {
        let list = store.put(format!("{n}\n").as_bytes()).await;
        assert_eq!(store.line(list, 0).await, Ok(n.to_string()));
    }
    assert_eq!(store.lists.lock().lists.len(), limits::LISTS);
}
