//! Work reaches a thread, a panic hurts only itself and, under thousands of schedules, no thread
//! sleeps through work or through the end.

use std::sync::atomic::{AtomicUsize, Ordering};

use gristmill_threads::{Clock, Model, Planted};
use shuttle::thread;

use super::*;

#[tokio::test]
async fn work_is_done_and_a_panic_hurts_only_itself() {
    let pool = Pool::new(1).unwrap();
    let stop = CancellationToken::new();
    let broken = pool.run(stop.clone(), |_| panic!("a bug in a codec")).await;
    assert!(broken.map(|done: Result<((), Span), Failure>| done.is_ok()).is_none());
    let done = pool.run(stop.clone(), |_| 6 * 7).await;
    assert_eq!(done.unwrap().unwrap().0, 42);
    stop.cancel();
    let late = pool.run(stop, |_| 1).await;
    assert_eq!(late.unwrap().unwrap_err().code, "cancelled");
}

/// Two threads, two that hand in work, and an end that comes when it likes.
fn all_work_is_done(close: fn(Pool)) {
    let pool = Pool { queue: Arc::new(Queue::default()) };
    let sit = [0, 1].map(|_| {
        let queue = Arc::clone(&pool.queue);
        thread::spawn(move || sit(&queue))
    });
    let done = Arc::new(AtomicUsize::new(0));
    let hands_in = [1, 2].map(|pieces| {
        let (queue, done) = (Arc::clone(&pool.queue), Arc::clone(&done));
        thread::spawn(move || {
            for _ in 0..pieces {
                let done = Arc::clone(&done);
                queue.push(Box::new(move |_| {
                    done.fetch_add(1, Ordering::SeqCst);
                }));
            }
        })
    });
    hands_in.into_iter().for_each(|hands_in| hands_in.join().unwrap());
    close(pool);
    sit.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(done.load(Ordering::SeqCst), 3);
}

#[test]
fn no_thread_sleeps_through_work_or_through_the_end() {
    let model = Model::new(Clock::StandsStill);
    model.explore(|| all_work_is_done(drop));
    let quietly: fn(Pool) = |pool| {
        pool.queue.lock().closed = true;
        std::mem::forget(pool);
    };
    assert!(model.finds(move || all_work_is_done(quietly)).is_standstill());
    let deaf = model.with(Planted::WaitInTwoSteps);
    assert!(deaf.finds(|| all_work_is_done(drop)).is_standstill());
}
