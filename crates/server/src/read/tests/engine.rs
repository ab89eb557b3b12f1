//! Whatever a real engine does, driven at random with ranges, gates and runs of jobs, the tables
//! say of every job and every count what the engine says, however the events were cut into chunks.

mod filters;

use gristmill_model::Moment;
use gristmill_model::api::{self, AttemptState};
use gristmill_model::attempt::Outcome;
use gristmill_model::cause::Cause;
use gristmill_model::command::{
    Command, Greeting, PipelineRef, Reply, Request, Submission, Submitted,
};
use gristmill_model::job::JobState;
use gristmill_model::source::Items;
use gristmill_model::terms::{Dependency, Target, When};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The wall's clock is this far ahead of the engine's.
const LEAD: Span = Span::seconds(7_000);

/// An engine, and what was ever asked of it.
struct Driven {
    engine: Engine,
    now: Time,
    records: Vec<Record>,
    /// Of each job from the first on: its batch, its place there, its input.
    jobs: Vec<(BatchId, u64, Payload)>,
    sizes: BTreeMap<BatchId, u64>,
    keys: BTreeMap<JobId, String>,
    workers: Vec<WorkerId>,
}

impl Driven {
    fn new() -> Driven {
        let mut driven = Driven {
            engine: Engine::new(Timing { keep_finished: Span::seconds(40), ..Timing::default() }),
            now: at(1),
            records: Vec::new(),
            jobs: Vec::new(),
            sizes: BTreeMap::new(),
            keys: BTreeMap::new(),
            workers: Vec::new(),
        };
        driven.engine.start(driven.moment(), "test", &mut driven.records);
        driven.greet();
        driven.greet();
        driven
    }

    fn greet(&mut self) {
        let instance = self.records.len() as u64;
        let (name, cpus) = (format!("miller-{instance}"), Capacity::of_cpus(3));
        let description = WorkerDescription::new(&name, &["command"], cpus);
        let greeting = Greeting { prefetch: 2, ..Greeting::new(instance, description) };
        let Ok(Reply::Welcome { worker, .. }) = self.ask(Command::Greet(Box::new(greeting))) else {
            panic!("a worker is welcome")
        };
        self.workers.push(worker);
    }

    /// A worker goes, with whatever it has, and another one comes.
    fn relieve(&mut self, detail: u64) {
        let worker = self.workers.remove(detail as usize % self.workers.len());
        self.ask(Command::Leave(worker)).unwrap();
        self.greet();
    }

    fn moment(&self) -> Moment {
        Moment { now: self.now, wall: self.now + LEAD }
    }

    /// What the log would keep.
    fn durable(&self) -> Vec<Record> {
        let durable = self.records.iter().filter(|record| record.event.is_durable());
        durable.cloned().collect()
    }

    fn ask(&mut self, command: Command) -> Result<Reply, gristmill_model::problem::Rejection> {
        let request = Request { actor: Actor::LOCAL, command };
        self.engine.handle(self.moment(), request, &mut self.records)
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
            4..=7 => drop(self.engine.place(self.moment(), &mut self.records)),
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
            23 => self.relieve(detail),
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
        let Event::Pipeline(PipelineEvent::Defined { spec, .. }) = defined(1, 1) else {
            unreachable!()
        };
        let range = Driven::range(detail / 5);
        let items = range.as_ref().map(|range| range.parse().unwrap());
        let jobs = detail as usize % 4;
        let submission = Submission {
            terms: self.terms(detail / 64),
            range,
            open: detail % 5 == 1,
            priority: detail as i32 % 3,
            labels: labels(&[("user", ["ada", "bob"][detail as usize % 2])]),
            ..Submission::new(PipelineRef::Inline(PipelineSpec::clone(&spec)), self.own(jobs))
        };
        let key = submission.jobs.first().and_then(|job| job.key.clone());
        if let Ok(Reply::Batch(submitted)) = self.ask(Command::Submit(Box::new(submission))) {
            self.keys.extend(key.map(|key| (submitted.first, key)));
            self.add(&submitted, jobs, items.as_ref());
        }
    }

    /// Jobs, of which the first has a label, a key and perhaps a priority of its own.
    fn own(&self, count: usize) -> Vec<JobSpec> {
        let mut jobs = plain(count);
        if let Some(job) = jobs.first_mut() {
            let number = self.jobs.len();
            job.labels = labels(&[("user", "eve")]);
            job.key = Some(format!("k{number}"));
            job.priority = number.is_multiple_of(2).then_some(3);
        }
        jobs
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
            self.engine.tick(self.moment(), &mut self.records);
        }
    }
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
        if let Some(live) = state.job(job.id) {
            let past = live.past.as_deref().copied().unwrap_or_default();
            let times = (job.started_at, job.finished_at, job.attempts);
            assert_eq!(times, (past.started_at, past.finished_at, past.attempts), "{}", job.id);
            let cause = past.cause.filter(|_| live.state.is_final()).and_then(Cause::code);
            let code = job.failure.as_ref().map(|failure| &*failure.code);
            assert!(cause.is_none() || cause == code, "{}: {code:?} for {cause:?}", job.id);
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
    agree_on_attempts(driven, &tables, &listed);
    agree_on_logged(&tables, &listed);
    agree_on_batches(driven, &tables, &listed);
}

/// Attempts are numbered stage by stage, all but the last have ended, and the job shows what they
/// came to.
fn agree_on_attempts(driven: &Driven, tables: &Tables<'_>, listed: &[api::Job]) {
    for job in listed {
        let attempts = tables.attempts(job.id).unwrap();
        assert_eq!(attempts.len(), job.attempts as usize, "{}", job.id);
        assert_eq!(job.started_at, attempts.first().map(|first| first.leased_at), "{}", job.id);
        assert_eq!(job.finished_at.is_some(), job.state.is_final(), "{}", job.id);
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        for attempt in &attempts {
            let number = numbers.entry(&attempt.stage).or_default();
            *number += 1;
            assert_eq!((attempt.number, attempt.job), (*number, job.id), "{}", attempt.id);
            let runs = driven.engine.state().attempt(attempt.id);
            assert_eq!(attempt.state == AttemptState::Running, runs.is_some(), "{}", attempt.id);
            assert_eq!(attempt.ended_at.is_some(), runs.is_none(), "{}", attempt.id);
            let sifts = attempt.stage == "sift";
            let input = if sifts { &text("flour") } else { &job.input };
            assert_eq!(&attempt.input, input, "{}", attempt.id);
            assert_eq!(tables.attempt(attempt.id).unwrap().as_ref(), Some(attempt));
        }
        let result = attempts.last().and_then(|last| last.output.clone());
        let result = result.filter(|_| job.state == JobState::Succeeded);
        assert_eq!(job.result, result, "{}", job.id);
        assert_eq!(job.key.as_ref(), driven.keys.get(&job.id), "{}", job.id);
        if let Some(key) = &job.key {
            let found = tables.job_by_key(ProjectId::DEFAULT, key).unwrap();
            assert_eq!(found.as_ref(), Some(job), "{key}");
        }
    }
}

/// Attempts are found batch by batch and worker by worker, by whoever reads what they printed.
fn agree_on_logged(tables: &Tables<'_>, listed: &[api::Job]) {
    let mut of_worker: BTreeMap<WorkerId, Vec<AttemptId>> = BTreeMap::new();
    let mut of_batch: BTreeMap<BatchId, Vec<(u64, AttemptId)>> = BTreeMap::new();
    for job in listed {
        for attempt in tables.attempts(job.id).unwrap() {
            of_worker.entry(attempt.worker).or_default().push(attempt.id);
            of_batch.entry(job.batch).or_default().push((job.index, attempt.id));
        }
    }
    let last = of_worker.values().flatten().max().copied();
    assert_eq!(tables.last_attempt().unwrap(), last);
    let logged = |batch, worker| {
        let (mut found, whose) = (Vec::<Logged>::new(), Whose { batch, worker });
        loop {
            let more = tables.logged(whose, last.unwrap(), found.last()).unwrap();
            if more.is_empty() {
                return found;
            }
            found.extend(more);
        }
    };
    for (worker, mut expected) in of_worker {
        expected.sort();
        let found = logged(None, Some(worker));
        assert!(found.iter().map(|it| it.attempt).eq(expected), "{worker}");
    }
    for (batch, expected) in of_batch {
        let found = logged(Some(batch), None);
        assert!(found.iter().map(|it| (it.index, it.attempt)).eq(expected), "{batch}");
    }
}

fn agree_on_batches(driven: &Driven, tables: &Tables<'_>, listed: &[api::Job]) {
    let state = driven.engine.state();
    let mut totals: BTreeMap<JobState, u64> = BTreeMap::new();
    let mut counts: BTreeMap<BatchId, BTreeMap<JobState, u64>> = BTreeMap::new();
    for job in listed {
        *totals.entry(job.state).or_default() += 1;
        *counts.entry(job.batch).or_default().entry(job.state).or_default() += 1;
    }
    assert_eq!(tables.totals().unwrap(), totals);
    for (id, size) in &driven.sizes {
        let shown = tables.batch(*id).unwrap().unwrap();
        assert_eq!(shown.jobs, *size, "{id}");
        let recount = counts.remove(id).unwrap_or_default();
        assert_eq!(shown.counts, recount, "{id} counts its jobs, forgotten or not");
        assert_eq!(shown.finished, !shown.open && shown.counts.keys().all(|s| s.is_final()));
        let results = tables.results(*id, 0, 999).unwrap().items;
        assert!(results.iter().map(|job| job.index).eq(0..*size), "{id}");
        let forgotten = "SELECT forgotten FROM batches WHERE id = ?1";
        let forgotten: bool =
            tables.connection.query_row(forgotten, [id.0.cast_signed()], |row| row.get(0)).unwrap();
        assert_eq!(forgotten, state.batch(*id).is_none(), "{id}");
        agree_on_batch(driven, &shown);
    }
}

fn agree_on_batch(driven: &Driven, shown: &api::Batch) {
    let id = shown.id;
    let Some(batch) = driven.engine.state().batch(id) else { return };
    assert_eq!(shown.counts, batch.counts().collect(), "{id}");
    assert_eq!((shown.open, shown.finished), (batch.open, batch.is_finished()), "{id}");
    assert_eq!(shown.finished_at, batch.finished.map(|at| at.wall), "{id}");
    let left = shown.terms.clone().unwrap_or_default();
    assert_eq!(left.callback.as_deref(), batch.callback(), "{id}");
    assert_eq!((left.held, left.start_at), (batch.is_held(), batch.start_at()), "{id}");
    assert_eq!(left.after, batch.waits_for().collect::<Vec<_>>(), "{id}");
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
        assert_eq!(job.key.as_ref(), driven.keys.get(&id), "{id}");
        // Beyond the first stage the engine knows a job by what the stage before left.
        let then = before.state().job(id);
        let (expected, started) = match then {
            Some(job) if job.stage > 0 => (&text("flour"), true),
            _ => (input, then.is_some_and(|job| job.attempts > 0)),
        };
        assert_eq!(&job.input, expected, "{id}");
        assert!(job.started_at.is_some() || !started, "{id}");
        if let Some(expected) = state.job_state(id) {
            assert_eq!(job.state, expected, "{id}");
        }
        let result = (job.state == JobState::Succeeded).then(|| text("flour"));
        assert_eq!(job.result, result, "{id}");
    }
    for (id, size) in &driven.sizes {
        let Some(shown) = tables.batch(*id).unwrap() else {
            assert_eq!(before.state().batch(*id), None, "only what was forgotten is lost: {id}");
            continue;
        };
        assert_eq!(shown.jobs, *size, "{id}");
        agree_on_batch(driven, &shown);
    }
    for (id, attempt) in state.attempts() {
        let shown = tables.attempt(id).unwrap().expect("what runs is known");
        let stage = ["grind", "sift"][usize::from(state.job(attempt.job).unwrap().stage)];
        assert_eq!((shown.job, shown.worker), (attempt.job, attempt.worker), "{id}");
        assert_eq!((shown.number, &*shown.stage), (attempt.number, stage), "{id}");
        assert_eq!((shown.leased_at, shown.state), (attempt.leased_wall, AttemptState::Running));
    }
    for (id, worker) in state.workers() {
        let shown = tables.worker(id).unwrap().unwrap();
        assert_eq!((shown.succeeded, shown.failed), (worker.succeeded, worker.failed), "{id}");
    }
    assert_eq!(tables.complete_after().unwrap() > 0, fed.seq > 0);
}

/// Tables that are made from a base through the first `cut` records, and from what comes after.
fn from_base(durable: &[Record], cut: usize, chunk: usize) -> (Fed, Engine, u64) {
    let mut before = Engine::new(Timing::default());
    durable[..cut].iter().for_each(|record| before.apply(record));
    let mut fed = Fed::new();
    let parts: Vec<Record> = before.snapshot().collect();
    for piece in parts.chunks(chunk) {
        piece.iter().for_each(|record| fed.engine.apply(record));
        let changes = fed.engine.take_changes();
        sink::apply(&fed.connection, changes.iter().map(|made| &made.change)).unwrap();
    }
    sink::base_ends(&fed.connection, cut as u64).unwrap();
    fed.seq = cut as u64;
    durable[cut..].chunks(chunk).for_each(|piece| fed.feed_all(piece.to_vec()));
    let accepted = durable[..cut].iter().map(|record| match &record.event {
        Event::Batch(BatchEvent::JobsAdded { jobs, .. }) => jobs.len() as u64,
        Event::Batch(BatchEvent::RangeAdded { count, .. }) => *count,
        _ => 0,
    });
    (fed, before, accepted.sum())
}

impl Fed {
    /// What tables that know less say of jobs and batches these say too.
    fn shows_as_much_as(&self, less: &Fed) {
        let page = JobPage {
            filter: Default::default(),
            after: None,
            limit: usize::MAX,
            newest_first: false,
        };
        for job in less.tables().jobs(&page).unwrap().items {
            let whole = self.tables().job(job.id).unwrap().unwrap();
            let told = |job: &api::Job| {
                let times = (job.started_at, job.finished_at);
                (job.state, job.stage.clone(), job.attempts, times, job.key.clone(), job.index)
            };
            assert_eq!(told(&job), told(&whole), "{}", job.id);
            // Attempts before the base are not known, and neither is why they failed.
            let failure = job.failure.or(whole.failure.clone());
            assert_eq!(failure, whole.failure, "{}", job.id);
            for attempt in less.tables().attempts(job.id).unwrap() {
                let known = self.tables().attempt(attempt.id).unwrap();
                assert_eq!(Some(attempt), known, "{}", job.id);
            }
        }
        for batch in less.tables().batches(None, usize::MAX).unwrap().items {
            let whole = self.tables().batch(batch.id).unwrap().unwrap();
            let told = |batch: &api::Batch| {
                let open = (batch.open, batch.finished_at);
                (batch.counts.clone(), open, batch.name.clone(), batch.unmet.clone())
            };
            let (told, mut whole) = (told(&batch), told(&whole));
            // What was waited for in vain before the base is not known.
            whole.3.retain(|unmet| told.3.contains(unmet));
            assert_eq!(told, whole, "{}", batch.id);
        }
    }
}

/// Whatever the newest rounds show of a job or a batch, the tables show too: looked at for one job
/// in so many.
fn young_agree(driven: &Driven, fed: &Fed, newest: usize, every: usize) {
    let rounds = &fed.rounds[..newest.min(fed.rounds.len())];
    for id in (fed.rounds.len() % every..=driven.jobs.len()).step_by(every) {
        let id = JobId(id as u64);
        if let Some(young) = fed.young_job_in(rounds, id) {
            assert_eq!(fed.tables().job(id).unwrap(), Some(young));
        }
    }
    for id in driven.sizes.keys() {
        if let Some(young) = fed.young_batch_in(rounds, *id) {
            assert_eq!(fed.tables().batch(*id).unwrap(), Some(young));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn tables_made_from_a_base_agree_with_the_engine(
        choices in vec((0..25_u16, 0..100_000_u64), 0..160),
        at in 0.0..1.0,
        chunk in 1_usize..50,
    ) {
        let mut driven = Driven::new();
        for (choice, detail) in choices {
            driven.happen(choice, detail);
        }
        let durable = driven.durable();
        let cut = 1 + (durable.len() as f64 * at) as usize;
        let cut = cut.min(durable.len());
        let (fed, before, accepted) = from_base(&durable, cut, chunk);
        agree_after_base(&driven, &fed, &before, accepted);
        let (at_once, ..) = from_base(&durable, cut, usize::MAX);
        assert_same_rows(&fed.dump(), &at_once.dump());

        let mut whole = Fed::new();
        whole.feed_all(durable);
        whole.shows_as_much_as(&fed);
    }

    #[test]
    fn the_tables_agree_with_the_engine(
        choices in vec((0..25_u16, 0..100_000_u64), 0..160),
        round in 1_usize..50,
        chunk in 1_usize..9,
        newest in 1_usize..50,
    ) {
        let mut driven = Driven::new();
        for (choice, detail) in choices {
            driven.happen(choice, detail);
        }
        driven.engine.check();
        let durable = driven.durable();
        let mut whole = Fed::new();
        whole.feed_all(durable.clone());
        agree(&driven, &whole);
        young_agree(&driven, &whole, 1, 1);

        let mut cut_up = Fed::new();
        for piece in durable.chunks(round) {
            cut_up.feed_all(piece.to_vec());
            young_agree(&driven, &cut_up, newest, 11);
        }
        young_agree(&driven, &cut_up, newest, 1);
        assert_same_rows(&whole.dump(), &cut_up.dump());

        let (mut gathered, rounds) = (Fed::new(), cut_up.rounds.iter().rev().collect::<Vec<_>>());
        for rounds in rounds.chunks(chunk) {
            let seq = rounds.last().map_or(0, |round| round.last);
            gathered.sink(seq, rounds.iter().map(|round| &***round));
        }
        assert_same_rows(&whole.dump(), &gathered.dump());

        let (mut live, changes) = (Fed::new(), driven.engine.take_changes());
        let round = Committed::new(durable.len() as u64, driven.records.clone(), changes);
        live.sink(round.last, [&round]);
        assert_same_rows(&whole.dump(), &live.dump());
    }
}
