//! What a command asks for: resources, retries, time, environment.

use gristmill_model::Span;
use gristmill_model::attempt::FailureKind;
use gristmill_model::pipeline::{CommandSpec, Handler, PipelineSpec, StageSpec};
use gristmill_model::resources::Resources;
use gristmill_model::retry::RetryPolicy;

use crate::error::Result;

/// The command's stage, as options.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "How it runs")]
pub struct Wishes {
    /// Try again so many times after a failure
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "pipeline")]
    retries: u32,
    /// Pause after the first failure; it doubles with each further one
    #[arg(long, value_name = "SPAN", default_value = "1s", conflicts_with = "pipeline")]
    backoff: Span,
    /// The pause never grows beyond this
    #[arg(long, value_name = "SPAN", default_value = "5m", conflicts_with = "pipeline")]
    max_backoff: Span,
    /// What is tried again: failed, timed_out, invalid, lost; several with commas
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind, default_value = "failed,timed_out", conflicts_with = "pipeline")]
    retry_on: Vec<FailureKind>,
    /// End an attempt that takes longer, for example 10m
    #[arg(long, value_name = "SPAN", conflicts_with = "pipeline")]
    timeout: Option<Span>,
    /// Hand the command to /bin/sh; placeholders are quoted
    #[arg(long, conflicts_with = "pipeline")]
    shell: bool,
    /// A variable for the command; may be given again
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair, conflicts_with = "pipeline")]
    env: Vec<(String, String)>,
    /// CPUs that an attempt books, for example 0.5
    #[arg(long, value_name = "N", default_value = "1", value_parser = cpus, conflicts_with = "pipeline")]
    cpus: u32,
    /// Memory that an attempt books, for example 512M or 2GiB
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = size, conflicts_with = "pipeline")]
    memory: u64,
}

impl Wishes {
    /// The stage that runs this command. The same rules judge it here as on the server, so that a
    /// mistake is told before anything is sent.
    pub fn stage(&self, argv: &[String]) -> Result<StageSpec> {
        let handler = Handler::Command(CommandSpec {
            argv: argv.to_vec(),
            shell: self.shell,
            env: self.env.iter().cloned().collect(),
        });
        let (cpus, memory) = (self.cpus, self.memory);
        let stage = StageSpec {
            resources: Resources { cpus, memory, ..Resources::default() },
            retry: RetryPolicy {
                attempts: self.retries.saturating_add(1),
                backoff: self.backoff,
                max_backoff: self.max_backoff,
                on: self.retry_on.clone(),
                ..RetryPolicy::default()
            },
            timeout: self.timeout,
            ..StageSpec::new("command", handler)
        };
        PipelineSpec { name: "command".into(), stages: vec![stage.clone()] }.check()?;
        Ok(stage)
    }
}

/// Reads `NAME=VALUE`.
pub fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

fn kind(text: &str) -> std::result::Result<FailureKind, String> {
    FailureKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
        format!("expected one of {}", FailureKind::ALL.map(FailureKind::as_str).join(", "))
    })
}

/// Reads CPUs as thousandths, so that half of one is a whole number.
pub fn cpus(text: &str) -> std::result::Result<u32, String> {
    let cpus: f64 = text.parse().map_err(|_| "expected a number like 1 or 0.5".to_owned())?;
    let thousandths = (cpus * 1_000.0).round();
    if (0.0..=1e9).contains(&thousandths) {
        Ok(thousandths as u32)
    } else {
        Err("expected a number from 0 to 1000000".into())
    }
}

/// Reads a size: decimal units as `512M`, binary ones as `512MiB`.
fn size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err("expected a size like 512M or 2GiB".into()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a size like 512M or 2GiB".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "that is too much".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_people_write_them() {
        assert_eq!((cpus("0.5"), cpus("2")), (Ok(500), Ok(2_000)));
        assert!(cpus("-1").is_err() && cpus("NaN").is_err());
        assert_eq!((size("512M"), size("2GiB"), size("7")), (Ok(512_000_000), Ok(2 << 30), Ok(7)));
        assert!(size("lots").is_err() && size("99999999TiB").is_err());
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
    }
}
