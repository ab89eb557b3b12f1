//! The conversion of one record to today's format.

use super::*;

impl Actor {
    /// The same actor today. Which worker it was, the event tells.
    pub(super) fn today(self, worker: Option<WorkerId>) -> access::Actor {
        match self {
            Actor::Local => access::Actor::LOCAL,
            Actor::Token => access::Actor::TOKEN,
            Actor::Server => access::Actor::SERVER,
            Actor::Worker => worker.map_or(access::Actor::NEW_WORKER, access::Actor::worker),
        }
    }
}

/// When a batch's jobs were to end by themselves, and what they waited for.
#[derive(Debug, Default)]
struct Clauses {
    expires_at: Option<Time>,
    deadline: Option<Time>,
    after: BTreeMap<Target, When>,
}

impl Clauses {
    fn of(terms: &Terms) -> Clauses {
        let after = terms.after.iter().map(|dependency| (dependency.on, dependency.when));
        Clauses { expires_at: terms.expires_at, deadline: terms.deadline, after: after.collect() }
    }

    fn is_empty(&self) -> bool {
        self.expires_at.is_none() && self.deadline.is_none() && self.after.is_empty()
    }
}

/// Converts a log, record by record.
#[derive(Debug, Default)]
pub struct Converter {
    clauses: BTreeMap<BatchId, Clauses>,
    /// Why jobs ended that were ended in the turn which this event ended.
    causes: BTreeMap<u64, Cause>,
}

impl Converter {
    /// Looks at a record. All records must be noted, in order, before the first is converted.
    pub fn note(&mut self, seq: u64, record: &Record) {
        let known = |batch: &BatchId| self.clauses.get(batch);
        let cause = match &record.event {
            Event::BatchOpened { batch, terms, .. } => {
                return self.note_clauses(*batch, Clauses::of(terms));
            }
            Event::Restored(part) => {
                if let Part::Batch(part) = &**part {
                    let clauses = Clauses {
                        expires_at: part.expires_at.map(|(at, _)| at),
                        deadline: part.deadline.map(|(at, _)| at),
                        after: part.pending.clone(),
                    };
                    self.note_clauses(part.batch, clauses);
                }
                return;
            }
            Event::ExpiryReached { batch } => {
                Cause::Expiry(known(batch).and_then(|c| c.expires_at).unwrap_or(record.at))
            }
            Event::DeadlineReached { batch } => {
                Cause::Deadline(known(batch).and_then(|c| c.deadline).unwrap_or(record.at))
            }
            Event::DependencyFailed { batch, on } => {
                let when = known(batch).and_then(|clauses| clauses.after.get(on).copied());
                Cause::Dependency(*on, when.unwrap_or_default())
            }
            _ => return,
        };
        self.causes.insert(seq, cause);
    }

    fn note_clauses(&mut self, batch: BatchId, clauses: Clauses) {
        if !clauses.is_empty() {
            self.clauses.insert(batch, clauses);
        }
    }

    /// The record as it is written today.
    #[must_use]
    pub fn convert(&self, seq: u64, record: Record) -> super::super::Record {
        let Record { at, event } = record;
        let (actor, event) = self.event(seq, event, at);
        super::super::Record { at: Moment::from(at), actor, event }
    }

    /// Why jobs ended: the turn's last event, which comes next among those that tell.
    fn cause(&self, seq: u64, at: Time) -> Cause {
        self.causes.range(seq..).next().map_or(Cause::Expiry(at), |(_, cause)| *cause)
    }

    fn event(&self, seq: u64, event: Event, at: Time) -> (access::Actor, super::super::Event) {
        use super::super::Event as New;
        let server = access::Actor::SERVER;
        match event {
            Event::ServerStarted { version } => {
                (server, New::Server(ServerEvent::Started { version }))
            }
            Event::ProjectDefined { project, name, weight } => {
                (server, New::Project(ProjectEvent::Defined { project, name, weight }))
            }
            Event::LimitSet { project, scope, limit, actor } => {
                (actor.today(None), New::Project(ProjectEvent::LimitSet { project, scope, limit }))
            }
            Event::FlowSet { project, scope, flow, actor } => {
                (actor.today(None), New::Project(ProjectEvent::FlowSet { project, scope, flow }))
            }
            Event::PipelineDefined { pipeline, project, version, spec } => {
                let spec = Arc::new(spec);
                let defined = PipelineEvent::Defined { pipeline, project, version, spec };
                (server, New::Pipeline(defined))
            }
            Event::Restored(part) => (server, New::Restored(Box::new((*part).into()))),
            event => self.work(seq, event, at),
        }
    }

    fn work(&self, seq: u64, event: Event, at: Time) -> (access::Actor, super::super::Event) {
        use super::super::Event as New;
        let server = access::Actor::SERVER;
        let jobs = |actor: access::Actor, event| (actor, New::Jobs(event));
        match event {
            Event::AttemptLeased { attempt, job, stage, number, worker, alternative, seat } => {
                let leased =
                    AttemptEvent::Leased { attempt, job, stage, number, worker, alternative, seat };
                (server, New::Attempt(leased))
            }
            Event::AttemptSucceeded { attempt, job, worker, success, usage, devices, then } => {
                let success = Arc::new(success);
                let ended =
                    AttemptEvent::Succeeded { attempt, job, worker, success, usage, devices, then };
                (access::Actor::worker(worker), New::Attempt(ended))
            }
            Event::AttemptFailed { attempt, job, worker, failure, usage, devices, then } => {
                let failure = Arc::new(failure);
                let ended =
                    AttemptEvent::Failed { attempt, job, worker, failure, usage, devices, then };
                (access::Actor::worker(worker), New::Attempt(ended))
            }
            Event::BackoffElapsed { job } => jobs(server, JobsEvent::BackoffElapsed { job }),
            Event::CancelRequested { jobs: list, actor } => {
                let cause = self.asked_or(&actor, seq, at);
                jobs(actor.today(None), JobsEvent::CancelRequested { jobs: list, cause })
            }
            Event::JobsCancelled { jobs: runs, actor } => {
                let cause = self.asked_or(&actor, seq, at);
                jobs(actor.today(None), JobsEvent::Cancelled { jobs: runs, cause })
            }
            Event::JobsExpired { jobs: runs } => {
                jobs(server, JobsEvent::Expired { jobs: runs, cause: self.cause(seq, at) })
            }
            Event::JobsRetried { jobs: runs, actor } => {
                jobs(actor.today(None), JobsEvent::Retried { jobs: runs })
            }
            Event::JobsHeld { jobs: runs, actor } => {
                jobs(actor.today(None), JobsEvent::Held { jobs: runs })
            }
            Event::JobsReleased { jobs: runs, actor } => {
                jobs(actor.today(None), JobsEvent::Released { jobs: runs })
            }
            event => batch(event),
        }
    }

    /// Why jobs were ended that somebody, or one of their batch's terms, ended.
    fn asked_or(&self, actor: &Actor, seq: u64, at: Time) -> Cause {
        if *actor == Actor::Server { self.cause(seq, at) } else { Cause::Request }
    }
}

fn batch(event: Event) -> (access::Actor, super::super::Event) {
    use super::super::Event as New;
    let server = access::Actor::SERVER;
    let of = |actor: access::Actor, event| (actor, New::Batch(event));
    match event {
        Event::BatchOpened {
            batch,
            project,
            pipeline,
            actor,
            name,
            key,
            priority,
            labels,
            terms,
        } => {
            let terms = *terms;
            let opening = Opening { project, pipeline, name, key, priority, labels, terms };
            let opening = Arc::new(opening);
            of(actor.today(None), BatchEvent::Opened { batch, opening })
        }
        Event::JobsAdded { batch, first, jobs } => {
            of(server, BatchEvent::JobsAdded { batch, first, jobs: Arc::new(jobs) })
        }
        Event::RangeAdded { batch, first, count, source } => {
            of(server, BatchEvent::RangeAdded { batch, first, count, source })
        }
        Event::BatchClosed { batch } => of(server, BatchEvent::Closed { batch }),
        Event::BatchHeld { batch, actor } => of(actor.today(None), BatchEvent::Held { batch }),
        Event::BatchReleased { batch, actor } => {
            of(actor.today(None), BatchEvent::Released { batch })
        }
        Event::StartReached { batch } => of(server, BatchEvent::StartReached { batch }),
        Event::ExpiryReached { batch } => of(server, BatchEvent::ExpiryReached { batch }),
        Event::DeadlineReached { batch } => of(server, BatchEvent::DeadlineReached { batch }),
        Event::DependencyMet { batch, on } => of(server, BatchEvent::DependencyMet { batch, on }),
        Event::DependencyFailed { batch, on } => {
            of(server, BatchEvent::DependencyFailed { batch, on })
        }
        Event::BatchFinished { batch } => of(server, BatchEvent::Finished { batch }),
        Event::CallbackSettled { batch, delivered, detail } => {
            of(server, BatchEvent::CallbackSettled { batch, delivered, detail })
        }
        Event::BatchesPruned { batches } => of(server, BatchEvent::Forgotten { batches }),
        event => worker(event),
    }
}

fn worker(event: Event) -> (access::Actor, super::super::Event) {
    use super::super::Event as New;
    match event {
        Event::WorkerJoined { worker, instance, name, handlers, capacity, shared_disk, labels } => {
            let shape = WorkerShape { capacity, handlers, labels, shared_disk };
            let description = WorkerDescription { name, version: String::new(), shape };
            let description = Arc::new(description);
            let joined = WorkerEvent::Joined { worker, instance, description };
            (access::Actor::worker(worker), New::Worker(joined))
        }
        Event::WorkerPaused { worker, paused, actor } => {
            (actor.today(None), New::Worker(WorkerEvent::Paused { worker, paused }))
        }
        Event::WorkerDeclared { name, shape } => (
            access::Actor::SERVER,
            New::Worker(WorkerEvent::Declared { name, shape: shape.map(Box::new) }),
        ),
        Event::WorkerDraining { worker } => {
            (access::Actor::SERVER, New::Worker(WorkerEvent::Draining { worker }))
        }
        Event::WorkerLeft { worker, reason } => {
            (access::Actor::SERVER, New::Worker(WorkerEvent::Left { worker, reason }))
        }
        Event::DeviceQuarantined { worker, device, reason, actor } => {
            let actor = actor.today(Some(worker));
            (actor, New::Device(DeviceEvent::Quarantined { worker, device, reason }))
        }
        Event::DeviceReturned { worker, device, actor } => {
            let actor = actor.today(Some(worker));
            (actor, New::Device(DeviceEvent::Returned { worker, device }))
        }
        Event::SessionMeasured { worker, session, vram } => {
            let measured = DeviceEvent::SessionMeasured { worker, session, vram };
            (access::Actor::worker(worker), New::Device(measured))
        }
        Event::ForeignUseNoted { worker, device, vram } => {
            let noted = DeviceEvent::ForeignUseNoted { worker, device, vram };
            (access::Actor::worker(worker), New::Device(noted))
        }
        other => unreachable!("{other:?} is converted elsewhere"),
    }
}
