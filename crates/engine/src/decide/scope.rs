//! Bound a scope; pause, drain or open it.

use gristmill_model::command::Reply;
use gristmill_model::event::{Event, ProjectEvent};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::scope::{Flow, Limit, Scope};
use gristmill_model::{ProjectId, limits};

use super::project;
use crate::state::State;
use crate::turn::Turn;

pub(crate) fn limit(
    turn: &mut Turn,
    project: &str,
    scope: Scope,
    limit: Limit,
) -> Result<Reply, Rejection> {
    let state = turn.state();
    let project = project::find(state, project)?;
    if limit.concurrency == Some(0) {
        let detail = "a limit of 0 lets nothing through: pause the scope instead";
        return Err(Rejection::new(Code::InvalidRequest, detail));
    }
    let old = state.bounds().find(|(p, s, _)| (*p, *s) == (project, &scope));
    let old = old.map_or(Limit::default(), |(_, _, bound)| bound.limit.clone());
    if old == limit {
        return Ok(Reply::Done);
    }
    room_for_one(state, project)?;
    turn.emit(Event::Project(ProjectEvent::LimitSet { project, scope, limit }));
    Ok(Reply::Done)
}

pub(crate) fn flow(
    turn: &mut Turn,
    project: &str,
    scope: Scope,
    flow: Flow,
) -> Result<Reply, Rejection> {
    let state = turn.state();
    let project = project::find(state, project)?;
    if state.flow(project, &scope) == flow {
        return Ok(Reply::Done);
    }
    room_for_one(state, project)?;
    turn.emit(Event::Project(ProjectEvent::FlowSet { project, scope, flow }));
    Ok(Reply::Done)
}

fn room_for_one(state: &State, project: ProjectId) -> Result<(), Rejection> {
    let limits_set = state.bounds().filter(|(p, ..)| *p == project).count();
    let flows_set = state.flows().filter(|(p, ..)| *p == project).count();
    if limits_set.max(flows_set) >= limits::SCOPES {
        let detail = format!("{} scopes are bounded or paused already", limits::SCOPES);
        return Err(Rejection::new(Code::TooMany, detail));
    }
    Ok(())
}
