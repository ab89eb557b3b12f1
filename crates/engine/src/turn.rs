//! One turn of the engine: the state to judge by, and the one way to change it, `emit`.

use gristmill_model::Time;
use gristmill_model::event::{Event, Record};

use crate::state::{Board, Class, Head, Need, State};

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

    /// The index that placement keeps; nothing in it is a fact.
    pub(crate) fn board(&mut self) -> &mut Board {
        self.state.queue_mut().board_mut()
    }

    /// The class of a need that is next, with what its project has used by now.
    pub(crate) fn next_of(&mut self, need: Need) -> Option<(u128, Head, Class)> {
        self.state.next_of(need, self.now)
    }

    /// Says that something happened, and applies it.
    pub(crate) fn emit(&mut self, event: Event) {
        let record = Record { at: self.now, event };
        self.state.apply(&record);
        self.out.push(record);
    }
}
