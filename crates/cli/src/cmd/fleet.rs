//! The devices of a server's workers: list them, take one out of service, put it back. What
//! `gristmill devices` does where a server is asked and not this machine.

use gristmill_model::WorkerId;
use gristmill_model::api::Device;
use gristmill_model::problem::exit;

use crate::args::Context;
use crate::client::Client;
use crate::error::Result;
use crate::output::{Table, bytes, one_line, say};

/// Lists every device of every worker.
pub async fn list(context: &Context, client: &Client) -> Result<u8> {
    let page = client.devices().await?;
    if context.output.json {
        page.items.iter().try_for_each(|device| context.output.json(device))?;
        return Ok(exit::OK);
    }
    if page.items.is_empty() {
        say("No worker has devices. `gristmill devices` shows those of this machine.");
        return Ok(exit::OK);
    }
    table(&page.items).print(context.output)?;
    if page.has_more {
        say("There are more: `gristmill workers --json` shows them worker by worker.");
    }
    Ok(exit::OK)
}

/// Takes a device out of service: what runs there goes on, nothing else begins.
pub async fn quarantine(
    context: &Context,
    client: &Client,
    (worker, device): (WorkerId, &str),
    reason: &str,
) -> Result<u8> {
    let device = client.quarantine(worker, device, reason).await?;
    let back = format!("gristmill devices return {worker} {}", device.id);
    told(context, &device, &format!("is out of service; `{back}` puts it back"))
}

/// Puts a device back into service.
pub async fn give_back(
    context: &Context,
    client: &Client,
    (worker, device): (WorkerId, &str),
) -> Result<u8> {
    let device = client.give_back(worker, device).await?;
    told(context, &device, "is in service")
}

fn told(context: &Context, device: &Device, how: &str) -> Result<u8> {
    if context.output.json {
        context.output.json(device)?;
    } else {
        say(format!("{} of {} {how}.", device.id, device.worker));
    }
    Ok(exit::OK)
}

fn table(devices: &[Device]) -> Table {
    let headings = [
        "worker", "device", "kind", "name", "memory", "booked", "used", "busy", "temp", "session",
        "running", "state",
    ];
    let mut table = Table::new(headings);
    let unknown = || "-".to_owned();
    for device in devices {
        let sample = device.sample.clone().unwrap_or_default();
        let running: Vec<String> = device.attempts.iter().map(ToString::to_string).collect();
        table.row([
            device.worker.to_string(),
            device.id.clone(),
            device.kind.clone(),
            if device.name.is_empty() { unknown() } else { device.name.clone() },
            bytes(device.vram),
            booked(device),
            sample.used.map_or_else(unknown, bytes),
            sample.utilisation.map_or_else(unknown, |percent| format!("{percent}%")),
            sample.temperature.map_or_else(unknown, |degrees| format!("{degrees}C")),
            device.session.clone().unwrap_or_else(unknown),
            if running.is_empty() { unknown() } else { running.join(",") },
            state(device),
        ]);
    }
    table
}

/// What of a device is booked: all or a part of it, or memory alone.
fn booked(device: &Device) -> String {
    match (device.booked_share, device.booked_vram) {
        (0, 0) => "-".to_owned(),
        (0, vram) => bytes(vram),
        (share, _) => format!("{}%", share / 10),
    }
}

fn state(device: &Device) -> String {
    match &device.quarantined {
        None => "in service".to_owned(),
        Some(why) => format!("out, by {}: {}", why.by, one_line(&why.reason, 60)),
    }
}

#[cfg(test)]
mod tests {
    use gristmill_model::access::Actor;
    use gristmill_model::api::Quarantine;

    use super::*;

    #[test]
    fn a_row_says_what_is_booked_and_why_a_device_is_out() {
        let device = Device {
            worker: WorkerId(2),
            worker_name: "mill".into(),
            id: "GPU-0".into(),
            kind: "gpu".into(),
            name: String::new(),
            vram: 16 << 30,
            slots: 0,
            booked_share: 500,
            booked_vram: 8 << 30,
            quarantined: Some(Quarantine {
                reason: "it is hot".into(),
                by: Actor::worker(WorkerId(1)),
            }),
            session: None,
            attempts: Vec::new(),
            sample: None,
        };
        let text = table(std::slice::from_ref(&device)).text();
        assert!(text.contains("50%") && text.contains("out, by worker:1: it is hot"), "{text}");
        let idle = Device { booked_share: 0, booked_vram: 0, quarantined: None, ..device };
        assert_eq!((booked(&idle), state(&idle)), ("-".into(), "in service".into()));
    }
}
