//! Sessions: long-lived processes that keep a model loaded and answer calls. The core decides when
//! one is opened, called and ended; here it is done.
//!
//! - [`work`] says what there is to open, [`host`] starts its process and talks with it in
//!   [`frames`], [`life`] leads it from its start to its end;
//! - [`call`] brings the inputs of a call and publishes its results, with the help of [`values`];
//! - [`data`] brings what all calls of a session share, once to this machine;
//! - [`output`] hears what the process prints.

mod call;
mod data;
mod describe;
mod frames;
mod host;
mod life;
mod output;
mod values;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use gristmill_model::wire::Assignment;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::core::{Opening, SessionId};
use crate::workshop::Workshop;

pub use describe::{DescribeError, describe};
pub use work::SessionWork;

/// What a session is to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Work on these, each of which may be stopped.
    Call(Vec<(Assignment, CancellationToken)>),
    /// End.
    Close,
}

/// The sessions of a worker that are open.
#[derive(Debug, Default)]
pub(crate) struct Open {
    orders: BTreeMap<SessionId, mpsc::UnboundedSender<Order>>,
}

impl Open {
    /// Opens a session; the task that leads it is the caller's to run.
    pub(crate) fn open(
        &mut self,
        shop: &Arc<Workshop>,
        opening: Opening,
    ) -> impl Future<Output = ()> + Send + 'static + use<> {
        // The core makes one call at a time and closes once, so there is a bound.
        let (sender, orders) = mpsc::unbounded_channel();
        self.orders.insert(opening.session, sender);
        life::live(Arc::clone(shop), opening, orders)
    }

    /// Hands a session an order. One that has just ended says so itself.
    pub(crate) fn order(&self, session: SessionId, order: Order) {
        if let Some(orders) = self.orders.get(&session) {
            let _ = orders.send(order);
        }
    }

    /// A session is gone.
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.orders.remove(&session);
    }

    /// Ends them all.
    pub(crate) fn close_all(&mut self) {
        for orders in std::mem::take(&mut self.orders).into_values() {
            let _ = orders.send(Order::Close);
        }
    }
}
