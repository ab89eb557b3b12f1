//! Filters, pages and order.

use gristmill_model::cause::Cause;
use gristmill_model::event::JobsEvent;
use gristmill_model::filter::Filter;
use gristmill_model::job::JobState;

use super::*;

/// Batch 1 has jobs 1-3 and 6, batch 2 has 4-5; 2 failed, 5 runs, 6 succeeded at once.
fn fed() -> Fed {
    let mut fed = Fed::new();
    fed.feed(1, defined(1, 1));
    fed.feed(1, joined(1));
    fed.feed(1, joined(2));
    fed.feed(2, opened(1));
    fed.feed(2, opened(2));
    let mut own = plain(3);
    own[0].key = Some("first".into());
    own[1].labels = labels(&[("user", "grace"), ("odd\"na'me", "x")]);
    fed.feed(3, added(1, 1, own));
    fed.feed(4, added(2, 4, plain(2)));
    fed.feed(5, added(1, 6, plain(1)));
    fed.feed(6, leased(1, 2, 0, 1, 1));
    fed.feed(6, leased(2, 5, 0, 1, 2));
    fed.feed(7, failed(1, 2, 1, FailureKind::Failed, Then::Fail));
    fed.feed(7, succeeded(2, 5, 2, "grist", Then::NextStage));
    fed.feed(7, leased(3, 5, 1, 1, 2));
    fed.feed_all([
        record(8, leased(4, 6, 0, 1, 2)),
        record(9, succeeded(4, 6, 2, "flour", Then::Succeed)),
    ]);
    fed
}

fn found(fed: &Fed, filter: &str) -> Vec<u64> {
    let page =
        JobPage { filter: filter.parse().unwrap(), after: None, limit: 99, newest_first: false };
    fed.tables().jobs(&page).unwrap().items.into_iter().map(|job| job.id.0).collect()
}

#[test]
fn every_field_can_be_filtered_by() {
    let fed = fed();
    let cases: [(&str, &[u64]); 22] = [
        ("", &[1, 2, 3, 4, 5, 6]),
        ("id=2,5,99", &[2, 5]),
        ("id>j4", &[5, 6]),
        ("id<j3", &[1, 2]),
        ("state=failed", &[2]),
        ("state=failed,running", &[2, 5]),
        ("state!=queued", &[2, 5, 6]),
        ("batch=b2", &[4, 5]),
        ("batch!=b2 state=queued", &[1, 3]),
        ("batch=b1 id>j2", &[3, 6]),
        ("pipeline=mill state=succeeded", &[6]),
        ("pipeline=other", &[]),
        ("stage=sift", &[5]),
        ("stage!=sift,x", &[1, 2, 3, 4, 6]),
        ("worker=w2", &[5, 6]),
        ("worker!=w2", &[1, 2, 3, 4]),
        ("key=first", &[1]),
        ("key!=first batch=b1", &[2, 3, 6]),
        ("code=stone_worn", &[2]),
        ("label.user=grace", &[2]),
        ("label.user=ada batch=b1", &[1, 3, 6]),
        ("label.none!=x label.odd\"na'me=x", &[2]),
    ];
    for (filter, expected) in cases {
        let filter = filter.replace("id=2,5,99", "id=j2,j5,j99");
        assert_eq!(found(&fed, &filter), expected, "{filter}");
    }
}

#[test]
fn pages_follow_each_other_in_both_directions() {
    let fed = fed();
    for (newest_first, expected) in [(false, [1, 2, 3, 4, 5, 6]), (true, [6, 5, 4, 3, 2, 1])] {
        let mut page = JobPage { filter: Filter::default(), after: None, limit: 4, newest_first };
        let first = fed.tables().jobs(&page).unwrap();
        assert!(first.has_more);
        page.after = first.items.last().map(|job| job.id);
        let second = fed.tables().jobs(&page).unwrap();
        assert!(!second.has_more);
        let ids = first.items.iter().chain(&second.items).map(|job| job.id.0);
        assert!(ids.eq(expected));
    }
}

#[test]
fn results_come_in_the_order_of_submission_from_any_place() {
    let fed = fed();
    let results = |batch, from, limit| {
        let page = fed.tables().results(BatchId(batch), from, limit).unwrap();
        let seen: Vec<_> = page.items.iter().map(|job| (job.index, job.id.0)).collect();
        (seen, page.has_more)
    };
    assert_eq!(results(1, 0, 2), (vec![(0, 1), (1, 2)], true));
    assert_eq!(results(1, 2, 2), (vec![(2, 3), (3, 6)], false));
    assert_eq!(results(1, 3, 9), (vec![(3, 6)], false));
    assert_eq!(results(1, 4, 9), (vec![], false));
    assert_eq!(results(2, 1, 9), (vec![(1, 5)], false));
    assert_eq!(results(1, u64::MAX, 9), (vec![], false));
    assert_eq!(results(7, 0, 9), (vec![], false));
    assert_eq!(fed.job(6).result, Some(text("flour")));
    assert_eq!(fed.job(6).state, JobState::Succeeded);
}

#[test]
fn a_page_is_bounded_whatever_is_asked() {
    let mut fed = fed();
    fed.feed(20, added(2, 7, plain(limits::PAGE + 50)));
    let page =
        JobPage { filter: Filter::default(), after: None, limit: usize::MAX, newest_first: false };
    let page = fed.tables().jobs(&page).unwrap();
    assert_eq!((page.items.len(), page.has_more), (limits::PAGE, true));
    // Job 7 follows batch 2's job 5, but not in ids.
    let results = fed.tables().results(BatchId(2), 1_001, usize::MAX).unwrap();
    assert_eq!((results.items[0].index, results.items[0].id.0), (1_001, 1_006));
    assert_eq!(results.items.len(), 51);
}

#[test]
fn batches_and_pipelines_come_newest_first() {
    let mut fed = fed();
    fed.feed(30, defined(2, 2));
    let tables = fed.tables();
    let batches = tables.batches(None, 1).unwrap();
    assert_eq!((batches.items[0].id.0, batches.has_more), (2, true));
    assert_eq!(tables.batches(Some(BatchId(2)), 9).unwrap().items[0].id.0, 1);
    let ids = |every| {
        let page = tables.pipelines(None, every, None, 9).unwrap();
        page.items.into_iter().map(|pipeline| pipeline.id.0).collect::<Vec<_>>()
    };
    assert_eq!((ids(true), ids(false)), (vec![2, 1], vec![2]));
    let of = |project| tables.pipelines(Some(project), true, None, 9).unwrap().items.len();
    assert!(of(ProjectId::DEFAULT) > 0 && of(ProjectId(9)) == 0);
    let newest = tables.newest_pipeline(ProjectId::DEFAULT, "mill").unwrap().unwrap();
    assert_eq!((newest.id.0, newest.version, newest.created_at), (2, 2, at(30)));
    assert_eq!(newest.spec.stages[1].name, "sift");
    assert_eq!(tables.newest_pipeline(ProjectId::DEFAULT, "none").unwrap(), None);
}

#[test]
fn a_statement_is_planned_once_whatever_is_bound_to_it() {
    let fed = Fed::new();
    let mut select = fed
        .connection
        .prepare_cached("SELECT * FROM spans WHERE batch = ?1 ORDER BY place DESC LIMIT 1")
        .unwrap();
    for batch in 0..3 {
        assert!(!select.exists([batch]).unwrap());
    }
    assert_eq!(select.get_status(rusqlite::StatementStatus::RePrepare), 0);
}

#[test]
fn a_page_of_a_million_folded_jobs_makes_no_rows() {
    let mut fed = Fed::new();
    fed.feed(1, defined(1, 1));
    fed.feed(2, opened(1));
    let source = Source::Numbers { first: 0, last: 999_999, step: 1 };
    fed.feed(3, ranged(1, 1, 1_000_000, source));
    fed.feed(3, joined(1));
    fed.feed(4, leased(1, 500_000, 0, 1, 1));
    let jobs = vec![JobRun { first: JobId(900_001), count: 100_000 }];
    fed.feed(5, Event::Jobs(JobsEvent::Cancelled { jobs, cause: Cause::Request }));
    let rows = |table: &str| -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        fed.connection.query_row(&count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((rows("jobs"), rows("extras"), rows("runs"), rows("inputs")), (1, 0, 3, 1));
    let page = |filter: &str, after, newest_first| {
        let filter = filter.parse().unwrap();
        let page = JobPage { filter, after, limit: 3, newest_first };
        let page = fed.tables().jobs(&page).unwrap();
        (page.items.iter().map(|job| job.id.0).collect::<Vec<_>>(), page.has_more)
    };
    assert_eq!(page("", Some(JobId(499_998)), false), (vec![499_999, 500_000, 500_001], true));
    assert_eq!(page("state=queued", Some(JobId(499_998)), false).0, [499_999, 500_001, 500_002]);
    assert_eq!(page("state=cancelled", None, true).0, [1_000_000, 999_999, 999_998]);
    assert_eq!(page("state=queued", None, true).0, [900_000, 899_999, 899_998]);
    assert_eq!(page("id=j7,j500000,j1000001", None, false), (vec![7, 500_000], false));
    assert_eq!(page("id!=j2 label.user=ada pipeline=mill", None, false).0, [1, 3, 4]);
    assert_eq!(page("label.user=grace", None, false), (vec![], false));
    assert_eq!(page("worker=w1", None, false), (vec![500_000], false));
    assert_eq!(page("stage=sift", None, false), (vec![], false));
    let one = fed.job(654_321);
    assert_eq!((one.input, one.index, &*one.stage), (text("654320"), 654_320, "grind"));
    assert_eq!(fed.tables().job(JobId(1_000_001)).unwrap(), None);
    let at = |index| fed.tables().job_at(BatchId(1), index).unwrap().map(|job| job.id.0);
    assert_eq!((at(499_999), at(999_999), at(1_000_000)), (Some(500_000), Some(1_000_000), None));
    let counts =
        [(JobState::Queued, 899_999), (JobState::Running, 1), (JobState::Cancelled, 100_000)];
    assert_eq!(fed.batch(1).counts, counts.into());
}

#[test]
fn a_gate_that_opens_renames_all_that_wait_at_once() {
    let mut fed = Fed::new();
    fed.feed(1, defined(1, 1));
    let start = Terms { start_at: Some(at(50)), held: true, ..Terms::default() };
    fed.feed(2, opened_under(1, start));
    fed.feed(3, added(1, 1, plain(2)));
    let source = Source::Brace("{a..c}".into());
    fed.feed(4, ranged(1, 3, 3, source));
    fed.feed(5, opened(2));
    fed.feed(5, added(2, 6, plain(1)));
    let jobs = vec![JobRun { first: JobId(2), count: 2 }];
    fed.feed(6, Event::Jobs(JobsEvent::Held { jobs: jobs.clone() }));
    let ids =
        |fed: &Fed| ["blocked", "scheduled", "queued"].map(|s| found(fed, &format!("state={s}")));
    assert_eq!(ids(&fed), [vec![1, 2, 3, 4, 5], vec![], vec![6]]);
    assert_eq!(fed.batch(1).counts, BTreeMap::from([(JobState::Blocked, 5)]));
    let changes = fed.connection.total_changes();
    fed.feed(7, Event::Batch(BatchEvent::Released { batch: BatchId(1) }));
    assert_eq!(fed.connection.total_changes() - changes, 2, "the batch and the position");
    assert_eq!(ids(&fed), [vec![2, 3], vec![1, 4, 5], vec![6]]);
    assert_eq!(fed.job(4).state, JobState::Scheduled);
    let left = fed.batch(1).terms.unwrap();
    assert_eq!((left.held, left.start_at), (false, Some(at(50))));
    fed.feed(50, Event::Batch(BatchEvent::StartReached { batch: BatchId(1) }));
    assert_eq!(ids(&fed), [vec![2, 3], vec![], vec![1, 4, 5, 6]]);
    fed.feed(51, Event::Jobs(JobsEvent::Released { jobs }));
    assert_eq!(ids(&fed), [vec![], vec![], vec![1, 2, 3, 4, 5, 6]]);
    assert_eq!(fed.tables().totals().unwrap(), BTreeMap::from([(JobState::Queued, 6)]));
}

#[test]
fn a_state_is_looked_for_by_an_index() {
    let fed = Fed::new();
    for (filter, index) in [
        ("state=failed", "jobs_by_state"),
        ("state=queued", "jobs_by_state"),
        ("state=blocked,failed", "jobs_by_state"),
        ("state=scheduled", "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ] {
        let plan = fed.tables().plan(&filter.parse().unwrap());
        assert!(plan.iter().any(|step| step.contains(index)), "{filter}: {plan:#?}");
    }
}
