//! What attempts do: each runs for a drawn time and ends with a drawn outcome. An output is a
//! function of stage and input, so that a mistake in handing over from stage to stage shows.

use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success, Usage};
use gristmill_model::payload::Payload;
use gristmill_model::resources::Device;
use gristmill_model::wire::{Assignment, Ended};
use gristmill_model::{AttemptId, Span, Time, limits};
use gristmill_worker::core::SessionId;

use crate::faults::Fault;
use crate::items;
use crate::scene::Scene;

/// Inputs that begin like this keep a handler busy until somebody ends it.
pub const SLEEPER: &str = "sleep";

/// An attempt that a worker's handler works on.
#[derive(Debug)]
pub struct Task {
    /// What it works on, and what it booked.
    pub assignment: Assignment,
    /// The session that works on it, where one does.
    pub host: Option<SessionId>,
    /// Counts changes of mind about when it ends.
    pub turn: u32,
    since: Time,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Succeeds,
    Fails,
    FindsInvalid,
    OverflowsOutput,
    RunsOutOfMemory,
    BreaksDevice,
    IsEnded,
}

/// The output that a stage makes of its input.
#[must_use]
pub fn work(stage: &str, input: &Payload) -> Payload {
    match items::filled_in(input) {
        Payload::Text(text) => Payload::Text(format!("{text}>{stage}")),
        other => other,
    }
}

impl Task {
    /// Starts to work. Returns how long it will take, or nothing where only a stop ends it.
    ///
    /// A session's device may be `sick`: then nothing can be done on it.
    pub fn start(
        scene: &mut Scene,
        assignment: Assignment,
        host: Option<SessionId>,
        sick: bool,
    ) -> (Task, Option<Span>) {
        let sleeps = matches!(&assignment.input, Payload::Text(text) if text.starts_with(SLEEPER));
        let hangs = sleeps || assignment.timeout.is_some() && scene.strikes(Fault::HandlerHangs);
        let on_device = assignment.seat.as_ref().is_some_and(|seat| !seat.devices.is_empty());
        let fate = draw_fate(scene, host.is_some() && on_device, sick);
        let takes = draw_length(scene);
        let task = Task { assignment, host, turn: 0, since: scene.now, fate };
        (task, (!hangs).then_some(takes))
    }

    /// Told to stop; returns how long that takes.
    pub fn stop(&mut self, scene: &mut Scene) -> Span {
        self.turn += 1;
        // Now and then the work is done just before the stop arrives.
        let faster = self.fate == Fate::Succeeds && scene.dice.chance(150);
        if !faster {
            self.fate = Fate::IsEnded;
        }
        if scene.strikes(Fault::HandlerStubborn) {
            scene.dice.span(Span::seconds(1), Span::seconds(12))
        } else {
            scene.dice.span(Span::millis(1), Span::millis(80))
        }
    }

    /// Its last word.
    #[must_use]
    pub fn end(&self, now: Time, devices: &[Device]) -> Ended {
        let wall = now.since(self.since);
        Ended {
            attempt: self.attempt(),
            outcome: self.outcome(),
            usage: Usage { wall, cpu: Span(wall.0 / 2), peak_memory: 1 << 20 },
            devices: self.places().map(|at| devices[usize::from(at)].id.clone()).collect(),
        }
    }

    /// Its devices, by their place.
    pub fn places(&self) -> impl Iterator<Item = u16> + '_ {
        self.assignment.seat.iter().flat_map(|seat| seat.devices.iter().copied())
    }

    /// Whether its session cannot go on after it.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.fate == Fate::BreaksDevice
    }

    /// Which attempt it is.
    #[must_use]
    pub fn attempt(&self) -> AttemptId {
        self.assignment.attempt
    }

    fn outcome(&self) -> Outcome {
        let fail = |kind, code, message: &str| {
            Outcome::Failed(Failure { exit_code: Some(1), ..Failure::new(kind, code, message) })
        };
        let succeed = |output| {
            Outcome::Succeeded(Success { output, artifacts: Vec::new(), warnings: Vec::new() })
        };
        match self.fate {
            Fate::Succeeds => succeed(work(&self.assignment.stage, &self.assignment.input)),
            Fate::OverflowsOutput => succeed(Payload::Text("x".repeat(limits::INLINE_BYTES + 1))),
            Fate::Fails => fail(FailureKind::Failed, "exit_status", "ended with status 1"),
            Fate::FindsInvalid => fail(FailureKind::Invalid, "bad_input", "cannot be read"),
            Fate::RunsOutOfMemory => {
                fail(FailureKind::OutOfMemory, "out_of_memory", "the device has no memory left")
            }
            Fate::BreaksDevice => fail(FailureKind::Device, "cuda_700", "an illegal access"),
            Fate::IsEnded => fail(FailureKind::Failed, "exit_status", "ended by a signal"),
        }
    }
}

fn draw_fate(scene: &mut Scene, on_device: bool, sick: bool) -> Fate {
    if on_device && (sick || scene.strikes(Fault::DeviceFails)) {
        Fate::BreaksDevice
    } else if on_device && scene.strikes(Fault::OutOfMemory) {
        Fate::RunsOutOfMemory
    } else if scene.strikes(Fault::HandlerFails) {
        Fate::Fails
    } else if scene.strikes(Fault::InputInvalid) {
        Fate::FindsInvalid
    } else if scene.strikes(Fault::OutputHuge) {
        Fate::OverflowsOutput
    } else {
        Fate::Succeeds
    }
}

/// Mostly short work, some that outlives a lease.
fn draw_length(scene: &mut Scene) -> Span {
    let (least, most) = match scene.dice.between(1, 20) {
        1..=11 => (Span::millis(1), Span::millis(80)),
        12..=18 => (Span::millis(100), Span::seconds(4)),
        _ => (Span::seconds(5), Span::seconds(50)),
    };
    scene.dice.span(least, most)
}
