//! Booking: what fits, what waits, and what is given back.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::resources::{Device, DeviceRequest, WHOLE};

fn cpus(milli: u32) -> Resources {
    Resources { cpus: milli, ..Resources::default() }
}

fn started(booking: &mut Booking, attempt: u64, request: &Resources) -> bool {
    booking.admit(AttemptId(attempt), Want::of(request.clone()), None).is_some()
}

fn released(booking: &mut Booking, attempt: u64) -> Vec<AttemptId> {
    booking
        .release(AttemptId(attempt), Fate::Succeeded)
        .into_iter()
        .map(|(attempt, _)| attempt)
        .collect()
}

#[test]
fn a_backlog_starts_in_order_as_room_comes_free() {
    let mut booking = Booking::new(Capacity::of_cpus(2));
    assert!(started(&mut booking, 1, &cpus(1_000)));
    assert!(started(&mut booking, 2, &cpus(1_000)));
    assert!(!started(&mut booking, 3, &cpus(2_000)));
    assert!(!started(&mut booking, 4, &cpus(500)), "nobody overtakes a backlog");
    assert_eq!(released(&mut booking, 1), vec![]);
    assert_eq!(released(&mut booking, 2), vec![AttemptId(3)]);
    assert_eq!(released(&mut booking, 3), vec![AttemptId(4)]);
    assert_eq!(booking.free_cpus(), 1_500);
}

#[test]
fn what_can_never_fit_says_why() {
    let booking = Booking::new(Capacity::of_cpus(2));
    let error = booking.could_fit(&cpus(3_000)).unwrap_err();
    assert_eq!(error.to_string(), "needs 3 cpus, has 2");
    assert_eq!(error.share(), 666);
    let memory = |needed, there| Misfit::Memory(needed, there).to_string();
    assert_eq!(memory(12 << 30, 3 << 29), "needs 12 GiB of memory, has 1.5 GiB");
    assert_eq!(memory(900, 512), "needs 900 bytes of memory, has 512 bytes");
    assert_eq!(memory(1 << 30, (1 << 30) - 1).matches("bytes").count(), 1);
}

#[test]
fn how_many_fit_is_what_runs_out_first() {
    let named = |amount| BTreeMap::from([("licence".to_owned(), amount)]);
    let capacity = Capacity { named: named(3_000), memory: 10 << 30, ..Capacity::of_cpus(8) };
    assert_eq!(slots(&capacity, &cpus(1_000)), 8);
    assert_eq!(slots(&capacity, &Resources { memory: 4 << 30, ..cpus(500) }), 2);
    let wishes = Resources { named: named(1_000), ..cpus(0) };
    assert_eq!(slots(&capacity, &wishes), 3);
    let words: Vec<String> = Resources { memory: 4 << 30, ..wishes }.beyond_one_cpu().collect();
    assert_eq!(words, ["4 GiB of memory", "1 of licence"]);
}

#[test]
fn a_licence_is_waited_for_like_a_cpu() {
    let named = |amount| BTreeMap::from([("licence".to_owned(), amount)]);
    let needs = |amount| Resources { named: named(amount), ..cpus(0) };
    let mut booking = Booking::new(Capacity { named: named(2_000), ..Capacity::of_cpus(8) });
    assert!(started(&mut booking, 1, &needs(1_500)));
    assert!(!started(&mut booking, 2, &needs(501)));
    assert!(!started(&mut booking, 3, &cpus(1)), "nobody overtakes a backlog");
    assert_eq!(released(&mut booking, 1), [AttemptId(2), AttemptId(3)]);
    let error = booking.could_fit(&needs(2_500)).unwrap_err().to_string();
    assert_eq!(error, "needs 2.5 of licence, has 2");
    let error = could_fit(&Capacity::of_cpus(8), &needs(1)).unwrap_err().to_string();
    assert_eq!(error, "needs 0.001 of licence, has 0");
}

#[test]
fn wishes_for_one_kind_add_up() {
    let gpu = |vram| Device::new("gpu", format!("GPU-{vram}"), vram);
    let wish = |count, vram| DeviceRequest { vram, ..DeviceRequest::whole("gpu", count) };
    let capacity = Capacity { devices: vec![gpu(8), gpu(24)], ..Capacity::of_cpus(8) };
    let needs = |devices| Resources { devices, ..cpus(0) };
    assert_eq!(could_fit(&capacity, &needs(vec![wish(1, 24), wish(1, 8)])), Ok(()));
    let both_large = could_fit(&capacity, &needs(vec![wish(1, 24), wish(1, 16)]));
    assert_eq!(both_large, Err(Misfit::Devices("gpu".into(), 2, 1)));
    let huge = could_fit(&capacity, &needs(vec![wish(u32::MAX, 0), wish(u32::MAX, 0)]));
    assert_eq!(huge, Err(Misfit::Devices("gpu".into(), u32::MAX, 2)));
}

fn gpus(count: u64, vram: u64) -> Capacity {
    let devices = (0..count).map(|n| Device::new("gpu", format!("GPU-{n}"), vram)).collect();
    Capacity { devices, ..Capacity::of_cpus(64) }
}

fn gpu(share: u32, vram: u64) -> Resources {
    let devices = vec![DeviceRequest { kind: "gpu".into(), count: 1, vram, share }];
    Resources { devices, ..cpus(0) }
}

fn session(name: &str, seats: u32, resources: Resources) -> Want {
    Want {
        resources,
        session: Some(SessionWant { name: name.into(), seats, alone: false, pinned: false }),
    }
}

fn alone(want: Want) -> Want {
    let session = want.session.map(|session| SessionWant { alone: true, ..session });
    Want { session, ..want }
}

/// Devices and session of an attempt that starts.
fn sits(booking: &mut Booking, attempt: u64, want: &Want) -> (Vec<u16>, Option<u16>) {
    let seat = booking.admit(AttemptId(attempt), want.clone(), None).expect("there is room");
    (seat.devices, seat.session)
}

#[test]
fn shares_and_memory_of_one_device_add_up_and_a_whole_one_is_shared_with_nobody() {
    let mut booking = Booking::new(gpus(1, 80));
    assert!(started(&mut booking, 1, &gpu(500, 0)));
    assert_eq!(booking.booked_of(0).1, 40);
    assert!(started(&mut booking, 2, &gpu(0, 30)));
    assert!(!started(&mut booking, 3, &gpu(WHOLE, 0)), "it is not empty");
    assert_eq!(released(&mut booking, 1), []);
    assert_eq!(released(&mut booking, 2), [AttemptId(3)]);
    assert!(!started(&mut booking, 4, &gpu(0, 1)), "it is given whole");
    assert_eq!(could_fit(booking.capacity(), &gpu(0, 80)), Ok(()));
    let error = could_fit(booking.capacity(), &gpu(0, 81)).unwrap_err();
    assert_eq!(error.to_string(), "needs 81 bytes of memory on device gpu, has 80 bytes");
    assert_eq!(slots(booking.capacity(), &gpu(0, 30)), 2);
    assert_eq!(slots(booking.capacity(), &gpu(250, 0)), 4);
}

#[test]
fn several_devices_are_given_all_or_none_and_differ() {
    let two = Resources { devices: vec![DeviceRequest::whole("gpu", 2)], ..cpus(0) };
    let mut booking = Booking::new(gpus(3, 8));
    assert_eq!(sits(&mut booking, 1, &Want::of(two.clone())), (vec![0, 1], None));
    assert!(!started(&mut booking, 2, &two));
    assert_eq!(released(&mut booking, 1), [AttemptId(2)]);
    let halves = DeviceRequest { share: 500, ..DeviceRequest::whole("gpu", 2) };
    let halves = Resources { devices: vec![halves], ..cpus(0) };
    let mut booking = Booking::new(gpus(2, 8));
    assert_eq!(sits(&mut booking, 1, &Want::of(halves)), (vec![0, 1], None));
}

#[test]
fn a_device_takes_no_more_processes_than_it_may() {
    let mut capacity = gpus(1, 80);
    capacity.devices[0].slots = 1;
    let mut booking = Booking::new(capacity);
    assert!(started(&mut booking, 1, &gpu(0, 10)));
    assert!(!started(&mut booking, 2, &gpu(0, 10)));
}

#[test]
fn the_seats_of_a_session_share_one_booking() {
    let mut booking = Booking::new(gpus(1, 8));
    let generate = session("generate", 2, gpu(WHOLE, 0));
    assert_eq!(sits(&mut booking, 1, &generate), (vec![0], Some(0)));
    assert_eq!(sits(&mut booking, 2, &generate), (vec![0], Some(0)));
    assert_eq!(booking.admit(AttemptId(3), generate.clone(), None), None, "its seats are taken");
    assert_eq!(booking.admit(AttemptId(4), session("other", 1, gpu(WHOLE, 0)), None), None);
    assert_eq!(released(&mut booking, 1), [AttemptId(3)]);
    assert_eq!(released(&mut booking, 2), []);
    assert_eq!(booking.sitting(0).collect::<Vec<_>>(), [AttemptId(3)]);
    assert_eq!(released(&mut booking, 3), [AttemptId(4)], "nobody of the first sits there now");
    assert_eq!(booking.last_on(0), Some("generate"));
    assert_eq!(released(&mut booking, 4), []);
    assert_eq!(booking.last_on(0), Some("other"));
}

#[test]
fn sessions_come_back_to_where_they_were_and_spare_others() {
    let mut booking = Booking::new(gpus(3, 8));
    let (first, second) = (session("a", 1, gpu(WHOLE, 0)), session("b", 1, gpu(WHOLE, 0)));
    assert_eq!(sits(&mut booking, 1, &first).0, [0]);
    assert_eq!(sits(&mut booking, 2, &second).0, [1]);
    booking.release(AttemptId(1), Fate::Succeeded);
    booking.release(AttemptId(2), Fate::Succeeded);
    let seat = booking.seat(&second).unwrap();
    assert_eq!((seat.devices.clone(), booking.is_hot(&second, &seat)), (vec![1], true));
    let third = session("c", 1, gpu(WHOLE, 0));
    let seat = booking.seat(&third).unwrap();
    assert_eq!((seat.devices.clone(), booking.is_hot(&third, &seat)), (vec![2], false));
}

#[test]
fn hot_devices_all_work_before_any_session_is_filled() {
    let mut booking = Booking::new(gpus(2, 8));
    let want = session("a", 8, gpu(WHOLE, 0));
    assert_eq!(sits(&mut booking, 1, &want).0, [0]);
    assert_eq!(sits(&mut booking, 2, &want).0, [0], "a cold device is not warmed up for it");
    booking.release(AttemptId(1), Fate::Succeeded);
    booking.release(AttemptId(2), Fate::Succeeded);
    booking.restore_device(1, Some("a"), 0, 0);
    let devices = [3, 4, 5].map(|attempt| sits(&mut booking, attempt, &want).0[0]);
    assert_eq!(devices, [0, 1, 0]);
}

#[test]
fn who_wants_no_company_has_none() {
    let mut booking = Booking::new(gpus(1, 8));
    let want = session("a", 8, gpu(WHOLE, 0));
    assert!(booking.admit(AttemptId(1), want.clone(), None).is_some());
    assert_eq!(booking.admit(AttemptId(2), alone(want.clone()), None), None);
    assert_eq!(booking.admit(AttemptId(3), want, None), None);
    assert_eq!(released(&mut booking, 1), [AttemptId(2)]);
    assert_eq!(released(&mut booking, 2), [AttemptId(3)]);
}

#[test]
fn a_pinned_session_keeps_its_device_until_it_dies() {
    let mut booking = Booking::new(gpus(1, 8));
    let mut want = session("a", 2, gpu(WHOLE, 0));
    want.session.as_mut().unwrap().pinned = true;
    assert_eq!(sits(&mut booking, 1, &want), (vec![0], Some(0)));
    booking.release(AttemptId(1), Fate::Succeeded);
    let other = session("b", 1, gpu(WHOLE, 0));
    assert_eq!(booking.seat(&other), None, "nobody sits there, and it stays");
    let mut again = Booking::new(gpus(1, 8));
    booking.pinned().for_each(|pinned| again.restore_pinned(pinned));
    assert_eq!(again.pinned().collect::<Vec<_>>(), booking.pinned().collect::<Vec<_>>());
    assert_eq!(
        sits(&mut booking, 2, &alone(want.clone())),
        (vec![0], Some(0)),
        "nobody else is in"
    );
    assert_eq!(booking.seat(&want), None, "and nobody joins");
    booking.release(AttemptId(2), Fate::Succeeded);
    assert!(booking.seat(&want).is_some());
    assert_eq!(sits(&mut booking, 3, &want), (vec![0], Some(0)));
    booking.release(AttemptId(3), Fate::Died);
    assert!(booking.seat(&other).is_some());
}

#[test]
fn what_was_measured_is_booked_in_place_of_the_guess() {
    let mut booking = Booking::new(gpus(1, 80));
    let want = session("a", 1, gpu(0, 40));
    assert!(booking.admit(AttemptId(1), want.clone(), None).is_some());
    let other = session("b", 1, gpu(0, 60));
    assert_eq!(booking.admit(AttemptId(2), other, None), None);
    let promoted = booking.measure("a", 20);
    assert_eq!(promoted.len(), 1, "it takes less than it had asked for");
    assert_eq!(booking.booked_of(0).1, 80);
    booking.measure("a", 200);
    booking.release(AttemptId(1), Fate::Succeeded);
    assert_eq!(booking.booked_of(0).1, 60);
    assert_eq!(booking.measured().collect::<Vec<_>>(), [("a", 200)]);
}

#[test]
fn where_something_died_nothing_is_hot_and_others_come_first() {
    let mut booking = Booking::new(gpus(2, 8));
    let want = session("a", 2, gpu(WHOLE, 0));
    assert_eq!(sits(&mut booking, 1, &want).0, [0]);
    assert_eq!(sits(&mut booking, 2, &want).0, [0]);
    booking.release(AttemptId(1), Fate::Died);
    booking.release(AttemptId(2), Fate::Died);
    assert_eq!((booking.last_on(0), booking.deaths_on(0)), (None, 2));
    assert_eq!(sits(&mut booking, 3, &want).0, [1]);
    assert_eq!(sits(&mut booking, 4, &session("b", 1, gpu(WHOLE, 0))).0, [0], "for want of better");
    booking.release(AttemptId(4), Fate::Succeeded);
    assert_eq!(booking.deaths_on(0), 0);
}

#[test]
fn a_device_out_of_service_is_given_to_nobody() {
    let mut booking = Booking::new(gpus(2, 8));
    assert!(booking.set_service(0, false).is_empty());
    assert_eq!(sits(&mut booking, 1, &Want::of(gpu(WHOLE, 0))).0, [1]);
    assert!(!started(&mut booking, 2, &gpu(WHOLE, 0)));
    let promoted = booking.set_service(0, true);
    assert_eq!(promoted, [(AttemptId(2), Seat { devices: vec![0], session: None })]);
}

#[test]
fn a_seat_that_is_wished_for_is_given_where_it_is_free() {
    let mut booking = Booking::new(gpus(2, 8));
    let wish = Seat { devices: vec![1], session: None };
    let seat = booking.admit(AttemptId(1), Want::of(gpu(WHOLE, 0)), Some(&wish)).unwrap();
    assert_eq!(seat, wish);
    let seat = booking.admit(AttemptId(2), Want::of(gpu(WHOLE, 0)), Some(&wish)).unwrap();
    assert_eq!(seat.devices, [0]);
    for strange in [vec![7], vec![], vec![0, 1]] {
        let strange = Seat { devices: strange, session: None };
        assert!(!booking.is_free(&Want::of(gpu(WHOLE, 0)), &strange));
    }
}

#[test]
fn wishes_for_different_things_at_once_are_met_together() {
    let devices = vec![Device::new("gpu", "GPU-0", 24), Device::new("gpu", "GPU-1", 8)];
    let booking = Booking::new(Capacity { devices, ..Capacity::of_cpus(8) });
    let wish = |vram| DeviceRequest { vram, ..DeviceRequest::whole("gpu", 1) };
    let both = Resources { devices: vec![wish(8), wish(24)], ..cpus(0) };
    assert_eq!(booking.seat(&Want::of(both)).unwrap().devices, [1, 0], "in the order asked for");
}

/// What may be asked of a worker, some of it by sessions.
fn wants() -> impl Strategy<Value = Want> {
    let kind = prop::sample::select(vec!["gpu", "tpu"]).prop_map(String::from);
    let share = prop_oneof![2 => Just(WHOLE), 1 => 1..WHOLE, 1 => Just(0)];
    let wish = (kind, 0..3_u32, 0..4_u64, share).prop_map(|(kind, count, vram, share)| {
        let vram = if share == 0 { vram.max(1) } else { vram };
        DeviceRequest { kind, count, vram, share }
    });
    let name = prop::sample::select(vec!["licence", "share"]).prop_map(String::from);
    let memory = prop_oneof![9 => 0..6_u64, 1 => Just(u64::MAX)];
    let resources = (0..3_000_u32, memory, vec(wish, 0..3), btree_map(name, 0..2_500_u32, 0..3))
        .prop_map(|(cpus, memory, devices, named)| Resources { cpus, memory, devices, named });
    let session = prop::option::of((prop::sample::select(vec!["a", "b"]), any::<bool>()));
    (resources, session).prop_map(|(resources, session)| Want {
        resources,
        session: session.map(|(name, alone)| SessionWant {
            name: name.into(),
            seats: 3,
            alone,
            pinned: false,
        }),
    })
}

fn capacities() -> impl Strategy<Value = Capacity> {
    let kind = prop::sample::select(vec!["gpu", "tpu"]);
    let device = (kind, 0..6_u64, 0..4_u32);
    (1..6_u32, 0..12_u64, vec(device, 0..6), 0..5_000_u32).prop_map(
        |(whole, memory, devices, licences)| {
            let named = BTreeMap::from([("licence".into(), licences)]);
            let device = |(place, (kind, vram, slots)): (usize, (&str, u64, u32))| {
                let id = format!("{kind}-{place}");
                Device { slots, ..Device::new(kind, id, vram) }
            };
            let devices = devices.into_iter().enumerate().map(device).collect();
            Capacity { memory, devices, named, ..Capacity::of_cpus(whole) }
        },
    )
}

/// Asserts that what runs fits together, summed up anew from what was asked: sessions once, however
/// many sit in them.
fn holds_together(booking: &Booking, asked: &BTreeMap<AttemptId, Want>) {
    let capacity = booking.capacity();
    let mut bookings: Vec<(&Resources, Seat)> = Vec::new();
    let mut seen = BTreeSet::new();
    for attempt in booking.running() {
        let (want, seat) = (&asked[&attempt], booking.seat_of(attempt).unwrap());
        assert_eq!(want.session.is_some(), seat.session.is_some());
        if let (Some(wanted), Some(number)) = (&want.session, seat.session) {
            let company: Vec<_> = booking.sitting(number).collect();
            assert!(company.len() <= wanted.seats as usize && company.contains(&attempt));
            assert!(!wanted.alone || company.len() == 1);
            if !seen.insert(number) {
                continue;
            }
            assert!(company.iter().all(|attempt| asked[attempt] == *want), "all ask the same");
        }
        bookings.push((&want.resources, seat));
    }
    let cpus: u64 = bookings.iter().map(|(request, _)| u64::from(request.cpus)).sum();
    assert!(cpus <= u64::from(capacity.cpus));
    assert_eq!(booking.free_cpus(), u64::from(capacity.cpus) - cpus);
    if capacity.memory != 0 {
        assert!(bookings.iter().map(|(request, _)| request.memory).sum::<u64>() <= capacity.memory);
    }
    for name in ["licence", "share"] {
        let of = |request: &Resources| request.named.get(name).map_or(0, |n| u64::from(*n));
        let sum: u64 = bookings.iter().map(|(request, _)| of(request)).sum();
        assert!(sum <= u64::from(sums::there(capacity, name)));
    }
    devices_hold_together(capacity, &bookings);
}

fn devices_hold_together(capacity: &Capacity, bookings: &[(&Resources, Seat)]) {
    let mut users = vec![Vec::new(); capacity.devices.len()];
    for (owner, (request, seat)) in bookings.iter().enumerate() {
        let wishes = request.devices.iter();
        let each: Vec<_> =
            wishes.flat_map(|wish| std::iter::repeat_n(wish, wish.count as usize)).collect();
        assert_eq!(each.len(), seat.devices.len(), "a device for each wish");
        for (wish, device) in each.into_iter().zip(&seat.devices) {
            let there = &capacity.devices[usize::from(*device)];
            assert!(there.kind == wish.kind && there.vram >= wish.vram);
            users[usize::from(*device)].push((owner, wish));
        }
    }
    for (there, users) in capacity.devices.iter().zip(users) {
        let owners: BTreeSet<_> = users.iter().map(|(owner, _)| owner).collect();
        let whole = users.iter().any(|(_, wish)| wish.share == WHOLE);
        assert!(!whole || users.len() == 1, "a whole device is one wish's");
        assert!(users.iter().map(|(_, wish)| wish.share).sum::<u32>() <= WHOLE);
        assert!(there.slots == 0 || owners.len() <= there.slots as usize);
        let explicit = |wish: &DeviceRequest| if wish.share == WHOLE { 0 } else { wish.vram };
        assert!(users.iter().map(|(_, wish)| explicit(wish)).sum::<u64>() <= there.vram);
    }
}

proptest! {
    #[test]
    fn booked_never_exceeds_capacity_and_ends_at_nothing(
        capacity in capacities(),
        steps in vec((wants(), any::<prop::sample::Index>(), any::<bool>()), 1..60),
    ) {
        let mut booking = Booking::new(capacity);
        let (mut asked, mut order) = (BTreeMap::new(), Vec::new());
        for (number, (want, which, leaves)) in (0..).zip(steps) {
            if leaves && !order.is_empty() {
                let attempt = order.remove(which.index(order.len()));
                booking.release(attempt, Fate::Other);
            } else if booking.could_fit(&want.resources).is_ok() {
                let attempt = AttemptId(number);
                let behind = booking.backlog_len() > 0;
                let foreseen = booking.seat(&want);
                let seat = booking.admit(attempt, want.clone(), None);
                prop_assert_eq!(&foreseen, &seat);
                prop_assert!(!(behind && seat.is_some()), "nobody overtakes a backlog");
                asked.insert(attempt, want);
                order.push(attempt);
            }
            holds_together(&booking, &asked);
            let waits: Vec<_> = booking.backlog().collect();
            prop_assert!(waits.is_sorted(), "first in, first out");
            if let Some(first) = waits.first() {
                prop_assert_eq!(booking.find_seat(&asked[first]), None, "what can start does");
            }
            prop_assert_eq!(booking.held(), order.len());
        }
        for attempt in order {
            booking.release(attempt, Fate::Other);
            holds_together(&booking, &asked);
        }
        prop_assert_eq!(&booking.sums, &Sums::default());
        prop_assert!(booking.ledger.is_empty() && booking.sessions.is_empty());
        prop_assert_eq!(booking.held(), 0);
    }

    #[test]
    fn what_runs_is_booked_again_from_its_seats_alone(
        capacity in capacities(),
        wants in vec(wants(), 1..40),
    ) {
        let mut booking = Booking::new(capacity.clone());
        let fits = |want: &Want| could_fit(&capacity, &want.resources).is_ok();
        let fitting = wants.into_iter().filter(fits);
        let wants: Vec<_> = fitting.collect();
        for (number, want) in (0..).zip(&wants) {
            booking.admit(AttemptId(number), want.clone(), None);
        }
        let mut again = Booking::new(capacity);
        for attempt in booking.running().collect::<Vec<_>>() {
            let (want, seat) = (wants[attempt.0 as usize].clone(), booking.seat_of(attempt));
            again.restore(attempt, want, seat);
        }
        for attempt in booking.backlog() {
            again.restore(attempt, wants[attempt.0 as usize].clone(), None);
        }
        prop_assert_eq!(again, booking);
    }
}

#[test]
fn what_others_have_of_a_device_is_booked_by_nobody() {
    let mut booking = Booking::new(gpus(1, 80));
    assert!(booking.set_foreign(0, 30).is_empty());
    assert!(!started(&mut booking, 1, &gpu(0, 60)), "30 of 80 are not there");
    booking.release(AttemptId(1), Fate::Other);
    assert!(started(&mut booking, 2, &gpu(0, 40)));
    assert!(!started(&mut booking, 3, &gpu(0, 20)));
    assert!(booking.keeps_devices(AttemptId(2)));
    assert!(booking.set_foreign(0, 50).is_empty());
    assert!(!booking.keeps_devices(AttemptId(2)), "others came where it has booked");
    let promoted = booking.set_foreign(0, 20);
    assert_eq!(promoted, [(AttemptId(3), Seat { devices: vec![0], session: None })]);
    assert_eq!(booking.booked_of(0), (0, 60), "what is booked stays the same");
    assert_eq!(booking.capacity_left().devices[0].vram, 60);
}

#[test]
fn who_wants_a_whole_device_gets_what_others_leave_of_it() {
    let mut booking = Booking::new(gpus(2, 80));
    booking.set_foreign(0, 30);
    let whole = Want::of(gpu(WHOLE, 0));
    assert_eq!(sits(&mut booking, 1, &whole).0, [1], "the one with more comes first");
    assert_eq!(booking.seat(&Want::of(gpu(WHOLE, 60))), None);
    assert!(booking.could_start(&Want::of(gpu(WHOLE, 60))), "on the other, once that is free");
    booking.set_foreign(1, 30);
    assert!(!booking.could_start(&Want::of(gpu(WHOLE, 60))));
    assert_eq!(booking.could_fit(&gpu(WHOLE, 60)), Ok(()), "were the others not there");
    assert_eq!(sits(&mut booking, 2, &Want::of(gpu(WHOLE, 50))).0, [0]);
    booking.set_foreign(0, 80);
    assert!(!booking.keeps_devices(AttemptId(2)));
    booking.release(AttemptId(2), Fate::Other);
    assert_eq!(booking.seat(&Want::of(gpu(WHOLE, 0))), None, "nothing is left there");
}

#[test]
fn a_device_without_room_says_why_in_amounts() {
    let mut booking = Booking::new(gpus(2, 80));
    sits(&mut booking, 1, &session("a", 2, gpu(500, 40)));
    sits(&mut booking, 2, &Want::of(gpu(WHOLE, 0)));
    booking.set_foreign(0, 10);
    booking.set_service(1, false);
    let told = |booking: &Booking, want: Resources| {
        let rooms = booking.rooms(&Want::of(want));
        rooms.iter().map(|room| (room.obstacle, room.to_string())).collect::<Vec<_>>()
    };
    let out = (Some(Obstacle::OutOfService), "it is out of service".to_owned());
    let vram = (Some(Obstacle::Vram), "30 of 80 bytes free, 50 bytes wanted".to_owned());
    assert_eq!(told(&booking, gpu(0, 50)), [vram, out.clone()]);
    let share = (Some(Obstacle::Share), "0.5 of it free, 0.7 wanted".to_owned());
    assert_eq!(told(&booking, gpu(700, 0)), [share, out.clone()]);
    let all = "all of it is wanted, and a part is taken".to_owned();
    assert_eq!(told(&booking, gpu(WHOLE, 0)), [(Some(Obstacle::Taken), all), out]);
    assert_eq!(told(&booking, gpu(0, 30))[0], (None, "it has room".to_owned()));
    assert_eq!(told(&booking, gpu(0, 90)), [], "neither would do");
    let tenants: Vec<Tenant> = booking.tenants(0).collect();
    let session = Some("a".to_owned());
    let attempts = vec![AttemptId(1)];
    assert_eq!(tenants, [Tenant { session, pinned: false, attempts, share: 500, vram: 40 }]);
}

#[test]
fn what_is_short_besides_devices_is_said_in_amounts() {
    let mut booking = Booking::new(Capacity { memory: 8 << 30, ..Capacity::of_cpus(4) });
    started(&mut booking, 1, &Resources { memory: 5 << 30, ..cpus(3_000) });
    let short = |request: Resources| booking.shortage(&Want::of(request)).map(|it| it.to_string());
    assert_eq!(short(cpus(2_000)).as_deref(), Some("1 of 4 cpus free, 2 wanted"));
    let memory = Resources { memory: 4 << 30, ..cpus(1_000) };
    assert_eq!(short(memory).as_deref(), Some("3 of 8 GiB of memory free, 4 GiB wanted"));
    assert_eq!(short(cpus(1_000)), None);
}
