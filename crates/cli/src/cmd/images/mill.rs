//! Who grinds: this process or a server's workers. The loop in `drive` sees no difference.

use gristmill_imaging::Recipe;
use gristmill_model::JobId;
use gristmill_model::api::Job;
use gristmill_model::pipeline::{Handler, ImagesSpec, StageSpec};
use gristmill_model::retry::RetryPolicy;

use super::drive::Drive;
use super::end::End;
use super::local::Local;
use super::plan::{self, Image};
use super::remote::Remote;
use crate::error::Result;

/// Either way of getting the work done.
pub enum Mill {
    Local(Box<Local>),
    Remote(Box<Remote>),
}

/// What a mill says.
pub enum News {
    /// A job has ended.
    Ended(JobId, End),
    /// Something may have been missed: ask after every job that is out.
    LookAgain,
}

/// A picture to be made. Without a key an earlier job for it does not count.
pub struct Order<'a> {
    pub image: &'a Image,
    pub keyed: bool,
}

/// A job that was taken in.
pub struct Placed {
    pub job: JobId,
    /// The mill knew its key: it may have ended already.
    pub known: bool,
}

impl Mill {
    /// Jobs of earlier runs by their keys.
    pub async fn known(&self, keys: &[&str]) -> Result<Vec<Job>> {
        match self {
            Mill::Local(mill) => mill.known(keys).await,
            Mill::Remote(mill) => mill.known(keys).await,
        }
    }

    /// How these jobs stand.
    pub async fn look(&self, jobs: &[JobId]) -> Result<Vec<Job>> {
        match self {
            Mill::Local(mill) => mill.look(jobs).await,
            Mill::Remote(mill) => mill.look(jobs).await,
        }
    }

    /// Takes orders in; the answers are in their order.
    pub async fn submit(&mut self, orders: &[Order<'_>]) -> Result<Vec<Placed>> {
        match self {
            Mill::Local(mill) => mill.submit(orders).await,
            Mill::Remote(mill) => mill.submit(orders).await,
        }
    }

    /// Tries a job again that failed or was cancelled.
    pub async fn again(&mut self, job: JobId, image: &Image) -> Result<()> {
        match self {
            Mill::Local(mill) => mill.again(job).await,
            Mill::Remote(mill) => mill.again(job, image).await,
        }
    }

    /// Brings the result of an ended job to where it belongs, if it is not there. Says no where
    /// only making it again helps.
    pub fn fetch(&mut self, job: JobId, image: &Image, end: &End) -> bool {
        match self {
            Mill::Local(_) => false,
            Mill::Remote(mill) => mill.fetch(job, image, end),
        }
    }

    /// The next thing that happens.
    pub async fn next(&mut self) -> Result<News> {
        match self {
            Mill::Local(mill) => mill.next().await,
            Mill::Remote(mill) => mill.next().await,
        }
    }

    /// Nothing more is wanted. When `interrupted`, what runs is finished and the rest left.
    pub async fn close(self, interrupted: bool, drive: &mut Drive<'_>) -> Result<()> {
        match self {
            Mill::Local(mill) => mill.close(interrupted, drive).await,
            Mill::Remote(mill) => mill.close(interrupted).await,
        }
    }
}

/// The one stage of the work. A picture takes one CPU; a disk that hiccups gets a second chance.
pub fn stage(recipe: &Recipe) -> Result<StageSpec> {
    let handler = Handler::Images(ImagesSpec { recipe: plan::text(recipe)? });
    let retry = RetryPolicy { attempts: 2, ..RetryPolicy::default() };
    Ok(StageSpec { retry, ..StageSpec::new("images", handler) })
}
