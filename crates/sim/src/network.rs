//! Links between workers and server: ordered like TCP, and as little to be trusted. A frame that
//! is lost takes the rest of its link with it; each end finds out in its own time, and until then
//! speaks into the void.

use std::collections::{BTreeMap, BTreeSet};

use gristmill_model::{Span, Time};
use serde::Serialize;

use crate::agenda::Happening;
use crate::faults::Fault;
use crate::scene::Scene;

/// A link's name, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Which end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The server's.
    Server,
    /// The worker's.
    Worker,
}

#[derive(Debug)]
struct Link {
    node: usize,
    latency: Span,
    open: [bool; 2],
    /// Nothing sent from now on arrives.
    cut: bool,
    /// When the last thing sent to an end arrives: nothing overtakes it.
    arrival: [Time; 2],
}

/// All links.
#[derive(Debug, Default)]
pub struct Network {
    links: BTreeMap<LinkId, Link>,
    next: u64,
    listening: bool,
    apart: BTreeSet<usize>,
}

impl Network {
    /// Whether a frame or a notice that arrives at an end still finds somebody there.
    #[must_use]
    pub fn is_open(&self, link: LinkId, at: End) -> bool {
        self.links.get(&link).is_some_and(|link| link.open[at as usize])
    }

    /// Which worker's link it is.
    #[must_use]
    pub fn node_of(&self, link: LinkId) -> Option<usize> {
        self.links.get(&link).map(|link| link.node)
    }

    /// The server takes calls from now on.
    pub fn listen(&mut self) {
        self.listening = true;
    }

    /// An end is gone. Returns whether it was there.
    pub fn shut(&mut self, link: LinkId, at: End) -> bool {
        let Some(found) = self.links.get_mut(&link) else { return false };
        let was_open = std::mem::replace(&mut found.open[at as usize], false);
        if found.open == [false; 2] {
            self.links.remove(&link);
        }
        was_open
    }

    fn ids_of(&self, node: usize) -> Vec<LinkId> {
        let of_node = self.links.iter().filter(|(_, link)| link.node == node);
        of_node.map(|(id, _)| *id).collect()
    }
}

impl Scene {
    /// A worker calls the server. Nothing comes back when nobody answers.
    pub fn dial(&mut self, node: usize) -> Option<LinkId> {
        if !self.network.listening || self.network.apart.contains(&node) {
            return None;
        }
        let latency = self.dice.span(Span(50), Span::millis(60));
        let id = LinkId(self.network.next);
        self.network.next += 1;
        let arrival = [self.now; 2];
        let link = Link { node, latency, open: [true; 2], cut: false, arrival };
        self.network.links.insert(id, link);
        self.later(Span(latency.0 * 2), Happening::Dialled { link: id });
        Some(id)
    }

    /// Sends a frame to an end of a link.
    pub fn send<F: Serialize>(&mut self, id: LinkId, to: End, frame: &F) {
        if !self.network.links.contains_key(&id) {
            return;
        }
        if self.strikes(Fault::FrameLost) {
            return self.cut(id);
        }
        let late = self.strikes(Fault::FrameLate);
        let late = if late { self.dice.span(Span::millis(50), Span::seconds(8)) } else { Span(0) };
        let bytes = rmp_serde::to_vec(frame).expect("frames encode");
        if let Some(at) = self.arrival(id, to, late) {
            self.agenda.note(at, Happening::Frame { link: id, at: to, bytes });
        }
    }

    /// An end closes its link; the other end hears of it after all that was sent before.
    pub fn close(&mut self, id: LinkId, by: End) {
        let other = if by == End::Server { End::Worker } else { End::Server };
        if let Some(at) = self.arrival(id, other, Span(0)) {
            self.agenda.note(at, Happening::Broken { link: id, at: other });
        }
        self.network.shut(id, by);
    }

    /// A worker's links are reset: its end finds out at once, the server's in its own time. What
    /// is on its way still arrives.
    pub fn reset(&mut self, node: usize) {
        for id in self.network.ids_of(node) {
            for (at, most) in [(End::Worker, Span::millis(50)), (End::Server, Span::seconds(6))] {
                self.sometime(Span(0), most, Happening::Broken { link: id, at });
            }
        }
    }

    /// A worker is cut off: what it says and hears is lost, and it cannot call.
    pub fn set_apart(&mut self, node: usize) {
        self.network.apart.insert(node);
        self.network.ids_of(node).into_iter().for_each(|id| self.cut(id));
    }

    /// A worker's network is whole again.
    pub fn heal(&mut self, node: usize) {
        self.network.apart.remove(&node);
    }

    /// The server is gone. Workers see a reset soon, or, if its machine went with it, silence.
    pub fn server_gone(&mut self) {
        self.network.listening = false;
        let silent = self.dice.chance(300);
        let most = if silent { Span::seconds(20) } else { Span::millis(100) };
        let ids: Vec<LinkId> = self.network.links.keys().copied().collect();
        for id in ids {
            self.network.shut(id, End::Server);
            self.sometime(Span(0), most, Happening::Broken { link: id, at: End::Worker });
        }
    }

    fn cut(&mut self, id: LinkId) {
        let Some(link) = self.network.links.get_mut(&id) else { return };
        if std::mem::replace(&mut link.cut, true) {
            return;
        }
        for at in [End::Server, End::Worker] {
            let happening = Happening::Broken { link: id, at };
            self.sometime(Span::millis(10), Span::seconds(20), happening);
        }
    }

    /// When something sent now arrives at an end, if it does.
    fn arrival(&mut self, id: LinkId, to: End, late: Span) -> Option<Time> {
        let now = self.now;
        let link = self.network.links.get_mut(&id).filter(|link| !link.cut)?;
        let last = &mut link.arrival[to as usize];
        *last = (now + link.latency + late).max(*last);
        Some(*last)
    }
}
