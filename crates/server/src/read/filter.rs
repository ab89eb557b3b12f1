//! Filters as SQL. Whatever a person wrote travels as a bound parameter, never as SQL.
//!
//! The terms speak of the tables as [`super::jobs`] names them: `j` the job with its last attempt,
//! or a run of jobs, `x` what it was submitted with beside its input, `b` its batch, `p` the
//! pipeline, `f` the last attempt that failed. Ids stand apart, for a run of jobs has many, and so
//! do batches that are named, for their jobs are found by spans of ids. A project is known here by
//! its id alone: whoever asks has put ids in the place of the names.
//!
//! A job that waits is stored as queued, and its batch says what that is called (`b.waits`): so a
//! gate that opens changes one row. A term about states therefore names the stored states first,
//! which have an index, and asks the batch only about those that wait.

use std::collections::BTreeSet;

use gristmill_model::filter::{Field, Filter, Op, Term};
use gristmill_model::{BatchId, JobId, ProjectId, WorkerId};
use rusqlite::types::Value;

/// Conditions with the values of their parameters, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    terms: Vec<String>,
    values: Vec<Value>,
    /// Which ids.
    pub ids: Ids,
    /// Only jobs of these batches.
    pub batches: Option<BTreeSet<BatchId>>,
    /// Only jobs that wait, of batches whose waiting jobs are scheduled.
    pub scheduled: bool,
}

/// Which ids are meant: those from `low` to `high`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ids {
    pub low: i64,
    pub high: i64,
    /// Only these of them, ...
    pub only: Option<BTreeSet<i64>>,
    /// ... and none of these.
    pub except: BTreeSet<i64>,
}

impl Default for Ids {
    fn default() -> Ids {
        Ids { low: 0, high: i64::MAX, only: None, except: BTreeSet::new() }
    }
}

impl Ids {
    /// The job with this id.
    pub fn one(id: u64) -> Ids {
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        Ids { low: id, high: id, ..Ids::default() }
    }

    /// Only those after an id.
    pub fn after(&mut self, id: i64) {
        self.low = self.low.max(id.saturating_add(1));
    }

    /// Only those before an id.
    pub fn before(&mut self, id: i64) {
        self.high = self.high.min(id.saturating_sub(1));
    }

    /// The spans to look through, in order.
    pub fn spans(&self) -> Vec<(i64, i64)> {
        match &self.only {
            Some(ids) => ids.iter().filter(|id| self.has(**id)).map(|id| (*id, *id)).collect(),
            None => vec![(self.low, self.high)],
        }
    }

    /// Whether an id is meant.
    pub fn has(&self, id: i64) -> bool {
        (self.low..=self.high).contains(&id)
            && !self.except.contains(&id)
            && self.only.as_ref().is_none_or(|only| only.contains(&id))
    }

    fn add_term(&mut self, op: Op, values: impl Iterator<Item = i64>) {
        match op {
            Op::Is => {
                let named: BTreeSet<i64> = values.collect();
                self.only = Some(match self.only.take() {
                    Some(only) => only.intersection(&named).copied().collect(),
                    None => named,
                });
            }
            Op::IsNot => self.except.extend(values),
            Op::After => values.for_each(|id| self.after(id)),
            Op::Before => values.for_each(|id| self.before(id)),
        }
    }
}

impl Conditions {
    /// The conditions that a filter sets.
    pub fn of(filter: &Filter) -> Conditions {
        let mut conditions = Conditions::default();
        filter.terms.iter().for_each(|term| conditions.add_term(term));
        conditions
    }

    /// One more condition, with a `?` for each value.
    pub fn add(&mut self, sql: impl Into<String>, values: impl IntoIterator<Item = Value>) {
        self.terms.push(sql.into());
        self.values.extend(values);
    }

    /// Only jobs of these batches, of which they may be.
    pub fn of_batches(&mut self, batches: impl IntoIterator<Item = BatchId>) {
        let named: BTreeSet<BatchId> = batches.into_iter().collect();
        self.batches = Some(match self.batches.take() {
            Some(batches) => batches.intersection(&named).copied().collect(),
            None => named,
        });
    }

    /// The same within a span of ids.
    pub fn within(&self, (low, high): (i64, i64)) -> Conditions {
        let mut within = self.clone();
        within.ids.low = within.ids.low.max(low);
        within.ids.high = within.ids.high.min(high);
        within
    }

    /// As conditions on rows, ids included.
    pub fn on_rows(mut self) -> Conditions {
        let ids = std::mem::take(&mut self.ids);
        let all = Ids::default();
        if ids.low > all.low {
            self.add("j.id >= ?", [Value::Integer(ids.low)]);
        }
        if ids.high < all.high {
            self.add("j.id <= ?", [Value::Integer(ids.high)]);
        }
        if let Some(only) = ids.only {
            self.add(among("j.id", only.len()), only.into_iter().map(Value::Integer));
        }
        if !ids.except.is_empty() {
            let sql = format!("NOT {}", among("j.id", ids.except.len()));
            self.add(sql, ids.except.into_iter().map(Value::Integer));
        }
        self
    }

    /// The SQL, which follows `WHERE`, and the values.
    pub fn finish(self) -> (String, Vec<Value>) {
        if self.terms.is_empty() {
            return ("TRUE".into(), self.values);
        }
        (self.terms.join(" AND "), self.values)
    }

    fn add_term(&mut self, term: &Term) {
        if term.field == Field::Id {
            let ids = term.values.iter().map(|value| match parameter(&Field::Id, value) {
                Value::Integer(id) => id,
                // No job has this id.
                _ => -1,
            });
            return self.ids.add_term(term.op, ids);
        }
        if (&term.field, term.op) == (&Field::State, Op::Is) {
            return self.add_states(&term.values);
        }
        if (&term.field, term.op) == (&Field::Batch, Op::Is) {
            let batches = term.values.iter().filter_map(|value| value.parse().ok());
            return self.of_batches(batches);
        }
        let (subject, named) = subject(&term.field);
        let values: Vec<Value> =
            term.values.iter().map(|value| parameter(&term.field, value)).collect();
        let sql = match term.op {
            // Found by their own table instead of by looking at every job.
            Op::Is if term.field == Field::Key => {
                format!("j.id IN (SELECT job FROM keys WHERE {})", among("key", values.len()))
            }
            Op::Is => among(subject, values.len()),
            // A job without a key does not have this one: nothing is not unknown here.
            Op::IsNot => format!("({}) IS NOT TRUE", among(subject, values.len())),
            Op::After => every(subject, ">", values.len()),
            Op::Before => every(subject, "<", values.len()),
        };
        // Labels, which have parameters of their own, are only ever written once.
        self.add(sql, named.into_iter().chain(values));
    }

    fn add_states(&mut self, wanted: &[String]) {
        let text = |state: &str| Value::Text(state.to_owned());
        let gates = ["queued", "scheduled", "blocked"];
        let waits: Vec<_> = gates.into_iter().filter(|gate| is_among(gate, wanted)).collect();
        let stored = wanted.iter().filter(|state| !matches!(&***state, "queued" | "scheduled"));
        let mut stored: Vec<Value> = stored.map(|state| text(state)).collect();
        if !is_among("succeeded", wanted) {
            // What the index is made for, in words: what is bound SQLite does not look at.
            self.add("j.state <> 'succeeded'", []);
        }
        let waits_any = among("waits", waits.len());
        let asked = waits.iter().copied().map(text);
        if waits.is_empty() {
            return self.add(among("j.state", stored.len()), stored);
        }
        if stored.is_empty() && !waits.contains(&"queued") {
            // Few batches wait for something: found through their ids, not among all that is
            // queued (a plus keeps SQLite from the index of states).
            self.scheduled = true;
            return self.add(format!("+j.state = 'queued' AND b.{waits_any}"), asked);
        }
        stored.push(text("queued"));
        self.add(among("j.state", stored.len()), stored);
        if waits.len() < gates.len() {
            self.add(format!("(j.state <> 'queued' OR b.{waits_any})"), asked);
        }
    }
}

fn is_among(state: &str, wanted: &[String]) -> bool {
    wanted.iter().any(|other| other == state)
}

/// What a field is in SQL, and the values of the parameters in it.
fn subject(field: &Field) -> (&'static str, Vec<Value>) {
    let sql = match field {
        Field::Id => "j.id",
        Field::State => super::jobs::SHOWN,
        Field::Batch => "j.batch",
        Field::Project => "b.project",
        Field::Pipeline => "p.name",
        Field::Stage => super::jobs::STAGE,
        Field::Worker => "j.worker",
        Field::Key => "x.key",
        Field::Code => super::jobs::CODE,
        // A job's own label hides its batch's.
        Field::Label(name) => {
            let sql = "coalesce((SELECT value FROM json_each(x.labels) WHERE key = ?), \
                       (SELECT value FROM json_each(b.labels) WHERE key = ?))";
            let name = Value::Text(name.clone());
            return (sql, vec![name.clone(), name]);
        }
    };
    (sql, Vec::new())
}

/// A value as the column has it. The filter was checked when it was read; what is no id after all
/// is nobody's.
fn parameter(field: &Field, value: &str) -> Value {
    let id = match field {
        Field::Id => value.parse().map(|JobId(id)| id),
        Field::Batch => value.parse().map(|BatchId(id)| id),
        Field::Worker => value.parse().map(|WorkerId(id)| id),
        Field::Project => value.parse().map(|ProjectId(id)| id),
        _ => return Value::Text(value.to_owned()),
    };
    id.map_or(Value::Null, |id| Value::Integer(i64::try_from(id).unwrap_or(i64::MAX)))
}

fn among(subject: &str, values: usize) -> String {
    format!("{subject} IN ({})", vec!["?"; values].join(", "))
}

fn every(subject: &str, sign: &str, values: usize) -> String {
    vec![format!("{subject} {sign} ?"); values].join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_bound_and_never_sql() {
        let filter: Filter = "key='--,x label.a');DROP=1 state!=failed id>j3".parse().unwrap();
        let (sql, values) = Conditions::of(&filter).on_rows().finish();
        assert!(!sql.contains("DROP") && !sql.contains("--"), "{sql}");
        assert_eq!(sql.matches('?').count(), values.len());
        assert_eq!(values.last(), Some(&Value::Integer(4)), "what comes after 3 begins with 4");
    }

    #[test]
    fn no_terms_are_always_true() {
        assert_eq!(Conditions::of(&Filter::default()).finish(), ("TRUE".into(), Vec::new()));
    }
}
