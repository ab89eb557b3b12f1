//! Under what terms jobs run: when they may begin, by when they must have, what they wait for.

use std::str::FromStr;

use gristmill_model::api::{JobAt, TermsRequest};
use gristmill_model::terms::{Dependency, Target as On, When};
use gristmill_model::{Span, Time};

use super::quantities::callback;
use crate::client::Client;
use crate::cmd::target::Target;
use crate::error::Result;

/// The terms, as options.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "When it runs")]
pub struct Terms {
    /// No job begins before so long has passed, for example 10m
    #[arg(long, value_name = "SPAN", conflicts_with = "start_at")]
    delay: Option<Span>,
    /// No job begins before this time, for example 2026-12-24T18:00:00Z
    #[arg(long, value_name = "TIME")]
    start_at: Option<Time>,
    /// A job that has not begun by then expires: a time, or how long from now
    #[arg(long = "expires-in", visible_alias = "expires-at", value_name = "SPAN|TIME")]
    expires: Option<Until>,
    /// A job that is not done by then expires, and is stopped if it runs
    #[arg(long, value_name = "SPAN|TIME")]
    deadline: Option<Until>,
    /// No job begins until `gristmill release`
    #[arg(long)]
    hold: bool,
    /// No job begins before this has ended, as b3, j17:failed or b3/17:finished; may be given again
    #[arg(long, value_name = "ID[:succeeded|failed|finished]")]
    after: Vec<After>,
    /// A free key that limits may speak of, as user:ada or api.example.org
    #[arg(long, value_name = "TEXT")]
    limit_key: Option<String>,
    /// Call this URL when the batch has finished
    #[arg(long, value_name = "URL", value_parser = callback)]
    callback: Option<String>,
}

impl Terms {
    /// What the server is asked for; nothing where nothing is.
    pub async fn request(&self, client: &Client) -> Result<Option<Box<TermsRequest>>> {
        let mut after = Vec::with_capacity(self.after.len());
        for After { on, when } in &self.after {
            let on = match *on {
                Target::Batch(batch) => On::Batch(batch),
                Target::Job(JobAt::Id(job)) => On::Job(job),
                Target::Job(place) => On::Job(client.job(place).await?.id),
            };
            after.push(Dependency { on, when: *when });
        }
        let request = TermsRequest {
            start_at: self.start_at,
            delay: self.delay,
            expires_at: self.expires.and_then(Until::time),
            expires_in: self.expires.and_then(Until::span),
            deadline: self.deadline.and_then(Until::time),
            deadline_in: self.deadline.and_then(Until::span),
            hold: self.hold,
            after,
            limit_key: self.limit_key.clone(),
            callback: self.callback.clone(),
        };
        Ok((request != TermsRequest::default()).then(|| Box::new(request)))
    }
}

/// A moment, or how far off it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Time(Time),
    Span(Span),
}

impl Until {
    fn time(self) -> Option<Time> {
        match self {
            Until::Time(time) => Some(time),
            Until::Span(_) => None,
        }
    }

    fn span(self) -> Option<Span> {
        match self {
            Until::Time(_) => None,
            Until::Span(span) => Some(span),
        }
    }
}

impl FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Until, String> {
        text.parse().map(Until::Span).or_else(|_| text.parse().map(Until::Time)).map_err(|_| {
            format!(
                "`{text}` is neither a length of time, like 2h, nor a time, like \
                 2026-12-24T18:00:00Z"
            )
        })
    }
}

/// Something that must have ended first, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct After {
    on: Target,
    when: When,
}

impl FromStr for After {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<After, String> {
        let (on, when) = text.split_once(':').unwrap_or((text, "succeeded"));
        let known = [When::Succeeded, When::Failed, When::Finished];
        let when = known.into_iter().find(|known| known.to_string() == when).ok_or_else(|| {
            format!("`{when}` is no end: expected succeeded, failed or finished after the `:`")
        })?;
        Ok(After { on: on.parse()?, when })
    }
}

#[cfg(test)]
mod tests {
    use gristmill_model::BatchId;

    use super::*;

    #[test]
    fn what_is_waited_for_has_an_end() {
        let after = |text: &str| text.parse::<After>();
        let b3 = Target::Batch(BatchId(3));
        assert_eq!(after("b3"), Ok(After { on: b3, when: When::Succeeded }));
        assert_eq!(after("b3:finished"), Ok(After { on: b3, when: When::Finished }));
        assert!(after("b3:done").unwrap_err().contains("succeeded, failed or finished"));
        assert!(after("thumbs").unwrap_err().contains("like b3"));
    }

    #[test]
    fn an_end_is_a_moment_or_a_length() {
        assert_eq!("2h".parse(), Ok(Until::Span(Span::seconds(7_200))));
        let time = "2026-12-24T18:00:00Z";
        assert_eq!(time.parse(), Ok(Until::Time(time.parse().unwrap())));
        assert!("soon".parse::<Until>().unwrap_err().contains("like 2h"));
    }
}
