//! Add jobs to an open batch, and close it with the last of them.

use gristmill_model::BatchId;
use gristmill_model::command::Reply;
use gristmill_model::event::Event;
use gristmill_model::job::JobSpec;
use gristmill_model::problem::{Code, Rejection};

use super::{find_batch, submit};
use crate::turn::Turn;

pub(crate) fn append(
    turn: &mut Turn,
    batch: BatchId,
    jobs: Vec<JobSpec>,
    close: bool,
) -> Result<Reply, Rejection> {
    let found = find_batch(turn.state(), batch)?;
    if !found.open {
        return Err(Rejection::new(Code::BatchClosed, format!("batch {batch} is closed")));
    }
    let sifted = submit::sift(turn.state(), found.project, jobs)?;
    let submitted = submit::add(turn, batch, sifted);
    if close {
        turn.emit(Event::BatchClosed { batch });
    }
    Ok(Reply::Batch(submitted))
}
