//! One call: inputs are brought to this machine and handed to the host together, and each result is
//! published and reported by itself, so that every attempt keeps its own end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use futures::future::join_all;
use gristmill_model::attempt::{Failure, FailureKind, Outcome, Success, Usage};
use gristmill_model::host::{HostError, HostErrorKind, HostResult, Item};
use gristmill_model::limits;
use gristmill_model::payload::{Artifact, Payload};
use gristmill_model::wire::{Assignment, Ended};
use gristmill_model::{AttemptId, Span};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::values::{self, Reference};
use crate::attempt::{Bench, Given};
use crate::core::Input;
use crate::workshop::Workshop;

/// An attempt in a call, with its input at hand.
pub(super) struct Sitter {
    bench: Bench,
    began: Instant,
    /// Bytes of output that its log still takes.
    pub(super) log_room: u64,
}

/// What a call takes, and what its devices are.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) devices: Vec<String>,
    pub(super) folder: PathBuf,
}

/// Brings the inputs of a call. An attempt whose input cannot be had ends here.
pub(super) async fn bring(
    shop: &Arc<Workshop>,
    assignments: Vec<(Assignment, CancellationToken)>,
    terms: &Terms,
) -> Vec<(Sitter, Item)> {
    let brought = assignments.into_iter().map(|(assignment, stop)| async {
        let (job, number) = (assignment.job.to_string(), assignment.number);
        let bench = Bench::new(Arc::clone(shop), assignment, stop);
        let sitter = Sitter { bench, began: Instant::now(), log_room: limits::LOG_BYTES };
        match sitter.input().await {
            Ok(input) => Some((sitter, Item { job, number, input })),
            Err(failure) => {
                sitter.end(Outcome::Failed(failure), Usage::default(), terms).await;
                None
            }
        }
    });
    join_all(brought).await.into_iter().flatten().collect()
}

impl Sitter {
    pub(super) fn attempt(&self) -> AttemptId {
        self.bench.assignment.attempt
    }

    pub(super) fn stop(&self) -> &CancellationToken {
        &self.bench.stop
    }

    async fn input(&self) -> Result<Value, Failure> {
        let text = match &self.bench.assignment.input {
            Payload::Json(text) => text,
            Payload::Text(text) => return Ok(Value::String(text.clone())),
            Payload::File(_) | Payload::Line(_) => {
                return Ok(match self.bench.prepare().await? {
                    Given::Text(text) => Value::String(text),
                    Given::File { path, name } => values::file(&path, &name),
                });
            }
        };
        let mut value = serde_json::from_str(text)
            .map_err(|error| bad(format!("the input is no JSON value: {error}")))?;
        let mut files = Vec::new();
        for (place, reference) in values::references(&value)?.into_iter().enumerate() {
            files.push(Some(self.fetch(place, reference).await?));
        }
        values::replace(&mut value, &mut files.into_iter());
        Ok(value)
    }

    async fn fetch(&self, place: usize, reference: Reference) -> Result<Value, Failure> {
        match reference {
            Reference::Blob { digest, name } => {
                let name = crate::folder::plain_name(&name);
                // Two inputs may have one name.
                let folder = self.bench.folder.sub_folder(&format!("input-{place}"))?;
                let path = folder.join(&name);
                self.bench.fetch(&digest, &path).await?;
                Ok(values::file(&path, &name))
            }
            Reference::Path(path) => {
                let path = self.bench.shop.roots.readable(&path)?;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(values::file(&path, &name))
            }
            // It would name any file of this machine.
            Reference::File { .. } => {
                Err(bad("$file in an input: expected $blob, or $path on a shared disk".into()))
            }
        }
    }

    /// Publishes what the host said of this attempt, and reports it.
    pub(super) async fn finish(self, result: HostResult, usage: Usage, terms: &Terms) {
        let outcome = match result {
            HostResult::Ok(value) => self.publish(value, terms).await.map(Outcome::Succeeded),
            HostResult::Error(error) => Err(failure(error)),
        };
        self.end(outcome.unwrap_or_else(Outcome::Failed), usage, terms).await;
    }

    /// Reports how the attempt ended.
    pub(super) async fn end(self, outcome: Outcome, usage: Usage, terms: &Terms) {
        let Sitter { mut bench, began, .. } = self;
        let (attempt, inputs) = (bench.assignment.attempt, bench.shop.inputs.clone());
        bench.clear().await;
        let usage = Usage { wall: Span::from_std(began.elapsed()), ..usage };
        let devices = terms.devices.clone();
        // Without a listener the worker is leaving, and what it held is given back.
        let _ = inputs.send(Input::Ended(Ended { attempt, outcome, usage, devices })).await;
    }

    async fn publish(&self, mut value: Value, terms: &Terms) -> Result<Success, Failure> {
        let references = values::references(&value)?;
        let is_file = |reference: &Reference| matches!(reference, Reference::File { .. });
        if let [Reference::File { path, name, .. }] = &references[..]
            && value.as_object().is_some_and(|fields| fields.contains_key("$file"))
        {
            let path = within(&terms.folder, path)?;
            return Ok(success(Payload::File(self.bench.publish_file(&path, name.clone()).await?)));
        }
        let mut published = Vec::with_capacity(references.len());
        for reference in references.iter() {
            published.push(match reference {
                Reference::File { path, name, media } => {
                    let path = within(&terms.folder, path)?;
                    let artifact = self.bench.upload(&path, name.clone()).await?;
                    Some(values::published(&artifact, media.as_deref()))
                }
                Reference::Blob { .. } | Reference::Path(_) => None,
            });
        }
        debug_assert!(published.iter().zip(&references).all(|(p, r)| p.is_some() == is_file(r)));
        values::replace(&mut value, &mut published.into_iter());
        Ok(success(self.payload(value).await?))
    }

    /// A text as a text, everything else as JSON: inline, or as a file where it is too long for
    /// that.
    async fn payload(&self, value: Value) -> Result<Payload, Failure> {
        let text = match value {
            Value::String(text) if text.len() <= limits::INLINE_BYTES => {
                return Ok(Payload::Text(text));
            }
            value => value.to_string(),
        };
        if text.len() <= limits::INLINE_BYTES {
            return Ok(Payload::Json(text));
        }
        let path = self.bench.folder.path()?.join("result.json");
        tokio::fs::write(&path, &text)
            .await
            .map_err(|error| crate::disk::cannot_write(&path, &error))?;
        let artifact: Artifact = self.bench.upload(&path, "result.json".into()).await?;
        Ok(Payload::File(artifact))
    }
}

/// A part of a result, as compact JSON, where it is small enough to pass on.
pub(super) fn part(value: &Value) -> Option<String> {
    let text = value.to_string();
    Some(text).filter(|text| text.len() <= limits::INLINE_BYTES)
}

/// What a host makes lies in the folder that it was given.
fn within(folder: &Path, path: &str) -> Result<PathBuf, Failure> {
    let real = std::fs::canonicalize(path);
    let folder = std::fs::canonicalize(folder);
    match (real, folder) {
        (Ok(real), Ok(folder)) if real.starts_with(&folder) && real.is_file() => Ok(real),
        _ => Err(Failure::new(
            FailureKind::Failed,
            "no_output",
            format!("the handler gave {path} as a result: there is no such file in its folder"),
        )),
    }
}

fn success(output: Payload) -> Success {
    Success { output, artifacts: Vec::new(), warnings: Vec::new() }
}

/// A host's error as the failure of an attempt.
pub(super) fn failure(error: HostError) -> Failure {
    let HostError { kind, code, message, traceback, .. } = error;
    let kind = match kind {
        HostErrorKind::Failed => FailureKind::Failed,
        HostErrorKind::Invalid => FailureKind::Invalid,
        HostErrorKind::OutOfMemory => FailureKind::OutOfMemory,
        HostErrorKind::Device => FailureKind::Device,
        HostErrorKind::Cancelled => FailureKind::Cancelled,
    };
    let traceback = Some(traceback).filter(|text| !text.is_empty());
    Failure { traceback, ..Failure::new(kind, &code, message) }
}

fn bad(message: String) -> Failure {
    Failure::new(FailureKind::Invalid, "bad_value", message)
}
