//! The planted bugs that would lie inside the engine or its recovery, planted at its borders: what
//! it replays, what it is asked, and what of its word reaches the log and the workers. In a world
//! without a bug all of this lets everything through as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_engine::Engine;
use gristmill_model::access::Actor;
use gristmill_model::attempt::{FailureKind, Outcome};
use gristmill_model::command::{Command, PipelineRef, Submission};
use gristmill_model::event::{
    AttemptEvent, BatchEvent, DeviceEvent, Event, Opening, PipelineEvent, ProjectEvent, Record,
    Then, WorkerEvent,
};
use gristmill_model::limits::Timing;
use gristmill_model::payload::{Line, Payload};
use gristmill_model::pipeline::{Handler, PipelineSpec, StageSpec};
use gristmill_model::restored::Part;
use gristmill_model::scope::{Flow, Limit};
use gristmill_model::source::Source;
use gristmill_model::terms::{Terms, When};
use gristmill_model::wire::{Assignment, ToWorker};
use gristmill_model::{AttemptId, BatchId, JobId, JobRun, Moment, Span};

use crate::bug::Bug;
use crate::client::PINNED;

/// What a bug must remember to lie consistently.
#[derive(Debug, Default)]
pub(super) struct Planted {
    /// The terms that were asked for, where the engine was told others.
    terms: BTreeMap<String, Terms>,
    /// Which job an attempt was.
    jobs: BTreeMap<AttemptId, JobId>,
    pruned: bool,
}

/// The spans that the engine is told.
pub(super) fn timing(bug: Option<Bug>, timing: Timing) -> Timing {
    match bug {
        Some(Bug::PrunesEarly) => {
            Timing { keep_finished: Span(timing.keep_finished.0 / 2), ..timing }
        }
        _ => timing,
    }
}

/// What a restart replays of a log, group by group.
pub(super) fn replay(bug: Option<Bug>, groups: &[Vec<Record>]) -> Vec<Record> {
    let mut records: Vec<Record> = groups.iter().flatten().cloned().collect();
    if bug == Some(Bug::HalfGroup) {
        let torn = groups.last().map_or(0, |group| group.len() / 2);
        records.truncate(records.len() - torn);
    }
    let Some(bug) = bug else { return records };
    let mut late = Vec::new();
    records.retain_mut(|record| {
        !is_lost(bug, &record.event) && {
            alter(bug, &mut record.event);
            let moves = bug == Bug::RateClockLost
                && matches!(record.event, Event::Project(ProjectEvent::LimitSet { .. }));
            if moves {
                late.push(record.event.clone());
            }
            !moves
        }
    });
    let at = records.last().map_or(Moment::default(), |record| record.at);
    records.extend(late.into_iter().map(|event| Record { at, actor: Actor::LOCAL, event }));
    records
}

fn is_lost(bug: Bug, event: &Event) -> bool {
    match bug {
        Bug::LimitLost => matches!(event, Event::Project(ProjectEvent::LimitSet { .. })),
        Bug::PauseLost => {
            matches!(event, Event::Project(ProjectEvent::FlowSet { flow: Flow::Paused, .. }))
        }
        Bug::DrainLost => {
            matches!(event, Event::Project(ProjectEvent::FlowSet { flow: Flow::Draining, .. }))
        }
        Bug::HoldLost => matches!(event, Event::Batch(BatchEvent::Held { .. })),
        Bug::WorkerPauseLost => matches!(event, Event::Worker(WorkerEvent::Paused { .. })),
        Bug::QuarantineLost => matches!(event, Event::Device(DeviceEvent::Quarantined { .. })),
        Bug::DeclarationLost => matches!(event, Event::Worker(WorkerEvent::Declared { .. })),
        Bug::WeightLost => {
            matches!(event, Event::Project(ProjectEvent::Defined { project, .. }) if project.0 == 1)
        }
        _ => false,
    }
}

fn alter(bug: Bug, event: &mut Event) {
    match (bug, event) {
        (Bug::GateOpened, Event::Batch(BatchEvent::Opened { opening, .. })) => {
            Arc::make_mut(opening).terms.start_at = None;
        }
        (Bug::HoldForgotten, Event::Batch(BatchEvent::Opened { opening, .. })) => {
            Arc::make_mut(opening).terms.held = false;
        }
        (Bug::PriorityLost, Event::Batch(BatchEvent::Opened { opening, .. })) => {
            Arc::make_mut(opening).priority = 0;
        }
        (Bug::QuarantineReset, Event::Attempt(AttemptEvent::Failed { failure, .. }))
            if failure.code == "worker_lost" =>
        {
            Arc::make_mut(failure).code = "worker_left".into();
        }
        (
            Bug::BackoffForgotten,
            Event::Attempt(AttemptEvent::Failed { then: Then::Retry { at }, .. }),
        ) => {
            *at = *at + Span::seconds(10_000_000);
        }
        (
            Bug::RangeShifts,
            Event::Batch(BatchEvent::RangeAdded {
                source: Source::Numbers { first, last, step },
                ..
            }),
        ) => {
            (*first, *last) = (*first + *step, *last + *step);
        }
        (Bug::ShortageForgotten, Event::Attempt(AttemptEvent::Failed { failure, .. }))
            if failure.kind == FailureKind::OutOfMemory =>
        {
            Arc::make_mut(failure).kind = FailureKind::Cancelled;
        }
        (Bug::AlternativeForgotten, Event::Attempt(AttemptEvent::Leased { alternative, .. })) => {
            *alternative = 0
        }
        _ => {}
    }
}

impl Planted {
    /// What the engine is told in place of what was asked.
    pub(super) fn command(&mut self, bug: Option<Bug>, engine: &Engine, command: &mut Command) {
        match (bug, command) {
            (Some(Bug::DropsKeys), Command::Submit(submission)) => submission.key = None,
            (Some(Bug::DropsLimitKeys), Command::Submit(submission)) => {
                self.swap(submission, |terms| terms.limit_key = None);
            }
            (Some(Bug::MetByFailure), Command::Submit(submission)) => {
                self.swap(submission, |terms| {
                    terms.after.iter_mut().for_each(|dependency| dependency.when = When::Finished);
                });
            }
            (Some(Bug::IgnoresDeadline), Command::Submit(submission)) => {
                self.swap(submission, |terms| terms.deadline = None);
            }
            (Some(Bug::IgnoresExpiry), Command::Submit(submission)) => {
                self.swap(submission, |terms| terms.expires_at = None);
            }
            (Some(Bug::LimitDoubled), Command::SetLimit { limit, .. }) => double(limit, 2),
            (Some(Bug::InventsLabels), Command::Greet(greeting)) => {
                greeting.description.shape.labels =
                    BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
            }
            (Some(Bug::PinnedEvicted), Command::Submit(submission)) => {
                if let PipelineRef::Inline(spec) = &mut submission.pipeline {
                    pin(spec, false);
                }
            }
            (Some(Bug::PinnedEvicted), Command::DefinePipeline { spec, .. }) => pin(spec, false),
            (Some(Bug::CancelMissesFolded), command) => miss_folded(engine, command),
            _ => {}
        }
    }

    fn swap(&mut self, submission: &mut Submission, change: impl FnOnce(&mut Terms)) {
        let name = submission.name.clone().unwrap_or_default();
        self.terms.insert(name, submission.terms.clone());
        change(&mut submission.terms);
    }

    /// What reaches the log of what the engine decided.
    pub(super) fn append(&mut self, bug: Option<Bug>, engine: &Engine, records: &mut Vec<Record>) {
        let Some(bug) = bug else { return };
        records.retain_mut(|record| match &mut record.event {
            Event::Batch(BatchEvent::Opened { opening, .. }) => {
                let name = opening.name.as_deref().unwrap_or_default();
                if let Some(asked) = self.terms.get(name) {
                    Arc::make_mut(opening).terms = asked.clone();
                }
                true
            }
            Event::Pipeline(PipelineEvent::Defined { spec, .. }) if bug == Bug::PinnedEvicted => {
                pin(Arc::make_mut(spec), true);
                true
            }
            Event::Device(DeviceEvent::Quarantined { .. }) if bug == Bug::DeviceErrorsUncounted => {
                record.actor != Actor::SERVER
            }
            Event::Project(ProjectEvent::LimitSet { limit, .. }) if bug == Bug::LimitDoubled => {
                limit.concurrency = limit.concurrency.map(|most| most / 2);
                true
            }
            Event::Attempt(AttemptEvent::Leased { attempt, job, .. }) => {
                self.jobs.insert(*attempt, *job);
                true
            }
            Event::Attempt(AttemptEvent::Failed { failure, .. }) if bug == Bug::LeaseSurvives => {
                failure.code != "worker_lost"
            }
            Event::Batch(BatchEvent::Finished { .. }) => bug != Bug::CallbackForgotten,
            _ => true,
        });
        if bug == Bug::PrunesUnfinished && !self.pruned {
            let live = engine.state().batches().find(|(_, batch)| !batch.is_finished());
            let (at, actor) = (engine.state().at(), Actor::SERVER);
            if let Some(batches) = live.map(|(id, _)| vec![id]).filter(|_| !records.is_empty()) {
                self.pruned = true;
                let event = Event::Batch(BatchEvent::Forgotten { batches });
                records.push(Record { at, actor, event });
            }
        }
    }

    /// The live attempt of the job that a stale one was an attempt of, for a report that is
    /// believed without its fence.
    pub(super) fn unfenced(&self, engine: &Engine, stale: AttemptId) -> Option<AttemptId> {
        engine.state().job(*self.jobs.get(&stale)?)?.attempt
    }
}

/// What the engine is told of a worker's word; `false` where it is not told at all.
pub(super) fn hear(bug: Option<Bug>, command: &mut Command) -> bool {
    match (bug, command) {
        (Some(Bug::QuarantineUnheard), Command::SetDevice { .. })
        | (Some(Bug::MeasuredIgnored), Command::Measure { .. })
        | (Some(Bug::ForeignUseIgnored), Command::NoteForeignUse { .. }) => false,
        (Some(Bug::ShortageCounted), Command::Report { outcome: Outcome::Failed(failure), .. }) => {
            if failure.kind == FailureKind::OutOfMemory {
                failure.kind = FailureKind::Failed;
            }
            true
        }
        (Some(Bug::HotForTooLong), Command::Sample { sessions, .. }) => {
            sessions.iter_mut().for_each(|sample| sample.load = Some(Span::seconds(3_600)));
            true
        }
        _ => true,
    }
}

/// What a base tells.
pub(super) fn base(bug: Option<Bug>, records: &mut [Record]) {
    for record in records {
        if let (Some(Bug::BaseForgetsDevices), Event::Restored(part)) = (bug, &mut record.event)
            && let Part::Worker { devices, .. } = &mut **part
        {
            devices.clear();
        }
    }
}

/// Whether sessions stay that were asked to.
fn pin(spec: &mut PipelineSpec, stays: bool) {
    for stage in &mut spec.stages {
        if let Handler::Session(session) = &mut stage.handler
            && session.name == PINNED
        {
            session.pinned = stays;
        }
    }
}

fn double(limit: &mut Limit, times: u32) {
    limit.concurrency = limit.concurrency.map(|most| most * times);
}

/// Of a batch only those jobs are cancelled that are not folded.
fn miss_folded(engine: &Engine, command: &mut Command) {
    let Command::CancelBatch(batch) = command else { return };
    let runs = |batch: BatchId| engine.state().batch(batch).map(|batch| batch.runs.clone());
    let Some(runs) = runs(*batch) else { return };
    let jobs = runs.iter().flat_map(|run| run.jobs());
    let here = jobs.filter(|job| engine.state().job(*job).is_some());
    *command = Command::CancelJobs(JobRun::gather(here));
}

/// What a worker is told: lines stand there as their text, as they should.
pub(super) fn tell(bug: Option<Bug>, frame: &mut ToWorker) {
    let ToWorker::Run(run) = frame else { return };
    for assignment in run {
        if bug == Some(Bug::BooksPreferred) {
            assignment.resources = StageSpec::new("any", assignment.handler.clone()).resources;
        }
        fill_in(bug, assignment);
    }
}

fn fill_in(bug: Option<Bug>, assignment: &mut Assignment) {
    if let (Some(Bug::SwapsLines), Payload::Line(Line { index, .. })) = (bug, &mut assignment.input)
    {
        *index += u64::from(*index % 7 == 6);
    }
    assignment.input = crate::items::filled_in(&assignment.input);
}

/// The last submission of a range that stands in the log, to be taken in again.
pub(super) fn range_again(groups: &[Vec<Record>]) -> Option<Command> {
    let events = || groups.iter().rev().flatten().map(|record| &record.event);
    let (made, source) = events().find_map(|event| match event {
        Event::Batch(BatchEvent::RangeAdded { batch, source, .. }) => {
            Some((*batch, source.clone()))
        }
        _ => None,
    })?;
    events().find_map(|event| match event {
        Event::Batch(BatchEvent::Opened { batch, opening }) if *batch == made => {
            let Opening { pipeline, name, labels, .. } = &**opening;
            let spec = events().find_map(|event| match event {
                Event::Pipeline(PipelineEvent::Defined { pipeline: id, spec, .. })
                    if id == pipeline =>
                {
                    Some(spec)
                }
                _ => None,
            })?;
            let pipeline = PipelineRef::Inline((**spec).clone());
            let (name, labels, range) = (name.clone(), labels.clone(), Some(source.clone()));
            let again = Submission::new(pipeline, Vec::new());
            Some(Command::Submit(Box::new(Submission { name, labels, range, ..again })))
        }
        _ => None,
    })
}
