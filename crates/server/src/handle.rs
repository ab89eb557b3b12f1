//! A handle on a running server: what HTTP, sessions and local mode ask of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use gristmill_engine::State;
use gristmill_model::access::Actor;
use gristmill_model::api::Explanation;
use gristmill_model::command::{Command, Reply, Request};
use gristmill_model::limits::{self, Timing};
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::wire::{FromWorker, ToWorker};
use gristmill_model::{JobId, Span};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;

use crate::blobs::Blobs;
use crate::callback;
use crate::core::{Goal, Message, Snapshot};
use crate::feed::Feed;
use crate::lists::{Fill, Lists};
use crate::logs::Logs;
use crate::read::Read;
use crate::session;

/// Speaks to a running server; a clone speaks to the same one.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// All that handles share.
pub(crate) struct Shared {
    /// The core loop's.
    pub(crate) inbox: mpsc::Sender<Message>,
    /// Why the server has failed, once it has.
    pub(crate) failed: watch::Receiver<Option<Rejection>>,
    pub(crate) feed: Feed,
    pub(crate) read: Read,
    pub(crate) blobs: Blobs,
    pub(crate) lists: Lists,
    pub(crate) logs: Logs,
    pub(crate) timing: Timing,
    pub(crate) started: Instant,
    /// The last event that the log no longer keeps one by one.
    pub(crate) kept_after: Arc<AtomicU64>,
}

impl Handle {
    pub(crate) fn new(shared: Shared) -> Handle {
        Handle { shared: Arc::new(shared) }
    }

    /// Asks for something; the answer comes when what it rests on is durable.
    ///
    /// # Errors
    /// Why it is refused; nothing has changed then.
    pub async fn request(&self, actor: Actor, command: Command) -> Result<Reply, Rejection> {
        let answered = self.begin(actor, command).await?;
        answered.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// As [`Handle::request`], and the answer may be waited for later.
    ///
    /// # Errors
    /// Why it is refused before the engine has seen it.
    pub(crate) async fn begin(
        &self,
        actor: Actor,
        command: Command,
    ) -> Result<oneshot::Receiver<Result<Reply, Rejection>>, Rejection> {
        if let Command::Submit(submission) = &command {
            callback::check(&submission.terms)?;
        }
        let (answer, answered) = oneshot::channel();
        let request = Request { actor, command };
        self.send(Message::Request { request, answer }).await;
        Ok(answered)
    }

    /// Why a job is where it is.
    ///
    /// # Errors
    /// `no_such_job`, or the server cannot answer.
    pub async fn explain(&self, job: JobId) -> Result<Explanation, Rejection> {
        let (answer, answered) = oneshot::channel();
        self.ask(Message::Explain { job, answer }, answered).await
    }

    /// How things stand right now.
    ///
    /// # Errors
    /// The server cannot answer.
    pub async fn snapshot(&self) -> Result<Snapshot, Rejection> {
        let (answer, answered) = oneshot::channel();
        self.ask(Message::Snapshot(answer), answered).await
    }

    /// Looks at the engine's state, for what only the engine knows; all that was acknowledged
    /// before is there. Keep it short: the core loop waits for it.
    ///
    /// # Errors
    /// The server cannot answer.
    pub async fn look<T: Send + 'static>(
        &self,
        question: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        let (answer, answered) = oneshot::channel();
        self.ask(Message::look(question, answer), answered).await
    }

    /// Waits until a job or a batch is final, at most `limits::WAIT`; says whether it is. What does
    /// not exist is not waited for.
    ///
    /// # Errors
    /// The server cannot answer.
    pub async fn wait(&self, goal: Goal, span: Span) -> Result<bool, Rejection> {
        self.wait_and_look(goal, span, |_| ()).await.map(|reached| reached.is_some())
    }

    /// As [`Handle::wait`], and looks at the engine's state in the moment that it is final: what is
    /// asked then needs no second way to the core loop. Nothing where that does not come in time.
    ///
    /// # Errors
    /// The server cannot answer.
    pub async fn wait_and_look<T: Send + 'static>(
        &self,
        goal: Goal,
        span: Span,
        question: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<Option<T>, Rejection> {
        let (answer, answered) = oneshot::channel();
        let patience = span.min(limits::WAIT).to_std();
        let reached = self.ask(Message::wait(goal, question, answer), answered);
        timeout(patience, reached).await.map_or(Ok(None), |looked| looked.map(Some))
    }

    /// Connects a worker of this process. Needs a tokio runtime to run in.
    #[must_use]
    pub fn connect_worker(&self) -> (mpsc::Sender<FromWorker>, mpsc::Receiver<ToWorker>) {
        let (says, said) = mpsc::channel(limits::FRAMES_PER_WORKER);
        let (tell, mut told) = mpsc::channel(limits::FRAMES_PER_WORKER);
        let (pass, hears) = mpsc::channel(limits::FRAMES_PER_TURN);
        let said = ReceiverStream::new(said);
        let mut fill = Fill::new(self.clone());
        let telling = async move {
            while let Some(frame) = told.recv().await {
                if let Some(frame) = fill.pass(frame).await
                    && pass.send(frame).await.is_err()
                {
                    break;
                }
            }
        };
        tokio::spawn(session::serve(self.clone(), said, tell, telling));
        (says, hears)
    }

    /// Waits until the server has failed and acknowledges nothing any more: whoever runs it should
    /// end the process. The code says with which exit code.
    pub async fn failed(&self) -> Rejection {
        let mut failed = self.shared.failed.clone();
        match failed.wait_for(Option::is_some).await.map(|why| why.clone()) {
            Ok(Some(why)) => why,
            // The server was stopped, and will not fail any more.
            _ => std::future::pending().await,
        }
    }

    /// What happens, for those who listen.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.shared.feed
    }

    /// Where questions about what was and is are asked.
    #[must_use]
    pub fn read(&self) -> &Read {
        &self.shared.read
    }

    /// Bytes by digest.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.shared.blobs
    }

    /// Lists of inputs among the blobs.
    #[must_use]
    pub fn lists(&self) -> &Lists {
        &self.shared.lists
    }

    /// Captured output.
    #[must_use]
    pub fn logs(&self) -> &Logs {
        &self.shared.logs
    }

    /// The last event that the log no longer keeps one by one; 0 where it keeps them all.
    #[must_use]
    pub fn kept_after(&self) -> u64 {
        self.shared.kept_after.load(Ordering::Relaxed)
    }

    /// How long the server has been running.
    #[must_use]
    pub fn uptime(&self) -> Span {
        Span::from_std(self.shared.started.elapsed())
    }

    /// The spans by which dead workers are noticed.
    #[must_use]
    pub fn timing(&self) -> &Timing {
        &self.shared.timing
    }

    /// Tells the core loop something that has no answer. That it is gone is no error.
    pub(crate) async fn send(&self, message: Message) {
        let _ = self.shared.inbox.send(message).await;
    }

    /// Tells the core loop something and waits for its answer.
    pub(crate) async fn ask<T>(
        &self,
        message: Message,
        answered: oneshot::Receiver<Result<T, Rejection>>,
    ) -> Result<T, Rejection> {
        self.send(message).await;
        answered.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Why the core loop does not answer.
    fn gone(&self) -> Rejection {
        let failed = self.shared.failed.borrow().clone();
        failed.unwrap_or_else(|| Rejection::new(Code::ShuttingDown, "the server is stopping"))
    }
}
