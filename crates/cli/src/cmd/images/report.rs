//! What became of each picture, one row each: JSON or CSV by the file's ending.

use std::path::Path;

use serde::Serialize;

use super::tally::Summary;
use crate::aside;
use crate::error::{Error, Result};

/// One picture.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Path below SRC.
    pub source: String,
    /// Path below DST.
    pub output: String,
    pub state: RowState,
    /// Stable code of the failure.
    pub code: Option<String>,
    /// The failure in words.
    pub message: Option<String>,
    pub bytes_in: u64,
    pub bytes_out: Option<u64>,
    /// Time that the worker took.
    pub ms: Option<f64>,
    pub warnings: Vec<String>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// Made in this run.
    Done,
    Failed,
    /// Made by an earlier run.
    Skipped,
    /// Not reached, for the run was interrupted.
    Pending,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Csv,
}

fn kind(path: &Path) -> Result<Kind> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => Ok(Kind::Json),
        Some("csv") => Ok(Kind::Csv),
        _ => Err(Error::usage(format!("cannot tell what report {} is to be", path.display()))
            .hint("end its name in .json or .csv")),
    }
}

/// Judges where a report is to go before any work is done.
pub fn check(path: &Path) -> Result<()> {
    kind(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(Error::input(format!("the report's folder {} does not exist", folder.display()))
                .hint("make it first"))
        }
        _ => Ok(()),
    }
}

/// Writes the report, whole or not at all.
pub fn write(path: &Path, summary: &Summary, rows: &[Row]) -> Result<()> {
    let kind = kind(path)?;
    aside::write(path, |out| match kind {
        Kind::Json => {
            let report = serde_json::json!({ "summary": summary, "images": rows });
            serde_json::to_writer_pretty(&mut *out, &report)?;
            out.write_all(b"\n")
        }
        Kind::Csv => csv(out, rows),
    })
}

fn csv(out: &mut dyn std::io::Write, rows: &[Row]) -> std::io::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record([
        "source",
        "output",
        "state",
        "code",
        "message",
        "bytes_in",
        "bytes_out",
        "ms",
        "warnings",
    ])?;
    for row in rows {
        let state = serde_json::to_value(row.state)?;
        table.write_record([
            row.source.as_str(),
            row.output.as_str(),
            state.as_str().unwrap_or_default(),
            row.code.as_deref().unwrap_or_default(),
            row.message.as_deref().unwrap_or_default(),
            &row.bytes_in.to_string(),
            &row.bytes_out.map(|bytes| bytes.to_string()).unwrap_or_default(),
            &row.ms.map(|ms| format!("{ms:.3}")).unwrap_or_default(),
            &row.warnings.join("; "),
        ])?;
    }
    table.flush()
}
