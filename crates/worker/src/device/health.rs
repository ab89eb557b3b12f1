//! Hears from the driver what befalls the GPUs: Xids and double-bit ECC errors, and that one is
//! lost.
//!
//! The driver names the GPU as a whole, also where only a MIG instance of it is concerned; what
//! takes a GPU out needs a reset of all of it.

use std::collections::BTreeSet;
use std::io;
use std::thread;
use std::time::Duration;

use nvml_wrapper::EventSet;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use serde::Serialize;
use tokio::sync::mpsc;

use super::inventory::Inventory;
use super::nvml::{Fault, Nvml};
use super::sample;
use super::xid::{self, Meaning};

/// How long one wait for an event lasts; whoever stops listening is noticed after it.
const WAIT: Duration = Duration::from_secs(1);

/// Something that befell a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The UUID of the GPU; its MIG instances are concerned too. None where the driver does not say
    /// which, and then all are.
    pub gpu: Option<String>,
    /// The error number, if there is one.
    pub xid: Option<u64>,
    /// Why the GPU is out of service from now on; none where only a program has failed.
    pub out_of_service: Option<String>,
}

/// Listens to the GPUs of an inventory.
#[derive(Debug)]
pub struct Ear<'nvml> {
    events: EventSet<'nvml>,
    /// A line for each GPU that tells nothing, and why.
    pub notes: Vec<String>,
}

impl<'nvml> Ear<'nvml> {
    /// Registers for what the driver tells of `gpus`, which are whole GPUs by their UUIDs. None
    /// where it tells nothing of any, and then only a look shows that a GPU is lost.
    #[must_use]
    pub fn open(nvml: &'nvml Nvml, gpus: &BTreeSet<String>) -> Option<Ear<'nvml>> {
        let lib = nvml.wrapped().lib();
        // The wrapper calls this one when a set is dropped, and would panic for want of it.
        lib.nvmlEventSetFree.as_ref().ok()?;
        let (mut left, mut notes) = (gpus.clone(), Vec::new());
        // When a GPU does not join, the set is gone: they begin again without it.
        while !left.is_empty() {
            match together(nvml, &left) {
                Ok(events) => return Some(Ear { events, notes }),
                Err((uuid, why)) => {
                    notes.push(format!("The driver tells no errors of {uuid}: {why}"));
                    left.remove(&uuid);
                }
            }
        }
        None
    }

    /// Waits for the next trouble, at most for `wait`.
    ///
    /// # Errors
    /// The driver tells nothing more this way: a GPU is lost, or something else is wrong.
    pub fn hear(&self, wait: Duration) -> Result<Option<Trouble>, Fault> {
        let millis = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let event = match self.events.wait(millis) {
            Ok(event) => event,
            Err(NvmlError::Timeout) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let gpu = event.device.uuid().ok();
        let is = |kind| event.event_type.contains(kind);
        Ok(if is(EventTypes::CRITICAL_XID_ERROR) {
            let xid = match event.event_data {
                Some(XidError::Value(xid)) => xid,
                _ => 999,
            };
            Some(Trouble { gpu, xid: Some(xid), out_of_service: consequence(xid) })
        } else if is(EventTypes::DOUBLE_BIT_ECC_ERROR) {
            let out_of_service = Some("double-bit ECC error: it needs a reset".into());
            Some(Trouble { gpu, xid: None, out_of_service })
        } else {
            None
        })
    }
}

fn consequence(xid: u64) -> Option<String> {
    match xid::meaning(xid) {
        Meaning::Application => None,
        Meaning::Broken(what) => Some(format!("Xid {xid}, {what}")),
    }
}

/// One set for all, or the first that does not join and why.
fn together<'nvml>(
    nvml: &'nvml Nvml,
    gpus: &BTreeSet<String>,
) -> Result<EventSet<'nvml>, (String, String)> {
    let none = |error: NvmlError| (gpus.first().cloned().unwrap_or_default(), error.to_string());
    let events = nvml.wrapped().create_event_set().map_err(none)?;
    gpus.iter().try_fold(events, |events, uuid| {
        join(nvml, uuid, events).map_err(|why| (uuid.clone(), why))
    })
}

/// Takes the set and gives it back, unless the GPU did not join: then the wrapper has freed it.
fn join<'nvml>(
    nvml: &'nvml Nvml,
    uuid: &str,
    events: EventSet<'nvml>,
) -> Result<EventSet<'nvml>, String> {
    let device = nvml.device(uuid).map_err(|fault| fault.to_string())?;
    let told = EventTypes::CRITICAL_XID_ERROR | EventTypes::DOUBLE_BIT_ECC_ERROR;
    let told = told & device.supported_event_types().map_err(|error| error.to_string())?;
    if told.is_empty() {
        return Err("it does not support that".into());
    }
    device.register_events(told, events).map_err(|error| error.error.to_string())
}

/// Starts a thread that sends what befalls the GPUs of the inventory until nobody listens any more,
/// or the driver tells nothing. Not every machine has something to listen to: then the channel is
/// closed at once, and only a look shows that a GPU is lost.
///
/// # Errors
/// No thread can be started.
pub fn listen(inventory: &Inventory, out: mpsc::Sender<Trouble>) -> io::Result<()> {
    let Some(nvml) = inventory.nvml().cloned() else { return Ok(()) };
    let gpus = inventory.gpus.iter().map(|gpu| gpu.whole().to_owned()).collect();
    thread::Builder::new().name("gpu-health".into()).spawn(move || follow(&nvml, gpus, &out))?;
    Ok(())
}

/// A GPU that is lost silences all that are in one set with it: the others go on without it.
fn follow(nvml: &Nvml, mut gpus: BTreeSet<String>, out: &mpsc::Sender<Trouble>) {
    while let Some(ear) = Ear::open(nvml, &gpus) {
        for note in &ear.notes {
            tracing::warn!("{note}");
        }
        let fault = match report(&ear, out) {
            None => return,
            Some(fault) => fault,
        };
        let is_lost = |uuid: &String| matches!(sample::look(nvml, uuid), Err(Fault::Lost(_)));
        let lost: Vec<String> = gpus.iter().filter(|uuid| is_lost(uuid)).cloned().collect();
        if lost.is_empty() {
            tracing::warn!(%fault, "the driver tells nothing of the GPUs' errors any more");
            return;
        }
        for uuid in lost {
            gpus.remove(&uuid);
            let (xid, out_of_service) = (None, Some(fault.to_string()));
            if out.blocking_send(Trouble { gpu: Some(uuid), xid, out_of_service }).is_err() {
                return;
            }
        }
    }
}

/// Sends on what is heard until there is a fault; none where nobody listens any more.
fn report(ear: &Ear<'_>, out: &mpsc::Sender<Trouble>) -> Option<Fault> {
    while !out.is_closed() {
        match ear.hear(WAIT) {
            Ok(None) => {}
            Ok(Some(trouble)) => out.blocking_send(trouble).ok()?,
            Err(fault) => return Some(fault),
        }
    }
    None
}
