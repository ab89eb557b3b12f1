//! What people write: whatever is printed is read back as the same, whatever is read is printed so
//! that it reads the same again, and nothing that anybody writes makes the reading panic.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use gristmill_model::api::JobAt;
use gristmill_model::attempt::FailureKind;
use gristmill_model::digest::Digest;
use gristmill_model::filter::Filter;
use gristmill_model::problem::Code;
use gristmill_model::resources::named;
use gristmill_model::retry::RetryPolicy;
use gristmill_model::scope::{Rate, Scope};
use gristmill_model::terms::Target;
use gristmill_model::{
    AttemptId, BatchId, JobId, JobRun, PipelineId, ProjectId, Span, Time, WorkerId, limits, name,
    template,
};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

/// The last microsecond that a time for people can say.
const LAST: u64 = 253_402_300_799_999_999;

/// Says that the text of a value is the value.
fn is_read_back<T: FromStr + Display + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    let text = value.to_string();
    match text.parse::<T>() {
        Ok(read) => prop_assert_eq!(&read, value, "`{}`", text),
        Err(_) => prop_assert!(false, "`{text}` is not read"),
    }
    Ok(())
}

/// Says that a text is no value, or one that survives its text.
fn survives<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Result<(), TestCaseError> {
    text.parse::<T>().map_or(Ok(()), |value| is_read_back(&value))
}

fn plain_name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._-]{1,20}"
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::Project),
        plain_name().prop_map(Scope::Pipeline),
        (plain_name(), plain_name()).prop_map(|(pipeline, stage)| Scope::Stage(pipeline, stage)),
        "\\PC{1,40}".prop_map(Scope::Key),
    ]
}

/// Texts that look like what is expected, and others.
fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[bjwapo]?[0-9]{0,21}[/.+-]?[0-9]{0,21}",
        "(id|state|batch|label\\.[a-z!=]{0,3}|key|code)(=|!=|<|>)[jbw=,!a-z0-9]{0,9}",
        "(project|pipeline:|stage:|key:)[a-z/:]{0,9}",
        "[0-9]{0,12}(/[0-9]{0,20} ?(ns|us|ms|s|m|h|days|months|years)){0,3}",
        "[0-9]{4,5}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,10})?Z?",
        "[a-z.]{0,5}=[0-9]{0,11}(\\.[0-9]{0,5})?",
        "b3-[0-9a-fA-F]{62,66}",
    ]
}

proptest! {
    #[test]
    fn times_and_spans_are_read_back_and_times_sort_as_texts(
        times in (0..=LAST, 0..=LAST),
        span in any::<u64>(),
        count in 1..=u32::MAX,
        per in 1..=u64::MAX,
    ) {
        let (early, late) = (Time(times.0.min(times.1)), Time(times.0.max(times.1)));
        is_read_back(&early)?;
        prop_assert!(early.to_string() <= late.to_string());
        prop_assert_eq!(early + late.since(early), late);
        is_read_back(&Span(span))?;
        is_read_back(&Rate { count, per: Span(per) })?;
    }

    #[test]
    fn ids_and_addresses_are_read_back(
        id in any::<u64>(),
        index in any::<u64>(),
        bytes in any::<[u8; 32]>(),
        scope in scope(),
    ) {
        is_read_back(&JobId(id))?;
        is_read_back(&BatchId(id))?;
        is_read_back(&AttemptId(id))?;
        is_read_back(&WorkerId(id))?;
        is_read_back(&PipelineId(id))?;
        is_read_back(&ProjectId(id))?;
        is_read_back(&Target::Job(JobId(id)))?;
        is_read_back(&Target::Batch(BatchId(id)))?;
        is_read_back(&JobAt::Id(JobId(id)))?;
        let place = JobAt::Place(BatchId(id), index);
        is_read_back(&place)?;
        prop_assert_eq!(place.to_string().replace('.', "/").parse(), Ok(place));
        is_read_back(&Digest(bytes))?;
        is_read_back(&scope)?;
    }

    #[test]
    fn whatever_is_read_survives_its_text(text in anything()) {
        survives::<Time>(&text)?;
        survives::<Span>(&text)?;
        survives::<Rate>(&text)?;
        survives::<JobId>(&text)?;
        survives::<JobAt>(&text)?;
        survives::<Target>(&text)?;
        survives::<Digest>(&text)?;
        survives::<Scope>(&text)?;
        survives::<Filter>(&text)?;
        if let Ok((name, amount)) = named::parse(&text) {
            prop_assert_eq!(named::parse(&named::print(&name, amount)), Ok((name, amount)));
        }
    }

    #[test]
    fn a_filter_of_many_terms_is_read_and_survives(
        terms in vec(
            prop_oneof![
                "id[<>]j[0-9]{1,5}",
                "id!?=j[0-9]{1,5}(,j[0-9]{1,5}){0,3}",
                "state!?=(queued|failed)(,running)?",
                "project!?=[a-z]{1,9}(,lab)?",
                "(pipeline|stage|key|code|label\\.[a-z.]{1,5})!?=[^ ,\\s]{0,9}(,x)?",
            ],
            0..=limits::FILTER_TERMS,
        ),
        spaces in " {1,3}",
    ) {
        let filter: Filter = terms.join(&spaces).parse().unwrap();
        prop_assert_eq!(filter.terms.len(), terms.len());
        prop_assert_eq!(filter.to_string(), terms.join(" "));
        is_read_back(&filter)?;
    }

    #[test]
    fn a_placeholder_is_filled_wherever_it_stands(
        before in "[a-z é$]{0,9}",
        after in "[a-z é$]{0,9}",
        value in "\\PC{0,9}",
        which in 0..template::PLACEHOLDERS.len(),
    ) {
        let name = template::PLACEHOLDERS[which];
        let word = format!("{before}{{{name}}}{after}{{{{{name}}}}}");
        prop_assert!(template::mentions(&word, name));
        let filled = template::fill(&word, |_| value.clone());
        prop_assert_eq!(filled, Ok(format!("{before}{value}{after}{{{name}}}")));
    }

    #[test]
    fn a_name_is_plain_and_short(text in prop_oneof![any::<String>(), "[A-Za-z0-9._-]{0,140}"]) {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let good = plain && !text.is_empty() && text.len() <= limits::NAME_BYTES;
        prop_assert_eq!(name::check("stage", &text, Code::InvalidRequest).is_ok(), good);
    }

    #[test]
    fn runs_are_the_ids_and_as_few_as_will_do(ids in btree_set(0..200_u64, 0..90)) {
        let runs = JobRun::gather(ids.iter().copied().map(JobId));
        let back: Vec<u64> = runs.iter().flat_map(|run| run.jobs()).map(|job| job.0).collect();
        prop_assert!(back.iter().eq(&ids));
        prop_assert!(runs.windows(2).all(|pair| pair[0].end() < pair[1].first));
        for id in 0..200 {
            let held = runs.iter().any(|run| run.contains(JobId(id)));
            prop_assert_eq!(held, ids.contains(&id));
        }
    }

    #[test]
    fn a_pause_is_within_its_bounds_and_grows(
        job in any::<u64>(),
        attempts in any::<u32>(),
        backoff in any::<u64>(),
        max_backoff in any::<u64>(),
        jitter_percent in any::<u8>(),
        failures in prop_oneof![0..70_u32, any::<u32>()],
    ) {
        let on = vec![FailureKind::Failed];
        let (backoff, max_backoff) = (Span(backoff), Span(max_backoff));
        let policy = RetryPolicy { attempts, backoff, max_backoff, jitter_percent, on };
        let pause = policy.pause(JobId(job), failures, FailureKind::Failed);
        prop_assert_eq!(pause.is_some(), failures < attempts);
        prop_assert_eq!(policy.pause(JobId(job), failures, FailureKind::Invalid), None);
        let Some(pause) = pause else { return Ok(()) };
        let even = RetryPolicy { jitter_percent: 0, ..policy.clone() };
        let full = even.pause(JobId(job), failures, FailureKind::Failed).unwrap();
        prop_assert!(full <= max_backoff && pause <= full);
        let share = u128::from(jitter_percent.min(100));
        prop_assert!(u128::from(full.0 - pause.0) * 100 <= u128::from(full.0) * share);
        if let Some(later) = even.pause(JobId(job), failures + 1, FailureKind::Failed) {
            prop_assert!(later >= full, "{later} after {full}");
        }
    }
}
