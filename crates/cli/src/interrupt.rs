//! Ctrl-C and SIGTERM: the first asks to finish, the second stops at once.

use std::future::Future;

use gristmill_model::problem::exit;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::output::say;

/// Hears the signals of this process from now on.
#[derive(Clone)]
pub struct Interrupt {
    asked: watch::Receiver<bool>,
}

impl Interrupt {
    /// Takes over both signals. At the first one `advice` is printed; the second one ends the
    /// process with the exit code of an interrupt.
    pub fn listen(advice: &'static str) -> Result<Interrupt> {
        let (asks, asked) = watch::channel(false);
        let (mut ctrl_c, mut term) =
            (hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?);
        tokio::spawn(async move {
            either(&mut ctrl_c, &mut term).await;
            if !advice.is_empty() {
                say(advice);
            }
            asks.send_replace(true);
            either(&mut ctrl_c, &mut term).await;
            std::process::exit(i32::from(exit::INTERRUPTED));
        });
        Ok(Interrupt { asked })
    }

    /// Whether it was asked to finish.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits until it is asked to finish.
    pub async fn asked(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// What `work` gives, or nothing when it was asked to finish first.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.asked() => None,
            value = work => Some(value),
        }
    }
}

async fn either(ctrl_c: &mut Signal, term: &mut Signal) {
    tokio::select! {
        _ = ctrl_c.recv() => {}
        _ = term.recv() => {}
    }
}

fn hear(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|error| Error::internal(format!("cannot hear signals: {error}")))
}
