//! Projects: list, show, make, change the weight.

use std::ops::Bound;

use axum::Json;
use axum::extract::State;
use gristmill_engine::State as Engine;
use gristmill_model::ProjectId;
use gristmill_model::api::{Page, Problem, Project, ProjectRequest};
use gristmill_model::command::Command;
use gristmill_model::filter::{Field, Filter};
use gristmill_model::ids::DEFAULT_PROJECT;
use gristmill_model::problem::Code;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::auth::Caller;
use super::body::Whole;
use super::parts::{PageQuery, Path, Query};
use super::problem::{Answer, Refusal};

/// `?project=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct In {
    /// The project's name; without one `default`.
    project: Option<String>,
}

impl In {
    /// The project's name.
    pub(super) fn name(self) -> String {
        self.project.unwrap_or_else(|| DEFAULT_PROJECT.to_owned())
    }
}

/// Lists projects in the order of their names.
#[utoipa::path(get, path = "/v1/projects", tag = "projects", params(PageQuery),
    responses((status = 200, body = Page<Project>), (status = "4XX", body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    Query(page): Query<PageQuery>,
) -> Answer<Json<Page<Project>>> {
    let (limit, after) = (page.limit()?, page.after::<String>()?);
    let look = move |state: &Engine| {
        let mut items: Vec<Project> = after_name(state, after.as_deref()).take(limit + 1).collect();
        let has_more = items.len() > limit;
        items.truncate(limit);
        Page { items, has_more }
    };
    Ok(Json(api.handle.look(look).await?))
}

fn after_name<'a>(state: &'a Engine, after: Option<&str>) -> impl Iterator<Item = Project> + 'a {
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    state.projects_by_name(from).filter_map(|id| shown(state, id))
}

fn shown(state: &Engine, id: ProjectId) -> Option<Project> {
    let project = state.project(id)?;
    Some(Project {
        name: project.name.to_string(),
        weight: project.weight,
        queued: project.queued,
        leased: project.leased,
    })
}

/// Shows a project.
#[utoipa::path(get, path = "/v1/projects/{name}", tag = "projects",
    params(("name" = String, Path, example = "lab")),
    responses((status = 200, body = Project), (status = "4XX", body = Problem)))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Answer<Json<Project>> {
    find(&api, name).await
}

/// Makes a project, or changes its weight.
#[utoipa::path(put, path = "/v1/projects/{name}", tag = "projects", request_body = ProjectRequest,
    params(("name" = String, Path, example = "lab")),
    responses((status = 200, body = Project), (status = "4XX", body = Problem)))]
pub(super) async fn define(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path(name): Path<String>,
    body: Whole,
) -> Answer<Json<Project>> {
    let ProjectRequest { weight } = body.json()?;
    api.handle.request(actor, Command::DefineProject { name: name.clone(), weight }).await?;
    find(&api, name).await
}

async fn find(api: &Api, name: String) -> Answer<Json<Project>> {
    let id = id(api, name).await?;
    let found = api.handle.look(move |state| shown(state, id)).await?;
    Ok(Json(found.ok_or_else(|| Refusal::new(Code::Internal, format!("{id} is no project")))?))
}

/// A filter as the read tables understand it: projects by their ids instead of their names.
pub(super) async fn by_id(api: &Api, mut filter: Filter) -> Answer<Filter> {
    if filter.terms.iter().all(|term| term.field != Field::Project) {
        return Ok(filter);
    }
    let named = move |state: &Engine| {
        let terms = filter.terms.iter_mut().filter(|term| term.field == Field::Project);
        for name in terms.flat_map(|term| &mut term.values) {
            match state.project_named(name) {
                Some(id) => *name = id.to_string(),
                None => return Err(unknown(name)),
            }
        }
        Ok(filter)
    };
    api.handle.look(named).await?
}

/// The id of a project that must be there.
pub(super) async fn id(api: &Api, name: String) -> Answer<ProjectId> {
    let asked = name.clone();
    let found = api.handle.look(move |state| state.project_named(&asked)).await?;
    found.ok_or_else(|| unknown(&name))
}

fn unknown(name: &str) -> Refusal {
    Refusal::new(Code::NoSuchProject, format!("no project `{name}`"))
}
