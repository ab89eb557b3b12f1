//! Captured output: order, bounds, restarts, torn files and followers.

use gristmill_model::limits;
use tempfile::TempDir;

mod schedules;

use super::*;

const JOB: JobId = JobId(4_711);
const ATTEMPT: AttemptId = AttemptId(21);
const NOW: Time = Time(1_000_000);
/// A frame that tells a time.
const TIME_BYTES: u64 = 5 + 8;

fn out(text: &str) -> (Stream, Vec<u8>) {
    (Stream::Stdout, text.as_bytes().to_vec())
}

fn said(text: &str) -> Piece {
    Piece::Said { stream: Stream::Stdout, bytes: text.as_bytes().to_vec(), at: Some(NOW) }
}

fn bytes_on_disk(folder: &Path) -> u64 {
    let inner = folder.join("4");
    std::fs::read_dir(inner).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn streams_come_back_in_order_and_from_any_position() {
    let folder = TempDir::new().unwrap();
    let logs = Logs::new(folder.path());
    assert_eq!(logs.read(JOB, ATTEMPT, 0).await.unwrap(), Captured::default());
    let err = (Stream::Stderr, b"\xff\xfe".to_vec());
    logs.append(JOB, ATTEMPT, NOW, vec![out("one"), err]).await.unwrap();
    let first = logs.read(JOB, ATTEMPT, 0).await.unwrap();
    let garbled =
        Piece::Said { stream: Stream::Stderr, bytes: b"\xff\xfe".to_vec(), at: Some(NOW) };
    assert_eq!(first.pieces, [said("one"), garbled]);

    // A restart goes on in the same file; another attempt has its own.
    let logs = Logs::new(folder.path());
    logs.append(JOB, ATTEMPT, NOW, vec![out("two")]).await.unwrap();
    logs.append(JOB, AttemptId(22), NOW, vec![out("other")]).await.unwrap();
    let second = logs.read(JOB, ATTEMPT, first.next).await.unwrap();
    assert_eq!(second.pieces, [said("two")]);
    let nothing = Captured { pieces: Vec::new(), next: second.next };
    assert_eq!(logs.read(JOB, ATTEMPT, second.next).await.unwrap(), nothing);
}

#[tokio::test]
async fn a_flood_keeps_its_beginning_and_its_end_and_stays_bounded() {
    let folder = TempDir::new().unwrap();
    let logs = Logs::new(folder.path());
    let lines: Vec<_> =
        (0..40_000).map(|n| out(&format!("line {n:06} {}", "x".repeat(88)))).collect();
    for some in lines.chunks(1_000) {
        logs.append(JOB, ATTEMPT, NOW, some.to_vec()).await.unwrap();
    }
    let bound = limits::LOG_BYTES + 2 * limits::LOG_TAIL_BYTES as u64;
    assert!(bytes_on_disk(folder.path()) <= bound);

    let kept = logs.read(JOB, ATTEMPT, 0).await.unwrap();
    assert_eq!(kept.next, 40_000 * (5 + 100) + 40 * TIME_BYTES);
    let line = |n: usize| said(std::str::from_utf8(&lines[n].1).unwrap());
    assert_eq!(kept.pieces[0], line(0));
    let last = kept.pieces.last().unwrap();
    assert!(matches!(last, Piece::Said { bytes, .. } if *bytes == lines[39_999].1));
    let gaps: Vec<u64> = kept
        .pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Skipped { bytes } => Some(*bytes),
            Piece::Said { .. } => None,
        })
        .collect();
    let shown = (kept.pieces.len() - gaps.len()) as u64 * (5 + 100);
    assert_eq!(gaps.len(), 1);
    let times = kept.next - gaps[0] - shown;
    assert!(times.is_multiple_of(TIME_BYTES) && times <= 40 * TIME_BYTES, "{times}");
}

#[tokio::test]
async fn one_enormous_piece_is_bounded_too() {
    let folder = TempDir::new().unwrap();
    let logs = Logs::new(folder.path());
    let huge = vec![7; 8 * limits::LOG_BYTES as usize];
    logs.append(JOB, ATTEMPT, NOW, vec![(Stream::Worker, huge)]).await.unwrap();
    let bound = limits::LOG_BYTES + 2 * limits::LOG_TAIL_BYTES as u64;
    assert!(bytes_on_disk(folder.path()) <= bound);
}

#[tokio::test]
async fn a_cut_frame_ends_what_is_shown_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let logs = Logs::new(folder.path());
    logs.append(JOB, ATTEMPT, NOW, vec![out("one"), out("two")]).await.unwrap();
    let path = folder.path().join("4/j4711-a21");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    assert_eq!(logs.read(JOB, ATTEMPT, 0).await.unwrap().pieces, [said("one")]);
}

#[tokio::test]
async fn a_follower_hears_what_was_said_what_is_said_and_the_end() {
    let folder = TempDir::new().unwrap();
    let logs = Logs::new(folder.path());
    logs.append(JOB, ATTEMPT, NOW, vec![out("before")]).await.unwrap();
    let mut follow = logs.follow(JOB, ATTEMPT, 0);
    assert_eq!(follow.next().await.unwrap().unwrap().pieces, [said("before")]);
    let writer = logs.clone();
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Some(captured) = follow.next().await.unwrap() {
            heard.extend(captured.pieces);
        }
        heard
    });
    for text in ["a", "b", "c"] {
        writer.append(JOB, ATTEMPT, NOW, vec![out(text)]).await.unwrap();
    }
    writer.ended(ATTEMPT);
    assert_eq!(heard.await.unwrap(), [said("a"), said("b"), said("c")]);
    assert!(logs.followed().is_empty());
}

#[tokio::test]
async fn following_an_attempt_that_has_ended_reads_and_ends() {
    let folder = TempDir::new().unwrap();
    let logs = Logs::new(folder.path());
    logs.append(JOB, ATTEMPT, NOW, vec![out("all")]).await.unwrap();
    let mut follow = logs.follow(JOB, ATTEMPT, 0);
    follow.finish();
    assert_eq!(follow.next().await.unwrap().unwrap().pieces, [said("all")]);
    assert_eq!(follow.next().await.unwrap(), None);
    drop(follow);
    assert!(logs.followed().is_empty());
}

#[tokio::test]
async fn a_path_that_cannot_be_used_is_named() {
    let logs = Logs::new(Path::new("/proc/gristmill"));
    let told = logs.append(JOB, ATTEMPT, NOW, vec![out("x")]).await.unwrap_err().to_string();
    assert!(told.contains("/proc/gristmill/4/j4711-a21"), "{told}");
}
