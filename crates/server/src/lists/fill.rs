//! Puts the text of lines into what workers are told, on its way to them. A list that cannot be
//! read fails the attempt in its worker's place, which then never hears of it.

use gristmill_model::access::Actor;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, Usage};
use gristmill_model::command::Command;
use gristmill_model::payload::Payload;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::wire::{Assignment, ToWorker};
use gristmill_model::{WorkerId, limits};

use crate::handle::Handle;

/// Where frames for one worker pass on their way, in order.
pub(crate) struct Fill {
    handle: Handle,
    worker: Option<WorkerId>,
}

impl Fill {
    /// For a worker that has not been welcomed yet.
    pub(crate) fn new(handle: Handle) -> Fill {
        Fill { handle, worker: None }
    }

    /// The frame with all texts in it; nothing where nothing is left of it.
    pub(crate) async fn pass(&mut self, frame: ToWorker) -> Option<ToWorker> {
        match frame {
            ToWorker::Welcome(welcome) => {
                self.worker = Some(welcome.worker);
                Some(ToWorker::Welcome(welcome))
            }
            ToWorker::Run(run) if run.iter().any(|a| matches!(a.input, Payload::Line(_))) => {
                let run = self.resolve(run).await;
                (!run.is_empty()).then_some(ToWorker::Run(run))
            }
            other => Some(other),
        }
    }

    async fn resolve(&self, run: Vec<Assignment>) -> Vec<Assignment> {
        let mut filled = Vec::with_capacity(run.len());
        for mut assignment in run {
            match self.handle.lists().resolve(&mut assignment.input).await {
                Ok(()) => filled.push(assignment),
                Err(why) => self.fail(&assignment, why).await,
            }
        }
        filled
    }

    async fn fail(&self, assignment: &Assignment, why: Rejection) {
        let Some(worker) = self.worker else { return };
        let attempt = assignment.attempt;
        tracing::warn!(job = %assignment.job, %attempt, why = why.detail, "its input cannot be read");
        let mut message = why.detail;
        message.truncate(message.floor_char_boundary(limits::MESSAGE_BYTES));
        let outcome = Outcome::Failed(match why.code {
            // The store may be back for the next try.
            Code::StoreUnavailable => Failure::new(FailureKind::Failed, "list_unreadable", message),
            Code::NoSuchBlob => Failure::new(FailureKind::Invalid, "list_missing", message),
            _ => Failure::new(FailureKind::Invalid, "list_damaged", message),
        });
        let (usage, devices) = (Usage::default(), Vec::new());
        let report = Command::Report { worker, attempt, outcome, usage, devices };
        // One that has ended otherwise meanwhile needs no end.
        let _ = self.handle.request(Actor::SERVER, report).await;
    }
}
