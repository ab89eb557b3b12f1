//! Judges the terms of a submission, and whether what it asks for is there to be had.

use std::collections::BTreeSet;

use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::scope::{Flow, Scope};
use gristmill_model::terms::{Dependency, Target, Terms, When};
use gristmill_model::{ProjectId, Time, limits};

use crate::schedule::fit;
use crate::state::{Batch, Ending, State, is_met};

pub(super) fn check(state: &State, terms: &Terms, wall: Time) -> Result<(), Rejection> {
    check_times(terms, wall)?;
    check_dependencies(state, terms)?;
    if let Some(key) = &terms.limit_key
        && (key.is_empty() || key.len() > limits::KEY_BYTES)
    {
        return bad(format!("a limit key has 1 to {} bytes", limits::KEY_BYTES));
    }
    if let Some(url) = &terms.callback {
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        if !is_http || url.len() > limits::URL_BYTES {
            return bad(format!(
                "a callback is an http or https URL of at most {} bytes",
                limits::URL_BYTES
            ));
        }
    }
    Ok(())
}

fn check_times(terms: &Terms, wall: Time) -> Result<(), Rejection> {
    for (what, time) in [("expires_at", terms.expires_at), ("deadline", terms.deadline)] {
        let Some(time) = time else { continue };
        if time <= wall {
            return bad(format!("{what} {time} has passed already"));
        }
        if terms.start_at.is_some_and(|start| start >= time) {
            return bad(format!("no job can begin: start_at is not before {what}"));
        }
    }
    Ok(())
}

fn check_dependencies(state: &State, terms: &Terms) -> Result<(), Rejection> {
    if terms.after.len() > limits::DEPENDENCIES {
        return bad(format!(
            "{} dependencies: at most {}",
            terms.after.len(),
            limits::DEPENDENCIES
        ));
    }
    let mut named = BTreeSet::new();
    for dependency in &terms.after {
        let on = dependency.on;
        if !named.insert(on) {
            return bad(format!("{on} is waited for twice"));
        }
        if state.ending(on) == Ending::Unknown {
            let (known, code) = match on {
                Target::Job(job) => (state.knows_job(job), Code::NoSuchJob),
                Target::Batch(batch) => (state.knows_batch(batch), Code::NoSuchBatch),
            };
            if known {
                let detail = format!("{on}, which is to end first, finished and was forgotten");
                return Err(Rejection::new(Code::BatchForgotten, detail));
            }
            let detail = format!("{on}, which is to end first, was never there");
            return Err(Rejection::new(code, detail));
        }
    }
    Ok(())
}

/// What the terms wait for that has ended otherwise already. The jobs are taken in, for a person
/// may retry them, but are cancelled at once: the submitter should know.
pub(super) fn unmet(state: &State, terms: &Terms) -> Vec<String> {
    let missed = terms
        .after
        .iter()
        .filter(|dependency| is_met(state.ending(dependency.on), dependency.when) == Some(false));
    missed
        .map(|Dependency { on, when }| {
            let must = if *when == When::Failed { "fail" } else { "succeed" };
            let stands = stands(state, *on);
            format!("{on}, which must {must} first, has ended ({stands}): all jobs are cancelled")
        })
        .collect()
}

/// How the jobs of something stand that has ended.
fn stands(state: &State, on: Target) -> String {
    match on {
        Target::Job(job) => {
            state.job_state(job).map_or_else(String::new, |found| found.to_string())
        }
        Target::Batch(batch) => {
            let counts = state.batch(batch).into_iter().flat_map(Batch::counts);
            let told: Vec<String> =
                counts.map(|(found, count)| format!("{count} {found}")).collect();
            if told.is_empty() { "no jobs".into() } else { told.join(", ") }
        }
    }
}

/// Work is not taken in where a scope that it falls under drains.
pub(super) fn check_drains(
    state: &State,
    project: ProjectId,
    pipeline: &str,
    first_stage: &str,
    limit_key: Option<&str>,
) -> Result<(), Rejection> {
    let mut scopes = vec![
        Scope::Project,
        Scope::Pipeline(pipeline.to_owned()),
        Scope::Stage(pipeline.to_owned(), first_stage.to_owned()),
    ];
    scopes.extend(limit_key.map(|key| Scope::Key(key.to_owned())));
    for scope in scopes {
        if state.flow(project, &scope) == Flow::Draining {
            return Err(Rejection::new(Code::Draining, format!("{scope} is draining")));
        }
    }
    Ok(())
}

/// What could run on no worker that is known: refused where somebody declared what workers there
/// will be, or where it is for want of devices and there are workers with its handler; told
/// otherwise, for a fitting one may still join.
pub(super) fn check_fits(state: &State, spec: &PipelineSpec) -> Result<Vec<String>, Rejection> {
    let mut warnings = Vec::new();
    for stage in &spec.stages {
        let Some(reason) = fit::never(state, stage) else { continue };
        let detail = format!("stage `{}`: {reason}", stage.name);
        let is_told = state.declared().next().is_some();
        if is_told || fit::lacks_devices(state, stage) {
            return Err(Rejection::new(Code::NeverFits, detail));
        }
        warnings.push(detail);
    }
    Ok(warnings)
}

fn bad(detail: String) -> Result<(), Rejection> {
    Err(Rejection::new(Code::InvalidRequest, detail))
}
