//! Offers of a worker: a pipeline for each session that it runs, defined when it joins, so that
//! jobs can name it. A worker that is known has offered before: its process has one offer for life,
//! and two workers that differ must not make a new version with every reconnect.

use gristmill_model::command::Greeting;
use gristmill_model::ids::DEFAULT_PROJECT;
use gristmill_model::pipeline::{Handler, PipelineSpec};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{ProjectId, limits};

use super::pipeline;
use crate::state::State;
use crate::turn::Turn;

/// Pipelines to define for a worker that joins, validated.
///
/// # Errors
/// The first offer that is none, or cannot be defined: then the worker is not taken in.
pub(super) fn check(state: &State, greeting: &Greeting) -> Result<Vec<PipelineSpec>, Rejection> {
    let name = &greeting.description.name;
    let refuse = |detail| Err(Rejection::new(Code::InvalidPipeline, detail));
    let (given, most) = (greeting.offers.len(), limits::STAGES);
    if given > most {
        return refuse(format!("worker {name} offers {given} pipelines: at most {most}"));
    }
    if let Some(spec) = greeting.offers.iter().find(|spec| !is_offer(spec, greeting)) {
        return refuse(format!(
            "worker {name} offers `{}`, which is not one stage of a session that it runs",
            spec.name
        ));
    }
    let specs: Vec<_> = greeting.offers.iter().map(|spec| with_data(state, spec.clone())).collect();
    pipeline::check_room(state, specs.len())?;
    for spec in &specs {
        spec.check().map_err(|why| {
            let detail = format!("worker {name} offers `{}`: {}", spec.name, why.detail);
            Rejection::new(why.code, detail)
        })?;
    }
    Ok(specs)
}

/// Defines what was validated.
pub(super) fn define(turn: &mut Turn, specs: Vec<PipelineSpec>) {
    for spec in specs {
        pipeline::define(turn, DEFAULT_PROJECT, spec).expect("an offer was validated before");
    }
}

/// An offer with the data that was given to the pipeline before: workers name what their sessions
/// take, and submitters say what it is.
fn with_data(state: &State, mut spec: PipelineSpec) -> PipelineSpec {
    let newest = state.newest_pipeline(ProjectId::DEFAULT, &spec.name);
    let newest = newest.and_then(|id| state.pipeline(id));
    let known = newest.and_then(|known| known.spec.stages.first()?.handler.session());
    for stage in &mut spec.stages {
        if let Handler::Session(session) = &mut stage.handler {
            for (name, data) in &mut session.data {
                *data = known.and_then(|known| known.data.get(name).cloned().flatten());
            }
        }
    }
    spec
}

fn is_offer(spec: &PipelineSpec, greeting: &Greeting) -> bool {
    let [stage] = &spec.stages[..] else { return false };
    let Handler::Session(session) = &stage.handler else { return false };
    greeting.description.shape.handlers.contains(&session.name)
}
