//! Batches: what their jobs share, how many of them stand where, and what happens to them as one.

use std::sync::Arc;

use gristmill_model::access::Actor;

use gristmill_model::event::Opening;
use gristmill_model::job::JobState;
use gristmill_model::restored::BatchPart;
use gristmill_model::terms::Dependency;
use gristmill_model::{BatchId, JobId, JobRun, Moment, PipelineId, ProjectId, Time};

use super::State;
use super::waiting::Gate;
use crate::change::{self, Change, Inputs};

/// How many jobs stand in each state, in the order of `JobState::ALL`.
pub(super) type Counts = [u64; JobState::ALL.len()];

/// The jobs of one submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Whose work it is.
    pub project: ProjectId,
    /// What is done to its jobs.
    pub pipeline: PipelineId,
    /// A name for people.
    pub name: Option<Box<str>>,
    /// Priority of jobs that name none.
    pub priority: i32,
    /// Whether more jobs may be added.
    pub open: bool,
    /// Its jobs, as runs of ids, in order of submission.
    pub runs: Vec<JobRun>,
    /// When it was closed and its last job became final.
    pub finished: Option<Moment>,
    /// By the state that is stored: what waits behind the gate counts as queued.
    counts: Counts,
    live: u64,
    /// What most batches have none of.
    extra: Option<Box<Extra>>,
}

/// What most batches have none of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Extra {
    gate: Gate,
    age_from: Option<Time>,
    expires_at: Option<Time>,
    deadline: Option<Time>,
    limit_key: Option<Arc<str>>,
    callback: Option<Box<str>>,
    idempotency_key: Option<Box<str>>,
}

impl Batch {
    /// How many jobs there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many jobs are not final.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Whether it is closed and every job is final.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !self.open && self.live == 0
    }

    /// How many jobs stand in a state, as people see it.
    #[must_use]
    pub fn count(&self, state: JobState) -> u64 {
        self.counts().filter(|(shown, _)| *shown == state).map(|(_, count)| count).sum()
    }

    /// States in which there are jobs, with how many, in the order of a job's life.
    pub fn counts(&self) -> impl Iterator<Item = (JobState, u64)> + '_ {
        let mut shown = self.counts;
        let waiting = std::mem::take(&mut shown[JobState::Queued as usize]);
        shown[self.gate_shows() as usize] += waiting;
        JobState::ALL.into_iter().zip(shown).filter(|(_, count)| *count > 0)
    }

    /// The job at a place of the batch, from 0.
    #[must_use]
    pub fn job_at(&self, mut index: u64) -> Option<JobId> {
        for run in &self.runs {
            if index < run.count {
                return Some(JobId(run.first.0 + index));
            }
            index -= run.count;
        }
        None
    }

    /// The index of a job of it, or the next one for a job that is not of it yet.
    pub(super) fn index_of(&self, job: JobId) -> u64 {
        let mut before = 0;
        for run in &self.runs {
            if run.contains(job) {
                return before + (job.0 - run.first.0);
            }
            before += run.count;
        }
        before
    }

    /// Before which time no job begins; nothing once it has come.
    #[must_use]
    pub fn start_at(&self) -> Option<Time> {
        self.gate()?.start_at
    }

    /// What must still end before a job may begin, and how.
    pub fn waits_for(&self) -> impl Iterator<Item = Dependency> + '_ {
        let pending = self.gate().into_iter().flat_map(|gate| &gate.pending);
        pending.map(|(on, when)| Dependency { on: *on, when: *when })
    }

    /// By when a job must have begun.
    #[must_use]
    pub fn expires_at(&self) -> Option<Time> {
        self.extra.as_ref()?.expires_at
    }

    /// By when a job must be final.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        self.extra.as_ref()?.deadline
    }

    /// Whom to call when it has finished.
    #[must_use]
    pub fn callback(&self) -> Option<&str> {
        self.extra.as_ref()?.callback.as_deref()
    }

    /// The free key that limits may speak of.
    #[must_use]
    pub fn limit_key(&self) -> Option<&Arc<str>> {
        self.extra.as_ref()?.limit_key.as_ref()
    }

    /// The key under which it was submitted.
    pub(super) fn idempotency_key(&self) -> Option<&str> {
        self.extra.as_ref()?.idempotency_key.as_deref()
    }

    /// Whether a person holds it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.gate().is_some_and(|gate| gate.held)
    }

    /// How a waiting job of it is called.
    #[must_use]
    pub fn gate_shows(&self) -> JobState {
        self.gate().map_or(JobState::Queued, Gate::shows)
    }

    pub(crate) fn gate(&self) -> Option<&Gate> {
        self.extra.as_ref().map(|extra| &extra.gate)
    }

    pub(super) fn gate_is_open(&self) -> bool {
        self.gate().is_none_or(Gate::is_open)
    }

    pub(super) fn set_gate(&mut self, gate: Gate) {
        let extra = self.extra.get_or_insert_default();
        extra.gate = gate;
        // What is empty is not kept, so that equal states look equal.
        if **extra == Extra::default() {
            self.extra = None;
        }
    }

    pub(super) fn stored_counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn stored_count(&self, state: JobState) -> u64 {
        self.counts[state as usize]
    }
}

impl Batch {
    /// What a batch itself knows; what the state's indexes know of it is filled in by who asks.
    pub(super) fn part(&self, id: BatchId) -> BatchPart {
        let extra = self.extra.as_deref().cloned().unwrap_or_default();
        BatchPart {
            batch: id,
            project: self.project,
            pipeline: self.pipeline,
            name: self.name.as_deref().map(str::to_owned),
            key: extra.idempotency_key.map(|key| (key.into_string(), 0)),
            priority: self.priority,
            open: self.open,
            runs: self.runs.clone(),
            succeeded: self.counts[JobState::Succeeded as usize],
            finished_at: self.finished.map(|at| at.now),
            finished_wall: self.finished.map(|at| at.wall),
            announce: false,
            held: extra.gate.held,
            start_at: extra.gate.start_at,
            pending: extra.gate.pending,
            age_from: extra.age_from,
            expires_at: extra.expires_at.map(|at| (at, false)),
            deadline: extra.deadline.map(|at| (at, false)),
            limit_key: extra.limit_key.as_deref().map(str::to_owned),
            callback: extra.callback.map(str::into_string),
        }
    }

    fn restored(part: &BatchPart) -> Batch {
        let (held, start_at, pending) = (part.held, part.start_at, part.pending.clone());
        let extra = Extra {
            gate: Gate { held, start_at, pending },
            age_from: part.age_from,
            expires_at: part.expires_at.map(|(at, _)| at),
            deadline: part.deadline.map(|(at, _)| at),
            limit_key: part.limit_key.as_deref().map(Arc::from),
            callback: part.callback.as_deref().map(Box::from),
            idempotency_key: part.key.as_ref().map(|(key, _)| Box::from(key.as_str())),
        };
        Batch {
            project: part.project,
            pipeline: part.pipeline,
            name: part.name.as_deref().map(Box::from),
            priority: part.priority,
            open: part.open,
            runs: part.runs.clone(),
            finished: part.finished_at.map(|now| {
                let wall = part.finished_wall.unwrap_or(now);
                Moment { now, wall }
            }),
            counts: [0; JobState::ALL.len()],
            live: 0,
            extra: (extra != Extra::default()).then(|| Box::new(extra)),
        }
    }
}

impl Extra {
    fn of(opening: &Opening, at: Moment) -> Option<Box<Extra>> {
        let (terms, key) = (&opening.terms, &opening.key);
        let extra = Extra {
            gate: Gate {
                held: terms.held,
                start_at: terms.start_at,
                pending: terms.after.iter().map(|d| (d.on, d.when)).collect(),
            },
            age_from: terms.start_at.map(|start| at.now_at(start)),
            expires_at: terms.expires_at,
            deadline: terms.deadline,
            limit_key: terms.limit_key.as_deref().map(Arc::from),
            callback: terms.callback.as_deref().map(Box::from),
            idempotency_key: key.as_ref().map(|(key, _)| Box::from(key.as_str())),
        };
        (extra != Extra::default()).then(|| Box::new(extra))
    }
}

impl State {
    pub(super) fn open_batch(&mut self, id: BatchId, opening: &Arc<Opening>, actor: Actor) {
        self.push_change(Change::Opened(Box::new(change::Opened {
            batch: id,
            opening: Arc::clone(opening),
            project_name: self.project_name(opening.project),
            actor: Some(actor),
            created_at: self.at.wall,
        })));
        self.touch_batch(id);
        assert_eq!(id.0, self.next.batch, "batch ids come in order");
        self.next.batch += 1;
        let Opening { project, pipeline, name, key, priority, terms, .. } = &**opening;
        let (project, pipeline, priority) = (*project, *pipeline, *priority);
        if let Some((key, fingerprint)) = key {
            self.batch_keys.insert((project, key.clone()), (id, *fingerprint));
        }
        self.starts.extend(terms.start_at.map(|at| (at, id)));
        self.expiries.extend(terms.expires_at.map(|at| (at, id)));
        self.deadlines.extend(terms.deadline.map(|at| (at, id)));
        for dependency in &terms.after {
            self.dependents.entry(dependency.on).or_default().insert(id);
        }
        let batch = Batch {
            project,
            pipeline,
            name: name.as_deref().map(Box::from),
            priority,
            open: true,
            runs: Vec::new(),
            finished: None,
            counts: [0; JobState::ALL.len()],
            live: 0,
            extra: Extra::of(opening, self.at),
        };
        self.batches.insert(id, batch);
        for dependency in &terms.after {
            self.note_if_ended(dependency.on);
        }
    }

    pub(super) fn restore_batch(&mut self, part: &BatchPart) {
        let id = part.batch;
        if let Some((key, fingerprint)) = &part.key {
            self.batch_keys.insert((part.project, key.clone()), (id, *fingerprint));
        }
        self.starts.extend(part.start_at.map(|at| (at, id)));
        self.expiries.extend(part.expires_at.filter(|(_, due)| *due).map(|(at, _)| (at, id)));
        self.deadlines.extend(part.deadline.filter(|(_, due)| *due).map(|(at, _)| (at, id)));
        self.finished.extend(part.finished_at.map(|at| (at, id)));
        self.to_announce.extend(part.announce.then_some(id));
        for on in part.pending.keys() {
            self.dependents.entry(*on).or_default().insert(id);
        }
        for run in &part.runs {
            self.owners.insert(run.first, (run.count, id));
        }
        self.batches.insert(id, Batch::restored(part));
        self.restored_batch_changed(part);
        self.count_restored(id, JobState::Succeeded, part.succeeded);
    }

    /// Counts jobs that are there again as they were.
    pub(super) fn count_restored(&mut self, id: BatchId, state: JobState, count: u64) {
        let batch = self.batch_mut(id);
        batch.counts[state as usize] += count;
        batch.live += if state.is_final() { 0 } else { count };
        let shown = shown(batch, state);
        self.counts[shown as usize] += count;
        self.touch_batch(id);
    }

    pub(super) fn close_batch(&mut self, id: BatchId, at: Time) {
        self.batch_mut(id).open = false;
        self.touch_batch(id);
        self.note_end(id, at);
    }

    pub(super) fn batch_mut(&mut self, id: BatchId) -> &mut Batch {
        self.batches.get_mut(&id).expect("events name batches that exist")
    }

    /// From when the jobs of a batch that are accepted now begin to age.
    pub(super) fn age_from(&self, id: BatchId, accepted: Time) -> Time {
        let start = self.batches[&id].extra.as_ref().and_then(|extra| extra.age_from);
        start.unwrap_or(accepted).max(accepted)
    }

    /// Tells that jobs join a batch, and that they wait.
    pub(super) fn accepted(&mut self, id: BatchId, first: JobId, inputs: Inputs) {
        let (at, jobs) = (self.at.wall, JobRun { first, count: inputs.count() });
        self.inputs_known(id, first, inputs);
        let (state, cause) = (JobState::Queued, None);
        let run = change::Run { jobs, batch: id, state, at, cause };
        self.push_change(Change::Run(Box::new(run)));
    }

    /// Tells what was submitted of jobs of a batch.
    pub(super) fn inputs_known(&mut self, id: BatchId, first: JobId, inputs: Inputs) {
        let at = self.at.wall;
        let batch = self.batch_mut(id);
        let (index, priority) = (batch.index_of(first), batch.priority);
        let accepted =
            change::Accepted { batch: id, first, index, priority, inputs, created_at: at };
        self.push_change(Change::Accepted(accepted));
    }

    /// A run of ids batch by batch, as far as its batches are here.
    pub(super) fn owned_parts(&self, run: JobRun) -> Vec<(JobRun, BatchId)> {
        let before = self.owners.range(..=run.first).next_back().map_or(run.first, |(id, _)| *id);
        let owners = self.owners.range(before..run.end());
        owners
            .filter_map(|(first, (count, batch))| {
                let start = first.0.max(run.first.0);
                let end = (first.0 + count).min(run.end().0);
                let count = end.checked_sub(start).filter(|count| *count > 0)?;
                Some((JobRun { first: JobId(start), count }, *batch))
            })
            .collect()
    }

    /// A run of new ids belongs to a batch.
    pub(super) fn own_run(&mut self, id: BatchId, run: JobRun) {
        let runs = &mut self.batch_mut(id).runs;
        match runs.last_mut() {
            Some(last) if last.end() == run.first => {
                last.count += run.count;
                let whole = *last;
                self.owners.insert(whole.first, (whole.count, id));
            }
            _ => {
                runs.push(run);
                self.owners.insert(run.first, (run.count, id));
            }
        }
    }

    /// The batch of a job, unless it was never accepted or was forgotten.
    #[must_use]
    pub fn owner(&self, job: JobId) -> Option<BatchId> {
        let (first, (count, batch)) = self.owners.range(..=job).next_back()?;
        (job.0 < first.0 + count).then_some(*batch)
    }

    /// How many jobs of a run of accepted ones were forgotten with their batches.
    #[must_use]
    pub fn forgotten_among(&self, run: JobRun) -> u64 {
        let before = self.owners.range(..run.first).next_back();
        let within = self.owners.range(run.first..run.end());
        let kept = before.into_iter().chain(within).map(|(first, (count, _))| {
            let (from, to) = (first.0.max(run.first.0), (first.0 + count).min(run.end().0));
            to.saturating_sub(from)
        });
        run.count - kept.sum::<u64>()
    }

    /// Counts jobs that are new; they wait.
    pub(super) fn count_in(&mut self, id: BatchId, state: JobState, count: u64) {
        let batch = self.batch_mut(id);
        batch.counts[state as usize] += count;
        batch.live += count;
        self.touch_batch(id);
        let batch = self.batch_mut(id);
        let shown = shown(batch, state);
        self.counts[shown as usize] += count;
        self.unfinish(id);
    }

    /// Counts jobs that went from one state to another.
    pub(super) fn count_move(
        &mut self,
        id: BatchId,
        from: JobState,
        to: JobState,
        count: u64,
        at: Time,
    ) {
        let batch = self.batch_mut(id);
        batch.counts[from as usize] -= count;
        batch.counts[to as usize] += count;
        let (left, came) = (shown(batch, from), shown(batch, to));
        match (from.is_final(), to.is_final()) {
            (false, true) => batch.live -= count,
            (true, false) => batch.live += count,
            _ => {}
        }
        let live = batch.live;
        self.touch_batch(id);
        self.counts[left as usize] -= count;
        self.counts[came as usize] += count;
        if live == 0 {
            self.note_end(id, at);
        } else if from.is_final() {
            self.unfinish(id);
        }
    }

    /// Waiting jobs are called otherwise, because their gate changed.
    pub(super) fn count_shown(&mut self, from: JobState, to: JobState, count: u64) {
        self.counts[from as usize] -= count;
        self.counts[to as usize] += count;
    }

    pub(super) fn reach_start(&mut self, id: BatchId, at: Time) {
        let due = self.batch_mut(id).gate().and_then(|gate| gate.start_at);
        let due = due.expect("only a start that is waited for is reached");
        self.starts.remove(&(due, id));
        self.turn_gate(id, at, |gate| gate.start_at = None);
    }

    pub(super) fn reach_expiry(&mut self, id: BatchId) {
        let due = self.batches[&id].expires_at().expect("only an expiry that was set is reached");
        self.expiries.remove(&(due, id));
    }

    pub(super) fn reach_deadline(&mut self, id: BatchId) {
        let due = self.batches[&id].deadline().expect("only a deadline that was set is reached");
        self.deadlines.remove(&(due, id));
    }
}

/// How a stored state of a batch's job is shown.
fn shown(batch: &Batch, state: JobState) -> JobState {
    if state == JobState::Queued { batch.gate_shows() } else { state }
}
