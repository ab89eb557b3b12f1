//! Booking: what fits, what waits, and what is given back.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::resources::Device;

fn cpus(milli: u32) -> Resources {
    Resources { cpus: milli, ..Resources::default() }
}

#[test]
fn a_backlog_starts_in_order_as_room_comes_free() {
    let mut booking = Booking::new(Capacity::of_cpus(2));
    assert!(booking.admit(AttemptId(1), &cpus(1_000)));
    assert!(booking.admit(AttemptId(2), &cpus(1_000)));
    assert!(!booking.admit(AttemptId(3), &cpus(2_000)));
    assert!(!booking.admit(AttemptId(4), &cpus(500)), "nobody overtakes a backlog");
    assert_eq!(booking.release(AttemptId(1)), vec![]);
    assert_eq!(booking.release(AttemptId(2)), vec![AttemptId(3)]);
    assert_eq!(booking.release(AttemptId(3)), vec![AttemptId(4)]);
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
    assert!(booking.admit(AttemptId(1), &needs(1_500)));
    assert!(!booking.admit(AttemptId(2), &needs(501)));
    assert!(!booking.admit(AttemptId(3), &cpus(1)), "nobody overtakes a backlog");
    assert_eq!(booking.release(AttemptId(1)), [AttemptId(2), AttemptId(3)]);
    let error = booking.could_fit(&needs(2_500)).unwrap_err().to_string();
    assert_eq!(error, "needs 2.5 of licence, has 2");
    let error = could_fit(&Capacity::of_cpus(8), &needs(1)).unwrap_err().to_string();
    assert_eq!(error, "needs 0.001 of licence, has 0");
}

#[test]
fn wishes_for_one_kind_add_up() {
    let gpu = |vram| Device { id: format!("GPU-{vram}"), kind: "gpu".into(), vram };
    let wish = |count, vram| DeviceRequest { kind: "gpu".into(), count, vram };
    let capacity = Capacity { devices: vec![gpu(8), gpu(24)], ..Capacity::of_cpus(8) };
    let needs = |devices| Resources { devices, ..cpus(0) };
    assert_eq!(could_fit(&capacity, &needs(vec![wish(1, 24), wish(1, 8)])), Ok(()));
    let both_large = could_fit(&capacity, &needs(vec![wish(1, 24), wish(1, 16)]));
    assert_eq!(both_large, Err(Misfit::Devices("gpu".into(), 2, 1)));
    let huge = could_fit(&capacity, &needs(vec![wish(u32::MAX, 0), wish(u32::MAX, 0)]));
    assert_eq!(huge, Err(Misfit::Devices("gpu".into(), u32::MAX, 2)));
}

fn requests() -> impl Strategy<Value = Resources> {
    let kind = prop::sample::select(vec!["gpu", "tpu"]).prop_map(String::from);
    let wish = (kind, 0..3_u32, 0..3_u64);
    let wish = wish.prop_map(|(kind, count, vram)| DeviceRequest { kind, count, vram });
    let name = prop::sample::select(vec!["licence", "share"]).prop_map(String::from);
    let memory = prop_oneof![9 => 0..6_u64, 1 => Just(u64::MAX)];
    (0..3_000_u32, memory, vec(wish, 0..3), btree_map(name, 0..2_500_u32, 0..3))
        .prop_map(|(cpus, memory, devices, named)| Resources { cpus, memory, devices, named })
}

fn capacities() -> impl Strategy<Value = Capacity> {
    let device = prop::sample::select(vec!["gpu", "tpu"]);
    let device = (device, 0..3_u64).prop_map(|(kind, vram)| Device {
        id: format!("{kind}-{vram}"),
        kind: kind.into(),
        vram,
    });
    (1..6_u32, 0..12_u64, vec(device, 0..6), 0..5_000_u32).prop_map(
        |(whole, memory, devices, licences)| {
            let named = BTreeMap::from([("licence".into(), licences)]);
            Capacity { memory, devices, named, ..Capacity::of_cpus(whole) }
        },
    )
}

/// Asserts that the running attempts fit together, summed up anew from their requests: each
/// device that is wished for can be given, no amount exceeds what is there.
fn holds_together(booking: &Booking, asked: &BTreeMap<AttemptId, Resources>) {
    let capacity = booking.capacity();
    let running: Vec<&Resources> = booking.running().map(|attempt| &asked[&attempt]).collect();
    let cpus: u64 = running.iter().map(|request| u64::from(request.cpus)).sum();
    assert!(cpus <= u64::from(capacity.cpus));
    assert_eq!(booking.free_cpus(), u64::from(capacity.cpus) - cpus);
    if capacity.memory != 0 {
        let memory: u64 = running.iter().map(|request| request.memory).sum();
        assert!(memory <= capacity.memory);
    }
    let mut free = capacity.devices.clone();
    let mut wishes: Vec<_> = running.iter().flat_map(|request| &request.devices).collect();
    wishes.sort_by_key(|wish| std::cmp::Reverse(wish.vram));
    for wish in wishes {
        for _ in 0..wish.count {
            let fits = |device: &Device| device.kind == wish.kind && device.vram >= wish.vram;
            let at = free.iter().position(fits).expect("a device for each wish");
            free.remove(at);
        }
    }
    for name in ["licence", "share"] {
        let of = |request: &&Resources| request.named.get(name).map_or(0, |n| u64::from(*n));
        assert!(running.iter().map(of).sum::<u64>() <= u64::from(there(capacity, name)));
    }
}

proptest! {
    #[test]
    fn booked_never_exceeds_capacity_and_ends_at_nothing(
        capacity in capacities(),
        steps in vec((requests(), any::<prop::sample::Index>(), any::<bool>()), 1..60),
    ) {
        let mut booking = Booking::new(capacity);
        let (mut asked, mut order) = (BTreeMap::new(), Vec::new());
        for (number, (request, which, leaves)) in (0..).zip(steps) {
            if leaves && !order.is_empty() {
                let attempt = order.remove(which.index(order.len()));
                booking.release(attempt);
            } else if booking.could_fit(&request).is_ok() {
                let attempt = AttemptId(number);
                let behind = booking.backlog_len() > 0;
                let starts = booking.admit(attempt, &request);
                prop_assert!(!(behind && starts), "nobody overtakes a backlog");
                asked.insert(attempt, request);
                order.push(attempt);
            }
            holds_together(&booking, &asked);
            let waits: Vec<_> = booking.backlog().collect();
            prop_assert!(waits.is_sorted(), "first in, first out");
            if let Some(first) = waits.first() {
                prop_assert!(!booking.has_room(&asked[first]), "what can start does");
            }
            prop_assert_eq!(booking.held(), order.len());
        }
        for attempt in order {
            booking.release(attempt);
            holds_together(&booking, &asked);
        }
        prop_assert_eq!(&booking.booked, &Booked::default());
        prop_assert_eq!(booking.held(), 0);
    }
}
