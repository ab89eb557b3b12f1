//! stub
use super::drive::Drive;
use super::mill::{News, Order, Placed};
use crate::error::{Error, Result};
use gristmill_model::JobId;
use gristmill_model::api::Job;
use gristmill_model::pipeline::StageSpec;
use std::path::Path;
pub struct Local;
impl Local {
    pub async fn open(_p: &Path, _s: StageSpec, _w: u32, _f: bool) -> Result<Local> {
        Err(Error::internal(""))
    }
    pub async fn known(&self, _keys: &[&str]) -> Result<Vec<Job>> {
        Ok(vec![])
    }
    pub async fn look(&self, _jobs: &[JobId]) -> Result<Vec<Job>> {
        Ok(vec![])
    }
    pub async fn submit(&mut self, _o: &[Order<'_>]) -> Result<Vec<Placed>> {
        Ok(vec![])
    }
    pub async fn again(&mut self, _j: JobId) -> Result<()> {
        Ok(())
    }
    pub async fn next(&mut self) -> Result<News> {
        Ok(News::LookAgain)
    }
    pub async fn close(self, _i: bool, _d: &mut Drive<'_>) -> Result<()> {
        Ok(())
    }
}
