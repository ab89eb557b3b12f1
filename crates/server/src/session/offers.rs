//! What a worker offers: a pipeline for each session that it runs, defined when it joins, so that
//! jobs can name it. A worker that is known has offered before: its process has one offer for life,
//! and two workers that differ must not make a new version with every reconnect.

use gristmill_model::access::Actor;
use gristmill_model::command::Command;
use gristmill_model::ids::DEFAULT_PROJECT;
use gristmill_model::pipeline::{Handler, PipelineSpec};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::wire::Hello;
use gristmill_model::{ProjectId, limits};

use crate::handle::Handle;

/// Defines the pipelines that a worker offers.
///
/// # Errors
/// The first offer that is none, or that the engine refuses: then the worker is not taken in.
pub(super) async fn define(handle: &Handle, hello: &Hello) -> Result<(), Rejection> {
    if hello.offers.is_empty() {
        return Ok(());
    }
    check(hello)?;
    let instance = hello.instance;
    let known = move |state: &gristmill_engine::State| {
        state.workers().any(|(_, worker)| worker.instance == instance)
    };
    if handle.look(known).await? {
        return Ok(());
    }
    for spec in &hello.offers {
        let (project, spec) = (DEFAULT_PROJECT.to_owned(), with_data(handle, spec.clone()).await?);
        let named = format!("worker {} offers `{}`", hello.name, spec.name);
        let defined = handle.request(Actor::Worker, Command::DefinePipeline { project, spec });
        defined.await.map_err(|why| told(&named, &why))?;
    }
    Ok(())
}

/// An offer with the data that was given to the pipeline before: workers name what their sessions
/// take, and submitters say what it is.
async fn with_data(handle: &Handle, mut spec: PipelineSpec) -> Result<PipelineSpec, Rejection> {
    let name = spec.name.clone();
    let known = move |state: &gristmill_engine::State| {
        let newest = state.pipeline(state.newest_pipeline(ProjectId::DEFAULT, &name)?)?;
        newest.spec.stages.first()?.handler.session().map(|session| session.data.clone())
    };
    let known = handle.look(known).await?.unwrap_or_default();
    for stage in &mut spec.stages {
        if let Handler::Session(session) = &mut stage.handler {
            for (name, data) in &mut session.data {
                *data = known.get(name).cloned().flatten();
            }
        }
    }
    Ok(spec)
}

fn check(hello: &Hello) -> Result<(), Rejection> {
    let refuse = |detail| Err(Rejection::new(Code::InvalidPipeline, detail));
    let (given, most) = (hello.offers.len(), limits::STAGES);
    if given > most {
        return refuse(format!("worker {} offers {given} pipelines: at most {most}", hello.name));
    }
    match hello.offers.iter().find(|spec| !is_offer(spec, hello)) {
        None => Ok(()),
        Some(spec) => refuse(format!(
            "worker {} offers `{}`, which is not one stage of a session that it runs",
            hello.name, spec.name
        )),
    }
}

fn is_offer(spec: &PipelineSpec, hello: &Hello) -> bool {
    let [stage] = &spec.stages[..] else { return false };
    let Handler::Session(session) = &stage.handler else { return false };
    hello.handlers.contains(&session.name)
}

fn told(named: &str, why: &Rejection) -> Rejection {
    Rejection::new(why.code, format!("{named}: {}", why.detail))
}
