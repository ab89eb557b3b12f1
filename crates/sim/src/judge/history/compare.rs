//! The log held against what others make of it: the engine's state, and what workers are told.

use gristmill_engine::State;
use gristmill_model::job::JobState;
use gristmill_model::wire::Assignment;

use super::{FENCE, History, RIGHT, Verdict, Violation, require};

const REPLAY: &str = "engine and log tell the same story";

impl History {
    /// The state must say what the log says, all of it and nothing else.
    pub(in crate::judge) fn agrees(&self, state: &State) -> Verdict {
        for (id, job) in &self.jobs {
            let is = state.job(*id);
            let there = is.map_or(JobState::Succeeded, |job| job.state);
            let same = state.knows_job(*id)
                && there == job.state
                && is.is_none_or(|is| is.attempt == job.live && is.stage == job.stage);
            require(same, REPLAY, || format!("{id} is {} in the log, {there} there", job.state))?;
        }
        let known = state.batches().map(|(_, batch)| batch.total()).sum::<u64>();
        require(known == self.jobs.len() as u64, REPLAY, || {
            format!("the engine knows {known} jobs, the log {}", self.jobs.len())
        })?;
        let attempts = state.attempts().map(|(id, _)| id);
        require(attempts.eq(self.live.iter().copied()), REPLAY, || "live attempts differ".into())?;
        let workers = state.workers().map(|(id, _)| id);
        require(workers.eq(self.present.iter().copied()), REPLAY, || "workers differ".into())?;
        for (id, batch) in &self.batches {
            let open = state.batch(*id).map(|batch| batch.open);
            require(open == Some(batch.open), REPLAY, || format!("{id} is open: {open:?}"))?;
        }
        Ok(())
    }

    /// What a worker was told to start must stand in the log, word for word.
    pub(in crate::judge) fn was_leased(&self, assignment: &Assignment) -> Verdict {
        let id = assignment.attempt;
        let early = || format!("{id} is started and its lease is not durable");
        let Some(attempt) = self.attempts.get(&id) else {
            return Err(Violation::new("nothing is spoken before it is durable", early()));
        };
        require(attempt.job == assignment.job, FENCE, || format!("{id} is another job's"))?;
        let job = &self.jobs[&attempt.job];
        let stage = self.stage(job, attempt.stage);
        let same = stage.is_some_and(|stage| stage.name == assignment.stage);
        require(same, RIGHT, || format!("{id} starts at stage {}", assignment.stage))?;
        // Of an attempt that is over the job may have moved on.
        let input = job.live != Some(id) || job.input == assignment.input;
        require(input, RIGHT, || format!("{id} works on {:?}", assignment.input))
    }
}
