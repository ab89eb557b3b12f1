//! What the worker wants stopped, between the thread that hears it and the one that works.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::session::builder::LoadCanceler;
use ort::session::{NoSelectedOutputs, RunOptions};

/// What a run is stopped with.
pub(crate) type Stop = Arc<RunOptions<NoSelectedOutputs>>;

/// Both threads hold it; its lock is never held while one of them works or waits.
#[derive(Default)]
pub(crate) struct Desk(Mutex<State>);

#[derive(Default)]
struct State {
    /// The worker is gone or wants the host to end.
    closed: bool,
    /// The call that is worked on, and how many items it has.
    call: Option<(u64, u32)>,
    /// Those of its items that nobody wants any more.
    unwanted: BTreeSet<u32>,
    /// The items of the run that goes on, and what stops it.
    running: Option<(Vec<u32>, Stop)>,
    loading: Option<LoadCanceler>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call was heard, of so many items. False where another is not over yet.
    pub(crate) fn heard(&self, call: u64, items: usize) -> bool {
        let mut state = self.state();
        if state.call.is_some() {
            return false;
        }
        state.call = Some((call, u32::try_from(items).unwrap_or(u32::MAX)));
        state.unwanted.clear();
        true
    }

    /// The call is over; to be said before the worker hears it, which may then call again at once.
    pub(crate) fn over(&self) {
        self.state().call = None;
    }

    /// Items of a call are not wanted any more. A word about a call that is over says nothing.
    pub(crate) fn cancel(&self, call: u64, items: &[u32]) {
        let mut state = self.state();
        if let Some((current, count)) = state.call
            && current == call
        {
            state.unwanted.extend(items.iter().filter(|item| **item < count));
            state.stop_if_unwanted();
        }
    }

    /// The worker is gone or wants the host to end: nothing is wanted any more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        if let Some(loading) = state.loading.take()
            && let Err(error) = loading.cancel()
        {
            eprintln!("loading cannot be stopped: {error}");
        }
        state.stop_if_unwanted();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    pub(crate) fn wants(&self, item: u32) -> bool {
        let state = self.state();
        !state.closed && !state.unwanted.contains(&item)
    }

    /// A load begins.
    pub(crate) fn loading(&self, load: LoadCanceler) {
        let mut state = self.state();
        state.loading = Some(load);
        if state.closed {
            drop(state);
            self.close();
        }
    }

    /// A run of these items begins.
    pub(crate) fn begin(&self, items: Vec<u32>, stop: Stop) {
        let mut state = self.state();
        state.running = Some((items, stop));
        state.stop_if_unwanted();
    }

    /// The run is over.
    pub(crate) fn end(&self) {
        self.state().running = None;
    }
}

impl State {
    /// A run goes on as long as one of its items is wanted.
    fn stop_if_unwanted(&self) {
        if let Some((items, stop)) = &self.running
            && (self.closed || items.iter().all(|item| self.unwanted.contains(item)))
            && let Err(error) = stop.terminate()
        {
            eprintln!("a run cannot be stopped: {error}");
        }
    }
}
