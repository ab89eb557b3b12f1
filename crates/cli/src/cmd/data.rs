//! `gristmill data`: what all jobs of a pipeline share. It is uploaded once, brought to each worker
//! once, and handed to each session when it loads.
//!
//! Data is part of a pipeline's version: other data makes another version, and jobs that were
//! submitted before keep the data that they were submitted with.

use std::path::{Path, PathBuf};

use gristmill_model::ids::DEFAULT_PROJECT;
use gristmill_model::payload::{Artifact, Place};
use gristmill_model::pipeline::{Handler, PipelineSpec, SessionSpec};
use gristmill_model::problem::exit;

use super::submit::quantities::{pair, project};
use crate::args::{Connection, Context};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::{Table, bytes, say};

/// Give a pipeline's sessions data that all its jobs share; list it; take it away
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List the data that a pipeline's sessions take
    List(Which),
    /// Give data: NAME is what the handler calls it
    Set {
        #[command(flatten)]
        which: Which,
        /// As lookup=table.npy; may be given again
        #[arg(value_name = "NAME=FILE", required = true, value_parser = pair)]
        files: Vec<(String, String)>,
    },
    /// Take data away: sessions find it absent
    Clear {
        #[command(flatten)]
        which: Which,
        /// What the handler calls it
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
}

/// Whose data.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The pipeline's name
    pipeline: String,
    /// The project that owns it
    #[arg(long, value_name = "NAME", default_value = DEFAULT_PROJECT, value_parser = project)]
    project: String,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, verb: &Verb) -> Result<u8> {
    let (Verb::List(which) | Verb::Set { which, .. } | Verb::Clear { which, .. }) = verb;
    let client = which.connection.client(&context.settings)?;
    let mut spec = client.pipeline(&which.project, &which.pipeline).await?.spec;
    match verb {
        Verb::List(_) => {}
        Verb::Set { files, .. } => {
            for (name, file) in files {
                let artifact = upload(&client, Path::new(file)).await?;
                give(&mut spec, name, Some(artifact))?;
            }
        }
        Verb::Clear { names, .. } => {
            names.iter().try_for_each(|name| give(&mut spec, name, None))?;
        }
    }
    if !matches!(verb, Verb::List(_)) {
        let defined = client.define_pipeline(&which.project, &spec).await?;
        say(format!(
            "Jobs of {} find it from now on (version {}).",
            which.pipeline, defined.version
        ));
    }
    show(context, &spec)
}

async fn upload(client: &Client, path: &Path) -> Result<Artifact> {
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    let (digest, size) = client.upload(path).await?;
    Ok(Artifact { name: name.to_string_lossy().into_owned(), size, place: Place::Blob(digest) })
}

/// Binds data in every stage whose sessions take it.
fn give(spec: &mut PipelineSpec, name: &str, data: Option<Artifact>) -> Result<()> {
    let mut taken = Vec::new();
    let mut found = false;
    for session in sessions(spec) {
        taken.extend(session.data.keys().cloned());
        if let Some(bound) = session.data.get_mut(name) {
            bound.clone_from(&data);
            found = true;
        }
    }
    if found {
        return Ok(());
    }
    let takes = if taken.is_empty() { "no data".to_owned() } else { taken.join(", ") };
    Err(Error::usage(format!("the sessions of `{}` take {takes}, not `{name}`", spec.name))
        .hint("name it in the handler, as @gm.handler(data=[\"lookup\"])"))
}

fn sessions(spec: &mut PipelineSpec) -> impl Iterator<Item = &mut SessionSpec> {
    spec.stages.iter_mut().filter_map(|stage| match &mut stage.handler {
        Handler::Session(session) => Some(session),
        Handler::Command(_) | Handler::Images(_) => None,
    })
}

fn show(context: &Context, spec: &PipelineSpec) -> Result<u8> {
    let mut spec = spec.clone();
    let data: Vec<_> = sessions(&mut spec).flat_map(|session| session.data.clone()).collect();
    if context.output.json {
        for (name, artifact) in data {
            context.output.json(&serde_json::json!({ "name": name, "data": artifact }))?;
        }
        return Ok(exit::OK);
    }
    let mut table = Table::new(["DATA", "FILE", "SIZE"]);
    for (name, artifact) in data {
        let (file, size) = match artifact {
            Some(artifact) => (artifact.name, bytes(artifact.size)),
            None => ("absent".into(), String::new()),
        };
        table.row([name, file, size]);
    }
    table.print(context.output)?;
    Ok(exit::OK)
}
