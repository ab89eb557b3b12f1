//! Who goes before a job though it stands in another line: jobs of other projects that want the
//! same of a worker, and jobs that want something else of the same devices.

use std::collections::BTreeSet;

use gristmill_model::Time;
use gristmill_model::api::Rival;
use gristmill_model::limits;
use gristmill_model::pipeline::StageSpec;

use super::Waiting;
use crate::schedule::{self, fit};
use crate::state::{Class, Head, State};

/// The first job of each other line that goes before, in order; of many only some.
pub(super) fn of(state: &State, now: Time, waiting: &Waiting) -> Vec<Rival> {
    let own = (&waiting.class, waiting.head());
    let listed = state.queue().board().listed();
    let mut before: Vec<_> = listed
        .filter(|(class, _)| competes(state, class, &waiting.class))
        .filter(|other| schedule::goes_before(state, now, *other, own))
        .filter(|(class, _)| state.barred(class, now).is_none())
        .map(|(class, head)| (schedule::used(state, now, class), head, class))
        .collect();
    before.sort_unstable();
    let own_used = schedule::used(state, now, &waiting.class);
    let rival = |(used, head, class): (u128, Head, &Class)| {
        let project = state.project(class.project).expect("a class has its project");
        let reason = if used < own_used {
            "its project has used less of its share"
        } else {
            "it is older or more urgent"
        };
        Rival { job: head.job, project: project.name.to_string(), reason: reason.into() }
    };
    before.into_iter().take(limits::NAMED_AHEAD).map(rival).collect()
}

/// Whether jobs of another line want the same of a worker, or a part of the same devices. Those of
/// one project that want the same stand in one line.
fn competes(state: &State, other: &Class, own: &Class) -> bool {
    if state.need(other) == state.need(own) {
        return other.project != own.project;
    }
    let (theirs, ours) = (kinds(fit::stage(state, other)), kinds(fit::stage(state, own)));
    theirs.intersection(&ours).next().is_some()
}

fn kinds(stage: &StageSpec) -> BTreeSet<&str> {
    stage.requests().flat_map(|request| &request.devices).map(|wish| wish.kind.as_str()).collect()
}
