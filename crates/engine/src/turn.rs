//! One turn of the engine: the state to judge by, and the one way to change it, `emit`.

use gristmill_model::Time;
use gristmill_model::event::{Event, Record};

use crate::state::State;

/// Borrowed for one command, tick or placement.
pub(crate) struct Turn<'a> {
    state: &'a mut State,
    now: Time,
    out: &'a mut Vec<Record>,
}

impl<'a> Turn<'a> {
    /// Time never runs backwards here: a clock that jumped back is held at the last time seen.
    pub(crate) fn new(state: &'a mut State, now: Time, out: &'a mut Vec<Record>) -> Turn<'a> {
        let now = now.max(state.now());
        Turn { state, now, out }
    }

    pub(crate) fn state(&self) -> &State {
        self.state
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Says that something happened, and applies it.
    pub(crate) fn emit(&mut self, event: Event) {
        let record = Record { at: self.now, event };
        self.state.apply(&record);
        self.out.push(record);
    }
}
