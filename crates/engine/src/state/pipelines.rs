//! Pipelines: every version that was ever defined, the newest of each name, and each by its spec.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::pipeline::{PipelineSpec, StageSpec};
use gristmill_model::resources::Resources;
use gristmill_model::{PipelineId, ProjectId};

use super::State;
use crate::change::{self, Change};

/// A version of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Whose it is.
    pub project: ProjectId,
    /// 1 for the first of its name.
    pub version: u32,
    /// What it does.
    pub spec: Arc<PipelineSpec>,
    /// For each stage the number that it shares with all stages that ask the same of a worker.
    pub(crate) needs: Vec<u32>,
}

/// All that a stage asks of a worker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asks {
    handler: Box<str>,
    /// Key and seats of the session that does the work, where one does, and whether it is pinned.
    session: Option<(String, u32, bool)>,
    requests: Vec<Resources>,
    requires: BTreeMap<String, String>,
    prefers: BTreeMap<String, String>,
}

impl Pipeline {
    /// A stage by its index.
    ///
    /// # Panics
    /// When there is no such stage: an index comes from our own state.
    #[must_use]
    pub fn stage(&self, index: u16) -> &StageSpec {
        &self.spec.stages[usize::from(index)]
    }

    /// Whether a stage is the last.
    #[must_use]
    pub fn is_last(&self, index: u16) -> bool {
        usize::from(index) + 1 == self.spec.stages.len()
    }
}

impl State {
    pub(super) fn add_pipeline(
        &mut self,
        id: PipelineId,
        project: ProjectId,
        version: u32,
        spec: &Arc<PipelineSpec>,
    ) {
        assert_eq!(id.0, self.next.pipeline, "pipeline ids come in order");
        self.next.pipeline += 1;
        let spec = Arc::clone(spec);
        self.newest.insert((project, spec.name.clone()), id);
        self.by_spec.insert((project, Arc::clone(&spec)), id);
        self.push_change(Change::Pipeline(change::Pipeline {
            id,
            project,
            version,
            spec: Arc::clone(&spec),
            created_at: self.at.wall,
        }));
        let needs = spec.stages.iter().map(|stage| self.need_number(stage)).collect();
        self.pipelines.insert(id, Pipeline { project, version, spec, needs });
    }

    fn need_number(&mut self, stage: &StageSpec) -> u32 {
        let asks = Asks {
            handler: stage.handler.word().into(),
            session: stage
                .handler
                .session()
                .map(|session| (session.key(), session.batch, session.pinned)),
            requests: stage.requests().cloned().collect(),
            requires: stage.requires.clone(),
            prefers: stage.prefers.clone(),
        };
        let next = u32::try_from(self.asks.len()).expect("pipelines are bounded");
        *self.asks.entry(asks).or_insert(next)
    }
}
