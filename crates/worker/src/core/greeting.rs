//! How a connection begins and how a worker leaves: hello and welcome, refusal, drain, goodbye.

use gristmill_model::AttemptId;
use gristmill_model::Time;
use gristmill_model::booking::Fate;
use gristmill_model::limits;
use gristmill_model::problem::Code;
use gristmill_model::wire::{FromWorker, Hello, PROTOCOL, Welcome};

use super::held::StopReason;
use super::{Action, Core, Refusal, Talk};

impl Core {
    pub(super) fn greet(&mut self, now: Time, out: &mut Vec<Action>) {
        self.talk = Talk::Greeting;
        self.spoke = now;
        self.prefetch_told = self.pace.prefetch();
        out.push(Action::Send(FromWorker::Hello(self.hello())));
    }

    fn hello(&self) -> Hello {
        let who = &self.identity;
        Hello {
            protocol: PROTOCOL,
            instance: who.instance,
            description: who.description.clone(),
            prefetch: self.prefetch_told,
            offers: who.offers.clone(),
            holds: self.holding.ours().chain(self.reports.attempts()).collect(),
        }
    }

    /// The server took us in: drop what is stale, then say what was held back. A doubled
    /// `Welcome` repeats the reports, which is harmless.
    pub(super) fn settle_in(&mut self, now: Time, welcome: Welcome, out: &mut Vec<Action>) {
        self.talk = Talk::Up { heartbeat: welcome.heartbeat.max(limits::HEARTBEAT_LEAST) };
        for attempt in welcome.stale {
            self.forget(now, attempt, out);
        }
        self.tell_devices(now, out);
        out.extend(self.withheld.take().map(Action::Send));
        self.reports.repeat(out);
        self.spoke = now;
        if self.draining {
            out.push(Action::Send(FromWorker::Draining));
        }
        self.adjust_prefetch(out);
    }

    /// The attempt is no longer ours: whatever comes of it, the server does not want to hear it.
    fn forget(&mut self, now: Time, attempt: AttemptId, out: &mut Vec<Action>) {
        self.reports.settle(attempt);
        if self.holding.drop_waiting(attempt) {
            self.release(now, attempt, Fate::Other, out);
        } else {
            self.stop_running(attempt, StopReason::Stale, out);
        }
    }

    pub(super) fn turn_away(&mut self, code: Code, detail: String, out: &mut Vec<Action>) {
        self.refusal = Some(Refusal { code, detail });
        self.leave(out);
    }

    pub(super) fn drain(&mut self, out: &mut Vec<Action>) {
        if !self.draining && self.is_up() {
            out.push(Action::Send(FromWorker::Draining));
        }
        self.draining = true;
    }

    /// Leaves without finishing: the goodbye gives everything held back to the server at once.
    pub(super) fn quit(&mut self, out: &mut Vec<Action>) {
        let running: Vec<AttemptId> = self.running().collect();
        for attempt in running {
            self.stop_running(attempt, StopReason::Stale, out);
        }
        if self.is_up() {
            self.reports.say(out);
        }
        self.say_goodbye(out);
    }

    /// A draining worker leaves once nothing runs, waits or is unsettled.
    pub(super) fn leave_when_done(&mut self, out: &mut Vec<Action>) {
        if self.draining && !self.left && self.is_idle() {
            self.say_goodbye(out);
        }
    }

    fn say_goodbye(&mut self, out: &mut Vec<Action>) {
        if self.talk != Talk::Down {
            out.push(Action::Send(FromWorker::Goodbye));
        }
        self.leave(out);
    }

    fn leave(&mut self, out: &mut Vec<Action>) {
        self.left = true;
        out.push(Action::Leave);
    }
}
