//! Threads that make images, each at its own desk. Async code hands work in and awaits it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use gristmill_imaging::Workspace;
use gristmill_model::Span;
use gristmill_model::attempt::Failure;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::attempt::stopped;
use crate::threads::{Condvar, Mutex, MutexGuard};

#[cfg(test)]
mod tests;

/// What a thread uses again from image to image.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) workspace: Workspace,
    pub(crate) input: Vec<u8>,
}

/// A buffer that grew beyond this for one image is not kept for the next.
const KEPT_INPUT_BYTES: usize = 64 << 20;

type Work = Box<dyn FnOnce(&mut Desk) + Send>;

/// Work that waits for a thread; never more than the attempts that the worker's core has started.
#[derive(Default)]
struct Queue {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    work: VecDeque<Work>,
    closed: bool,
}

/// The threads; they end when this is dropped and the work is done.
pub(crate) struct Pool {
    queue: Arc<Queue>,
}

impl Pool {
    /// Starts so many threads.
    pub(crate) fn new(threads: u32) -> std::io::Result<Pool> {
        let pool = Pool { queue: Arc::new(Queue::default()) };
        for number in 0..threads {
            let queue = Arc::clone(&pool.queue);
            std::thread::Builder::new()
                .name(format!("images-{number}"))
                .spawn(move || sit(&queue))?;
        }
        Ok(pool)
    }

    /// Does a piece of work on one of the threads; also says how much CPU time it took. Nothing
    /// comes back where the work panicked. A stop counts until the work begins.
    pub(crate) async fn run<T, F>(
        &self,
        stop: CancellationToken,
        work: F,
    ) -> Option<Result<(T, Span), Failure>>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk) -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.queue.push(Box::new(move |desk| {
            let done = if stop.is_cancelled() {
                Err(stopped())
            } else {
                let began = thread_cpu();
                let value = work(desk);
                Ok((value, Span::from_std(thread_cpu().saturating_sub(began))))
            };
            // Nobody waits any more where the worker left.
            let _ = sender.send(done);
        }));
        receiver.await.ok()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, work: Work) {
        self.lock().work.push_back(work);
        self.changed.notify_one();
    }

    /// The next piece of work; none when the pool is closed.
    fn take(&self) -> Option<Work> {
        let mut waiting = self.lock();
        loop {
            if let Some(work) = waiting.work.pop_front() {
                return Some(work);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn sit(queue: &Queue) {
    let mut desk = Desk::default();
    while let Some(work) = queue.take() {
        if catch_unwind(AssertUnwindSafe(|| work(&mut desk))).is_err() {
            // Whatever it left on the desk is not to be trusted.
            desk = Desk::default();
        }
        if desk.input.capacity() > KEPT_INPUT_BYTES {
            desk.input = Vec::new();
        }
    }
}

/// CPU time that the calling thread has taken so far.
fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result, and the clock exists on every Linux.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if done != 0 {
        return Duration::ZERO;
    }
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
