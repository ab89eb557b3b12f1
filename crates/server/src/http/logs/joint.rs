//! What many jobs printed, together: those of a batch, those at a worker, or both. Kept output is
//! told in the order of time, a bounded part of it after the other; what is said while somebody
//! follows is told as it comes (`live`).

mod live;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use gristmill_model::api::{LogLine, LogStream, Problem, WorkerState};
use gristmill_model::problem::Code;
use gristmill_model::{AttemptId, BatchId, Time, WorkerId, limits};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use super::lines::{self, Lines, Origin, Wish};
use super::{Over, PIECES, printer};
use crate::feed::{Subscription, Topic};
use crate::http::parts::Query;
use crate::http::problem::{Answer, Refusal};
use crate::http::{Api, batches, workers};
use crate::logs::Captured;
use crate::read::{Logged, Whose};
use live::Live;

/// `?batch=&worker=&follow=&stream=&grep=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JointQuery {
    /// Only jobs of this batch, as in `b3`.
    #[param(value_type = Option<String>)]
    batch: Option<BatchId>,
    /// Only attempts at this worker, as in `w2`; of these the newest million are looked at.
    #[param(value_type = Option<String>)]
    worker: Option<WorkerId>,
    /// Whether to go on, also with attempts that begin later: until the batch has finished, or the
    /// worker has left where no batch is named.
    #[serde(default)]
    follow: bool,
    /// Only this stream.
    #[param(inline)]
    stream: Option<LogStream>,
    /// Only lines with this text in them.
    grep: Option<String>,
}

/// What the jobs of a batch, or at a worker, printed, a line each. One of both must be named.
#[utoipa::path(get, path = "/v1/logs", tag = "jobs", params(JointQuery),
    responses((status = 200, content_type = "application/x-ndjson", body = LogLine),
        (status = "4XX", body = Problem)))]
pub(crate) async fn joint(
    State(api): State<Api>,
    Query(query): Query<JointQuery>,
) -> Answer<Response> {
    let whose = Whose { batch: query.batch, worker: query.worker };
    let Some(topic) = topic(whose) else {
        let detail = "neither a batch nor a worker is named: add ?batch=b3 or ?worker=w2";
        return Err(Refusal::new(Code::InvalidRequest, detail));
    };
    let turn = api.joint_logs.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{} joint logs are being read already", limits::JOINT_LOGS);
        Refusal::new(Code::TooMany, detail)
    })?;
    // Before the first look: whatever happens after it is heard.
    let live = query.follow.then(|| Live::new(&api, topic, query.batch));
    let ended = ended(&api, whose).await?;
    let last = api.ask(|tables| tables.last_attempt()).await?.unwrap_or(AttemptId(0));
    let (pieces, follows) = mpsc::channel(PIECES);
    let wish = Wish { stream: query.stream, grep: query.grep };
    let teller = Teller { api: api.clone(), whose, wish, pieces };
    tokio::spawn(tell(teller, last, live.filter(|_| !ended), turn));
    let bytes = futures::StreamExt::map(ReceiverStream::new(follows), Ok::<_, std::io::Error>);
    Ok(printer::response("application/x-ndjson", Body::from_stream(bytes)))
}

/// The events that matter. Of both the batch's are heard, and those of other workers passed over.
fn topic(whose: Whose) -> Option<Topic> {
    match (whose.batch, whose.worker) {
        (Some(batch), _) => Some(Topic::batch(batch)),
        (None, Some(worker)) => Some(Topic::worker(worker)),
        (None, None) => None,
    }
}

/// Whether nothing more will be printed.
async fn ended(api: &Api, whose: Whose) -> Answer<bool> {
    let mut ended = false;
    if let Some(batch) = whose.batch {
        ended |= batches::find(api, batch).await?.finished;
    }
    if let Some(worker) = whose.worker {
        ended |= workers::find(api, worker).await?.state == WorkerState::Gone;
    }
    Ok(ended)
}

async fn tell(
    teller: Teller,
    last: AttemptId,
    mut live: Option<Live>,
    _turn: OwnedSemaphorePermit,
) {
    let stopping = teller.api.stopping.clone();
    let hung_up = teller.pieces.clone();
    let telling = async {
        teller.kept(last, live.as_mut()).await?;
        match live {
            Some(live) => live.follow(&teller, last).await,
            None => Ok(()),
        }
    };
    tokio::select! {
        // Errors have no other way to be told than that the lines end.
        _ = telling => {}
        () = hung_up.closed() => {}
        () = stopping.cancelled() => {}
    }
}

/// Tells lines to somebody.
struct Teller {
    api: Api,
    whose: Whose,
    wish: Wish,
    pieces: mpsc::Sender<Bytes>,
}

/// An attempt of which more may come.
struct Open {
    from: Origin,
    /// What was read of its output.
    next: u64,
    lines: Lines,
}

impl Open {
    const fn new(from: Origin, next: u64, lines: Lines) -> Open {
        Open { from, next, lines }
    }
}

impl Teller {
    async fn send(&self, lines: &[LogLine]) -> Result<(), Over> {
        if lines.is_empty() {
            return Ok(());
        }
        self.pieces.send(printer::json(lines).into()).await.map_err(|_| Over)
    }

    /// Tells what is kept of attempts up to one, and hands those that run to who follows them.
    async fn kept(&self, last: AttemptId, mut live: Option<&mut Live>) -> Result<(), Over> {
        let (mut together, mut after) = (Together::default(), None);
        loop {
            let (whose, from) = (self.whose, after.take());
            let page = self.api.ask(move |tables| tables.logged(whose, last, from.as_ref())).await;
            let page = page.map_err(|_| Over)?;
            for attempt in &page {
                let (lines, open) = self.read(attempt, live.is_some()).await?;
                if let (Some(open), Some(live)) = (open, live.as_deref_mut()) {
                    live.add(open, self).await?;
                }
                together.add(attempt.leased_at, lines);
                if together.is_full() {
                    self.send(&together.take()).await?;
                }
            }
            match page.into_iter().next_back() {
                Some(last) => after = Some(last),
                None => return self.send(&together.take()).await,
            }
        }
    }

    /// What is kept of an attempt; what is unfinished of one that runs is for later.
    async fn read(
        &self,
        attempt: &Logged,
        follow: bool,
    ) -> Result<(Vec<LogLine>, Option<Open>), Over> {
        let Logged { job, batch, index, worker, .. } = *attempt;
        let from = Origin { job, batch, index, attempt: attempt.attempt, worker };
        let captured = self.captured(&from, 0).await?;
        let failed = lines::traceback(attempt.failure.as_ref(), &captured)
            .map(|text| lines::of_traceback(&from, text, &self.wish));
        let (mut open, next) = (Lines::default(), captured.next);
        let mut told = open.of(&from, captured, &self.wish);
        if follow && attempt.running {
            return Ok((told, Some(Open::new(from, next, open))));
        }
        told.extend(open.finish(&from, &self.wish));
        told.extend(failed.into_iter().flatten());
        Ok((told, None))
    }

    /// Where an attempt that has ended failed, unless that was printed.
    async fn traceback(&self, from: &Origin) -> Result<Vec<LogLine>, Over> {
        let id = from.attempt;
        let attempt = self.api.ask(move |tables| tables.attempt(id)).await.map_err(|_| Over)?;
        let failure = attempt.and_then(|attempt| attempt.failure);
        if failure.as_ref().is_none_or(|failure| failure.traceback.is_none()) {
            return Ok(Vec::new());
        }
        let all = self.captured(from, 0).await?;
        let text = lines::traceback(failure.as_ref(), &all);
        Ok(text.map(|text| lines::of_traceback(from, text, &self.wish)).unwrap_or_default())
    }

    async fn captured(&self, from: &Origin, after: u64) -> Result<Captured, Over> {
        let captured = self.api.handle.logs().read(from.job, from.attempt, after).await;
        captured.map_err(|error| {
            tracing::warn!(%error, "a joint log breaks off");
            Over
        })
    }
}

/// Lines of some attempts, which are told in the order of time.
#[derive(Default)]
struct Together {
    lines: Vec<(Time, LogLine)>,
    attempts: usize,
    bytes: usize,
}

impl Together {
    fn add(&mut self, since: Time, lines: Vec<LogLine>) {
        self.attempts += 1;
        // A line without a time comes with the one before it, and no clock that was set back makes
        // an attempt's lines change places.
        let mut at = since;
        for line in lines {
            at = line.at.unwrap_or(at).max(at);
            self.bytes += line.text.len() + size_of::<LogLine>();
            self.lines.push((at, line));
        }
    }

    const fn is_full(&self) -> bool {
        self.attempts >= limits::JOINT_LOG_ATTEMPTS || self.bytes >= limits::JOINT_LOG_BYTES
    }

    fn take(&mut self) -> Vec<LogLine> {
        let mut lines = std::mem::take(self).lines;
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line).collect()
    }
}
