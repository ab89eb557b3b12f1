//! One story in which every kind of event happens, and what the API shows on the way.

use gristmill_model::api::{AttemptState, WorkerState};
use gristmill_model::cause::Cause;
use gristmill_model::event::{JobsEvent, LeaveReason, ServerEvent};
use gristmill_model::job::JobState;

use super::*;

/// Two workers, and a closed batch of three jobs of which the first says all that one can say.
fn begun() -> Fed {
    let mut fed = Fed::new();
    fed.feed(1, Event::Server(ServerEvent::Started { version: "0.1.0".into() }));
    fed.feed(2, defined(1, 1));
    fed.feed(3, joined(1));
    fed.feed(3, joined(2));
    fed.feed(4, opened(1));
    let mut first = JobSpec::of(text("wheat"));
    first.output = Some("/flour/1".into());
    first.key = Some("k1".into());
    first.priority = Some(9);
    first.labels = labels(&[("user", "grace"), ("sort", "winter")]);
    fed.feed(5, added(1, 1, vec![first]));
    fed.feed(6, added(1, 2, plain(2)));
    fed.feed(7, closed(1));
    fed
}

#[test]
fn a_job_shows_what_was_submitted() {
    let fed = begun();
    let job = fed.job(1);
    assert_eq!(
        (job.batch, job.index, &*job.pipeline, &*job.stage),
        (BatchId(1), 0, "mill", "grind")
    );
    assert_eq!((job.state, job.priority), (JobState::Queued, 9));
    assert_eq!(job.labels, labels(&[("user", "grace"), ("sort", "winter"), ("year", "1843")]));
    assert_eq!((job.key.as_deref(), job.input), (Some("k1"), text("wheat")));
    assert_eq!(job.output_path.as_deref(), Some("/flour/1"));
    assert_eq!((job.created_at, job.started_at, job.finished_at), (at(5), None, None));
    let second = fed.job(2);
    assert_eq!((second.index, second.priority), (1, 5));
    assert_eq!(second.labels, labels(&[("user", "ada"), ("year", "1843")]));
    assert_eq!(fed.tables().job_by_key(ProjectId::DEFAULT, "k1").unwrap().unwrap().id, JobId(1));
    assert_eq!(fed.tables().job_by_key(ProjectId(7), "k1").unwrap(), None);
    assert_eq!(fed.tables().job(JobId(99)).unwrap(), None);
}

#[test]
fn a_job_passes_its_stages_with_a_retry_and_a_lost_worker() {
    let mut fed = begun();
    fed.feed(10, leased(1, 1, 0, 1, 1));
    assert_eq!((fed.job(1).state, fed.job(1).started_at), (JobState::Running, Some(at(10))));
    fed.feed(11, failed(1, 1, 1, FailureKind::Failed, Then::Retry { at: at(12) }));
    assert_eq!(fed.job(1).state, JobState::Retrying);
    assert_eq!(fed.job(1).failure.unwrap().code, "stone_worn");
    fed.feed(12, Event::Jobs(JobsEvent::BackoffElapsed { job: JobId(1) }));
    assert_eq!(fed.job(1).state, JobState::Queued);
    fed.feed(13, leased(2, 1, 0, 2, 2));
    fed.feed(14, succeeded(2, 1, 2, "grist", Then::NextStage));
    let between = fed.job(1);
    assert_eq!((between.state, &*between.stage), (JobState::Queued, "sift"));
    assert_eq!((between.result, between.finished_at), (None, None));
    fed.feed(15, leased(3, 1, 1, 1, 1));
    fed.feed(16, failed(3, 1, 1, FailureKind::Lost, Then::Requeue));
    assert_eq!(fed.job(1).state, JobState::Queued);
    fed.feed(17, leased(4, 1, 1, 2, 2));
    fed.feed(18, succeeded(4, 1, 2, "flour", Then::Succeed));

    let job = fed.job(1);
    assert_eq!((job.state, &*job.stage, job.attempts), (JobState::Succeeded, "sift", 4));
    assert_eq!((job.result, job.warnings), (Some(text("flour")), vec!["damp".to_owned()]));
    assert_eq!(job.failure.unwrap().kind, FailureKind::Lost);
    assert_eq!((job.started_at, job.finished_at), (Some(at(10)), Some(at(18))));

    let attempts = fed.tables().attempts(JobId(1)).unwrap();
    let seen: Vec<_> = attempts
        .iter()
        .map(|a| (a.id.0, &*a.stage, a.number, a.worker.0, a.state, a.input.clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (1, "grind", 1, 1, AttemptState::Failed, text("wheat")),
            (2, "grind", 2, 2, AttemptState::Succeeded, text("wheat")),
            (3, "sift", 1, 1, AttemptState::Lost, text("grist")),
            (4, "sift", 2, 2, AttemptState::Succeeded, text("grist")),
        ]
    );
    assert_eq!((attempts[3].usage, &attempts[3].output), (Some(usage()), &Some(text("flour"))));
    assert_eq!((attempts[0].leased_at, attempts[0].ended_at), (at(10), Some(at(11))));
    assert_eq!(fed.tables().attempt(AttemptId(3)).unwrap().unwrap(), attempts[2]);
    assert_eq!(fed.tables().attempt(AttemptId(9)).unwrap(), None);
}

#[test]
fn an_attempt_shows_what_it_booked_and_had() {
    let mut fed = begun();
    let mut lease = leased(1, 1, 0, 1, 1);
    let Event::Attempt(AttemptEvent::Leased { alternative, .. }) = &mut lease else {
        unreachable!("it leases")
    };
    *alternative = 2;
    fed.feed(10, lease);
    let attempt = fed.tables().attempt(AttemptId(1)).unwrap().unwrap();
    assert_eq!((attempt.alternative, attempt.devices), (2, vec![]));
    let mut end = failed(1, 1, 1, FailureKind::Failed, Then::Fail);
    let Event::Attempt(AttemptEvent::Failed { devices, .. }) = &mut end else {
        unreachable!("it fails")
    };
    *devices = vec!["GPU-1".into(), "GPU-2".into()];
    fed.feed(11, end);
    let attempt = fed.tables().attempt(AttemptId(1)).unwrap().unwrap();
    assert_eq!((attempt.alternative, attempt.devices.len()), (2, 2));
    assert_eq!(attempt.devices[1], "GPU-2");
}

#[test]
fn a_batch_ends_and_begins_again_when_a_job_is_retried() {
    let mut fed = begun();
    assert_eq!(fed.batch(1).counts, BTreeMap::from([(JobState::Queued, 3)]));
    let cause = Cause::Request;
    fed.feed(10, leased(1, 1, 0, 1, 1));
    fed.feed(11, Event::Jobs(JobsEvent::CancelRequested { jobs: vec![JobId(1)], cause }));
    assert_eq!(fed.job(1).state, JobState::Cancelling);
    let jobs = vec![JobRun::one(JobId(2))];
    fed.feed(12, Event::Jobs(JobsEvent::Cancelled { jobs, cause }));
    fed.feed(13, failed(1, 1, 1, FailureKind::Cancelled, Then::Cancel));
    fed.feed(14, leased(2, 3, 0, 1, 1));
    assert_eq!((fed.batch(1).finished, fed.batch(1).finished_at), (false, None));
    fed.feed(15, failed(2, 3, 1, FailureKind::TimedOut, Then::Fail));
    let batch = fed.batch(1);
    assert_eq!(batch.counts, BTreeMap::from([(JobState::Failed, 1), (JobState::Cancelled, 2)]));
    assert_eq!((batch.open, batch.finished, batch.finished_at), (false, true, Some(at(15))));
    assert_eq!((batch.jobs, &*batch.actor, batch.created_at), (3, "local", at(4)));
    assert_eq!((batch.name.as_deref(), &*batch.pipeline), (Some("harvest"), "mill"));

    fed.feed(16, Event::Jobs(JobsEvent::Retried { jobs: vec![JobRun::one(JobId(3))] }));
    assert_eq!((fed.job(3).state, fed.job(3).finished_at), (JobState::Queued, None));
    assert_eq!((fed.batch(1).finished, fed.batch(1).finished_at), (false, None));
    fed.feed(17, leased(3, 3, 0, 2, 1));
    fed.feed(18, Event::Jobs(JobsEvent::CancelRequested { jobs: vec![JobId(3)], cause }));
    fed.feed(18, succeeded(3, 3, 1, "grist", Then::Cancel));
    assert_eq!((fed.job(3).state, fed.job(3).result), (JobState::Cancelled, None));
    assert_eq!(fed.batch(1).finished_at, Some(at(18)));
    assert_eq!(fed.tables().totals().unwrap(), fed.batch(1).counts);
}

#[test]
fn a_batch_without_jobs_ends_when_it_is_closed() {
    let mut fed = begun();
    fed.feed(20, opened(2));
    assert!(!fed.batch(2).finished && fed.batch(2).open);
    fed.feed(21, closed(2));
    assert_eq!((fed.batch(2).finished, fed.batch(2).finished_at), (true, Some(at(21))));
    assert_eq!(fed.tables().batch(BatchId(3)).unwrap(), None);
}

#[test]
fn workers_come_work_drain_and_go() {
    let mut fed = begun();
    fed.feed(10, leased(1, 1, 0, 1, 1));
    fed.feed(10, leased(2, 2, 0, 1, 1));
    fed.feed(11, succeeded(1, 1, 1, "grist", Then::NextStage));
    fed.feed(12, Event::Worker(WorkerEvent::Draining { worker: WorkerId(1) }));
    let worker = |fed: &Fed| fed.tables().worker(WorkerId(1)).unwrap().unwrap();
    assert_eq!((worker(&fed).state, worker(&fed).left_at), (WorkerState::Draining, None));
    fed.feed(13, failed(2, 2, 1, FailureKind::Lost, Then::Requeue));
    fed.feed(
        13,
        Event::Worker(WorkerEvent::Left { worker: WorkerId(1), reason: LeaveReason::LeaseExpired }),
    );
    let gone = worker(&fed);
    assert_eq!((gone.state, gone.left_at), (WorkerState::Gone, Some(at(13))));
    assert_eq!((gone.succeeded, gone.failed, &*gone.name), (1, 1, "miller-1"));
    assert_eq!((gone.shape.capacity, gone.shape.shared_disk), (Capacity::of_cpus(2), true));
    let ids = |gone_too| {
        let page = fed.tables().workers(gone_too, None, 10).unwrap();
        page.items.into_iter().map(|worker| worker.id.0).collect::<Vec<_>>()
    };
    assert_eq!((ids(true), ids(false)), (vec![1, 2], vec![2]));
}
