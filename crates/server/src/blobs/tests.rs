//! What every blob store must do, run on the local one and on one in memory.

use futures::stream;
use object_store::memory::InMemory;
use tempfile::TempDir;

use super::*;

fn digest(bytes: &[u8]) -> Digest {
    Digest(*blake3::hash(bytes).as_bytes())
}

fn pieces(bytes: &[u8], piece: usize) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
    let pieces: Vec<_> = bytes.chunks(piece).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
    stream::iter(pieces)
}

async fn content(blobs: &Blobs, digest: Digest) -> Option<Vec<u8>> {
    let (size, pieces) = blobs.get(digest).await.unwrap()?;
    let bytes = pieces.try_collect::<Vec<Bytes>>().await.unwrap().concat();
    assert_eq!(size, bytes.len() as u64);
    Some(bytes)
}

async fn conforms(blobs: Blobs) {
    let large: Vec<u8> = (0..limits::BLOB_PART_BYTES * 2 + 77).map(|n| (n / 251) as u8).collect();
    let mut expected = Totals::default();
    for bytes in [&b""[..], b"flour", &large[..limits::BLOB_PART_BYTES], &large] {
        let name = digest(bytes);
        assert_eq!(blobs.head(name).await.unwrap(), None);
        assert_eq!(content(&blobs, name).await, None);
        let blob = Blob { digest: name, size: bytes.len() as u64 };
        assert_eq!(blobs.put(name, pieces(bytes, 70_000)).await.unwrap(), blob);
        assert_eq!(blobs.put(name, pieces(bytes, 999)).await.unwrap(), blob);
        assert_eq!(blobs.head(name).await.unwrap(), Some(blob));
        assert_eq!(content(&blobs, name).await.unwrap(), bytes);
        expected.blobs += 1;
        expected.bytes += bytes.len() as u64;
    }
    for wrong in [&b"bran"[..], &large[1..]] {
        let announced = digest(b"something else");
        let error = blobs.put(announced, pieces(wrong, 1 << 20)).await.unwrap_err();
        assert!(matches!(error, BlobError::DigestMismatch { .. }), "{error}");
        assert_eq!(blobs.head(announced).await.unwrap(), None);
        let cut = pieces(wrong, 1 << 20)
            .chain(stream::iter([Err(io::Error::from(io::ErrorKind::ConnectionReset))]));
        let error = blobs.put(digest(wrong), cut).await.unwrap_err();
        assert!(matches!(error, BlobError::BrokenOff(_)), "{error}");
        assert_eq!(blobs.head(digest(wrong)).await.unwrap(), None);
    }
    let mismatch = blobs.put(digest(b"flour"), pieces(b"sand", 10)).await.unwrap_err();
    assert!(matches!(mismatch, BlobError::DigestMismatch { .. }), "known, yet compared");
    assert_eq!(content(&blobs, digest(b"flour")).await.unwrap(), b"flour");
    assert_eq!(blobs.totals().await.unwrap(), expected);
}

#[tokio::test]
async fn the_store_in_memory_conforms() {
    conforms(Blobs::over(Arc::new(InMemory::new()))).await;
}

#[tokio::test]
async fn the_local_store_conforms_and_leaves_nothing_aside() {
    let folder = TempDir::new().unwrap();
    conforms(Blobs::local(folder.path()).unwrap()).await;
    assert_eq!(sweep(folder.path()).unwrap(), 0);
    let name = digest(b"flour").to_string();
    assert!(folder.path().join(&name[3..5]).join(&name[5..]).is_file());
}

#[tokio::test]
async fn what_a_crash_cut_short_is_swept() {
    let folder = TempDir::new().unwrap();
    let blobs = Blobs::local(folder.path()).unwrap();
    let name = digest(b"flour");
    let mut cut = blobs.store.put_multipart(&super::name(name)).await.unwrap();
    cut.put_part(Bytes::from_static(b"fl").into()).await.unwrap();
    std::mem::forget(cut);
    assert_eq!(blobs.head(name).await.unwrap(), None);
    assert_eq!(sweep(folder.path()).unwrap(), 1);
    blobs.put(name, pieces(b"flour", 10)).await.unwrap();
    assert_eq!(sweep(folder.path()).unwrap(), 0);
}
