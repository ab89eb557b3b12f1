//! One turn of the engine: the state to judge by, and the one way to change it, `emit`.

use gristmill_model::access::Actor;
use gristmill_model::event::{Event, Record};
use gristmill_model::{Moment, Time};

use crate::state::{Board, Class, Head, Need, State};

/// Borrowed for one command, tick or placement.
pub(crate) struct Turn<'a> {
    state: &'a mut State,
    at: Moment,
    /// Who causes what is emitted.
    actor: Actor,
    out: &'a mut Vec<Record>,
}

impl<'a> Turn<'a> {
    /// Time never runs backwards here: a clock that jumped back is held at the last time seen.
    pub(crate) fn new(
        state: &'a mut State,
        at: Moment,
        actor: Actor,
        out: &'a mut Vec<Record>,
    ) -> Turn<'a> {
        let at = Moment { now: at.now.max(state.now()), wall: at.wall };
        Turn { state, at, actor, out }
    }

    pub(crate) fn state(&self) -> &State {
        self.state
    }

    pub(crate) fn now(&self) -> Time {
        self.at.now
    }

    /// The time by the wall clock: for what people name by the calendar, and for nothing else.
    pub(crate) fn wall(&self) -> Time {
        self.at.wall
    }

    /// Who causes what is emitted.
    pub(crate) fn actor(&self) -> Actor {
        self.actor
    }

    /// A worker that had no id when it greeted is known by one from now on.
    pub(crate) fn set_actor(&mut self, actor: Actor) {
        self.actor = actor;
    }

    /// The index that placement keeps; nothing in it is a fact.
    pub(crate) fn board(&mut self) -> &mut Board {
        self.state.queue_mut().board_mut()
    }

    /// The class of a need that is next, with what its project has used by now.
    pub(crate) fn next_of(&mut self, need: Need) -> Option<(u128, Head, Class)> {
        self.state.next_of(need, self.at.now)
    }

    /// Emits an event: applies it, and hands it out to be written.
    pub(crate) fn emit(&mut self, event: Event) {
        self.emit_by(self.actor, event);
    }

    /// Emits an event that somebody else causes than who asked.
    pub(crate) fn emit_by(&mut self, actor: Actor, event: Event) {
        let record = Record { at: self.at, actor, event };
        self.state.apply(&record);
        self.out.push(record);
    }
}
