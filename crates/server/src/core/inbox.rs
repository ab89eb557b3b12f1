//! What the core loop can be told, as one closed list. Whoever waits for an answer holds the other
//! end of a `oneshot`; an answer leaves only when what it rests on is durable.

use std::collections::BTreeMap;
use std::fmt;

use gristmill_engine::State;
use gristmill_model::api::Explanation;
use gristmill_model::command::{Greeting, Reply, Request};
use gristmill_model::job::JobState;
use gristmill_model::problem::Rejection;
use gristmill_model::wire::{FromWorker, ToWorker};
use gristmill_model::{AttemptId, BatchId, JobId, WorkerId};
use tokio::sync::{mpsc, oneshot};

/// Where an answer goes. That nobody waits any more is no error.
pub(crate) type Answer<T> = oneshot::Sender<Result<T, Rejection>>;

/// Something for the core loop.
#[derive(Debug)]
pub(crate) enum Message {
    /// A command of a client.
    Request {
        /// What is asked.
        request: Request,
        /// Hears what came of it.
        answer: Answer<Reply>,
    },
    /// A worker connected.
    Greet {
        /// What it says.
        greeting: Greeting,
        /// Where frames for it go, `Welcome` first. The connection lives as long as this does.
        frames: mpsc::Sender<ToWorker>,
        /// Hears under which name the connection may speak.
        answer: Answer<Connection>,
    },
    /// A worker spoke.
    Heard {
        /// Over which connection.
        connection: Connection,
        /// What it said, in order.
        frames: Vec<FromWorker>,
    },
    /// A worker's connection ended.
    Disconnect(Connection),
    /// Why is a job where it is?
    Explain {
        /// The job.
        job: JobId,
        /// Hears why.
        answer: Answer<Explanation>,
    },
    /// Answer when something is final.
    Wait {
        /// What.
        goal: Goal,
        /// What to answer then.
        question: Box<dyn Question>,
    },
    /// Whose attempt is this?
    Leased {
        /// The attempt.
        attempt: AttemptId,
        /// Hears its job, if it is leased now.
        answer: Answer<Option<JobId>>,
    },
    /// Look at what is so.
    Look(Box<dyn Question>),
    /// How do things stand?
    Snapshot(Answer<Snapshot>),
    /// Stop: nothing that comes later is heard.
    Stop,
}

/// A question about what is so, for what only the engine knows. Keep it short: the core loop waits.
pub(crate) trait Question: Send {
    /// Answers it.
    fn put(self: Box<Self>, to: &State);

    /// Says why there is no answer.
    fn refuse(self: Box<Self>, why: Rejection);

    /// Whether nobody waits for the answer any more.
    fn is_forgotten(&self) -> bool;
}

/// A question and where its answer goes.
struct Asked<T, Q> {
    question: Q,
    answer: Answer<T>,
}

impl<T: Send, Q: FnOnce(&State) -> T + Send> Question for Asked<T, Q> {
    fn put(self: Box<Self>, to: &State) {
        // Whoever went away needs no answer.
        let _ = self.answer.send(Ok((self.question)(to)));
    }

    fn refuse(self: Box<Self>, why: Rejection) {
        let _ = self.answer.send(Err(why));
    }

    fn is_forgotten(&self) -> bool {
        self.answer.is_closed()
    }
}

impl fmt::Debug for dyn Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Question")
    }
}

impl Message {
    /// Looks at what is so.
    pub(crate) fn look<T: Send + 'static>(
        question: impl FnOnce(&State) -> T + Send + 'static,
        answer: Answer<T>,
    ) -> Message {
        Message::Look(Box::new(Asked { question, answer }))
    }

    /// Looks at what is so when something is final.
    pub(crate) fn wait<T: Send + 'static>(
        goal: Goal,
        question: impl FnOnce(&State) -> T + Send + 'static,
        answer: Answer<T>,
    ) -> Message {
        Message::Wait { goal, question: Box::new(Asked { question, answer }) }
    }
}

/// One connection of one worker. A worker that connects again gets another epoch, so what is still
/// said or done in the name of the earlier connection can be told apart and passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The worker.
    pub worker: WorkerId,
    /// Which of the connections that this server has seen.
    pub epoch: u64,
}

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// That a job is final.
    Job(JobId),
    /// That a batch is closed and all its jobs are final.
    Batch(BatchId),
}

/// How things stand right now: what only the engine knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Jobs by state.
    pub jobs: BTreeMap<JobState, u64>,
    /// Workers that have not left.
    pub workers: BTreeMap<WorkerId, Standing>,
}

/// How a worker that has not left stands right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether its connection stands.
    pub connected: bool,
    /// Whether it takes no more work.
    pub draining: bool,
    /// Attempts that run there.
    pub running: u32,
    /// Attempts that wait there.
    pub waiting: u32,
}
