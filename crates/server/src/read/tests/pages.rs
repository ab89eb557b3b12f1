//! Filters, pages and order.

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
    fed.feed(6, leased(2, 5, 1, 1, 2));
    fed.feed(7, failed(1, 2, 1, FailureKind::Failed, Then::Fail));
    fed.feed_all([
        Record { at: at(8), event: leased(3, 6, 0, 1, 2) },
        Record { at: at(9), event: succeeded(3, 6, 2, "flour", Then::Succeed) },
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
        let page = tables.pipelines(every, None, 9).unwrap();
        page.items.into_iter().map(|pipeline| pipeline.id.0).collect::<Vec<_>>()
    };
    assert_eq!((ids(true), ids(false)), (vec![2, 1], vec![2]));
    let newest = tables.newest_pipeline(ProjectId::DEFAULT, "mill").unwrap().unwrap();
    assert_eq!((newest.id.0, newest.version, newest.created_at), (2, 2, at(30)));
    assert_eq!(newest.spec.stages[1].name, "sift");
    assert_eq!(tables.newest_pipeline(ProjectId::DEFAULT, "none").unwrap(), None);
}

#[test]
fn a_statement_is_planned_once_whatever_is_bound_to_it() {
    let fed = Fed::new();
    for connection in [&fed.connection, &schema::in_memory().unwrap()] {
        let mut select = connection
            .prepare_cached("SELECT * FROM runs WHERE batch = ?1 ORDER BY place DESC LIMIT 1")
            .unwrap();
        for batch in 0..3 {
            assert!(!select.exists([batch]).unwrap());
        }
        assert_eq!(select.get_status(rusqlite::StatementStatus::RePrepare), 0);
    }
}
