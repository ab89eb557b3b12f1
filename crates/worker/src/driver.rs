//! The worker's loop: a thin shell around the core, and the only place that reads the clock.
//!
//! Link and handlers hand in inputs; the core decides; frames go out and attempts start and stop.
//! The loop never waits for the link: frames that cannot be written yet wait here, and while many
//! do, handlers are not listened to, so that they wait in turn.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gristmill_model::wire::{Assignment, FromWorker};
use gristmill_model::{AttemptId, Span, Time, limits};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempt;
use crate::core::{Action, Core, Input, SessionId};
use crate::link::{Closed, Link, LinkEvent};
use crate::session::{Open, Order};
use crate::shutdown::Shutdown;
use crate::workshop::Workshop;

/// The loop and what it holds.
pub(crate) struct Driver {
    core: Core,
    clock: Clock,
    shop: Arc<Workshop>,
    link: Link,
    words: mpsc::Receiver<Input>,
    /// The connection that stands, and what waits to be said over it.
    connection: Option<mpsc::Sender<FromWorker>>,
    unsaid: VecDeque<FromWorker>,
    stops: HashMap<AttemptId, CancellationToken>,
    tasks: TaskTracker,
    sessions: Open,
    draining: bool,
    closed: Option<Closed>,
}

/// Monotonic time that begins at the system's.
struct Clock {
    began: Instant,
    at: Time,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is where a worker reads the wall clock")]
    fn new() -> Clock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { began: Instant::now(), at: Time(Span::from_std(since).0) }
    }

    fn now(&self) -> Time {
        self.at + Span::from_std(self.began.elapsed())
    }

    fn instant(&self, time: Time) -> Instant {
        self.began + time.since(self.at).to_std()
    }
}

/// How the loop ended.
pub(crate) struct Left {
    pub(crate) core: Core,
    pub(crate) closed: Option<Closed>,
}

impl Driver {
    pub(crate) fn new(
        core: Core,
        shop: Arc<Workshop>,
        link: Link,
        words: mpsc::Receiver<Input>,
    ) -> Driver {
        Driver {
            core,
            clock: Clock::new(),
            shop,
            link,
            words,
            connection: None,
            unsaid: VecDeque::new(),
            stops: HashMap::new(),
            tasks: TaskTracker::new(),
            sessions: Open::default(),
            draining: false,
            closed: None,
        }
    }

    /// Works until the core wants to leave; then ends what still runs and says the last words.
    pub(crate) async fn run(mut self, shutdown: &Shutdown) -> Left {
        let mut inputs = Vec::with_capacity(limits::INPUTS_PER_ROUND);
        let mut actions = Vec::new();
        let mut leaving = false;
        while !leaving {
            self.gather(&mut inputs, shutdown).await;
            for input in inputs.drain(..) {
                match &input {
                    Input::Ended(ended) => drop(self.stops.remove(&ended.attempt)),
                    Input::Gone(gone) => self.sessions.forget(gone.session),
                    _ => {}
                }
                self.core.handle(self.clock.now(), input, &mut actions);
            }
            for action in actions.drain(..) {
                match action {
                    Action::Send(frame) => self.unsaid.push_back(frame),
                    Action::Start(assignment) => self.start(assignment),
                    Action::Stop(attempt) => self.stop(attempt),
                    Action::Open(opening) => {
                        self.tasks.spawn(self.sessions.open(&self.shop, opening));
                    }
                    Action::Call(session, assignments) => self.call(session, assignments),
                    Action::Close(session) => self.sessions.order(session, Order::Close),
                    Action::Trust(device) => self.shop.equipment.trust(device),
                    Action::Leave => leaving = true,
                }
            }
            if self.core.holds_nothing() {
                // Before the last report: whoever hears it finds nothing left here.
                self.shop.folders.sweep();
            }
            self.write();
        }
        self.leave().await
    }

    /// Waits for something to happen.
    async fn gather(&mut self, inputs: &mut Vec<Input>, shutdown: &Shutdown) {
        let deadline = self.core.next_deadline().map(|at| self.clock.instant(at));
        let listens = self.unsaid.len() < limits::FRAMES_PER_WORKER;
        tokio::select! {
            event = self.link.next() => {
                let input = self.take(event);
                inputs.push(input);
            }
            _ = self.words.recv_many(inputs, limits::INPUTS_PER_ROUND), if listens => {}
            () = room(&self.connection), if !self.unsaid.is_empty() => {}
            () = until(deadline) => inputs.push(Input::Tick),
            () = shutdown.quit_asked() => inputs.push(Input::Quit),
            () = shutdown.drain_asked(), if !self.draining => {
                self.draining = true;
                inputs.push(Input::Drain);
            }
        }
    }

    fn take(&mut self, event: LinkEvent) -> Input {
        match event {
            LinkEvent::Frame(frame) => Input::Frame(frame),
            LinkEvent::Up(connection) => {
                self.unsaid.clear();
                self.connection = Some(connection);
                Input::Connected
            }
            LinkEvent::Down => {
                self.unsaid.clear();
                self.connection = None;
                Input::Disconnected
            }
            LinkEvent::Closed(why) => {
                self.connection = None;
                self.closed = Some(why);
                Input::Quit
            }
        }
    }

    fn start(&mut self, assignment: Assignment) {
        let stop = CancellationToken::new();
        self.stops.insert(assignment.attempt, stop.clone());
        self.tasks.spawn(attempt::live(Arc::clone(&self.shop), assignment, stop));
    }

    fn call(&mut self, session: SessionId, assignments: Vec<Assignment>) {
        let with_stop = assignments.into_iter().map(|assignment| {
            let stop = CancellationToken::new();
            self.stops.insert(assignment.attempt, stop.clone());
            (assignment, stop)
        });
        self.sessions.order(session, Order::Call(with_stop.collect()));
    }

    fn stop(&mut self, attempt: AttemptId) {
        if let Some(stop) = self.stops.get(&attempt) {
            stop.cancel();
        }
    }

    /// Hands the connection as many frames as it takes.
    fn write(&mut self) {
        let Some(connection) = &self.connection else { return };
        while !self.unsaid.is_empty()
            && let Ok(permit) = connection.try_reserve()
            && let Some(frame) = self.unsaid.pop_front()
        {
            permit.send(frame);
        }
    }

    /// Ends what runs before the goodbye: whoever is given the work next must not find it running.
    async fn leave(mut self) -> Left {
        self.words.close();
        self.stops.values().for_each(CancellationToken::cancel);
        self.sessions.close_all();
        self.tasks.close();
        let patience = self.shop.stop_grace + limits::LAST_WORDS.to_std();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!(attempts = self.tasks.len(), "leaving while attempts still end");
        }
        self.shop.folders.sweep();
        if let Some(connection) = self.connection.take() {
            let say = async {
                for frame in self.unsaid.drain(..) {
                    if connection.send(frame).await.is_err() {
                        break;
                    }
                }
            };
            // A server that does not listen finds out by the lease.
            let _ = tokio::time::timeout(limits::LAST_WORDS.to_std(), say).await;
        }
        self.link.close().await;
        Left { core: self.core, closed: self.closed }
    }
}

/// Waits until the connection takes another frame.
async fn room(connection: &Option<mpsc::Sender<FromWorker>>) {
    match connection {
        // Where it is broken, the link says so too.
        Some(connection) if !connection.is_closed() => drop(connection.reserve().await),
        _ => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
