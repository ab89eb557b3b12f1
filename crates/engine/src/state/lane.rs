//! A lane: jobs that wait, in order, as runs of consecutive ids.
//!
//! Jobs that were accepted together have neighbouring ids and the same rank, so a million of them
//! cost one entry. What a rank means, and which lane a job waits in, is the queue's business.
//!
//! Equal content means equal structure: no run is empty, and runs that touch are one run. A lane
//! rebuilt from the log therefore compares equal to the one that lived.

use std::collections::BTreeMap;

use gristmill_model::JobId;

/// Where a job goes in a lane: the smaller rank first, then the smaller id.
pub(crate) type Rank = i64;

/// Jobs that wait, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lane {
    /// How many ids the run goes on for, by its first place.
    runs: BTreeMap<(Rank, JobId), u64>,
    length: u64,
}

impl Lane {
    /// Lets `count` jobs wait, from `first` on. None of them may wait under this rank already.
    pub(crate) fn add(&mut self, rank: Rank, first: JobId, count: u64) {
        if count == 0 {
            return;
        }
        let end = end_of(first, count);
        let before = self.run_before(rank, first.0);
        if let Some((start, had)) = before {
            assert!(start.0 + had <= first.0, "{first} waits once");
        }
        let after = self.run_from(rank, first);
        if let Some((start, _)) = after {
            assert!(end <= start.0, "{start} waits once");
        }
        let mut joined = (first, count);
        if let Some((start, had)) = before.filter(|(start, had)| start.0 + had == first.0) {
            joined = (start, had + joined.1);
        }
        if let Some((start, had)) = after.filter(|(start, _)| start.0 == end) {
            self.runs.remove(&(rank, start));
            joined.1 += had;
        }
        self.runs.insert((rank, joined.0), joined.1);
        self.length += count;
    }

    /// Takes `count` jobs out, from `first` on. All of them must wait under this rank.
    pub(crate) fn remove(&mut self, rank: Rank, first: JobId, count: u64) {
        if count == 0 {
            return;
        }
        let end = end_of(first, count);
        let (start, had) =
            self.run_at(rank, first).unwrap_or_else(|| panic!("{first} waits under rank {rank}"));
        let end_had = start.0 + had;
        assert!(end <= end_had, "{} waits under rank {rank}", JobId(end_had));
        if start == first {
            self.runs.remove(&(rank, start));
        } else {
            self.runs.insert((rank, start), first.0 - start.0);
        }
        if end < end_had {
            self.runs.insert((rank, JobId(end)), end_had - end);
        }
        self.length -= count;
    }

    /// The place that goes first.
    pub(crate) fn head(&self) -> Option<(Rank, JobId)> {
        self.runs.first_key_value().map(|(place, _)| *place)
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether a job waits under this rank.
    pub(crate) fn holds(&self, rank: Rank, job: JobId) -> bool {
        self.run_at(rank, job).is_some()
    }

    /// How many jobs go before a place, whether or not somebody waits there. The one question
    /// here that walks runs, all those before the place: it is asked for people, not per lease.
    pub(crate) fn ahead_of(&self, rank: Rank, job: JobId) -> u64 {
        let before = |(&(of, start), &count): (&(Rank, JobId), &u64)| {
            if of == rank { count.min(job.0 - start.0) } else { count }
        };
        self.runs.range(..(rank, job)).map(before).sum()
    }

    /// All runs in order: rank, first job, how many.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (Rank, JobId, u64)> + '_ {
        self.runs.iter().map(|(&(rank, first), &count)| (rank, first, count))
    }

    /// All places in order, one by one.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Rank, JobId)> + '_ {
        self.runs().flat_map(|(rank, first, count)| {
            (first.0..end_of(first, count)).map(move |id| (rank, JobId(id)))
        })
    }

    /// Those of `count` ids from `first` on that wait under this rank, as runs in order.
    #[cfg(test)]
    pub(crate) fn within(&self, rank: Rank, first: JobId, count: u64) -> Vec<(JobId, u64)> {
        if count == 0 {
            return Vec::new();
        }
        let end = end_of(first, count);
        let cut = |(start, had): (JobId, u64)| {
            let from = start.max(first);
            (from, end.min(start.0 + had) - from.0)
        };
        let reaches_in =
            self.run_before(rank, first.0).filter(|(start, had)| start.0 + had > first.0);
        let starts_in = self.runs.range((rank, first)..(rank, JobId(end)));
        let starts_in = starts_in.map(|(&(_, start), &had)| (start, had));
        reaches_in.into_iter().chain(starts_in).map(cut).collect()
    }

    /// The run of a rank that a job waits in.
    fn run_at(&self, rank: Rank, job: JobId) -> Option<(JobId, u64)> {
        let (&(_, start), &had) = self.runs.range((rank, JobId(0))..=(rank, job)).next_back()?;
        (job.0 - start.0 < had).then_some((start, had))
    }

    /// The last run of a rank that starts before an id.
    fn run_before(&self, rank: Rank, id: u64) -> Option<(JobId, u64)> {
        let (&(_, start), &had) =
            self.runs.range((rank, JobId(0))..(rank, JobId(id))).next_back()?;
        Some((start, had))
    }

    /// The first run of a rank that starts at an id or after it.
    fn run_from(&self, rank: Rank, first: JobId) -> Option<(JobId, u64)> {
        let last = JobId(u64::MAX);
        let (&(_, start), &had) = self.runs.range((rank, first)..=(rank, last)).next()?;
        Some((start, had))
    }
}

/// The id after the last of a run. Ids are handed out in order, so none comes near the last.
fn end_of(first: JobId, count: u64) -> u64 {
    first.0.checked_add(count).unwrap_or_else(|| panic!("{count} ids from {first} on exist"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn lane(runs: &[(Rank, u64, u64)]) -> Lane {
        let mut lane = Lane::default();
        for &(rank, first, count) in runs {
            lane.add(rank, JobId(first), count);
        }
        lane
    }

    fn runs(lane: &Lane) -> Vec<(Rank, u64, u64)> {
        lane.runs().map(|(rank, first, count)| (rank, first.0, count)).collect()
    }

    #[test]
    fn jobs_accepted_together_cost_one_run() {
        let lane = lane(&[(0, 1, 500_000), (0, 500_001, 500_000)]);
        assert_eq!(runs(&lane), [(0, 1, 1_000_000)]);
        assert_eq!(lane.len(), 1_000_000);
        assert_eq!(lane.ahead_of(0, JobId(700_000)), 699_999);
    }

    #[test]
    fn a_run_closes_the_gap_between_two() {
        assert_eq!(runs(&lane(&[(0, 1, 2), (0, 5, 2), (0, 3, 2)])), [(0, 1, 6)]);
        assert_eq!(runs(&lane(&[(0, 1, 2), (1, 3, 2)])), [(0, 1, 2), (1, 3, 2)]);
    }

    #[test]
    fn the_smaller_rank_goes_first_and_then_the_smaller_id() {
        let mut lane = lane(&[(0, 1, 3), (-5, 9, 1)]);
        assert_eq!(lane.head(), Some((-5, JobId(9))));
        lane.remove(-5, JobId(9), 1);
        lane.remove(0, JobId(1), 1);
        assert_eq!(lane.head(), Some((0, JobId(2))));
        assert_eq!(lane.ahead_of(1, JobId(0)), 2);
    }

    #[test]
    fn taking_out_of_the_middle_leaves_both_ends() {
        let mut lane = lane(&[(0, 10, 10)]);
        lane.remove(0, JobId(13), 4);
        assert_eq!(runs(&lane), [(0, 10, 3), (0, 17, 3)]);
        assert_eq!(lane.within(0, JobId(12), 6), [(JobId(12), 1), (JobId(17), 1)]);
        assert!(!lane.holds(0, JobId(13)) && lane.holds(0, JobId(12)) && !lane.holds(1, JobId(12)));
    }

    #[test]
    #[should_panic(expected = "j5 waits once")]
    fn a_job_that_waits_already_is_a_bug_from_above() {
        lane(&[(0, 1, 10), (0, 5, 2)]);
    }

    #[test]
    #[should_panic(expected = "j5 waits once")]
    fn a_job_that_waits_already_is_a_bug_from_below() {
        lane(&[(0, 5, 2), (0, 1, 10)]);
    }

    #[test]
    #[should_panic(expected = "j4 waits under rank 0")]
    fn taking_more_than_waits_is_a_bug_that_names_the_job() {
        lane(&[(0, 1, 3)]).remove(0, JobId(2), 3);
    }

    #[test]
    #[should_panic(expected = "j2 waits under rank 7")]
    fn taking_from_another_rank_is_a_bug() {
        lane(&[(0, 1, 3)]).remove(7, JobId(2), 1);
    }

    /// One step against the lane and the naive set of places; steps that would be bugs are left
    /// out, whole intervals and single jobs alike.
    fn step(lane: &mut Lane, naive: &mut BTreeSet<(Rank, u64)>, wish: (bool, Rank, u64, u64)) {
        let (add, rank, first, count) = wish;
        let places = || (first..first + count).map(|id| (rank, id));
        if add && places().all(|place| !naive.contains(&place)) {
            lane.add(rank, JobId(first), count);
            naive.extend(places());
        } else if !add && places().all(|place| naive.contains(&place)) {
            lane.remove(rank, JobId(first), count);
            places().for_each(|place| assert!(naive.remove(&place)));
        } else {
            // Mixed: take what is there, one by one as `within` tells it.
            for (start, had) in lane.within(rank, JobId(first), count) {
                lane.remove(rank, start, had);
            }
            naive.retain(|place| !places().any(|taken| taken == *place));
        }
    }

    fn canonical(naive: &BTreeSet<(Rank, u64)>) -> Vec<(Rank, u64, u64)> {
        let mut runs: Vec<(Rank, u64, u64)> = Vec::new();
        for &(rank, id) in naive {
            match runs.last_mut() {
                Some(last) if last.0 == rank && last.1 + last.2 == id => last.2 += 1,
                _ => runs.push((rank, id, 1)),
            }
        }
        runs
    }

    proptest! {
        #[test]
        fn a_lane_is_a_sorted_set_of_places(
            wishes in vec((any::<bool>(), -1..2_i64, 0..40_u64, 0..12_u64), 1..120),
            probe in (-2..3_i64, 0..60_u64, 0..20_u64),
        ) {
            let (mut lane, mut naive) = (Lane::default(), BTreeSet::new());
            for wish in wishes {
                step(&mut lane, &mut naive, wish);
                prop_assert_eq!(runs(&lane), canonical(&naive));
                prop_assert_eq!(lane.len(), naive.len() as u64);
                prop_assert_eq!(lane.is_empty(), naive.is_empty());
                let head = lane.head().map(|(rank, job)| (rank, job.0));
                prop_assert_eq!(head, naive.first().copied());
                let (rank, first, count) = probe;
                let ahead = naive.range(..(rank, first)).count() as u64;
                prop_assert_eq!(lane.ahead_of(rank, JobId(first)), ahead);
                prop_assert_eq!(lane.holds(rank, JobId(first)), naive.contains(&(rank, first)));
                let within: Vec<u64> = lane
                    .within(rank, JobId(first), count)
                    .into_iter()
                    .flat_map(|(start, had)| start.0..start.0 + had)
                    .collect();
                let there = naive.range((rank, first)..(rank, first + count));
                prop_assert_eq!(within, there.map(|(_, id)| *id).collect::<Vec<_>>());
            }
            let mut rebuilt = Lane::default();
            for &(rank, id) in naive.iter().rev() {
                rebuilt.add(rank, JobId(id), 1);
            }
            prop_assert_eq!(rebuilt, lane, "equal content is equal structure");
        }
    }
}
