//! What only the engine knows of a batch, to be laid over what the tables show of it.

use gristmill_engine::State;
use gristmill_model::BatchId;
use gristmill_model::api::{self, Batch};

use super::terms;

/// A batch's project, and its terms as they stand; nothing of one that the engine has forgotten.
pub(super) struct Overlay(Option<Known>);

struct Known {
    project: Option<String>,
    terms: Option<api::Terms>,
}

impl Overlay {
    /// What the engine knows now.
    pub(super) fn of(state: &State, id: BatchId) -> Overlay {
        Overlay(state.batch(id).map(|batch| Known {
            project: state.project(batch.project).map(|project| project.name.to_string()),
            terms: terms::shown(batch),
        }))
    }

    /// Lays it over what the tables show.
    pub(super) fn lay_over(self, shown: &mut Batch) {
        if let Overlay(Some(Known { project, terms })) = self {
            (shown.project, shown.terms) = (project, terms);
        }
    }
}
