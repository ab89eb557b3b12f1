//! Put a failed or cancelled job back in the queue, at the stage where it stopped.

use gristmill_model::JobId;
use gristmill_model::access::Actor;
use gristmill_model::command::Reply;
use gristmill_model::event::Event;
use gristmill_model::job::JobState;
use gristmill_model::problem::{Code, Rejection};

use super::find_job;
use crate::turn::Turn;

pub(crate) fn job(turn: &mut Turn, actor: Actor, id: JobId) -> Result<Reply, Rejection> {
    let state = find_job(turn.state(), id)?.state;
    match state {
        JobState::Failed | JobState::Cancelled | JobState::Expired => {
            turn.emit(Event::JobRetried { job: id, actor });
            Ok(Reply::Count(1))
        }
        // A retry that waits for its pause need not wait: a person has asked.
        JobState::Retrying => {
            turn.emit(Event::BackoffElapsed { job: id });
            Ok(Reply::Count(1))
        }
        _ => Err(Rejection::new(
            Code::WrongState,
            format!("job {id} is {state}: only failed and cancelled jobs can be retried"),
        )),
    }
}
