//! The range of a submission: many jobs as one record.

use futures::TryStreamExt;
use gristmill_model::api::RangeRequest;
use gristmill_model::digest::Digest;
use gristmill_model::problem::Code;
use gristmill_model::source::{Lines, Source};

use super::Api;
use super::problem::{Answer, Refusal};

/// What the engine is asked for; it judges the rest.
pub(super) async fn settle(api: &Api, request: Option<RangeRequest>) -> Answer<Option<Source>> {
    Ok(match request {
        None => None,
        Some(RangeRequest::Numbers { first, last, step }) => {
            let step = step.unwrap_or(if last < first { -1 } else { 1 });
            Some(Source::Numbers { first, last, step })
        }
        Some(RangeRequest::Brace(pattern)) => Some(Source::Brace(pattern)),
        Some(RangeRequest::Lines { list }) => Some(lines(api, list).await?),
    })
}

/// A list is read once, to be counted; what has no end of line at its end is a line too.
async fn lines(api: &Api, list: Digest) -> Answer<Source> {
    let Some((_, mut bytes)) = api.handle.blobs().get(list).await? else {
        return Err(Refusal::new(Code::NoSuchBlob, format!("no blob {list}, which is the list")));
    };
    let (mut count, mut ended) = (0, true);
    while let Some(piece) = bytes.try_next().await? {
        count += piece.iter().filter(|byte| **byte == b'\n').count() as u64;
        ended = piece.last().map_or(ended, |byte| *byte == b'\n');
    }
    Ok(Source::Lines(Lines { list, count: count + u64::from(!ended) }))
}
