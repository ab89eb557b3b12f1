//! A filter as SQL finds the jobs that the same filter finds among the rows in memory, in either
//! order and in pages of any size.

use gristmill_model::api::Job;
use gristmill_model::filter::{Field, Filter, Op, Term};

use super::*;

/// What a term says, without SQL.
fn holds(term: &Term, job: &Job, worker: Option<WorkerId>) -> bool {
    // All that is submitted here belongs to the project `default`, which is o1.
    let subject = match &term.field {
        Field::Id => Some(job.id.to_string()),
        Field::State => Some(job.state.to_string()),
        Field::Batch => Some(job.batch.to_string()),
        Field::Project => Some(ProjectId::DEFAULT.to_string()),
        Field::Pipeline => Some(job.pipeline.clone()),
        Field::Stage => Some(job.stage.clone()),
        Field::Worker => worker.map(|worker| worker.to_string()),
        Field::Key => job.key.clone(),
        Field::Code => job.failure.as_ref().map(|failure| failure.code.clone()),
        Field::Label(name) => job.labels.get(name).cloned(),
    };
    let id = || term.values[0].parse::<JobId>().unwrap();
    match term.op {
        Op::Is => subject.is_some_and(|subject| term.values.contains(&subject)),
        Op::IsNot => subject.is_none_or(|subject| !term.values.contains(&subject)),
        Op::After => job.id > id(),
        Op::Before => job.id < id(),
    }
}

fn term() -> impl Strategy<Value = String> {
    prop_oneof![
        "id(=|!=)j[1-9][0-9]?(,j[1-9][0-9]?){0,4}",
        "id[<>]j[0-9]{1,2}",
        "state(=|!=)(scheduled|blocked|queued|running|failed)(,succeeded)?(,retrying)?",
        "state(=|!=)(cancelled|expired|succeeded|retrying|cancelling)(,queued)?(,blocked)?",
        "batch(=|!=)b[0-9](,b[0-9]){0,2}",
        "project(=|!=)o[12](,o3)?",
        "stage(=|!=)(grind|sift|none)(,sift)?",
        "pipeline(=|!=)(mill|other)",
        "worker(=|!=)w[1-5](,w2)?",
        "code(=|!=)(stone|none|expired|deadline_passed|dependency_failed)",
        "key(=|!=)k(0|1|2|3)",
        "label\\.(user|none)(=|!=)(ada|bob|eve)(,bob)?",
    ]
}

/// All pages one after the other.
fn found(tables: &Tables<'_>, filter: &Filter, limit: usize, newest_first: bool) -> Vec<Job> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = JobPage { filter: filter.clone(), after, limit, newest_first };
        let page = tables.jobs(&page).unwrap();
        assert!(page.items.len() <= limit && (!page.has_more || page.items.len() == limit));
        after = page.items.last().map(|job| job.id);
        found.extend(page.items);
        if !page.has_more {
            return found;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn sql_finds_what_the_filter_says(
        choices in vec((0..25_u16, 0..100_000_u64), 1..120),
        filters in vec(vec(term(), 0..4), 1..24),
        limit in 1_usize..9,
    ) {
        let mut driven = Driven::new();
        choices.into_iter().for_each(|(choice, detail)| driven.happen(choice, detail));
        let mut fed = Fed::new();
        fed.feed_all(driven.durable());
        let tables = fed.tables();
        let all = found(&tables, &Filter::default(), 999, false);
        let workers: Vec<Option<WorkerId>> = all
            .iter()
            .map(|job| tables.attempts(job.id).unwrap().last().map(|attempt| attempt.worker))
            .collect();
        for terms in filters {
            let filter: Filter = terms.join(" ").parse().unwrap();
            let expected = all.iter().zip(&workers).filter(|(job, worker)| {
                filter.terms.iter().all(|term| holds(term, job, **worker))
            });
            let expected: Vec<JobId> = expected.map(|(job, _)| job.id).collect();
            let ids = |jobs: Vec<Job>| jobs.into_iter().map(|job| job.id).collect::<Vec<_>>();
            prop_assert_eq!(&ids(found(&tables, &filter, limit, false)), &expected, "{}", &filter);
            let mut newest = ids(found(&tables, &filter, limit, true));
            newest.reverse();
            prop_assert_eq!(&newest, &expected, "{}, the newest first", &filter);
        }
    }
}
