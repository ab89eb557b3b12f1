//! What a job waits for besides its turn, and what would let it begin sooner.

use gristmill_model::job::JobState;
use gristmill_model::terms::{Target, When};
use gristmill_model::{JobId, Moment, Time, WorkerId};

use super::Waiting;
use crate::schedule::fit::{self, Fit, Reason};
use crate::state::{Barred, Batch, State};

/// A time, other jobs, a limit, a pause, a person: each in one sentence.
pub(super) fn reasons(state: &State, at: Moment, waiting: &Waiting) -> Vec<String> {
    let batch = state.batch(waiting.batch).expect("a job has its batch");
    let mut reasons = Vec::new();
    if is_held(state, waiting.id) {
        reasons.push("somebody holds it".to_owned());
    }
    gate(batch, waiting, &mut reasons);
    reasons.extend(state.bars_of(&waiting.class, at.now).into_iter().map(|((_, scope), why)| {
        match why {
            Barred::Paused => format!("{scope} is paused"),
            Barred::NextDrains => format!("{scope}, which comes next, is draining"),
            Barred::Busy { in_use, most } => format!("{scope} runs {in_use} of at most {most}"),
            Barred::TooSoon { rate, until } => {
                let until = at.wall_at(until);
                format!("{scope} begins at most {rate}: until {until}")
            }
        }
    }));
    reasons
}

/// Whether a person, or something else that must end, keeps it from beginning: nobody knows when.
pub(super) fn for_somebody(state: &State, waiting: &Waiting) -> bool {
    let gate = state.batch(waiting.batch).and_then(Batch::gate);
    is_held(state, waiting.id) || gate.is_some_and(|gate| gate.held || !gate.pending.is_empty())
}

fn gate(batch: &Batch, waiting: &Waiting, reasons: &mut Vec<String>) {
    let Some(gate) = batch.gate() else { return };
    if gate.held {
        reasons.push(format!("somebody holds its batch {}", waiting.batch));
    }
    if let Some(at) = gate.start_at {
        reasons.push(format!("its batch begins at {at}"));
    }
    for (on, when) in &gate.pending {
        let how = match (on, when) {
            (_, When::Finished) => "has ended",
            (_, When::Succeeded) => "has succeeded",
            (Target::Job(_), When::Failed) => "has failed",
            (Target::Batch(_), When::Failed) => "has ended with a failure",
        };
        reasons.push(format!("its batch waits until {on} {how}"));
    }
}

fn is_held(state: &State, id: JobId) -> bool {
    state.job(id).is_some_and(|job| job.state == JobState::Blocked)
}

/// What somebody could do about it.
pub(super) fn remedies(
    state: &State,
    now: Time,
    waiting: &Waiting,
    fits: &[(WorkerId, Fit)],
) -> Vec<String> {
    let mut remedies = Vec::new();
    let batch = state.batch(waiting.batch).expect("a job has its batch");
    if is_held(state, waiting.id) {
        remedies.push(format!("gristmill release {}", waiting.id));
    }
    if batch.is_held() {
        remedies.push(format!("gristmill release {}", waiting.batch));
    }
    let bars = state.bars_of(&waiting.class, now);
    remedies.extend(bars.iter().map(|((_, scope), why)| match why {
        Barred::Paused | Barred::NextDrains => format!("gristmill resume {scope}"),
        Barred::Busy { .. } | Barred::TooSoon { .. } => format!("a higher limit on {scope}"),
    }));
    let its_turn = batch.gate_shows() == JobState::Queued && !is_held(state, waiting.id);
    if its_turn && !fits.iter().any(|(_, fit)| !matches!(fit, Fit::Not(_))) {
        remedies.extend(workers(state, waiting, fits, bars.is_empty()));
    }
    remedies
}

/// Which workers would help: those that somebody paused, those that were declared and are not here,
/// or any that has what it takes.
fn workers(state: &State, waiting: &Waiting, fits: &[(WorkerId, Fit)], alone: bool) -> Vec<String> {
    let stage = fit::stage(state, &waiting.class);
    let mut remedies: Vec<String> = fits
        .iter()
        .filter(|(_, fit)| *fit == Fit::Not(Reason::Paused))
        .filter(|(id, _)| fit::suits(state, &waiting.class, *id))
        .map(|(id, _)| format!("gristmill resume {id}"))
        .collect();
    if !remedies.is_empty() || !alone {
        return remedies;
    }
    let is_here = |name: &str| state.workers().any(|(_, worker)| worker.name() == name);
    let declared = fit::declared(state, stage).filter(|name| !is_here(name));
    remedies.extend(declared.map(|name| format!("declared worker {name}, once it is connected")));
    let busy = fits.iter().any(|(_, fit)| matches!(fit, Fit::Not(Reason::Full { .. })));
    if busy || remedies.is_empty() {
        let which = if busy { "another" } else { "a" };
        remedies.push(format!("{which} worker {}", fit::wanted(stage)));
    }
    remedies
}
