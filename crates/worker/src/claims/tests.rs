//! Attempts start programs and look for orphans at the same time. Looked at under thousands of
//! schedules, over a system that gives a number again as soon as it is free: nobody's child is
//! reaped by another, and no orphan stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use gristmill_threads::{Clock, Model, thread::yield_now};
use shuttle::thread;

use super::*;

/// Children that have all ended already, as short programs have.
#[derive(Default)]
struct System(std::sync::Mutex<BTreeSet<libc::pid_t>>);

impl System {
    fn children(&self) -> BTreeSet<libc::pid_t> {
        self.0.lock().unwrap().clone()
    }

    /// Starts one; it gets the lowest free number.
    fn start(&self) -> libc::pid_t {
        let mut children = self.0.lock().unwrap();
        let child = (1..).find(|number| !children.contains(number)).unwrap();
        children.insert(child);
        child
    }

    fn reap(&self, child: libc::pid_t) -> bool {
        self.0.lock().unwrap().remove(&child)
    }
}

/// What is to be explored, and how it may be got wrong.
trait Owners: Default + Send + Sync + 'static {
    /// Starts a program, waits for its end, and says whether that could be had.
    fn run(&self, system: &System) -> bool;
    /// Reaps a child if it is nobody's.
    fn look_after(&self, system: &System, child: libc::pid_t);
}

impl Owners for Claims {
    fn run(&self, system: &System) -> bool {
        let starting = self.starting();
        let child = system.start();
        yield_now();
        let claim = starting.claim(child);
        let had = system.reap(child);
        yield_now();
        drop(claim);
        had
    }

    fn look_after(&self, system: &System, child: libc::pid_t) {
        if !self.hold(child) {
            yield_now();
            self.reap(child, |child| {
                system.reap(child);
            });
        }
    }
}

/// Claims that are made when the child runs already, as they once were here.
#[derive(Default)]
struct Late(Mutex<BTreeSet<libc::pid_t>>);

impl Owners for Late {
    fn run(&self, system: &System) -> bool {
        let child = system.start();
        yield_now();
        self.0.lock().unwrap().insert(child);
        let had = system.reap(child);
        self.0.lock().unwrap().remove(&child);
        had
    }

    fn look_after(&self, system: &System, child: libc::pid_t) {
        if !self.0.lock().unwrap().contains(&child) {
            system.reap(child);
        }
    }
}

/// Claims in time, but with nothing to tell an old one from a new one of the same number.
#[derive(Default)]
struct Uncounted(Mutex<(usize, BTreeSet<libc::pid_t>)>);

impl Owners for Uncounted {
    fn run(&self, system: &System) -> bool {
        self.0.lock().unwrap().0 += 1;
        let child = system.start();
        yield_now();
        {
            let mut inner = self.0.lock().unwrap();
            inner.1.insert(child);
            inner.0 -= 1;
        }
        yield_now();
        let had = system.reap(child);
        yield_now();
        self.0.lock().unwrap().1.remove(&child);
        had
    }

    fn look_after(&self, system: &System, child: libc::pid_t) {
        let inner = self.0.lock().unwrap();
        if inner.0 == 0 && !inner.1.contains(&child) {
            system.reap(child);
        }
    }
}

fn look<O: Owners>(owners: &O, system: &System) {
    for child in system.children() {
        owners.look_after(system, child);
    }
}

fn programs_run_and_leave_orphans<O: Owners>() {
    let (owners, system) = (Arc::new(O::default()), Arc::new(System::default()));
    let attempts = [0, 1, 2].map(|_| {
        let (owners, system) = (Arc::clone(&owners), Arc::clone(&system));
        thread::spawn(move || {
            assert!(owners.run(&system), "its child was reaped by another");
            system.start();
            look(&*owners, &system);
        })
    });
    attempts.into_iter().for_each(|attempt| attempt.join().unwrap());
    look(&*owners, &system);
    assert!(system.children().is_empty(), "an orphan stays");
}

#[test]
fn nobody_reaps_the_child_of_another_and_no_orphan_stays() {
    Model::new(Clock::StandsStill).explore(programs_run_and_leave_orphans::<Claims>);
}

#[test]
fn a_claim_that_comes_late_or_is_taken_for_another_is_found() {
    let model = Model::new(Clock::StandsStill);
    for found in [
        model.finds(programs_run_and_leave_orphans::<Late>),
        model.finds(programs_run_and_leave_orphans::<Uncounted>),
    ] {
        assert!(found.why.contains("reaped by another"), "{found:?}");
    }
}
