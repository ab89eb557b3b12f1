//! The loop: a bounded window of jobs out at the mill, each picture settled once.
//!
//! A picture whose key the mill knows was worked on by an earlier run. If that succeeded and the
//! result still lies there with the length that was recorded, it is skipped; if the result is gone
//! or changed, it is made again; if it failed or was stopped, it is tried again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use gristmill_model::JobId;
use gristmill_model::api::Job;
use gristmill_model::job::JobState;
use gristmill_model::payload::Payload;

use super::end::End;
use super::mill::{Mill, News, Order};
use super::plan::Image;
use super::tally::Tally;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::output::Progress;

/// Jobs that are out at once. Enough that no worker waits for us; little enough that an
/// interrupted run leaves little behind.
const WINDOW: usize = 512;
/// Pictures asked after and submitted together: they share a commit.
const PIECE: usize = 128;
/// The bar moves and silence is noticed at this pace.
const PULSE: Duration = Duration::from_millis(200);
/// Pulses without news after which the mill is asked.
const SILENT: u32 = 10;

/// One run's state.
pub struct Drive<'a> {
    images: &'a [Image],
    tally: &'a mut Tally,
    progress: Progress,
    interrupt: Interrupt,
    /// Pictures not submitted yet, by index; `false` goes without a key.
    waiting: VecDeque<(usize, bool)>,
    out: BTreeMap<JobId, usize>,
    force: bool,
}

impl<'a> Drive<'a> {
    pub fn new(
        images: &'a [Image],
        force: bool,
        tally: &'a mut Tally,
        progress: Progress,
        interrupt: Interrupt,
    ) -> Drive<'a> {
        let waiting = (0..images.len()).map(|index| (index, !force)).collect();
        Drive { images, tally, progress, interrupt, waiting, out: BTreeMap::new(), force }
    }

    /// Until every picture is settled, or somebody interrupts.
    pub async fn run(&mut self, mill: &mut Mill) -> Result<()> {
        let mut silent = 0;
        while self.has_more() && !self.interrupt.is_asked() {
            if self.out.len() <= WINDOW - PIECE && !self.waiting.is_empty() {
                self.submit_piece(mill).await?;
                continue;
            }
            match tokio::time::timeout(PULSE, mill.next()).await {
                Ok(Ok(News::Ended(job, end))) => {
                    silent = 0;
                    self.ended(job, end);
                }
                Ok(Ok(News::LookAgain)) => self.look_again(mill).await?,
                Ok(Err(error)) => return Err(error),
                Err(_) => silent += 1,
            }
            if silent >= SILENT {
                silent = 0;
                self.look_again(mill).await?;
            }
            self.progress.reached(self.tally.settled(), self.tally.failed());
        }
        Ok(())
    }

    /// A job that was out has ended.
    pub fn ended(&mut self, job: JobId, end: End) {
        let index = self.out.remove(&job);
        if let Some(line) = index.and_then(|index| self.tally.ended(index, end)) {
            self.progress.say(&line);
        }
    }

    /// The jobs that are out.
    pub fn out(&self) -> Vec<JobId> {
        self.out.keys().copied().collect()
    }

    fn has_more(&self) -> bool {
        !self.waiting.is_empty() || !self.out.is_empty()
    }

    pub fn finish(&self) {
        self.progress.finish();
    }

    async fn submit_piece(&mut self, mill: &mut Mill) -> Result<()> {
        let count = self.waiting.len().min(PIECE);
        let piece: Vec<(usize, bool)> = self.waiting.drain(..count).collect();
        let mut known = self.known(mill, &piece).await?;
        let mut fresh = Vec::with_capacity(piece.len());
        for (index, keyed) in piece {
            match known.remove(self.images[index].key.as_str()).filter(|_| keyed) {
                Some(job) => self.settle_known(mill, index, job).await?,
                None => fresh.push((index, keyed)),
            }
        }
        if fresh.is_empty() {
            self.progress.reached(self.tally.settled(), self.tally.failed());
            return Ok(());
        }
        let order =
            |(index, keyed): &(usize, bool)| Order { image: &self.images[*index], keyed: *keyed };
        let orders: Vec<Order<'_>> = fresh.iter().map(order).collect();
        let placed = mill.submit(&orders).await?;
        let mut raced = false;
        for ((index, _), placed) in fresh.into_iter().zip(placed) {
            raced |= placed.known;
            self.out.insert(placed.job, index);
        }
        if raced { self.look_again(mill).await } else { Ok(()) }
    }

    /// What earlier runs know of this piece, by key.
    async fn known(&self, mill: &Mill, piece: &[(usize, bool)]) -> Result<HashMap<String, Job>> {
        if self.force {
            return Ok(HashMap::new());
        }
        let keyed = piece.iter().filter(|(_, keyed)| *keyed);
        let keys: Vec<&str> = keyed.map(|(index, _)| self.images[*index].key.as_str()).collect();
        let jobs = mill.known(&keys).await?;
        Ok(jobs.into_iter().filter_map(|job| Some((job.key.clone()?, job))).collect())
    }

    async fn settle_known(&mut self, mill: &mut Mill, index: usize, job: Job) -> Result<()> {
        let image = &self.images[index];
        let id = job.id;
        match job.state {
            JobState::Succeeded => {
                let recorded = recorded(&job);
                if recorded.is_some() && recorded == length(image) {
                    self.tally.skipped(index, recorded);
                } else if mill.fetch(id, image, &End::of(job)) {
                    self.out.insert(id, index);
                } else {
                    self.waiting.push_front((index, false));
                }
            }
            JobState::Failed | JobState::Cancelled | JobState::Expired => {
                mill.again(id, image).await?;
                self.out.insert(id, index);
            }
            _ => {
                self.out.insert(id, index);
            }
        }
        Ok(())
    }

    async fn look_again(&mut self, mill: &mut Mill) -> Result<()> {
        for job in mill.look(&self.out()).await? {
            let (id, state) = (job.id, job.state);
            let Some(&index) = self.out.get(&id) else { continue };
            if state.is_final() {
                let end = End::of(job);
                if !mill.fetch(id, &self.images[index], &end) {
                    self.ended(id, end);
                }
            }
        }
        Ok(())
    }
}

/// The length of the result as the job recorded it.
fn recorded(job: &Job) -> Option<u64> {
    match &job.result {
        Some(Payload::File(file)) => Some(file.size),
        _ => None,
    }
}

/// The length of the result as it lies there.
fn length(image: &Image) -> Option<u64> {
    image.path.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len())
}
