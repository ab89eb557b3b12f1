//! What a job waits for besides its turn, and what would let it begin sooner.

use gristmill_model::api::WorkerVerdict;
use gristmill_model::job::JobState;
use gristmill_model::terms::{Target, When};
use gristmill_model::{JobId, Time};

use super::Waiting;
use crate::schedule::fit;
use crate::state::{Barred, Batch, State};

/// A time, other jobs, a limit, a pause, a person: each in one sentence.
pub(super) fn reasons(state: &State, now: Time, waiting: &Waiting) -> Vec<String> {
    let batch = state.batch(waiting.batch).expect("a job has its batch");
    let mut reasons = Vec::new();
    if is_held(state, waiting.id) {
        reasons.push("somebody holds it".to_owned());
    }
    gate(batch, waiting, &mut reasons);
    reasons.extend(state.barred(&waiting.class, now).map(|(((_, scope), _), why)| match why {
        Barred::Paused => format!("{scope} is paused"),
        Barred::NextDrains => format!("{scope}, which comes next, is draining"),
        Barred::Busy { in_use, most } => format!("{scope} runs {in_use} of at most {most}"),
        Barred::TooSoon { rate, until } => format!("{scope} begins at most {rate}: until {until}"),
    }));
    reasons
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
pub(super) fn remedies(state: &State, waiting: &Waiting, workers: &[WorkerVerdict]) -> Vec<String> {
    let mut remedies = Vec::new();
    let batch = state.batch(waiting.batch).expect("a job has its batch");
    if is_held(state, waiting.id) {
        remedies.push(format!("gristmill release {}", waiting.id));
    }
    if batch.is_held() {
        remedies.push(format!("gristmill release {}", waiting.batch));
    }
    if let Some((((_, scope), _), why)) = state.barred(&waiting.class, state.now()) {
        remedies.push(match why {
            Barred::Paused | Barred::NextDrains => format!("gristmill resume {scope}"),
            Barred::Busy { .. } | Barred::TooSoon { .. } => format!("a higher limit on {scope}"),
        });
    }
    let waits_for_worker =
        batch.gate_shows() == JobState::Queued && !workers.iter().any(|worker| worker.fits);
    if waits_for_worker {
        let stage = fit::stage(state, &waiting.class);
        remedies.push(match fit::never(state, stage) {
            Some(never) => never,
            None => format!("another worker that runs `{}`", stage.handler.kind()),
        });
    }
    remedies
}
