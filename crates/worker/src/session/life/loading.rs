//! How a session loads: greetings, what it really got, and why it did not.

use std::collections::BTreeMap;
use std::path::Path;

use gristmill_model::attempt::Failure;
use gristmill_model::host::{FromHost, Open, PROTOCOL, SeenDevice, ToHost};
use gristmill_model::{Span, limits};
use tokio::time::Instant;

use super::super::{Order, call};
use super::{Happening, Life};
use crate::core::{Input, Opening};

impl Life {
    /// Lets the host load; `false` where it was told to end meanwhile.
    pub(super) async fn load(&mut self, opening: &Opening) -> Result<bool, Failure> {
        let deadline = Instant::now() + self.work.start;
        let mut greeted = false;
        self.host.frames.say(&ToHost::Open(self.opening(opening))).await.map_err(|error| {
            self.failed("session_not_started", &format!("it heard nothing: {error}"))
        })?;
        loop {
            match self.next(&[], Some(deadline), true).await {
                Happening::Frame(FromHost::Hello { protocol, versions }) => {
                    self.greet(protocol, &versions)?;
                    greeted = true;
                }
                Happening::Frame(FromHost::Ready { devices, on_device }) if greeted => {
                    self.judge_place(&devices, on_device)?;
                    self.tell(Input::Ready(opening.session)).await;
                    let seen = self.shop.equipment.taken_by(self.host.pid(), &opening.holds).await;
                    self.measured(opening, seen.unwrap_or(0)).await;
                    return Ok(true);
                }
                Happening::Frame(FromHost::Failed { error }) => return Err(call::failure(error)),
                Happening::Frame(_) => {}
                Happening::Printed(_, bytes) => self.host.output.keep(&self.work.name, &bytes),
                Happening::Ordered(Order::Close) => return Ok(false),
                // The core calls only who is ready.
                Happening::Ordered(Order::Call(_)) | Happening::Stopped => {}
                Happening::Broken(why) => {
                    return Err(
                        self.failed("session_lost", &format!("it ended while it loaded: {why}"))
                    );
                }
                Happening::Hung => {
                    let silence = Span::from_std(self.work.silence);
                    return Err(self.failed(
                        "session_hung",
                        &format!("it said nothing for {silence} while it loaded"),
                    ));
                }
                Happening::Late => {
                    let start = Span::from_std(self.work.start);
                    return Err(
                        self.failed("session_slow", &format!("it had not loaded after {start}"))
                    );
                }
            }
        }
    }

    fn opening(&self, opening: &Opening) -> Open {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let devices = opening.holds.iter().map(|hold| self.shop.equipment.for_host(hold));
        Open {
            protocol: PROTOCOL,
            entry: self.work.entry.clone(),
            session: format!("{}-{}", self.work.name, opening.session),
            devices: devices.collect(),
            data: self.data.iter().map(|(name, path)| (name.clone(), text(path))).collect(),
            folder: text(&self.terms.folder),
            inline_bytes: (limits::INLINE_BYTES / 4) as u64,
            alive_every_ms: limits::SESSION_ALIVE.0 / 1_000,
        }
    }

    fn greet(&self, protocol: u32, versions: &BTreeMap<String, String>) -> Result<(), Failure> {
        if protocol != PROTOCOL {
            let message = format!("its host speaks version {protocol}, this worker {PROTOCOL}");
            return Err(self.failed("wrong_protocol", &message));
        }
        let versions: Vec<String> =
            versions.iter().map(|(name, v)| format!("{name} {v}")).collect();
        tracing::info!(session = self.work.name, versions = versions.join(", "), "loading");
        Ok(())
    }

    /// What was asked for must be what it got: work that quietly runs elsewhere is an error.
    fn judge_place(&self, devices: &[SeenDevice], on_device: Option<bool>) -> Result<(), Failure> {
        if on_device == Some(false) && !self.terms.devices.is_empty() {
            let message =
                format!("it was given {} and works on the CPUs", self.terms.devices.join(", "));
            return Err(self.failed("not_on_device", &message));
        }
        let stranger = devices.iter().find(|device| !self.terms.devices.contains(&device.id));
        if let Some(stranger) = stranger.filter(|_| !self.terms.devices.is_empty()) {
            let message =
                format!("it was given {} and sees {}", self.terms.devices.join(", "), stranger.id);
            return Err(self.failed("wrong_device", &message));
        }
        Ok(())
    }
}
