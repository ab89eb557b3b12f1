//! The devices that a worker gives: those that are found here and that nobody else has, and those
//! that are declared.

use gristmill_worker::device::{Claimed, Foreign, Inventory, Locks, Options};

use crate::error::{Error, Result};
use crate::output::say;

/// Which devices a worker gives.
#[derive(Debug, Default, clap::Args)]
pub struct Gear {
    /// Give no GPUs
    #[arg(long)]
    no_gpus: bool,
    /// Leave a GPU out: by UUID, its beginning, PCI address or index; may be given again
    #[arg(long = "exclude-gpu", value_name = "GPU")]
    exclude: Vec<String>,
    /// Declare devices, as tpu:2 or gpu=GPU-1,vram=16GiB,slots=4; may be given again
    #[arg(long = "device", value_name = "DEVICE")]
    devices: Vec<String>,
    /// What to do about a GPU that others use: wait until they have left, share it, or refuse it
    /// until a person puts it back
    #[arg(long = "foreign", value_name = "WHAT", default_value = "wait")]
    foreign: Others,
}

/// What `--foreign` may be.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Others {
    #[default]
    Wait,
    Share,
    Refuse,
}

impl Gear {
    /// Finds and locks them; says in a line each what there is not, and why.
    pub async fn claim(&self, worker: &str) -> Result<Claimed> {
        let declared = crate::cmd::devices::declared(&self.devices)?;
        let exclude = self.exclude.clone();
        let (worker, gpus) = (worker.to_owned(), !self.no_gpus);
        let foreign = match self.foreign {
            Others::Wait => Foreign::Wait,
            Others::Share => Foreign::Share,
            Others::Refuse => Foreign::Refuse,
        };
        let claim = move || {
            let options = Options { exclude, declared, ..Options::of_this_process() };
            if !gpus {
                return Claimed::take(Inventory::without_gpus(options), None, &worker);
            }
            let inventory = Inventory::probe(options);
            let locks = Locks::of_this_machine();
            let complaint = locks.as_ref().err().map(ToString::to_string);
            let mut claimed = Claimed::take(inventory, locks.ok().as_ref(), &worker);
            claimed.notes.extend(complaint);
            claimed.foreign = foreign;
            claimed
        };
        let claimed = tokio::task::spawn_blocking(claim)
            .await
            .map_err(|error| Error::internal(format!("cannot look for devices: {error}")))?;
        claimed.notes.iter().for_each(say);
        Ok(claimed)
    }
}
