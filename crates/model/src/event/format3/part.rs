//! Parts of a snapshot as format 3 has them. Only workers were told otherwise than today.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Actor;
use crate::booking::{Pinned, Seat};
use crate::ids::{AttemptId, BatchId, JobId, JobRun, ProjectId, WorkerId};
use crate::job::JobState;
use crate::resources::WorkerShape;
use crate::restored::{self, BatchPart, JobPart};
use crate::scope::{Limit, Scope};
use crate::source::Source;
use crate::time::Time;
use crate::worker::WorkerDescription;

/// A part of the state as it was: see [`restored::Part`], which says what the fields mean.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented at today's part")]
pub enum Part {
    Project {
        project: ProjectId,
        name: String,
        weight: u32,
    },
    Batch(Box<BatchPart>),
    Range {
        first: JobId,
        batch: BatchId,
        count: u64,
        source: Source,
        rank: i64,
        folds: Vec<(JobRun, JobState, Time)>,
    },
    Job(Box<JobPart>),
    JobKey {
        project: ProjectId,
        key: String,
        job: JobId,
    },
    Worker {
        worker: WorkerId,
        instance: u64,
        name: String,
        shape: WorkerShape,
        draining: bool,
        paused: bool,
        #[serde(default)]
        devices: Vec<DevicePart>,
        #[serde(default)]
        measured: BTreeMap<String, u64>,
        #[serde(default)]
        pinned: Vec<Pinned>,
    },
    Attempt {
        attempt: AttemptId,
        job: JobId,
        worker: WorkerId,
        number: u32,
        alternative: u8,
        leased_at: Time,
        running_since: Option<Time>,
        #[serde(default)]
        seat: Option<Seat>,
    },
    Bound {
        project: ProjectId,
        scope: Scope,
        limit: Limit,
        next: Time,
    },
    Shares {
        served: u128,
        used: Vec<(ProjectId, u128, Time)>,
        next: [u64; 6],
    },
}

/// A worker's device as it was.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "documented at today's part")]
pub struct DevicePart {
    pub quarantined: Option<(String, Actor)>,
    pub failed_under: Vec<JobId>,
    pub last: Option<String>,
    pub deaths: u32,
    #[serde(default)]
    pub foreign: u64,
}

impl From<Part> for restored::Part {
    fn from(part: Part) -> restored::Part {
        use restored::Part as New;
        match part {
            Part::Project { project, name, weight } => New::Project { project, name, weight },
            Part::Batch(part) => New::Batch(part),
            Part::Range { first, batch, count, source, rank, folds } => {
                let ends = Vec::new();
                New::Range { first, batch, count, source, rank, folds, ends }
            }
            Part::Job(part) => New::Job(part),
            Part::JobKey { project, key, job } => New::JobKey { project, key, job },
            Part::Worker {
                worker,
                instance,
                name,
                shape,
                draining,
                paused,
                devices,
                measured,
                pinned,
            } => New::Worker {
                worker,
                instance,
                description: WorkerDescription { name, version: String::new(), shape },
                draining,
                paused,
                devices: devices.into_iter().map(|device| device.into_part(worker)).collect(),
                measured,
                pinned,
                joined_at: Time::default(),
                ended: (0, 0),
            },
            Part::Attempt {
                attempt,
                job,
                worker,
                number,
                alternative,
                leased_at,
                running_since,
                seat,
            } => New::Attempt {
                leased_wall: leased_at,
                attempt,
                job,
                worker,
                number,
                alternative,
                leased_at,
                running_since,
                seat,
            },
            Part::Bound { project, scope, limit, next } => {
                New::Bound { project, scope, limit, next }
            }
            Part::Shares { served, used, next } => New::Shares { served, used, next },
        }
    }
}

impl DevicePart {
    fn into_part(self, worker: WorkerId) -> restored::DevicePart {
        let DevicePart { quarantined, failed_under, last, deaths, foreign } = self;
        let quarantined = quarantined.map(|(reason, actor)| (reason, actor.today(Some(worker))));
        restored::DevicePart { quarantined, failed_under, last, deaths, foreign }
    }
}
