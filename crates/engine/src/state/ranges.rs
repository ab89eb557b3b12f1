//! Ranges: jobs that were accepted as one record. A job of a range is *folded*, and costs nothing,
//! until something happens to it alone: then it is unfolded and becomes a job like any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::cause::Cause;
use gristmill_model::job::JobState;
use gristmill_model::restored::Past;
use gristmill_model::source::{Items, Source};
use gristmill_model::{BatchId, JobId, JobRun, Moment, Time};

use super::jobs::{Job, may_become};
use super::lane::Rank;
use super::{State, queue};
use crate::change::{self, Change, Inputs};

/// Jobs that were accepted as one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Their batch.
    pub batch: BatchId,
    /// How many there were.
    pub count: u64,
    /// Where their inputs come from.
    pub source: Source,
    /// Their inputs.
    pub items: Items,
    rank: Rank,
    /// Those that are still folded, by the first of each run.
    folds: BTreeMap<JobId, Fold>,
}

/// Jobs of a range with consecutive ids that nothing has happened to alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fold {
    pub(crate) count: u64,
    pub(crate) state: JobState,
    pub(crate) since: Time,
    /// The same by the wall clock.
    pub(crate) wall: Time,
    /// Why they were cancelled or expired, where they were.
    pub(crate) cause: Option<Cause>,
}

/// Folded jobs as a base tells of them: where they stand, and since when.
type Folded = (JobRun, JobState, Time);

impl Range {
    /// Where its jobs stand among those that wait.
    pub(crate) fn rank(&self) -> Rank {
        self.rank
    }

    /// The folded jobs among these ids, run by run.
    pub(super) fn folded(&self, run: JobRun) -> Vec<(JobRun, Fold)> {
        let before = self.folds.range(..=run.first).next_back().map_or(run.first, |(id, _)| *id);
        self.folds
            .range(before..run.end())
            .filter_map(|(first, fold)| {
                let start = first.0.max(run.first.0);
                let end = (first.0 + fold.count).min(run.end().0);
                let part = JobRun { first: JobId(start), count: end.checked_sub(start)? };
                (part.count > 0).then_some((part, *fold))
            })
            .collect()
    }

    /// Cuts a part out of a fold, which may leave a fold on either side.
    fn cut(&mut self, part: JobRun) -> Fold {
        let (first, fold) = self
            .folds
            .range(..=part.first)
            .next_back()
            .map(|(first, fold)| (*first, *fold))
            .expect("only what is folded is cut");
        let end = first.0 + fold.count;
        assert!(part.end().0 <= end, "{} and its neighbours are folded", part.first);
        self.folds.remove(&first);
        let before = part.first.0 - first.0;
        let after = end - part.end().0;
        if before > 0 {
            self.folds.insert(first, Fold { count: before, ..fold });
        }
        if after > 0 {
            self.folds.insert(part.end(), Fold { count: after, ..fold });
        }
        Fold { count: part.count, ..fold }
    }

    /// The input of one of its jobs.
    fn input(&self, first: JobId, job: JobId) -> gristmill_model::payload::Payload {
        self.items.item(job.0 - first.0).expect("ids of a range lead to its items")
    }
}

impl State {
    pub(super) fn add_range(
        &mut self,
        batch: BatchId,
        first: JobId,
        count: u64,
        source: &Source,
        at: Time,
    ) {
        assert_eq!(first.0, self.next.job, "job ids come in order");
        let items = source.parse().expect("judged before it was accepted");
        assert_eq!(items.count(), count, "a range counts its items");
        self.accepted(batch, first, Inputs::Range(Arc::new(source.clone()), count));
        let run = JobRun { first, count };
        self.own_run(batch, run);
        let rank = queue::rank(self.age_from(batch, at), self.batch_mut(batch).priority);
        let wall = self.at.wall;
        let fold = Fold { count, state: JobState::Queued, since: at, wall, cause: None };
        let folds = BTreeMap::from([(first, fold)]);
        self.ranges
            .insert(first, Range { batch, count, source: source.clone(), items, rank, folds });
        self.count_in(batch, JobState::Queued, count);
        let class = self.class_of_fold(batch);
        self.enqueue(batch, &class, rank, run, at);
        self.next.job += count;
    }

    pub(super) fn restore_range(
        &mut self,
        first: JobId,
        batch: BatchId,
        source: &Source,
        rank: Rank,
        (folds, ends): (&[Folded], &[(Time, Option<Cause>)]),
    ) {
        let items = source.parse().expect("judged before it was accepted");
        let class = self.class_of_fold(batch);
        for (run, state, since) in folds {
            self.count_restored(batch, *state, run.count);
            if *state == JobState::Queued {
                self.enqueue(batch, &class, rank, *run, *since);
            }
        }
        let ends = ends.iter().copied().map(Some).chain(std::iter::repeat(None));
        let folds: BTreeMap<JobId, Fold> = folds
            .iter()
            .zip(ends)
            .map(|((run, state, since), end)| {
                let (count, state, since) = (run.count, *state, *since);
                let (wall, cause) = end.unwrap_or((since, None));
                (run.first, Fold { count, state, since, wall, cause })
            })
            .collect();
        let whole = Inputs::Range(Arc::new(source.clone()), items.count());
        self.inputs_known(batch, first, whole);
        for (id, fold) in &folds {
            self.push_change(Change::Run(Box::new(change::Run {
                jobs: JobRun { first: *id, count: fold.count },
                batch,
                state: fold.state,
                at: fold.wall,
                cause: fold.cause,
            })));
        }
        let (count, source) = (items.count(), source.clone());
        self.ranges.insert(first, Range { batch, count, source, items, rank, folds });
    }

    fn range_of(&self, job: JobId) -> Option<(JobId, &Range)> {
        let (first, range) = self.ranges.range(..=job).next_back()?;
        (job.0 < first.0 + range.count).then_some((*first, range))
    }

    /// How a job stands that is still folded.
    pub(crate) fn fold(&self, job: JobId) -> Option<(&Range, Fold)> {
        let (_, range) = self.range_of(job)?;
        let (_, fold) = range.folded(JobRun::one(job)).pop()?;
        Some((range, fold))
    }

    /// Folded jobs among these ids, run by run.
    pub(crate) fn folds(&self, run: JobRun) -> Vec<(JobRun, Fold)> {
        if self.ranges.is_empty() {
            return Vec::new();
        }
        let before = self.ranges.range(..=run.first).next_back().map_or(run.first, |(id, _)| *id);
        let ranges = self.ranges.range(before..run.end());
        ranges.flat_map(|(_, range)| range.folded(run)).collect()
    }

    /// Ranges of which some jobs are still folded, by their first jobs.
    pub fn ranges(&self) -> impl Iterator<Item = (JobId, &Range)> {
        self.ranges.iter().map(|(first, range)| (*first, range))
    }

    /// Makes a folded job one like any other; it stays where it stands.
    pub(super) fn unfold(&mut self, id: JobId) {
        let first = self.range_of(id).expect("only a job of a range is unfolded").0;
        let range = self.ranges.get_mut(&first).expect("found just now");
        let fold = range.cut(JobRun::one(id));
        let since = Moment { now: fold.since, wall: fold.wall };
        let mut job = Job::new(range.batch, range.rank, range.input(first, id), since);
        job.state = fold.state;
        if fold.state.is_final() || fold.cause.is_some() {
            let finished_at = fold.state.is_final().then_some(fold.wall);
            job.past = Some(Box::new(Past { finished_at, cause: fold.cause, ..Past::default() }));
        }
        self.live_jobs += usize::from(!fold.state.is_final());
        self.jobs.insert(id.0, job);
        self.drop_if_unfolded(first);
    }

    fn drop_if_unfolded(&mut self, first: JobId) {
        if self.ranges[&first].folds.is_empty() {
            self.ranges.remove(&first);
        }
    }

    /// Changes the state of jobs that are folded, and stay so.
    pub(super) fn move_folded(
        &mut self,
        part: JobRun,
        to: JobState,
        cause: Option<Cause>,
        at: Time,
    ) {
        let first = self.range_of(part.first).expect("only jobs of a range are folded").0;
        let wall = self.at.wall;
        let range = self.ranges.get_mut(&first).expect("found just now");
        let fold = range.cut(part);
        range
            .folds
            .insert(part.first, Fold { count: part.count, state: to, since: at, wall, cause });
        let (batch, rank) = (range.batch, range.rank);
        assert!(may_become(fold.state, to), "{} cannot become {to}", part.first);
        let class = self.class_of_fold(batch);
        if fold.state == JobState::Queued {
            self.dequeue(batch, &class, rank, part);
        }
        self.count_move(batch, fold.state, to, part.count, at);
        self.note_ends(part, to);
        if to == JobState::Queued {
            self.enqueue(batch, &class, rank, part, at);
        }
    }

    /// Forgets the ranges of a batch.
    pub(super) fn drop_ranges(&mut self, run: JobRun) {
        let firsts: Vec<JobId> =
            self.ranges.range(run.first..run.end()).map(|(first, _)| *first).collect();
        for first in firsts {
            self.ranges.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Ids of the jobs begin here.
    const FIRST: u64 = 10;

    fn range(count: u64) -> Range {
        let source = Source::Numbers { first: 1, last: count as i64, step: 1 };
        let fold =
            Fold { count, state: JobState::Queued, since: Time(0), wall: Time(0), cause: None };
        let (items, folds) = (source.parse().unwrap(), BTreeMap::from([(JobId(FIRST), fold)]));
        Range { batch: BatchId(1), count, source, items, rank: 0, folds }
    }

    proptest! {
        #[test]
        fn folds_are_what_each_job_for_itself_would_be(
            count in 1..60_u64,
            cuts in vec((0..60_u64, 1..20_u64, any::<bool>()), 0..30),
            asked in (0..80_u64, 0..80_u64),
        ) {
            let mut range = range(count);
            // Of each job: since when it is folded, as far as it is.
            let mut jobs: Vec<Option<Time>> = vec![Some(Time(0)); count as usize];
            for (at, (first, length, moves)) in (1..).zip(cuts) {
                let run = JobRun { first: JobId(FIRST + first), count: length };
                for (part, fold) in range.folded(run) {
                    prop_assert_eq!(range.cut(part).since, fold.since);
                    if moves {
                        let moved = Fold { count: part.count, since: Time(at), ..fold };
                        range.folds.insert(part.first, moved);
                    }
                    for job in part.jobs() {
                        jobs[(job.0 - FIRST) as usize] = moves.then_some(Time(at));
                    }
                }
            }
            let run = JobRun { first: JobId(FIRST - 5 + asked.0), count: asked.1 };
            let told: Vec<(JobId, Time)> = range
                .folded(run)
                .into_iter()
                .flat_map(|(part, fold)| part.jobs().map(move |job| (job, fold.since)))
                .collect();
            let ids = (FIRST..).map(JobId).zip(&jobs);
            let expected = ids.filter(|(job, _)| run.contains(*job));
            let expected: Vec<_> = expected.filter_map(|(job, at)| Some((job, (*at)?))).collect();
            prop_assert_eq!(told, expected);
        }
    }
}
