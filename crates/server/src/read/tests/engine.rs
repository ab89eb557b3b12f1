//! Whatever a real engine does, driven at random with ranges, gates and runs of jobs, the tables
//! say of every job and every count what the engine says, however the events were cut into chunks.

mod filters;

use gristmill_engine::Engine;
use gristmill_model::attempt::Outcome;
use gristmill_model::command::{
    Command, Greeting, PipelineRef, Reply, Request, Submission, Submitted,
};
use gristmill_model::job::JobState;
use gristmill_model::limits::Timing;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::source::{Items, Source};
use gristmill_model::terms::{Dependency, Target, Terms, When};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// An engine, and what was ever asked of it.
struct Driven {
    engine: Engine,
    now: Time,
    records: Vec<Record>,
    /// Of each job from the first on: its batch, its place there, its input.
    jobs: Vec<(BatchId, u64, Payload)>,
    sizes: BTreeMap<BatchId, u64>,
    workers: Vec<WorkerId>,
}

impl Driven {
    fn new() -> Driven {
        let timing = Timing { keep_finished: Span::seconds(40), ..Timing::default() };
        let mut driven = Driven {
            engine: Engine::new(timing),
            now: at(1),
            records: Vec::new(),
            jobs: Vec::new(),
            sizes: BTreeMap::new(),
            workers: Vec::new(),
        };
        driven.engine.start(driven.now, "test", &mut driven.records);
        for instance in 1..=2 {
            let greeting = Greeting {
                instance,
                name: format!("miller-{instance}"),
                handlers: vec!["command".into()],
                capacity: Capacity::of_cpus(3),
                prefetch: 2,
                shared_disk: false,
                labels: BTreeMap::new(),
                holds: Vec::new(),
            };
            let Ok(Reply::Welcome { worker, .. }) = driven.ask(Command::Greet(greeting)) else {
                panic!("a worker is welcome")
            };
            driven.workers.push(worker);
        }
        driven
    }

    fn ask(&mut self, command: Command) -> Result<Reply, gristmill_model::problem::Rejection> {
        let request = Request { actor: Actor::Local, command };
        self.engine.handle(self.now, request, &mut self.records)
    }

    fn add(&mut self, submitted: &Submitted, jobs: usize, range: Option<&Items>) {
        let size = self.sizes.entry(submitted.batch).or_default();
        let items = range.map_or(0, Items::count);
        assert_eq!(submitted.count, jobs as u64 + items);
        let inputs = vec![text("grain"); jobs].into_iter();
        let inputs = inputs.chain((0..items).map(|n| range.unwrap().item(n).unwrap()));
        for input in inputs {
            self.jobs.push((submitted.batch, *size, input));
            *size += 1;
        }
    }

    fn happen(&mut self, choice: u16, detail: u64) {
        match choice {
            0..=2 => self.submit(detail),
            3 => self.append(detail),
            4..=7 => drop(self.engine.place(self.now, &mut self.records)),
            8..=13 => self.report(detail),
            14 => self.pass(Span::seconds(detail % 9)),
            15 => self.pass(Span::seconds(detail % 60)),
            16 => drop(self.with_runs(detail, Command::CancelJobs)),
            17 => drop(self.with_runs(detail, Command::RetryJobs)),
            18 => drop(self.ask(Command::CancelJob(self.a_job(detail)))),
            19 => drop(self.ask(Command::RetryJob(self.a_job(detail)))),
            20 => drop(self.ask(Command::Hold(self.a_target(detail)))),
            21 => drop(self.ask(Command::Release(self.a_target(detail)))),
            22 => drop(self.ask(Command::CancelBatch(self.a_batch(detail)))),
            _ => {
                let (batch, delivered) = (self.a_batch(detail), detail.is_multiple_of(2));
                let detail = "200".into();
                drop(self.ask(Command::SettleCallback { batch, delivered, detail }));
            }
        }
    }

    fn a_job(&self, detail: u64) -> JobId {
        JobId(detail % (self.jobs.len() as u64 + 1) + 1)
    }

    fn a_batch(&self, detail: u64) -> BatchId {
        BatchId(detail % (self.sizes.len() as u64 + 1) + 1)
    }

    fn a_target(&self, detail: u64) -> Target {
        if detail.is_multiple_of(3) {
            Target::Job(self.a_job(detail / 3))
        } else {
            Target::Batch(self.a_batch(detail / 3))
        }
    }

    fn terms(&self, detail: u64) -> Terms {
        let mut terms = Terms::default();
        if detail.is_multiple_of(4) {
            terms.start_at = Some(self.now + Span::seconds(detail % 7 + 1));
        }
        if detail.is_multiple_of(5) {
            terms.expires_at = Some(self.now + Span::seconds(detail % 11 + 9));
        }
        if detail.is_multiple_of(6) {
            terms.deadline = Some(self.now + Span::seconds(detail % 13 + 9));
        }
        terms.held = detail.is_multiple_of(7);
        if detail.is_multiple_of(3) && !self.sizes.is_empty() {
            let when = [When::Succeeded, When::Failed, When::Finished][detail as usize / 3 % 3];
            terms.after = vec![Dependency { on: self.a_target(detail / 9), when }];
        }
        if detail.is_multiple_of(2) {
            terms.callback = Some("http://127.0.0.1/".into());
        }
        terms
    }

    fn range(detail: u64) -> Option<Source> {
        match detail % 3 {
            0 => None,
            1 => Some(Source::Brace("{a,b}{1..4}".into())),
            _ => Some(Source::Numbers { first: 1, last: detail as i64 % 5 + 2, step: 1 }),
        }
    }

    fn submit(&mut self, detail: u64) {
        let Event::PipelineDefined { spec, .. } = defined(1, 1) else { unreachable!() };
        let range = Driven::range(detail / 5);
        let items = range.as_ref().map(|range| range.parse().unwrap());
        let jobs = detail as usize % 4;
        let submission = Submission {
            terms: self.terms(detail / 64),
            range,
            open: detail % 5 == 1,
            priority: detail as i32 % 3,
            labels: labels(&[("user", ["ada", "bob"][detail as usize % 2])]),
            ..Submission::new(PipelineRef::Inline(PipelineSpec::clone(&spec)), own(jobs))
        };
        if let Ok(Reply::Batch(submitted)) = self.ask(Command::Submit(submission)) {
            self.add(&submitted, jobs, items.as_ref());
        }
    }

    fn append(&mut self, detail: u64) {
        let range = Driven::range(detail / 5);
        let items = range.as_ref().map(|range| range.parse().unwrap());
        let (batch, jobs) = (self.a_batch(detail / 7), detail as usize % 3);
        let close = detail.is_multiple_of(4);
        let append = Command::Append { batch, jobs: plain(jobs), range, close };
        if let Ok(Reply::Batch(submitted)) = self.ask(append)
            && submitted.count > 0
        {
            self.add(&submitted, jobs, items.as_ref());
        }
    }

    fn with_runs(
        &mut self,
        detail: u64,
        command: fn(Vec<JobRun>) -> Command,
    ) -> Result<Reply, gristmill_model::problem::Rejection> {
        let first = self.a_job(detail);
        self.ask(command(vec![JobRun { first, count: detail / 16 % 12 + 1 }]))
    }

    fn report(&mut self, detail: u64) {
        let held: Vec<_> =
            self.engine.state().attempts().map(|(id, attempt)| (id, attempt.worker)).collect();
        if held.is_empty() {
            return;
        }
        let (attempt, worker) = held[detail as usize % held.len()];
        let outcome = match detail / 32 % 5 {
            0..=2 => Outcome::Succeeded(Success {
                output: text("flour"),
                artifacts: vec![],
                warnings: vec![],
            }),
            3 => Outcome::Failed(Failure::new(FailureKind::Invalid, "stone", "worn")),
            _ => Outcome::Failed(Failure::new(FailureKind::Failed, "stone", "worn")),
        };
        let (usage, devices) = (usage(), vec![]);
        self.ask(Command::Report { worker, attempt, outcome, usage, devices }).unwrap();
    }

    fn pass(&mut self, span: Span) {
        self.now = self.now + span;
        for worker in self.workers.clone() {
            self.ask(Command::Heartbeat { worker }).unwrap();
        }
        for _ in 0..4 {
            self.engine.tick(self.now, &mut self.records);
        }
    }
}

/// Jobs, of which the first has a label of its own.
fn own(count: usize) -> Vec<JobSpec> {
    let mut jobs = plain(count);
    if let Some(job) = jobs.first_mut() {
        job.labels = labels(&[("user", "eve")]);
    }
    jobs
}

/// What the tables say of every job and every batch is what the engine says, where it still knows.
fn agree(driven: &Driven, fed: &Fed) {
    let (state, tables) = (driven.engine.state(), fed.tables());
    let page = |filter: &str, after, newest_first| {
        let filter = filter.parse().unwrap();
        tables.jobs(&JobPage { filter, after, limit: 7, newest_first }).unwrap()
    };
    let all = |filter: &str, newest_first: bool| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = page(filter, after, newest_first);
            after = page.items.last().map(|job| job.id);
            found.extend(page.items);
            if !page.has_more {
                return found;
            }
        }
    };
    let listed = all("", false);
    assert_eq!(listed.len(), driven.jobs.len());
    let mut by_state: BTreeMap<JobState, Vec<JobId>> = BTreeMap::new();
    for (job, (batch, index, input)) in listed.iter().zip(&driven.jobs) {
        assert_eq!((job.batch, job.index, &job.input), (*batch, *index, input), "{}", job.id);
        if let Some(expected) = state.job_state(job.id) {
            assert_eq!(job.state, expected, "{}", job.id);
        }
        by_state.entry(job.state).or_default().push(job.id);
        assert_eq!(tables.job(job.id).unwrap().as_ref(), Some(job));
        assert_eq!(tables.job_at(*batch, *index).unwrap().as_ref(), Some(job));
    }
    for shown in JobState::ALL {
        let expected = by_state.get(&shown).cloned().unwrap_or_default();
        let mut found = all(&format!("state={shown}"), true);
        found.reverse();
        assert_eq!(found.iter().map(|job| job.id).collect::<Vec<_>>(), expected, "{shown}");
        let others = all(&format!("state!={shown} id>j0"), false);
        assert_eq!(others.len(), listed.len() - expected.len(), "not {shown}");
    }
    let some = all("state=blocked,queued,failed batch!=b1 id!=j2,j3", false);
    let expected = listed.iter().filter(|job| {
        let waits = [JobState::Blocked, JobState::Queued, JobState::Failed];
        waits.contains(&job.state) && job.batch != BatchId(1) && ![2, 3].contains(&job.id.0)
    });
    assert!(some.iter().eq(expected));
    agree_on_batches(driven, &tables, &listed);
}

fn agree_on_batches(driven: &Driven, tables: &Tables<'_>, listed: &[gristmill_model::api::Job]) {
    let state = driven.engine.state();
    let mut totals: BTreeMap<JobState, u64> = BTreeMap::new();
    for job in listed {
        *totals.entry(job.state).or_default() += 1;
    }
    assert_eq!(tables.totals().unwrap(), totals);
    for (id, size) in &driven.sizes {
        let (shown, stands) = (tables.batch(*id).unwrap(), tables.standing(*id).unwrap());
        let (shown, stands) = (shown.unwrap(), stands.unwrap());
        assert_eq!(shown.jobs, *size, "{id}");
        let results = tables.results(*id, 0, 999).unwrap().items;
        assert!(results.iter().map(|job| job.index).eq(0..*size), "{id}");
        assert_eq!(stands.pruned, state.batch(*id).is_none(), "{id}");
        let Some(batch) = state.batch(*id) else { continue };
        assert_eq!(shown.counts, batch.counts().collect(), "{id}");
        assert_eq!((shown.open, shown.finished), (batch.open, batch.is_finished()), "{id}");
        assert_eq!(shown.finished_at, batch.finished_at, "{id}");
        assert_eq!(stands.held, batch.is_held(), "{id}");
        let left = shown.terms.unwrap_or_default();
        assert_eq!(left.callback.as_deref(), batch.callback(), "{id}");
        assert_eq!((left.held, left.start_at), (batch.is_held(), batch.start_at()), "{id}");
        assert_eq!(left.after, batch.waits_for().collect::<Vec<_>>(), "{id}");
    }
}

/// Tables that are made from a base and the events after it say of every job that had not ended
/// well by then, and of every batch, what the engine says; of the others nothing.
fn agree_after_base(driven: &Driven, fed: &Fed, before: &Engine, accepted: u64) {
    let (state, tables) = (driven.engine.state(), fed.tables());
    for (id, (batch, index, input)) in (1..).map(JobId).zip(&driven.jobs) {
        let lost = match before.state().job_state(id) {
            None => id.0 <= accepted,
            Some(then) => then == JobState::Succeeded,
        };
        let found = tables.job(id).unwrap();
        assert_eq!(tables.job_at(*batch, *index).unwrap(), found, "{id}");
        assert_eq!(found.is_none(), lost, "{id}");
        let Some(job) = found else { continue };
        assert_eq!((job.batch, job.index), (*batch, *index), "{id}");
        // Beyond the first stage the engine knows a job by what the stage before left.
        if before.state().job(id).is_none_or(|job| job.stage == 0) {
            assert_eq!(&job.input, input, "{id}");
        }
        if let Some(expected) = state.job_state(id) {
            assert_eq!(job.state, expected, "{id}");
        }
    }
    for (id, size) in &driven.sizes {
        let Some(shown) = tables.batch(*id).unwrap() else {
            assert_eq!(before.state().batch(*id), None, "only what was forgotten is lost: {id}");
            continue;
        };
        assert_eq!(shown.jobs, *size, "{id}");
        let Some(batch) = state.batch(*id) else { continue };
        let stands = tables.standing(*id).unwrap().unwrap();
        assert_eq!(shown.counts, batch.counts().collect(), "{id}");
        assert_eq!((shown.open, shown.finished), (batch.open, batch.is_finished()), "{id}");
        assert_eq!(shown.finished_at, batch.finished_at, "{id}");
        assert_eq!(stands.held, batch.is_held(), "{id}");
        let left = shown.terms.unwrap_or_default();
        assert_eq!(left.callback.as_deref(), batch.callback(), "{id}");
        assert_eq!(left.start_at, batch.start_at(), "{id}");
        assert_eq!(left.after, batch.waits_for().collect::<Vec<_>>(), "{id}");
    }
    assert_eq!(tables.complete_after().unwrap() > 0, fed.seq > 0);
}

/// Tables that are made from a base through the first `cut` records, and from what comes after.
fn from_base(durable: &[Record], cut: usize, chunk: usize) -> (Fed, Engine, u64) {
    let mut before = Engine::new(Timing::default());
    durable[..cut].iter().for_each(|record| before.apply(record));
    let mut fed = Fed::new();
    let parts: Vec<(u64, Record)> = (1..).zip(before.snapshot()).collect();
    for piece in parts.chunks(chunk) {
        apply::base(&fed.connection, piece).unwrap();
    }
    apply::base_ends(&fed.connection, cut as u64).unwrap();
    parts.iter().for_each(|(_, record)| fed.runs.learn(&record.event));
    fed.seq = cut as u64;
    durable[cut..].chunks(chunk).for_each(|piece| fed.feed_all(piece.to_vec()));
    let accepted = durable[..cut].iter().map(|record| match &record.event {
        Event::JobsAdded { jobs, .. } => jobs.len() as u64,
        Event::RangeAdded { count, .. } => *count,
        _ => 0,
    });
    (fed, before, accepted.sum())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn tables_made_from_a_base_agree_with_the_engine(
        choices in vec((0..24_u16, 0..100_000_u64), 0..160),
        at in 0.0..1.0,
        chunk in 1_usize..50,
    ) {
        let mut driven = Driven::new();
        for (choice, detail) in choices {
            driven.happen(choice, detail);
        }
        let durable: Vec<Record> =
            driven.records.iter().filter(|record| record.event.is_durable()).cloned().collect();
        let cut = 1 + (durable.len() as f64 * at) as usize;
        let cut = cut.min(durable.len());
        let (fed, before, accepted) = from_base(&durable, cut, chunk);
        agree_after_base(&driven, &fed, &before, accepted);
    }

    #[test]
    fn the_tables_agree_with_the_engine(
        choices in vec((0..24_u16, 0..100_000_u64), 0..160),
        cut in 1_usize..50,
    ) {
        let mut driven = Driven::new();
        for (choice, detail) in choices {
            driven.happen(choice, detail);
        }
        driven.engine.check();
        let durable: Vec<Record> =
            driven.records.iter().filter(|record| record.event.is_durable()).cloned().collect();
        let mut whole = Fed::new();
        whole.feed_all(durable.clone());
        agree(&driven, &whole);
        let mut cut_up = Fed::new();
        durable.chunks(cut).for_each(|chunk| cut_up.feed_all(chunk.to_vec()));
        agree(&driven, &cut_up);
        prop_assert_eq!(whole.dump(), cut_up.dump());
        for id in driven.sizes.keys() {
            if let Some(story) = cut_up.tail.story(*id, &cut_up.runs) {
                let row = cut_up.tables().pipeline_row(story.pipeline).unwrap();
                cut_up.fresh.learn(story.pipeline, row).unwrap();
                let told = cut_up.fresh.answer(&story, |tables| {
                    Ok((tables.batch(*id)?, tables.results(*id, 0, 999)?))
                });
                let tables = cut_up.tables();
                let known = (tables.batch(*id).unwrap(), tables.results(*id, 0, 999).unwrap());
                let Ok(told) = told else { panic!("the story is whole") };
                prop_assert_eq!(told.unwrap(), known);
            }
        }
    }
}
