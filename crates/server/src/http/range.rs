//! The range of a submission: many jobs as one record.

use gristmill_model::api::RangeRequest;
use gristmill_model::source::{Lines, Source};

use super::Api;
use super::problem::Answer;

/// What the engine is asked for; it judges the rest.
pub(super) async fn settle(api: &Api, request: Option<RangeRequest>) -> Answer<Option<Source>> {
    Ok(match request {
        None => None,
        Some(RangeRequest::Numbers { first, last, step }) => {
            let step = step.unwrap_or(if last < first { -1 } else { 1 });
            Some(Source::Numbers { first, last, step })
        }
        Some(RangeRequest::Brace(pattern)) => Some(Source::Brace(pattern)),
        Some(RangeRequest::Lines { list }) => {
            let count = api.handle.lists().count(list).await?;
            Some(Source::Lines(Lines { list, count }))
        }
    })
}
