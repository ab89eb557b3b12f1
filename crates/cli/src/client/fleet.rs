//! Devices and sessions of a server's workers.

use gristmill_model::WorkerId;
use gristmill_model::api::{Device, Page, QuarantineRequest, Session};

use super::Client;
use super::steer::named;
use crate::error::Result;

impl Client {
    /// The devices of all workers that are here, and whether there are more.
    pub async fn devices(&self) -> Result<Page<Device>> {
        self.get("v1/devices").await
    }

    /// The sessions of all workers that are here, and whether there are more.
    pub async fn sessions(&self) -> Result<Page<Session>> {
        self.get("v1/sessions").await
    }

    pub async fn quarantine(&self, id: WorkerId, device: &str, reason: &str) -> Result<Device> {
        let path = named(&format!("v1/workers/{id}/devices"), device);
        let reason = reason.to_owned();
        self.post(&format!("{path}/quarantine"), &QuarantineRequest { reason }).await
    }

    pub async fn give_back(&self, id: WorkerId, device: &str) -> Result<Device> {
        let path = named(&format!("v1/workers/{id}/devices"), device);
        self.post(&format!("{path}/return"), &serde_json::json!({})).await
    }
}
