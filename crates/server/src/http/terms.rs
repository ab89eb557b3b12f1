//! The terms of a batch: from what a submission says, and as they are shown.

use gristmill_model::api::TermsRequest;
use gristmill_model::problem::{Code, Rejection};
use gristmill_model::terms::Terms;
use gristmill_model::{Span, Time};

use crate::wall;

/// What the engine is asked for; it judges the rest. Spans count from now.
pub(super) fn settle(request: Option<Box<TermsRequest>>) -> Result<Terms, Rejection> {
    request.map_or_else(|| Ok(Terms::default()), |request| settle_at(*request, wall::clock()))
}

fn settle_at(request: TermsRequest, now: Time) -> Result<Terms, Rejection> {
    let TermsRequest { start_at, delay, expires_at, expires_in, deadline, deadline_in, .. } =
        request;
    Ok(Terms {
        start_at: one("start_at", start_at, "delay", delay, now)?,
        expires_at: one("expires_at", expires_at, "expires_in", expires_in, now)?,
        deadline: one("deadline", deadline, "deadline_in", deadline_in, now)?,
        held: request.hold,
        after: request.after,
        limit_key: request.limit_key,
        callback: request.callback,
    })
}

/// A time that is given as such, or as a span from now.
fn one(
    at: &str,
    time: Option<Time>,
    within: &str,
    span: Option<Span>,
    now: Time,
) -> Result<Option<Time>, Rejection> {
    match (time, span) {
        (Some(_), Some(_)) => {
            let detail = format!("terms: expected `{at}` or `{within}`, not both");
            Err(Rejection::new(Code::InvalidRequest, detail))
        }
        (time, span) => Ok(time.or(span.map(|span| now + span))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_from_now_and_a_time_is_given_once() {
        let request = TermsRequest { delay: Some(Span::seconds(60)), ..TermsRequest::default() };
        let terms = settle_at(request.clone(), Time(5)).unwrap();
        assert_eq!(terms.start_at, Some(Time(60_000_005)));
        let both = TermsRequest { start_at: Some(Time(9)), ..request };
        let error = settle_at(both, Time(5)).unwrap_err();
        assert!(error.detail.contains("`start_at` or `delay`"), "{error}");
        assert_eq!(settle_at(TermsRequest::default(), Time(5)), Ok(Terms::default()));
    }
}
