//! Whatever happens to jobs, the counts that are kept equal a recount, and it does not matter how
//! the events were cut into chunks.

use proptest::collection::vec;
use proptest::prelude::*;

use gristmill_model::job::JobState;

use super::*;

/// Makes up a history that an engine could have written, out of arbitrary numbers.
#[derive(Default)]
struct History {
    records: Vec<Record>,
    batches: u64,
    attempts: u64,
    /// State, stage and live attempt of each job; job 1 is the first.
    jobs: Vec<(JobState, u16, u64)>,
}

impl History {
    fn of(choices: &[u16]) -> Vec<Record> {
        let mut history = History::default();
        history.tell(defined(1, 1));
        history.tell(joined(1));
        for choice in choices {
            history.happen(usize::from(*choice));
        }
        history.records
    }

    fn tell(&mut self, event: Event) {
        self.records.push(Record { at: at(self.records.len() as u64 + 1), event });
    }

    fn happen(&mut self, choice: usize) {
        let detail = choice / 16;
        match choice % 16 {
            0 => {
                self.batches += 1;
                self.tell(opened(self.batches));
            }
            1 if self.batches > 0 => {
                let batch = detail as u64 % self.batches + 1;
                let first = self.jobs.len() as u64 + 1;
                self.jobs.extend(vec![(JobState::Queued, 0, 0); detail % 4]);
                self.tell(added(batch, first, plain(detail % 4)));
            }
            2 if self.batches > 0 => {
                let batch = BatchId(detail as u64 % self.batches + 1);
                self.tell(Event::BatchClosed { batch });
            }
            _ if !self.jobs.is_empty() => self.move_job(detail % self.jobs.len(), detail),
            _ => {}
        }
    }

    fn move_job(&mut self, index: usize, choice: usize) {
        let (state, stage, attempt) = self.jobs[index];
        let (id, job, actor) = (index as u64 + 1, JobId(index as u64 + 1), Actor::Local);
        let (state, stage, event) = match state {
            JobState::Queued if choice.is_multiple_of(5) => {
                let jobs = vec![JobRun::one(job)];
                (JobState::Cancelled, stage, Event::JobsCancelled { jobs, actor })
            }
            JobState::Queued => {
                self.attempts += 1;
                (JobState::Running, stage, leased(self.attempts, id, stage, 1, 1))
            }
            JobState::Running if choice.is_multiple_of(7) => {
                let jobs = vec![job];
                (JobState::Cancelling, stage, Event::CancelRequested { jobs, actor })
            }
            JobState::Running => match (choice % 4, stage) {
                (0, 0) => {
                    (JobState::Queued, 1, succeeded(attempt, id, 1, "grist", Then::NextStage))
                }
                (0 | 1, _) => {
                    (JobState::Succeeded, stage, succeeded(attempt, id, 1, "x", Then::Succeed))
                }
                (2, _) => {
                    let then = Then::Retry { at: at(9) };
                    let event = failed(attempt, id, 1, FailureKind::Failed, then);
                    (JobState::Retrying, stage, event)
                }
                _ => {
                    let event = failed(attempt, id, 1, FailureKind::Invalid, Then::Fail);
                    (JobState::Failed, stage, event)
                }
            },
            JobState::Cancelling => {
                let event = failed(attempt, id, 1, FailureKind::Cancelled, Then::Cancel);
                (JobState::Cancelled, stage, event)
            }
            JobState::Retrying => (JobState::Queued, stage, Event::BackoffElapsed { job }),
            JobState::Failed | JobState::Cancelled => (
                JobState::Queued,
                stage,
                Event::JobsRetried { jobs: vec![JobRun::one(job)], actor },
            ),
            _ => return,
        };
        self.jobs[index] = (state, stage, self.attempts.max(attempt));
        if state != JobState::Running {
            self.jobs[index].2 = attempt;
        }
        self.tell(event);
    }
}

/// Counts by batch and state: as they are kept, and as the jobs themselves say.
fn kept_and_recounted(fed: &Fed) -> [Vec<(i64, String, i64)>; 2] {
    [
        "SELECT batch, state, jobs FROM counts WHERE jobs <> 0 ORDER BY batch, state",
        "SELECT batch, state, count(*) FROM jobs GROUP BY batch, state ORDER BY batch, state",
    ]
    .map(|sql| {
        let mut select = fed.connection.prepare(sql).unwrap();
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.unwrap().map(Result::unwrap).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn counts_equal_a_recount_and_chunks_do_not_matter(
        choices in vec(any::<u16>(), 0..300),
        cut in 1_usize..40,
    ) {
        let records = History::of(&choices);
        let mut whole = Fed::new();
        whole.feed_all(records.clone());
        let [kept, recounted] = kept_and_recounted(&whole);
        prop_assert_eq!(kept, recounted);

        let mut cut_up = Fed::new();
        records.chunks(cut).for_each(|chunk| cut_up.feed_all(chunk.to_vec()));
        prop_assert_eq!(whole.dump(), cut_up.dump());
    }
}
