//! Pipelines: what is done to each job, stage by stage.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::booking::{SessionWant, Want};
use crate::limits;
use crate::name;
use crate::payload::{Artifact, Place};
use crate::problem::{Code, Rejection};
use crate::resources::{Resources, WHOLE};
use crate::retry::RetryPolicy;
use crate::template;
use crate::time::Span;

/// A named list of stages; each stage's output is the next one's input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineSpec {
    /// Name within its project: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// One or more stages, in order.
    pub stages: Vec<StageSpec>,
}

/// One step of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StageSpec {
    /// Name within its pipeline.
    pub name: String,
    /// What does the work.
    pub handler: Handler,
    /// What an attempt books while it runs.
    #[serde(default)]
    pub resources: Resources,
    /// When a failure is tried again.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// An attempt that runs longer is ended; none means no bound.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "10m")]
    pub timeout: Option<Span>,
    /// Other resources that would do as well, in order of preference after `resources`.
    #[serde(default)]
    pub alternatives: Vec<Resources>,
    /// Labels that a worker must have.
    #[serde(default)]
    pub requires: BTreeMap<String, String>,
    /// Labels of workers that go first where there is a choice.
    #[serde(default)]
    pub prefers: BTreeMap<String, String>,
}

/// What does a stage's work. A worker runs only the kinds of handler it was started with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Handler {
    /// Any program.
    Command(CommandSpec),
    /// The built-in image pipeline.
    Images(ImagesSpec),
    /// A function or a model that stays loaded at the workers that were started with it.
    Session(SessionSpec),
}

/// A program to run for each job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandSpec {
    /// Program and arguments, with placeholders `{input}`, `{output}`, `{job}`, `{attempt}`.
    pub argv: Vec<String>,
    /// Hand the words, joined by spaces, to `/bin/sh -c`; placeholders are then quoted.
    #[serde(default)]
    pub shell: bool,
    /// Variables added to the worker's clean environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// The recipe for the image pipeline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImagesSpec {
    /// Compact JSON of an imaging recipe; this crate carries it and the worker reads it.
    pub recipe: String,
}

/// What sessions of a name take and how they are called. Where the code or the model lies is the
/// workers' business.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionSpec {
    /// What workers call it: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// Jobs of one call at most.
    #[serde(default = "one")]
    pub batch: u32,
    /// How long a call waits for more jobs.
    #[serde(default)]
    #[schema(value_type = String, example = "20ms")]
    pub batch_wait: Span,
    /// Whether a session keeps its devices when it has nothing to do, even where others need them.
    #[serde(default)]
    pub pinned: bool,
    /// Data that all calls share, by name: a blob, or nothing where there is none. Sessions load it
    /// once; another version of the pipeline may name other data, and has other sessions.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, Artifact>)]
    pub data: BTreeMap<String, Option<Artifact>>,
    /// Compact JSON of a [`Signature`](crate::host::Signature): what inputs are held against; none
    /// holds them against nothing.
    #[serde(default)]
    pub signature: Option<String>,
}

/// Characters of a digest that tell data apart in a key: the prefix and 64 bits.
const SHORT_DIGEST: usize = 19;

const fn one() -> u32 {
    1
}

impl Handler {
    /// What an attempt of this handler asks of a worker beside resources.
    #[must_use]
    pub fn want(&self, mut resources: Resources, alone: bool) -> Want {
        let Handler::Session(spec) = self else { return Want::of(resources) };
        // A session that stays would have its device to itself for ever.
        if alone && !spec.pinned {
            resources.devices.iter_mut().for_each(|wish| wish.share = WHOLE);
        }
        let (name, seats, pinned) = (spec.key(), spec.batch, spec.pinned);
        Want { resources, session: Some(SessionWant { name, seats, alone, pinned }) }
    }

    /// The handler as a worker is told of it: inputs were judged before, so it needs no signature.
    #[must_use]
    pub fn for_worker(&self) -> Handler {
        match self {
            Handler::Session(spec) => {
                Handler::Session(SessionSpec { signature: None, ..spec.clone() })
            }
            other => other.clone(),
        }
    }

    /// The session that does the work, where one does.
    #[must_use]
    pub fn session(&self) -> Option<&SessionSpec> {
        match self {
            Handler::Command(_) | Handler::Images(_) => None,
            Handler::Session(session) => Some(session),
        }
    }

    /// Jobs that one session takes at a time, where a session does the work.
    #[must_use]
    pub fn seats(&self) -> Option<u32> {
        self.session().map(|session| session.batch)
    }

    /// The word by which workers announce that they run this: the kind of a built-in handler, the
    /// name of a session.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Handler::Command(_) => "command",
            Handler::Images(_) => "images",
            Handler::Session(session) => &session.name,
        }
    }
}

/// The handlers that are built in: any worker can run them, and no session is called like them.
pub const BUILT_IN: [&str; 2] = ["command", "images"];

impl PipelineSpec {
    /// Judges a pipeline before it is taken in.
    ///
    /// # Errors
    /// `invalid_pipeline` or `unknown_placeholder`, naming the stage and what was expected.
    pub fn check(&self) -> Result<(), Rejection> {
        name::check("pipeline", &self.name, Code::InvalidPipeline)?;
        if self.stages.is_empty() || self.stages.len() > limits::STAGES {
            return Err(bad(format!(
                "pipeline `{}` has {} stages: expected 1 to {}",
                self.name,
                self.stages.len(),
                limits::STAGES
            )));
        }
        for (index, stage) in self.stages.iter().enumerate() {
            stage.check()?;
            if self.stages[..index].iter().any(|earlier| earlier.name == stage.name) {
                return Err(bad(format!("two stages are named `{}`", stage.name)));
            }
        }
        Ok(())
    }
}

impl StageSpec {
    fn check(&self) -> Result<(), Rejection> {
        name::check("stage", &self.name, Code::InvalidPipeline)?;
        let attempts = self.retry.attempts;
        if attempts == 0 || attempts > limits::ATTEMPTS {
            return Err(bad(format!(
                "stage `{}` asks for {attempts} attempts: expected 1 to {}",
                self.name,
                limits::ATTEMPTS
            )));
        }
        if self.alternatives.len() > limits::ALTERNATIVES {
            return Err(bad(format!(
                "stage `{}` names {} alternatives: at most {}",
                self.name,
                self.alternatives.len(),
                limits::ALTERNATIVES
            )));
        }
        for request in self.requests() {
            let named = |why: Rejection| bad(format!("stage `{}`: {}", self.name, why.detail));
            request.check().map_err(named)?;
        }
        let labels = self.requires.iter().chain(&self.prefers);
        if self.requires.len() + self.prefers.len() > limits::LABELS
            || labels.clone().any(|(n, v)| n.len().max(v.len()) > limits::LABEL_BYTES)
        {
            return Err(bad(format!(
                "stage `{}` asks for too many or too long labels: at most {} of {} bytes",
                self.name,
                limits::LABELS,
                limits::LABEL_BYTES
            )));
        }
        if self.timeout == Some(Span::ZERO) {
            return Err(bad(format!("stage `{}` has a timeout of nothing", self.name)));
        }
        match &self.handler {
            Handler::Command(command) => command.check(&self.name),
            Handler::Images(images) if images.recipe.len() > limits::INLINE_BYTES => Err(bad(
                format!("stage `{}` has a recipe of {} bytes", self.name, images.recipe.len()),
            )),
            Handler::Images(_) => Ok(()),
            Handler::Session(session) => session.check(&self.name),
        }
    }
}

impl StageSpec {
    /// A stage that books one CPU, with the usual retries and no timeout.
    #[must_use]
    pub fn new(name: impl Into<String>, handler: Handler) -> StageSpec {
        StageSpec {
            name: name.into(),
            handler,
            resources: Resources::default(),
            retry: RetryPolicy::default(),
            timeout: None,
            alternatives: Vec::new(),
            requires: BTreeMap::new(),
            prefers: BTreeMap::new(),
        }
    }

    /// All the resources that would do, the preferred first. An attempt's lease says which of them
    /// it books, by its place here.
    pub fn requests(&self) -> impl Iterator<Item = &Resources> {
        std::iter::once(&self.resources).chain(&self.alternatives)
    }

    /// What an attempt asks of a worker that books the resources at a place of
    /// [`StageSpec::requests`]; `alone` where it shares neither a call nor a device.
    ///
    /// # Panics
    /// When there is no such place.
    #[must_use]
    pub fn want(&self, alternative: u8, alone: bool) -> Want {
        self.handler.want(self.request(alternative).clone(), alone)
    }

    /// The resources at a place of [`StageSpec::requests`].
    ///
    /// # Panics
    /// When there is no such place.
    #[must_use]
    pub fn request(&self, alternative: u8) -> &Resources {
        self.requests().nth(usize::from(alternative)).expect("leases name alternatives that exist")
    }
}

impl SessionSpec {
    /// A session that takes one job at a time and holds its input against nothing.
    #[must_use]
    pub fn new(name: impl Into<String>) -> SessionSpec {
        SessionSpec {
            name: name.into(),
            batch: 1,
            batch_wait: Span::ZERO,
            pinned: false,
            data: BTreeMap::new(),
            signature: None,
        }
    }

    /// What tells its sessions from others: its name, and the data that they have loaded.
    #[must_use]
    pub fn key(&self) -> String {
        let bound = self.data.iter().filter_map(|(name, data)| Some((name, data.as_ref()?)));
        let mut key = self.name.clone();
        for (name, artifact) in bound {
            let place = match &artifact.place {
                Place::Blob(digest) => digest.to_string().chars().take(SHORT_DIGEST).collect(),
                Place::Path(path) => path.clone(),
            };
            key.push_str(&format!("+{name}={place}"));
        }
        key
    }

    fn check(&self, stage: &str) -> Result<(), Rejection> {
        name::check("session", &self.name, Code::InvalidPipeline)?;
        if self.data.len() > limits::SHARED_DATA {
            let (count, most) = (self.data.len(), limits::SHARED_DATA);
            return Err(bad(format!("stage `{stage}` names {count} data: at most {most}")));
        }
        for (name, data) in &self.data {
            name::check("data", name, Code::InvalidPipeline)?;
            if matches!(data, Some(Artifact { place: Place::Path(_), .. })) {
                let detail = format!("stage `{stage}`: data `{name}` is a path: expected a blob");
                return Err(bad(detail));
            }
        }
        if BUILT_IN.contains(&self.name.as_str()) {
            return Err(bad(format!(
                "stage `{stage}`: `{}` is a built-in handler, and no session is called so",
                self.name
            )));
        }
        if self.batch == 0 || self.batch > limits::BATCH {
            let (batch, most) = (self.batch, limits::BATCH);
            return Err(bad(format!("stage `{stage}` batches {batch} jobs: expected 1 to {most}")));
        }
        if self.batch_wait > limits::BATCH_WAIT {
            let (wait, most) = (self.batch_wait, limits::BATCH_WAIT);
            return Err(bad(format!("stage `{stage}` waits {wait} for a batch: at most {most}")));
        }
        let size = self.signature.as_ref().map_or(0, String::len);
        if size > limits::SIGNATURE_BYTES {
            let most = limits::SIGNATURE_BYTES;
            return Err(bad(format!(
                "stage `{stage}` has a signature of {size} bytes: at most {most}"
            )));
        }
        Ok(())
    }
}

impl CommandSpec {
    fn check(&self, stage: &str) -> Result<(), Rejection> {
        if self.argv.first().is_none_or(String::is_empty) {
            return Err(bad(format!("stage `{stage}` names no program")));
        }
        // A word takes a byte even where it is empty, so that there is an end of them.
        let size: usize = self.argv.iter().map(|word| word.len() + 1).sum::<usize>()
            + self.env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if size > limits::INLINE_BYTES {
            return Err(bad(format!(
                "stage `{stage}` has {size} bytes of arguments and environment: at most {}",
                limits::INLINE_BYTES
            )));
        }
        for word in &self.argv {
            template::check(word).map_err(|unknown| {
                Rejection::new(Code::UnknownPlaceholder, format!("stage `{stage}`: {unknown}"))
            })?;
        }
        Ok(())
    }

    /// Whether the program is told where to write its output.
    #[must_use]
    pub fn writes_output(&self) -> bool {
        self.argv.iter().any(|word| template::mentions(word, "output"))
    }
}

fn bad(detail: String) -> Rejection {
    Rejection::new(Code::InvalidPipeline, detail)
}
