//! Ownership: a worker may be given up only after it was truly not heard of for as long as was
//! promised, however clocks jump; and then it must be.

use std::collections::BTreeMap;

use gristmill_engine::State;
use gristmill_model::event::{AttemptEvent, Event, LeaveReason, Record, WorkerEvent};
use gristmill_model::limits::Timing;
use gristmill_model::wire::FromWorker;
use gristmill_model::{AttemptId, Span, Time};

use super::history::History;
use super::{Verdict, require};
use crate::network::LinkId;

/// What the server could hear, and when it truly did.
#[derive(Debug)]
pub(super) struct Pulse {
    timing: Timing,
    started: Time,
    /// Who speaks on a link, since its hello.
    speakers: BTreeMap<LinkId, u64>,
    /// The newest link of each instance since the server started.
    voices: BTreeMap<u64, Voice>,
    leased: BTreeMap<AttemptId, (Time, u16)>,
}

#[derive(Debug)]
struct Voice {
    link: LinkId,
    heard: Time,
    broke: Option<Time>,
}

impl Pulse {
    pub(super) fn new(timing: Timing) -> Pulse {
        Pulse {
            timing,
            started: Time::default(),
            speakers: BTreeMap::new(),
            voices: BTreeMap::new(),
            leased: BTreeMap::new(),
        }
    }

    pub(super) fn server_started(&mut self, now: Time) {
        self.started = now;
        self.speakers.clear();
        self.voices.clear();
    }

    pub(super) fn heard(&mut self, now: Time, link: LinkId, frame: &FromWorker) {
        match frame {
            FromWorker::Hello(hello) => {
                self.speakers.insert(link, hello.instance);
                self.voices.insert(hello.instance, Voice { link, heard: now, broke: None });
            }
            // Words about attempts and devices are no sign of life: they may pass around the
            // engine.
            FromWorker::Log { .. }
            | FromWorker::Progress { .. }
            | FromWorker::Partial { .. }
            | FromWorker::Device { .. }
            | FromWorker::Measured { .. }
            | FromWorker::Foreign { .. } => {}
            _ => {
                if let Some(voice) = self.voice(link) {
                    voice.heard = now;
                }
            }
        }
    }

    pub(super) fn lost(&mut self, now: Time, link: LinkId) {
        if let Some(voice) = self.voice(link) {
            voice.broke.get_or_insert(now);
        }
    }

    pub(super) fn decided(&mut self, now: Time, record: &Record, history: &History) -> Verdict {
        match &record.event {
            Event::Attempt(AttemptEvent::Leased { attempt, stage, .. }) => {
                self.leased.insert(*attempt, (now, *stage));
                Ok(())
            }
            Event::Worker(WorkerEvent::Left { worker, reason: LeaveReason::LeaseExpired }) => {
                let due = history.instance_of(*worker).map_or(now, |it| self.may_give_up(it));
                require(now >= due, "nobody is given up while heard of", || {
                    format!("{worker} was given up {} too early", due.since(now))
                })
            }
            Event::Attempt(AttemptEvent::Failed { attempt, job, failure, .. })
                if failure.code == "overdue" =>
            {
                let (leased, stage) = self.leased.get(attempt).copied().unwrap_or_default();
                let ran = now.since(leased);
                let timeout = history.timeout_of(*job, stage);
                require(ran >= timeout, "no attempt is overdue before its time", || {
                    format!("{attempt} was ended after {ran}, its timeout is {timeout}")
                })
            }
            _ => Ok(()),
        }
    }

    /// Every lease ends soon enough for the dead to be noticed in time.
    pub(super) fn leases_are_short(&self, now: Time, state: &State) -> Verdict {
        let Timing { lease, disconnect_grace, restart_grace, .. } = self.timing;
        let longest = lease.max(disconnect_grace).max(restart_grace);
        for (worker, _) in state.workers() {
            let left = state.lease_until(worker).map_or(Span::ZERO, |until| until.since(now));
            require(left <= longest, "the dead are noticed in time", || {
                format!("the lease of {worker} lives for another {left}")
            })?;
        }
        Ok(())
    }

    /// When an instance may be given up at the earliest.
    fn may_give_up(&self, instance: u64) -> Time {
        let Some(voice) = self.voices.get(&instance) else {
            return self.started + self.timing.restart_grace;
        };
        match voice.broke {
            Some(broke) => broke + self.timing.disconnect_grace,
            // A lease is not renewed more often than every quarter of a heartbeat.
            None => voice.heard + self.timing.lease - Span(self.timing.heartbeat.0 / 4),
        }
    }

    /// Who speaks on a link, be it the newest or not.
    pub(super) fn speaker(&self, link: LinkId) -> Option<u64> {
        self.speakers.get(&link).copied()
    }

    /// The instance whose newest link this is.
    pub(super) fn newest(&self, link: LinkId) -> Option<u64> {
        let instance = self.speaker(link)?;
        self.voices.get(&instance).filter(|voice| voice.link == link).map(|_| instance)
    }

    /// The instance that speaks on a link, unless it has a newer one.
    fn voice(&mut self, link: LinkId) -> Option<&mut Voice> {
        let instance = self.speakers.get(&link)?;
        self.voices.get_mut(instance).filter(|voice| voice.link == link)
    }
}
