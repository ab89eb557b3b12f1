//! Which worker speaks on which link. A worker has one link: the newest it said hello on. What
//! still arrives on an older one is nobody's word.

use std::collections::BTreeMap;

use gristmill_model::WorkerId;

use crate::network::LinkId;

/// Workers and links of one life of the server.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    links: BTreeMap<WorkerId, LinkId>,
    workers: BTreeMap<LinkId, WorkerId>,
    /// Links that a newer one replaced, with whom they belonged to.
    replaced: BTreeMap<LinkId, WorkerId>,
}

impl Sessions {
    /// A worker was welcomed; returns the link that this one replaces.
    pub(super) fn open(&mut self, worker: WorkerId, link: LinkId) -> Option<LinkId> {
        let old = self.links.insert(worker, link);
        if let Some(old) = old {
            self.workers.remove(&old);
            self.replaced.insert(old, worker);
        }
        self.workers.insert(link, worker);
        old
    }

    /// A link is broken; returns whose it was.
    pub(super) fn close(&mut self, link: LinkId) -> Option<WorkerId> {
        let worker = self.workers.remove(&link)?;
        self.links.remove(&worker);
        Some(worker)
    }

    /// A worker is gone; returns its link.
    pub(super) fn end(&mut self, worker: WorkerId) -> Option<LinkId> {
        let link = self.links.remove(&worker)?;
        self.workers.remove(&link);
        Some(link)
    }

    /// Who speaks on a link.
    pub(super) fn worker(&self, link: LinkId) -> Option<WorkerId> {
        self.workers.get(&link).copied()
    }

    /// Where a worker listens.
    pub(super) fn link(&self, worker: WorkerId) -> Option<LinkId> {
        self.links.get(&worker).copied()
    }

    /// Who spoke on a link before it was replaced.
    pub(super) fn former(&self, link: LinkId) -> Option<WorkerId> {
        self.replaced.get(&link).copied()
    }
}
