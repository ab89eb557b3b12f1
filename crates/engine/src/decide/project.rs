//! Make a project, or change its weight. One that is named in a submission is made on the way.

use gristmill_model::command::Reply;
use gristmill_model::event::{Event, ProjectEvent};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{ProjectId, limits, name};

use crate::state::State;
use crate::turn::Turn;

pub(crate) fn define(turn: &mut Turn, name: String, weight: u32) -> Result<Reply, Rejection> {
    if weight == 0 || weight > limits::PROJECT_WEIGHT {
        let detail = format!("a weight of {weight}: expected 1 to {}", limits::PROJECT_WEIGHT);
        return Err(Rejection::new(Code::InvalidRequest, detail));
    }
    match resolve(turn.state(), &name)? {
        Some(project) => {
            let known = turn.state().project(project).expect("names lead to projects");
            if known.weight != weight {
                turn.emit(Event::Project(ProjectEvent::Defined { project, name, weight }));
            }
        }
        None => {
            let project = ProjectId(turn.state().next().project);
            turn.emit(Event::Project(ProjectEvent::Defined { project, name, weight }));
        }
    }
    Ok(Reply::Done)
}

/// The project of a name; nothing where it is not there yet and may be made.
pub(super) fn resolve(state: &State, name: &str) -> Result<Option<ProjectId>, Rejection> {
    if let Some(known) = state.project_named(name) {
        return Ok(Some(known));
    }
    name::check("project", name, Code::InvalidRequest)?;
    if state.project_count() >= limits::PROJECTS {
        let detail = format!("there are {} projects already", limits::PROJECTS);
        return Err(Rejection::new(Code::TooMany, detail));
    }
    Ok(None)
}

/// The project of a name, which was resolved before and is made now if it was not there.
pub(super) fn make(turn: &mut Turn, name: &str) -> ProjectId {
    if let Some(known) = turn.state().project_named(name) {
        return known;
    }
    let project = ProjectId(turn.state().next().project);
    turn.emit(Event::Project(ProjectEvent::Defined { project, name: name.to_owned(), weight: 1 }));
    project
}

/// A project that must be there.
pub(super) fn find(state: &State, name: &str) -> Result<ProjectId, Rejection> {
    state
        .project_named(name)
        .ok_or_else(|| Rejection::new(Code::NoSuchProject, format!("no project `{name}`")))
}
