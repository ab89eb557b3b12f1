//! Captured output while no server listens: kept within a bound, so that a restart of the server
//! tears no hole into the log of a program that runs on.

use std::collections::BTreeMap;

use gristmill_model::wire::{FromWorker, Stream};
use gristmill_model::{AttemptId, JobId, limits};

/// Log frames that wait for a connection.
#[derive(Debug, Default)]
pub(super) struct WithheldLogs {
    frames: Vec<FromWorker>,
    bytes: usize,
    dropped: BTreeMap<AttemptId, (JobId, u64)>,
}

impl WithheldLogs {
    /// Keeps a log frame, or counts its bytes as dropped where the bound is reached.
    pub(super) fn keep(&mut self, frame: FromWorker) {
        let FromWorker::Log { attempt, job, ref bytes, .. } = frame else { return };
        if self.bytes + bytes.len() <= limits::WITHHELD_LOG_BYTES
            && self.frames.len() < limits::WITHHELD_LOG_FRAMES
        {
            self.bytes += bytes.len();
            self.frames.push(frame);
        } else {
            self.dropped.entry(attempt).or_insert((job, 0)).1 += bytes.len() as u64;
        }
    }

    /// Everything kept, in order, and a line for each attempt that lost output.
    pub(super) fn take(&mut self) -> impl Iterator<Item = FromWorker> + use<> {
        self.bytes = 0;
        let frames = std::mem::take(&mut self.frames);
        let dropped = std::mem::take(&mut self.dropped);
        frames.into_iter().chain(dropped.into_iter().map(|(attempt, (job, bytes))| {
            let line = format!("[{bytes} bytes dropped while the server was away]\n");
            FromWorker::Log { attempt, job, stream: Stream::Worker, bytes: line.into_bytes() }
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn log(bytes: usize) -> FromWorker {
        let (attempt, job) = (AttemptId(1), JobId(2));
        FromWorker::Log { attempt, job, stream: Stream::Stdout, bytes: vec![b'x'; bytes] }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_said() {
        let mut withheld = WithheldLogs::default();
        withheld.keep(log(limits::WITHHELD_LOG_BYTES));
        withheld.keep(log(7));
        let frames: Vec<FromWorker> = withheld.take().collect();
        assert_eq!(frames.len(), 2);
        let FromWorker::Log { stream: Stream::Worker, bytes, .. } = &frames[1] else {
            panic!("no word of the worker: {frames:?}");
        };
        assert_eq!(bytes, b"[7 bytes dropped while the server was away]\n");
        assert_eq!(withheld.take().count(), 0);
    }

    proptest! {
        #[test]
        fn each_byte_is_kept_or_counted_and_the_bounds_hold(
            sizes in vec((1..4_u64, prop_oneof![0..9_usize, 0..limits::LOG_PIECE_BYTES]), 0..700),
        ) {
            let mut withheld = WithheldLogs::default();
            let mut said: BTreeMap<AttemptId, u64> = BTreeMap::new();
            for (attempt, bytes) in sizes {
                let (attempt, job) = (AttemptId(attempt), JobId(attempt));
                *said.entry(attempt).or_default() += bytes as u64;
                let bytes = vec![b'x'; bytes];
                withheld.keep(FromWorker::Log { attempt, job, stream: Stream::Stdout, bytes });
            }
            let (mut kept, mut heard) = (0, BTreeMap::new());
            for frame in withheld.take() {
                let FromWorker::Log { attempt, job, stream, bytes } = frame else {
                    panic!("only output is kept")
                };
                prop_assert_eq!(attempt.0, job.0);
                let count = if stream == Stream::Worker {
                    let line = String::from_utf8(bytes).unwrap();
                    line[1..].split(' ').next().unwrap().parse().unwrap()
                } else {
                    kept += bytes.len();
                    bytes.len() as u64
                };
                *heard.entry(attempt).or_default() += count;
            }
            prop_assert!(kept <= limits::WITHHELD_LOG_BYTES);
            prop_assert_eq!(heard, said);
        }
    }
}
