//! Define a pipeline, or a new version of one.

use std::sync::Arc;

use gristmill_model::command::{PipelineRef, Reply};
use gristmill_model::event::{Event, PipelineEvent};
use gristmill_model::limits;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::terms::Terms;
use gristmill_model::{PipelineId, ProjectId};

use super::{project, terms};
use crate::state::State;
use crate::turn::Turn;

/// The same spec as the newest version changes nothing; another one is a new version.
pub(crate) fn define(
    turn: &mut Turn,
    project: &str,
    spec: PipelineSpec,
) -> Result<Reply, Rejection> {
    spec.check()?;
    let home = project::resolve(turn.state(), project)?;
    let newest = home.and_then(|project| turn.state().newest_pipeline(project, &spec.name));
    if let Some(id) = newest {
        let pipeline = turn.state().pipeline(id).expect("names lead to pipelines");
        if *pipeline.spec == spec {
            return Ok(Reply::Pipeline(id, pipeline.version));
        }
    }
    check_room(turn.state(), 1)?;
    let project = project::make(turn, project);
    let (id, version) = add(turn, project, spec);
    Ok(Reply::Pipeline(id, version))
}

/// Which pipeline a submission means, judged but not yet defined.
pub(super) enum Resolved {
    /// One that is known.
    Known(PipelineId),
    /// One to define once the submission as a whole has been judged.
    New(PipelineSpec),
}

pub(super) fn resolve(
    state: &State,
    home: Option<ProjectId>,
    wanted: PipelineRef,
) -> Result<Resolved, Rejection> {
    match wanted {
        PipelineRef::Named(name) => state
            .pipeline_for(home, &name)
            .map(Resolved::Known)
            .ok_or_else(|| Rejection::new(Code::NoSuchPipeline, format!("no pipeline `{name}`"))),
        PipelineRef::Inline(spec) => {
            spec.check()?;
            let spec = Arc::new(spec);
            if let Some(id) = home.and_then(|home| state.pipeline_by_spec(home, &spec)) {
                return Ok(Resolved::Known(id));
            }
            check_room(state, 1)?;
            Ok(Resolved::New(Arc::unwrap_or_clone(spec)))
        }
    }
}

impl Resolved {
    /// Judges whether work for this pipeline can be taken in and could ever run. Returns what the
    /// submitter should know.
    pub(super) fn judge(
        &self,
        state: &State,
        home: Option<ProjectId>,
        terms: &Terms,
    ) -> Result<Vec<String>, Rejection> {
        let spec = self.spec(state);
        if let Some(project) = home {
            let first = &spec.stages[0].name;
            terms::check_drains(state, project, &spec.name, first, terms.limit_key.as_deref())?;
        }
        terms::check_fits(state, spec)
    }

    /// What is done to the jobs.
    pub(super) fn spec<'a>(&'a self, state: &'a State) -> &'a PipelineSpec {
        match self {
            Resolved::Known(id) => &state.pipeline(*id).expect("resolved just now").spec,
            Resolved::New(spec) => spec,
        }
    }

    pub(super) fn id(self, turn: &mut Turn, project: ProjectId) -> PipelineId {
        match self {
            Resolved::Known(id) => id,
            Resolved::New(spec) => add(turn, project, spec).0,
        }
    }
}

fn add(turn: &mut Turn, project: ProjectId, spec: PipelineSpec) -> (PipelineId, u32) {
    let state = turn.state();
    let id = PipelineId(state.next().pipeline);
    let newest = state.newest_pipeline(project, &spec.name).and_then(|id| state.pipeline(id));
    let version = newest.map_or(1, |newest| newest.version + 1);
    turn.emit(Event::Pipeline(PipelineEvent::Defined {
        pipeline: id,
        project,
        version,
        spec: Arc::new(spec),
    }));
    (id, version)
}

/// Whether so many more versions can be taken in.
pub(super) fn check_room(state: &State, more: usize) -> Result<(), Rejection> {
    if state.pipeline_count() + more > limits::PIPELINES {
        let detail = format!("there are {} versions of pipelines already", limits::PIPELINES);
        return Err(Rejection::new(Code::TooMany, detail));
    }
    Ok(())
}
