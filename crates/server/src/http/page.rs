//! The status page: plain HTML made here, no scripts, no styles or pictures from elsewhere. It
//! shows and does nothing; for doing there are the command line and the API.

use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY};
use gristmill_model::api::{Batch, Job, Worker};
use gristmill_model::filter::Filter;
use gristmill_model::job::JobState;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::problem::Answer;
use super::{Api, workers};
use crate::core::Snapshot;
use crate::read::JobPage;

/// Rows of each table.
const ROWS: usize = 20;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;\
padding:0 1rem;color:#222;background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2rem .8rem .2rem 0;\
border-bottom:1px solid #ddd;vertical-align:top}th{font-weight:600}.n{text-align:right}\
dl{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:1rem 0}dt{color:#666}dd{margin:0;\
font-size:1.3rem}@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}\
th,td{border-color:#444}dt{color:#999}}";

/// Nothing is loaded and nothing runs, whatever a job's name or output holds.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// `GET /`
pub(super) async fn show(
    State(api): State<Api>,
) -> Answer<([(HeaderName, &'static str); 2], Markup)> {
    let snapshot = api.handle.snapshot().await?;
    let workers = workers::page(&api, false, None, ROWS).await?;
    let newest =
        JobPage { filter: Filter::default(), after: None, limit: ROWS, newest_first: true };
    let (batches, jobs) =
        api.ask(move |tables| Ok((tables.batches(None, ROWS)?, tables.jobs(&newest)?))).await?;
    let headers = [(CONTENT_SECURITY_POLICY, POLICY), (REFERRER_POLICY, "no-referrer")];
    let body = html! {
        (counts(&snapshot))
        h2 { "Workers" }
        (table_of_workers(&workers.items))
        h2 { "Batches, the newest first" }
        (table_of_batches(&batches.items))
        h2 { "Jobs, the newest first" }
        (table_of_jobs(&jobs.items))
    };
    Ok((headers, framed(&api, body)))
}

fn framed(api: &Api, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="refresh" content="5";
                title { "gristmill" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "gristmill " (env!("CARGO_PKG_VERSION")) }
                p { "Running for " (api.handle.uptime().to_std().as_secs()) " s. "
                    a href="/v1/openapi.json" { "API" } }
                (body)
            }
        }
    }
}

fn counts(snapshot: &Snapshot) -> Markup {
    let connected = snapshot.workers.values().filter(|worker| worker.connected).count();
    html! {
        dl {
            div { dt { "workers" } dd { (connected) } }
            @for (state, count) in &snapshot.jobs {
                div { dt { (state) } dd { (count) } }
            }
        }
    }
}

fn table_of_workers(workers: &[Worker]) -> Markup {
    if workers.is_empty() {
        return html! { p { "None is connected: start one with " code { "gristmill work" } "." } };
    }
    html! {
        table {
            tr { th { "worker" } th { "name" } th { "state" } th { "runs" } th .n { "running" }
                 th .n { "waiting" } th .n { "succeeded" } th .n { "failed" } }
            @for worker in workers {
                tr {
                    td { a href={ "/v1/workers/" (worker.id) } { (worker.id) } }
                    td { (worker.name) }
                    td { (format!("{:?}", worker.state).to_lowercase()) }
                    td { (worker.shape.handlers.join(", ")) }
                    td .n { (worker.running) } td .n { (worker.waiting) }
                    td .n { (worker.succeeded) } td .n { (worker.failed) }
                }
            }
        }
    }
}

fn table_of_batches(batches: &[Batch]) -> Markup {
    if batches.is_empty() {
        return html! { p { "Nothing was submitted yet." } };
    }
    let count = |batch: &Batch, state| batch.counts.get(&state).copied().unwrap_or(0);
    html! {
        table {
            tr { th { "batch" } th { "name" } th { "pipeline" } th { "since" } th .n { "jobs" }
                 th .n { "running" } th .n { "succeeded" } th .n { "failed" } }
            @for batch in batches {
                tr {
                    td { a href={ "/v1/batches/" (batch.id) } { (batch.id) } }
                    td { (batch.name.as_deref().unwrap_or_default()) }
                    td { (batch.pipeline) }
                    td { (batch.created_at) }
                    td .n { (batch.jobs) }
                    td .n { (count(batch, JobState::Running)) }
                    td .n { (count(batch, JobState::Succeeded)) }
                    td .n { (count(batch, JobState::Failed)) }
                }
            }
        }
    }
}

fn table_of_jobs(jobs: &[Job]) -> Markup {
    html! {
        table {
            tr { th { "job" } th { "batch" } th { "state" } th { "stage" } th .n { "attempts" }
                 th { "why" } }
            @for job in jobs {
                tr {
                    td { a href={ "/v1/jobs/" (job.id) } { (job.id) } }
                    td { (job.batch) }
                    td { (job.state) }
                    td { (job.stage) }
                    td .n { (job.attempts) }
                    td { @if let Some(failure) = &job.failure { (failure.message) } }
                }
            }
        }
    }
}
