//! Answers one call: reads its items, puts those together that fit, runs, takes apart, tells.
//!
//! Each item ends once and by itself. What fails in a shared run is run again in halves, until it
//! is known whose fault it was; so an item never fails for another's sake.

use std::sync::Arc;

use gristmill_model::host::{Call, FromHost, HostError, HostErrorKind, HostResult};
use gristmill_model::limits;
use ort::session::RunOptions;
use serde_json::Value;

use crate::OnnxError;
use crate::desk::Desk;
use crate::line::{Line, NotSent};
use crate::model::Model;
use crate::output::Shelf;
use crate::tensor::Tensor;
use crate::{failure, input, stack};

/// What answers calls.
pub(crate) struct Clerk<'a> {
    pub(crate) model: Model,
    /// Whether the model takes several items in one run.
    pub(crate) stackable: bool,
    pub(crate) desk: &'a Desk,
    pub(crate) line: &'a Line,
    pub(crate) shelf: Shelf,
}

/// An item whose input was read: its place in the call, and an array for each input.
type Ready = (u32, Vec<Tensor>);

impl Clerk<'_> {
    /// Answers a call to its end.
    pub(crate) fn answer(&mut self, call: Call) -> Result<(), OnnxError> {
        let number = call.call;
        let mut broken = None;
        let (mut ready, mut held) = (Vec::new(), 0);
        for (item, place) in call.items.into_iter().zip(0..) {
            if !self.desk.wants(place) {
                self.ended(number, place, Err(failure::cancelled()))?;
                continue;
            }
            match input::read(self.model.signature(), &item.input) {
                Ok(arrays) => {
                    held += arrays.iter().map(Tensor::bytes).sum::<usize>();
                    ready.push((place, arrays));
                }
                Err(error) => self.ended(number, place, Err(error))?,
            }
            // Files may be large: no more of them are read before these are done with.
            if held > limits::ARRAY_BYTES {
                self.run_all(number, &ready, &mut broken)?;
                (ready, held) = (Vec::new(), 0);
            }
        }
        self.run_all(number, &ready, &mut broken)?;
        self.desk.over();
        self.line.send(&FromHost::Done { call: number, memory: None })?;
        match broken {
            Some(error) => Err(OnnxError::Device { what: error.message }),
            None => Ok(()),
        }
    }

    /// Runs every item. Once the device is `broken` they all end with that.
    fn run_all(
        &mut self,
        call: u64,
        ready: &[Ready],
        broken: &mut Option<HostError>,
    ) -> Result<(), OnnxError> {
        let mut waiting = stack::runs(ready, self.stackable);
        waiting.reverse();
        while let Some(mut run) = waiting.pop() {
            if let Some(error) = broken {
                for place in run {
                    self.ended(call, ready[place].0, Err(error.clone()))?;
                }
                continue;
            }
            let unwanted: Vec<usize> =
                run.extract_if(.., |place| !self.desk.wants(ready[*place].0)).collect();
            for place in unwanted {
                self.ended(call, ready[place].0, Err(failure::cancelled()))?;
            }
            if run.is_empty() {
                continue;
            }
            let items: Vec<&Ready> = run.iter().map(|place| &ready[*place]).collect();
            match self.run(&items) {
                Ok(Some(outputs)) => {
                    for ((item, _), outputs) in items.into_iter().zip(outputs) {
                        self.tell(call, *item, &outputs)?;
                    }
                }
                // It does not treat rows one by one: it is never stacked again.
                Ok(None) => {
                    self.stackable = false;
                    waiting.extend(run.into_iter().rev().map(|place| vec![place]));
                }
                Err(error) if error.fatal => {
                    waiting.push(run);
                    *broken = Some(error);
                }
                // Stopped, because nobody wanted it.
                Err(_) if run.iter().all(|place| !self.desk.wants(ready[*place].0)) => {
                    waiting.push(run);
                }
                Err(_) if run.len() > 1 => {
                    let second = run.split_off(run.len() / 2);
                    waiting.extend([second, run]);
                }
                Err(error) => self.ended(call, items[0].0, Err(error))?,
            }
        }
        Ok(())
    }

    /// Runs items together. Nothing where their outputs cannot be told apart.
    fn run(&mut self, items: &[&Ready]) -> Result<Option<Vec<Vec<Tensor>>>, HostError> {
        let stop = Arc::new(RunOptions::new().map_err(|error| failure::of(&error))?);
        self.desk.begin(items.iter().map(|(item, _)| *item).collect(), stop.clone());
        let arrays: Vec<&[Tensor]> = items.iter().map(|(_, arrays)| &arrays[..]).collect();
        let outputs = self.model.run(&arrays, &stop);
        self.desk.end();
        let outputs = outputs?;
        if let [_] = items {
            return Ok(Some(vec![outputs]));
        }
        let rows: Vec<usize> = arrays.iter().filter_map(|arrays| stack::rows(arrays)).collect();
        Ok(stack::split(outputs, &rows))
    }

    fn tell(&self, call: u64, item: u32, outputs: &[Tensor]) -> Result<(), OnnxError> {
        let result = self.shelf.put((call, item), self.model.signature(), outputs);
        self.ended(call, item, result)
    }

    fn ended(
        &self,
        call: u64,
        item: u32,
        result: Result<Value, HostError>,
    ) -> Result<(), OnnxError> {
        let result = match result {
            Ok(value) => HostResult::Ok(value),
            Err(error) => HostResult::Error(error),
        };
        match self.line.send(&FromHost::Ended { call, item, result }) {
            Err(NotSent::TooLarge(bytes)) => {
                let message = format!("its result would be a frame of {bytes} bytes");
                let error = HostError {
                    kind: HostErrorKind::Failed,
                    ..failure::failed("result_too_large", message)
                };
                let result = HostResult::Error(error);
                Ok(self.line.send(&FromHost::Ended { call, item, result })?)
            }
            sent => Ok(sent?),
        }
    }
}
