//! Cancel and retry many jobs, those that a filter finds: page by page, gathered into runs of ids.

use axum::Json;
use axum::extract::State;
use gristmill_model::access::Actor;
use gristmill_model::api::{Affected, Problem};
use gristmill_model::command::{Command, Reply};
use gristmill_model::filter::{Field, Filter, Op, Term};
use gristmill_model::job::JobState;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::{BatchId, JobId, JobRun, limits};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::auth::Caller;
use super::parts::Query;
use super::problem::{Answer, Refusal};
use super::projects;
use crate::read::JobPage;

/// `?filter=&dry_run=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Which jobs, as in `state=failed code=quarantined`.
    #[serde(default)]
    filter: String,
    /// Only say how many there are, and change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// A verb for many jobs.
pub(super) struct Verb {
    /// As people call it.
    name: &'static str,
    /// The states in which it is for a job.
    of: fn(JobState) -> bool,
    command: fn(Vec<JobRun>) -> Command,
}

/// Cancels those that are not final and not yet asked to stop.
const CANCEL: Verb = Verb {
    name: "cancel",
    of: |state| !state.is_final() && !matches!(state, JobState::Cancelling),
    command: Command::CancelJobs,
};

/// Queues again those that failed, were cancelled or have expired.
pub(super) const RETRY: Verb = Verb {
    name: "retry",
    of: |state| matches!(state, JobState::Failed | JobState::Cancelled | JobState::Expired),
    command: Command::RetryJobs,
};

/// Cancels every job that the filter finds and that is not final.
#[utoipa::path(post, path = "/v1/jobs/cancel", tag = "jobs", params(Which),
    operation_id = "cancel_many",
    responses((status = 200, body = Affected), (status = "4XX", body = Problem)))]
pub(super) async fn cancel(
    State(api): State<Api>,
    Caller(actor): Caller,
    Query(which): Query<Which>,
) -> Answer<Json<Affected>> {
    run(&api, actor, &CANCEL, &which).await
}

/// Queues every job again that the filter finds and that failed, was cancelled or has expired.
#[utoipa::path(post, path = "/v1/jobs/retry", tag = "jobs", params(Which),
    operation_id = "retry_many",
    responses((status = 200, body = Affected), (status = "4XX", body = Problem)))]
pub(super) async fn retry(
    State(api): State<Api>,
    Caller(actor): Caller,
    Query(which): Query<Which>,
) -> Answer<Json<Affected>> {
    run(&api, actor, &RETRY, &which).await
}

async fn run(api: &Api, actor: Actor, verb: &Verb, which: &Which) -> Answer<Json<Affected>> {
    let filter = projects::by_id(api, which.filter.parse()?).await?;
    if filter.terms.is_empty() {
        let detail =
            format!("{} which jobs? without a filter that would be all: say id>j0", verb.name);
        return Err(Refusal::new(Code::InvalidFilter, detail));
    }
    Ok(Json(if which.dry_run {
        count(api, verb, filter).await?
    } else {
        change(api, actor, verb, filter).await?
    }))
}

/// How many jobs the verb would be for.
async fn count(api: &Api, verb: &Verb, filter: Filter) -> Answer<Affected> {
    let mut found = Found::new(verb, filter);
    let mut affected = Affected { jobs: 0, forgotten: 0 };
    while let Some(runs) = found.next(api).await? {
        let matched = runs.iter().map(|run| run.count).sum::<u64>();
        let forgotten = forgotten_among(api, &runs).await?;
        affected.jobs += matched - forgotten;
        affected.forgotten += forgotten;
    }
    Ok(affected)
}

/// Does it. The engine judges each job once more: those that somebody else was faster with are
/// passed over, and not counted.
pub(super) async fn change(
    api: &Api,
    actor: Actor,
    verb: &Verb,
    filter: Filter,
) -> Answer<Affected> {
    let mut found = Found::new(verb, filter);
    let mut affected = Affected { jobs: 0, forgotten: 0 };
    while let Some(runs) = found.next(api).await? {
        affected.forgotten += forgotten_among(api, &runs).await?;
        match api.handle.request(actor, (verb.command)(runs)).await {
            Ok(Reply::Count(count)) => affected.jobs += count,
            Ok(other) => {
                let detail = format!("a {} of many was answered: {other:?}", verb.name);
                return Err(Refusal::new(Code::Internal, detail));
            }
            Err(rejection) => return Err(api.refusal(rejection).await),
        }
    }
    Ok(affected)
}

/// How many of these jobs the engine has forgotten: the tables still show them.
async fn forgotten_among(api: &Api, runs: &[JobRun]) -> Answer<u64> {
    let runs = runs.to_vec();
    let look = move |state: &gristmill_engine::State| {
        runs.iter().map(|run| state.forgotten_among(*run)).sum()
    };
    Ok(api.handle.look(look).await?)
}

/// Refuses a verb for the jobs of a batch that the engine has forgotten.
pub(super) async fn check_kept(api: &Api, batch: BatchId) -> Answer<()> {
    let look = move |state: &gristmill_engine::State| state.batch(batch).is_some();
    if api.handle.look(look).await? {
        return Ok(());
    }
    Err(Rejection::forgotten(format_args!("batch {batch}")).into())
}

/// The jobs that a filter finds, in order.
struct Found {
    filter: Filter,
    after: Option<JobId>,
    done: bool,
}

impl Found {
    fn new(verb: &Verb, mut filter: Filter) -> Found {
        let states = JobState::ALL.into_iter().filter(|state| (verb.of)(*state));
        let values = states.map(|state| state.as_str().to_owned()).collect();
        filter.terms.push(Term { field: Field::State, op: Op::Is, values });
        Found { filter, after: None, done: false }
    }

    /// The next of them, as many as one command takes at the most; nothing after the last.
    async fn next(&mut self, api: &Api) -> Answer<Option<Vec<JobRun>>> {
        let mut runs: Vec<JobRun> = Vec::new();
        while !self.done && runs.len() + limits::PAGE <= limits::RUNS_PER_COMMAND {
            let page = JobPage {
                filter: self.filter.clone(),
                after: self.after,
                limit: limits::PAGE,
                newest_first: false,
            };
            let page = api.ask(move |tables| tables.jobs(&page)).await?;
            self.after = page.items.last().map(|job| job.id).or(self.after);
            self.done = !page.has_more;
            join(&mut runs, JobRun::gather(page.items.iter().map(|job| job.id)));
        }
        Ok((!runs.is_empty()).then_some(runs))
    }
}

/// Runs that follow on those that are there; where they meet they become one.
fn join(runs: &mut Vec<JobRun>, more: Vec<JobRun>) {
    for run in more {
        match runs.last_mut() {
            Some(last) if last.end() == run.first => last.count += run.count,
            _ => runs.push(run),
        }
    }
}
