//! Whether a request could ever run on a capacity, and why not, in words.

use std::fmt;

use super::ledger::{Asked, Ledger, would_do};
use super::sums::there;
use crate::resources::{Capacity, DeviceRequest, Resources, WHOLE, named};

/// Why a request can never run on this capacity, however empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// More CPUs than there are (needed, there; thousandths).
    Cpus(u32, u32),
    /// More memory than there is (needed, there; bytes).
    Memory(u64, u64),
    /// Fewer such devices than needed (kind, needed, there).
    Devices(String, u32, u32),
    /// No device of the kind has that much memory (kind, needed, the most there is; bytes).
    Vram(String, u64, u64),
    /// Less of a named resource than needed (name, needed, there; thousandths).
    Named(String, u32, u32),
}

/// Whether `capacity`, with nothing booked, meets `request`.
///
/// # Errors
/// The first quantity that falls short.
pub fn could_fit(capacity: &Capacity, request: &Resources) -> Result<(), Misfit> {
    if request.cpus > capacity.cpus {
        return Err(Misfit::Cpus(request.cpus, capacity.cpus));
    }
    if capacity.memory != 0 && request.memory > capacity.memory {
        return Err(Misfit::Memory(request.memory, capacity.memory));
    }
    devices_fit(capacity, request)?;
    for (name, needed) in &request.named {
        let there = there(capacity, name);
        if *needed > there {
            return Err(Misfit::Named(name.clone(), *needed, there));
        }
    }
    Ok(())
}

fn devices_fit(capacity: &Capacity, request: &Resources) -> Result<(), Misfit> {
    if request.devices.is_empty() {
        return Ok(());
    }
    for wish in &request.devices {
        let there = count_devices(capacity, wish);
        let needed = wished(request, wish);
        if needed > u64::from(there) {
            let kind = || wish.kind.clone();
            let of_kind = || capacity.devices.iter().filter(|device| device.kind == wish.kind);
            return Err(match of_kind().map(|device| device.vram).max() {
                Some(most) if most < wish.vram => Misfit::Vram(kind(), wish.vram, most),
                _ => Misfit::Devices(kind(), u32::try_from(needed).unwrap_or(u32::MAX), there),
            });
        }
    }
    match Ledger::new(capacity).find(capacity, Asked { request, session: None }) {
        Some(_) => Ok(()),
        None => {
            let wish = &request.devices[0];
            let needed = request.devices.iter().map(|wish| wish.count).fold(0, u32::saturating_add);
            Err(Misfit::Devices(wish.kind.clone(), needed, count_devices(capacity, wish)))
        }
    }
}

/// How many such requests `capacity` meets at a time, with nothing else booked.
#[must_use]
pub fn slots(capacity: &Capacity, request: &Resources) -> u64 {
    let of = |there: u64, needed: u64| there.checked_div(needed).unwrap_or(u64::MAX);
    let memory = if capacity.memory == 0 { u64::MAX } else { capacity.memory };
    let devices = request.devices.iter().map(|wish| {
        let parts = adequate(capacity, wish).map(|device| {
            let shares = of(WHOLE.into(), wish.share.into());
            let whole = wish.share == WHOLE || wish.vram == 0;
            let vram = if whole { u64::MAX } else { of(device.vram, wish.vram) };
            let slots = if device.slots == 0 { u64::MAX } else { device.slots.into() };
            shares.min(vram).min(slots)
        });
        of(parts.fold(0, u64::saturating_add), wished(request, wish))
    });
    let named = request.named.iter().map(|(name, needed)| {
        let there = there(capacity, name);
        of(there.into(), (*needed).into())
    });
    let cpus = of(capacity.cpus.into(), request.cpus.into());
    devices.chain(named).fold(cpus.min(of(memory, request.memory)), u64::min)
}

/// Whole devices that a request wants of a wish's kind and at least as large, over all its wishes:
/// what serves a larger wish cannot serve this one too. Parts count once, for they may share.
fn wished(request: &Resources, wish: &DeviceRequest) -> u64 {
    if wish.share < WHOLE {
        return wish.count.into();
    }
    let same = |other: &&DeviceRequest| {
        other.kind == wish.kind && other.vram >= wish.vram && other.share == WHOLE
    };
    request.devices.iter().filter(same).map(|other| u64::from(other.count)).sum()
}

fn count_devices(capacity: &Capacity, wish: &DeviceRequest) -> u32 {
    u32::try_from(adequate(capacity, wish).count()).unwrap_or(u32::MAX)
}

fn adequate<'a>(
    capacity: &'a Capacity,
    wish: &'a DeviceRequest,
) -> impl Iterator<Item = &'a crate::resources::Device> {
    capacity.devices.iter().filter(|device| would_do(device, wish))
}

impl Misfit {
    /// How much there is of what is needed, in thousandths.
    #[must_use]
    pub fn share(&self) -> u64 {
        let (needed, there) = match self {
            Misfit::Cpus(needed, there)
            | Misfit::Devices(_, needed, there)
            | Misfit::Named(_, needed, there) => (u64::from(*needed), u64::from(*there)),
            Misfit::Memory(needed, there) | Misfit::Vram(_, needed, there) => (*needed, *there),
        };
        there.saturating_mul(1_000).checked_div(needed).unwrap_or(0)
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::Cpus(needed, there) => {
                write!(f, "needs {} cpus, has {}", milli(*needed), milli(*there))
            }
            Misfit::Memory(needed, there) => amounts(f, "memory", *needed, *there),
            Misfit::Vram(kind, needed, there) => {
                amounts(f, &format!("memory on device {kind}"), *needed, *there)
            }
            Misfit::Devices(kind, needed, there) => {
                write!(f, "needs {needed} device(s) of kind {kind}, has {there} that fit")
            }
            Misfit::Named(name, needed, there) => {
                let (needed, there) = (named::amount(*needed), named::amount(*there));
                write!(f, "needs {needed} of {name}, has {there}")
            }
        }
    }
}

fn amounts(f: &mut fmt::Formatter<'_>, of: &str, needed: u64, there: u64) -> fmt::Result {
    let (wanted, given) = (size(needed), size(there));
    if wanted == given {
        return write!(f, "needs {needed} bytes of {of}, has {there}");
    }
    write!(f, "needs {wanted} of {of}, has {given}")
}

fn milli(thousandths: u32) -> f64 {
    f64::from(thousandths) / 1_000.0
}

/// How much there is of some memory, in one unit where one does for both: `30 of 48 GiB`.
#[must_use]
pub fn part_of(part: u64, whole: u64) -> String {
    let (part, whole) = (size(part), size(whole));
    let unit = |text: &str| text.rsplit_once(' ').map(|(_, unit)| unit.to_owned());
    match part.rsplit_once(' ') {
        Some((amount, own)) if unit(&whole).as_deref() == Some(own) => {
            format!("{amount} of {whole}")
        }
        _ => format!("{part} of {whole}"),
    }
}

/// Memory as it is asked for, in binary units with one decimal at the most.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    // Judged as it is shown: what rounds up to the next unit is shown in that.
    let reaches = |(worth, _): &(u64, &str)| bytes >= worth - worth / 20;
    let Some((worth, unit)) = units.into_iter().find(reaches) else {
        return format!("{bytes} bytes");
    };
    let tenths = (u128::from(bytes) * 10 + u128::from(worth / 2)) / u128::from(worth);
    match tenths % 10 {
        0 => format!("{} {unit}", tenths / 10),
        rest => format!("{}.{rest} {unit}", tenths / 10),
    }
}

impl Resources {
    /// What it asks for in words, one by one, where that is more than one CPU.
    pub fn beyond_one_cpu(&self) -> impl Iterator<Item = String> {
        let cpus = (self.cpus > 1_000).then(|| format!("{} cpus", milli(self.cpus)));
        let memory = (self.memory > 0).then(|| format!("{} of memory", size(self.memory)));
        let devices = self.devices.iter().map(DeviceRequest::words);
        let named = self.named.iter();
        let named = named.map(|(name, needed)| format!("{} of {name}", named::amount(*needed)));
        cpus.into_iter().chain(memory).chain(devices).chain(named)
    }
}

impl DeviceRequest {
    fn words(&self) -> String {
        let DeviceRequest { kind, count, vram, share } = self;
        let amount = match *share {
            WHOLE => format!("{count} of device {kind}"),
            0 => return format!("{} on device {kind}", size(*vram)),
            share => format!("{} of device {kind}", named::amount(count.saturating_mul(share))),
        };
        if *vram == 0 { amount } else { format!("{amount} with {}", size(*vram)) }
    }
}
