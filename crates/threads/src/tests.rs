//! The model finds what it is for, and stays out of the way where nobody asked for it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::{Clock, Condvar, Instant, Model, Mutex, Planted, thread};

/// One waits for a number; another one sets it and then tells, or the other way round.
fn told(in_order: bool) {
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    let waits = Arc::clone(&shared);
    let waiter = shuttle::thread::spawn(move || {
        let mut number = waits.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *number == 0 {
            number = waits.1.wait(number).unwrap_or_else(PoisonError::into_inner);
        }
    });
    if in_order {
        *shared.0.lock().unwrap() = 1;
        shared.1.notify_one();
    } else {
        shared.1.notify_one();
        *shared.0.lock().unwrap() = 1;
    }
    waiter.join().unwrap();
}

#[test]
fn telling_before_the_news_is_there_is_found() {
    Model::new(Clock::StandsStill).explore(|| told(true));
    assert!(Model::new(Clock::StandsStill).finds(|| told(false)).is_standstill());
}

#[test]
fn waiting_in_two_steps_is_found() {
    let model = Model::new(Clock::StandsStill).with(Planted::WaitInTwoSteps);
    assert!(model.finds(|| told(true)).is_standstill());
}

fn parked() {
    let (hears, told) = (Arc::new(Mutex::new(false)), Arc::new(Mutex::new(None)));
    let (says, tells) = (Arc::clone(&hears), Arc::clone(&told));
    let parks = shuttle::thread::spawn(move || {
        *tells.lock().unwrap() = Some(thread::current());
        while !*hears.lock().unwrap() {
            thread::park();
        }
    });
    *says.lock().unwrap() = true;
    if let Some(thread) = &*told.lock().unwrap() {
        thread.unpark();
    }
    parks.join().unwrap();
}

#[test]
fn a_forgotten_wake_is_found() {
    Model::new(Clock::StandsStill).explore(parked);
    let model = Model::new(Clock::StandsStill).with(Planted::WakeIsForgotten);
    assert!(model.finds(parked).is_standstill());
}

fn waits_at_most() {
    let (mutex, condvar, began) = (Mutex::new(()), Condvar::new(), Instant::now());
    let mut guard = mutex.lock().unwrap();
    let longest = Duration::from_secs(60);
    while began.elapsed() < longest {
        guard = condvar.wait_timeout(guard, longest - began.elapsed()).unwrap().0;
    }
    drop(guard);
    // Parking may end for no reason, in a model as elsewhere.
    while began.elapsed() < 2 * longest {
        thread::park_timeout(longest);
    }
}

#[test]
fn time_passes_only_where_it_is_wanted() {
    Model::new(Clock::Passes).explore(waits_at_most);
    assert!(Model::new(Clock::StandsStill).finds(waits_at_most).is_standstill());
}

#[test]
fn outside_of_a_model_all_is_the_standard_library() {
    let shared = Arc::new((Mutex::new(false), Condvar::new()));
    let tells = Arc::clone(&shared);
    let parked = thread::current();
    let other = std::thread::spawn(move || {
        *tells.0.lock().unwrap() = true;
        tells.1.notify_all();
        parked.unpark();
    });
    let mut guard = shared.0.lock().unwrap();
    while !*guard {
        guard = shared.1.wait(guard).unwrap();
    }
    drop(guard);
    thread::park();
    other.join().unwrap();
    let guard = shared.0.lock().unwrap();
    assert!(shared.1.wait_timeout(guard, Duration::from_millis(1)).unwrap().1);
}
