//! Batches: that each is what was asked for, takes in what it was given, and is forgotten only when
//! it may be.

use gristmill_model::event::{BatchEvent, Event, Opening};
use gristmill_model::job::{JobSpec, JobState};
use gristmill_model::payload::Payload;
use gristmill_model::scope::{Flow, Scope};
use gristmill_model::source::Source;
use gristmill_model::terms::Terms;
use gristmill_model::{BatchId, JobId, PipelineId, ProjectId, Time};

use super::{History, Job, ORDER, Verdict, Violation, require};
use crate::items;
use crate::tally::Tally;

const ASKED: &str = "a batch is what was asked for, and made once";
const DRAINED: &str = "nothing is taken in where a scope drains";
const KEPT: &str = "only what finished long ago is forgotten";

/// A batch as the log tells of it.
#[derive(Debug)]
pub(in crate::judge) struct Batch {
    pub(super) project: ProjectId,
    pub(super) pipeline: PipelineId,
    pub(super) priority: i32,
    pub(super) terms: Terms,
    pub(super) held: bool,
    pub(super) started: bool,
    pub(super) pending: Vec<gristmill_model::terms::Dependency>,
    pub(super) expiry_reached: bool,
    pub(super) deadline_reached: bool,
    /// When its start time comes by the server's own clock, if nobody sets the wall's.
    pub(super) age_from: Option<Time>,
    pub(super) finished_at: Option<Time>,
    pub(super) announced: bool,
    /// Announced at least once: its callback may come late, when it lives again.
    pub(super) called: bool,
    pub(in crate::judge) pruned: bool,
    pub(in crate::judge) holds: u32,
    pub(in crate::judge) jobs: Vec<JobId>,
    pub(in crate::judge) open: bool,
}

impl Batch {
    /// Whether its jobs may begin.
    pub(super) fn gate_is_open(&self) -> bool {
        !self.held && self.started && self.pending.is_empty()
    }

    /// How people see a job of it that waits.
    pub(super) fn shows(&self) -> JobState {
        match (self.held || !self.pending.is_empty(), self.started) {
            (true, _) => JobState::Blocked,
            (false, false) => JobState::Scheduled,
            (false, true) => JobState::Queued,
        }
    }
}

impl History {
    pub(super) fn take_batch(&mut self, event: &Event, tally: &mut Tally) -> Verdict {
        match event {
            Event::Batch(BatchEvent::Opened { batch, .. }) => {
                tally.batches += 1;
                self.open(*batch, event)
            }
            Event::Batch(BatchEvent::JobsAdded { batch, first, jobs }) => {
                tally.jobs += jobs.len() as u64;
                self.add_jobs(*batch, *first, jobs)
            }
            Event::Batch(BatchEvent::RangeAdded { batch, first, count, source }) => {
                tally.jobs += count;
                tally.ranges += 1;
                self.add_range(*batch, *first, *count, source)
            }
            Event::Batch(BatchEvent::Closed { batch }) => {
                let was_open = std::mem::replace(&mut self.batch_mut(*batch)?.open, false);
                require(was_open, ORDER, || format!("{batch} is closed twice"))?;
                self.note_end(*batch);
                Ok(())
            }
            Event::Batch(BatchEvent::Finished { batch }) => {
                tally.announced += 1;
                let ended = self.batch_mut(*batch)?.finished_at.is_some();
                let found = self.batch_mut(*batch)?;
                let fair = ended && found.terms.callback.is_some();
                (found.announced, found.called) = (true, true);
                require(fair, ORDER, || format!("{batch} is said to have finished and has not"))
            }
            Event::Batch(BatchEvent::CallbackSettled { batch, .. }) => {
                let fair = self.batch_mut(*batch)?.called;
                require(fair, ORDER, || format!("{batch} was called back for before its end"))
            }
            Event::Batch(BatchEvent::Forgotten { batches }) => {
                tally.pruned += batches.len() as u64;
                batches.iter().try_for_each(|batch| self.prune(*batch))
            }
            event => self.take_gate(event, tally),
        }
    }

    fn open(&mut self, id: BatchId, event: &Event) -> Verdict {
        let Event::Batch(BatchEvent::Opened { opening, .. }) = event else {
            unreachable!("called for this event alone")
        };
        let Opening { project, pipeline, key, priority, terms, name, labels } = &**opening;
        let key = key.as_ref().map(|(key, _)| key.clone());
        let asked = self.asked.get_mut(name.as_deref().unwrap_or_default());
        let asked = asked.ok_or_else(|| Violation::new(ASKED, format!("nobody asked for {id}")))?;
        asked.made += 1;
        let given = &asked.submission;
        let same = given.terms == *terms
            && given.priority == *priority
            && given.labels == *labels
            && given.key.as_ref().map(|key| &key.key) == key.as_ref();
        require(same, ASKED, || format!("{id} is not what was asked for: {event:?}"))?;
        let often = if key.is_some() { u64::MAX } else { asked.times };
        require(asked.made <= often, ASKED, || {
            format!("{id} comes of what was asked {} times", asked.times)
        })?;
        let named = self.project_names.get(&given.project) == Some(project);
        require(named, ASKED, || format!("{id} is made in {project}"))?;
        let known = self.pipelines.get(pipeline).is_some_and(|(owner, spec)| {
            // What a project lacks is the default project's.
            owner == project || *owner == ProjectId::DEFAULT && !self.has_own(*project, &spec.name)
        });
        require(known, ORDER, || format!("{id} uses {pipeline}, which is not there"))?;
        let batch = Batch {
            project: *project,
            pipeline: *pipeline,
            priority: *priority,
            held: terms.held,
            started: terms.start_at.is_none(),
            age_from: terms.start_at.map(|start| self.at + start.since(self.wall)),
            pending: terms.after.clone(),
            terms: terms.clone(),
            expiry_reached: false,
            deadline_reached: false,
            finished_at: None,
            announced: false,
            called: false,
            pruned: false,
            holds: 0,
            jobs: Vec::new(),
            open: true,
        };
        let old = self.batches.insert(id, batch);
        require(old.is_none(), ORDER, || format!("{id} is opened twice"))?;
        self.takes_in(id)?;
        let Some(key) = key else { return Ok(()) };
        let twin = self.keys.insert((*project, key.clone()), id);
        require(twin.is_none(), "one key makes one batch", || format!("{key} makes {id} too"))
    }

    /// No scope that the batch's work begins in may drain.
    fn takes_in(&self, id: BatchId) -> Verdict {
        let batch = &self.batches[&id];
        let drains = self
            .scopes_of(batch.project, batch.pipeline, 0, batch.terms.limit_key.as_deref())
            .into_iter()
            .find(|scope| self.flow(batch.project, scope) == Flow::Draining);
        require(drains.is_none(), DRAINED, || {
            format!("{id} takes work in while {} drains", drains.unwrap_or(Scope::Project))
        })
    }

    fn add_jobs(&mut self, batch: BatchId, first: JobId, specs: &[JobSpec]) -> Verdict {
        let project = self.may_grow(batch)?;
        for (id, spec) in (first.0..).map(JobId).zip(specs) {
            if let Some(key) = &spec.key {
                let twin = self.job_keys.insert((project, key.clone()), id);
                require(twin.is_none(), "one key makes one job", || format!("{key} makes {id}"))?;
            }
            let priority = spec.priority.unwrap_or(self.batches[&batch].priority);
            self.add(batch, id, &spec.input, priority, spec.needs_shared_disk())?;
        }
        Ok(())
    }

    fn add_range(&mut self, batch: BatchId, first: JobId, count: u64, source: &Source) -> Verdict {
        self.may_grow(batch)?;
        let inputs = items::of(source);
        let whole = inputs.len() as u64 == count;
        require(whole, "a range has its items", || format!("{count} items of {source:?}"))?;
        let priority = self.batches[&batch].priority;
        for (id, input) in (first.0..).map(JobId).zip(inputs) {
            self.add(batch, id, &input, priority, false)?;
        }
        Ok(())
    }

    fn may_grow(&mut self, batch: BatchId) -> Result<ProjectId, Violation> {
        let (now, found) = (self.wall, self.batch_mut(batch)?);
        let passed = [found.terms.expires_at, found.terms.deadline].into_iter().flatten().min();
        let (open, project) = (found.open, found.project);
        require(open, ORDER, || format!("{batch} takes jobs when closed"))?;
        let late = passed.is_some_and(|passed| passed <= now);
        require(!late, "what takes jobs in has time left", || format!("{batch} is past its time"))?;
        self.takes_in(batch)?;
        Ok(project)
    }

    fn add(
        &mut self,
        batch: BatchId,
        id: JobId,
        input: &Payload,
        level: i32,
        disk: bool,
    ) -> Verdict {
        let start = self.batches[&batch].age_from.unwrap_or(self.at).max(self.at);
        let micros = i64::try_from(start.0).unwrap_or(i64::MAX);
        let rank = micros.saturating_sub(i64::from(level) * 3_600_000_000);
        let old = self.jobs.insert(id, Job::new(batch, rank, input.clone(), disk));
        require(old.is_none(), ORDER, || format!("{id} is added twice"))?;
        self.batch_mut(batch)?.jobs.push(id);
        self.move_to(id, JobState::Queued)
    }

    /// Whether any job of a batch is not final.
    pub(super) fn is_batch_live(&self, batch: &Batch) -> bool {
        batch.jobs.iter().any(|job| !self.jobs[job].state.is_final())
    }

    /// A batch may have ended just now, or lives again.
    pub(super) fn note_end(&mut self, id: BatchId) {
        let batch = &self.batches[&id];
        let ended = !batch.open && !self.is_batch_live(batch);
        let at = self.at;
        let batch = self.batches.get_mut(&id).expect("found just now");
        match (ended, batch.finished_at) {
            (true, None) => batch.finished_at = Some(at),
            (false, Some(_)) => (batch.finished_at, batch.announced) = (None, false),
            _ => {}
        }
    }

    fn prune(&mut self, id: BatchId) -> Verdict {
        let (now, keep) = (self.at, self.keep_finished);
        let batch = self.batch_mut(id)?;
        let old = batch.finished_at.is_some_and(|at| at + keep <= now);
        require(old && !batch.pruned, KEPT, || {
            format!("{id} is forgotten at {now}, it finished at {:?}", batch.finished_at)
        })?;
        batch.pruned = true;
        let jobs: Vec<JobId> = batch.jobs.clone();
        self.keys.retain(|_, batch| *batch != id);
        self.job_keys.retain(|_, job| !jobs.contains(job));
        for job in jobs {
            self.job_mut(job)?.pruned = true;
        }
        Ok(())
    }

    /// Callbacks that were asked for and never announced.
    pub(in crate::judge) fn unannounced(&self) -> Option<BatchId> {
        let waits = |batch: &Batch| {
            batch.terms.callback.is_some() && batch.finished_at.is_some() && !batch.announced
        };
        self.batches.iter().find(|(_, batch)| waits(batch)).map(|(id, _)| *id)
    }
}
