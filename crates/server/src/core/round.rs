//! What a round gathers before its append and says after it.

use std::collections::BTreeMap;

use gristmill_engine::State;
use gristmill_model::WorkerId;
use gristmill_model::api::Explanation;
use gristmill_model::command::Reply;
use gristmill_model::event::Record;
use gristmill_model::problem::Rejection;

use super::inbox::{Answer, Connection, Goal, Message, Question, Snapshot, Standing};
use super::links::Outgoing;
use super::waiters::Waiters;

/// One round of the core loop.
#[derive(Default)]
pub(super) struct Round {
    /// How many commands were judged.
    pub commands: usize,
    /// What happened, applied and not yet durable.
    pub records: Vec<Record>,
    /// Answers to hold back until it is.
    pub pending: Vec<Pending>,
    /// What workers are to be told.
    pub outgoing: BTreeMap<WorkerId, Outgoing>,
}

/// An answer that waits for the append.
pub(super) enum Pending {
    /// To a command.
    Reply(Answer<Reply>, Result<Reply, Rejection>),
    /// To a greeting.
    Greeted(Answer<Connection>, Result<Connection, Rejection>),
    /// To "why?".
    Explained(Answer<Explanation>, Box<Result<Explanation, Rejection>>),
    /// To a look at what is so.
    Look(Box<dyn Question>),
    /// To "how do things stand?".
    Snapshot(Answer<Snapshot>),
    /// To "tell me when".
    Wait(Goal, Box<dyn Question>),
}

impl Round {
    /// What a worker is to be told.
    pub(super) fn outgoing(&mut self, worker: WorkerId) -> &mut Outgoing {
        self.outgoing.entry(worker).or_default()
    }

    /// Nothing of the round is durable, as far as is known: nobody hears anything else.
    pub(super) fn refuse(self, rejection: &Rejection) {
        self.pending.into_iter().for_each(|pending| pending.refuse(rejection));
    }
}

impl Pending {
    /// Says it. Returns the connection of a worker that is no longer there to hear its welcome.
    pub(super) fn answer(self, state: &State, waiters: &mut Waiters) -> Option<Connection> {
        match self {
            // Whoever went away needs no answer.
            Pending::Reply(answer, reply) => drop(answer.send(reply)),
            Pending::Explained(answer, explained) => drop(answer.send(*explained)),
            Pending::Look(question) => question.put(state),
            Pending::Snapshot(answer) => drop(answer.send(Ok(snapshot(state)))),
            Pending::Greeted(answer, greeted) => return answer.send(greeted).err()?.ok(),
            Pending::Wait(goal, question) => {
                waiters.add(goal, question);
                waiters.settle(state, goal);
            }
        }
        None
    }

    fn refuse(self, rejection: &Rejection) {
        let rejection = rejection.clone();
        match self {
            Pending::Reply(answer, _) => drop(answer.send(Err(rejection))),
            Pending::Explained(answer, _) => drop(answer.send(Err(rejection))),
            Pending::Look(question) | Pending::Wait(_, question) => question.refuse(rejection),
            Pending::Snapshot(answer) => drop(answer.send(Err(rejection))),
            Pending::Greeted(answer, _) => drop(answer.send(Err(rejection))),
        }
    }
}

impl Message {
    /// Answers with a refusal, where an answer is expected.
    pub(super) fn refuse(self, rejection: &Rejection) {
        let rejection = rejection.clone();
        match self {
            Message::Request { answer, .. } => drop(answer.send(Err(rejection))),
            Message::Greet { answer, .. } => drop(answer.send(Err(rejection))),
            Message::Explain { answer, .. } => drop(answer.send(Err(rejection))),
            Message::Look(question) | Message::Wait { question, .. } => question.refuse(rejection),
            Message::Leased { answer, .. } => drop(answer.send(Err(rejection))),
            Message::Snapshot(answer) => drop(answer.send(Err(rejection))),
            Message::Heard { .. } | Message::Disconnect(_) | Message::Stop => {}
        }
    }
}

fn snapshot(state: &State) -> Snapshot {
    let standing = |(id, worker): (WorkerId, &gristmill_engine::Worker)| {
        let running = worker.booking.held() - worker.booking.backlog_len();
        let standing = Standing {
            connected: state.is_connected(id),
            draining: worker.draining,
            running: u32::try_from(running).unwrap_or(u32::MAX),
            waiting: u32::try_from(worker.booking.backlog_len()).unwrap_or(u32::MAX),
        };
        (id, standing)
    };
    Snapshot { jobs: state.counts(), workers: state.workers().map(standing).collect() }
}
