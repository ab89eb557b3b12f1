//! Whoever asked to be called at a batch's end was called, or could not be.

use gristmill_model::BatchId;
use gristmill_model::command::Reply;
use gristmill_model::event::{BatchEvent, Event};
use gristmill_model::problem::Rejection;

use super::find_batch;
use crate::turn::Turn;

pub(crate) fn settle(
    turn: &mut Turn,
    batch: BatchId,
    delivered: bool,
    detail: String,
) -> Result<Reply, Rejection> {
    find_batch(turn.state(), batch)?;
    turn.emit(Event::Batch(BatchEvent::CallbackSettled { batch, delivered, detail }));
    Ok(Reply::Done)
}
