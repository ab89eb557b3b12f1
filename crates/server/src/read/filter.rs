//! Filters as SQL. Whatever a person wrote travels as a bound parameter, never as SQL.
//!
//! The terms speak of the tables as [`super::jobs`] names them: `j` the job, `s` what was
//! submitted, `b` its batch, `p` the pipeline, `a` the last attempt.

use gristmill_model::filter::{Field, Filter, Op, Term};
use gristmill_model::{BatchId, JobId, WorkerId};
use rusqlite::types::Value;

/// Conditions with the values of their parameters, in order.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    terms: Vec<String>,
    values: Vec<Value>,
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

    /// The SQL, which follows `WHERE`, and the values.
    pub fn finish(self) -> (String, Vec<Value>) {
        if self.terms.is_empty() {
            return ("TRUE".into(), self.values);
        }
        (self.terms.join(" AND "), self.values)
    }

    fn add_term(&mut self, term: &Term) {
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
}

/// What a field is in SQL, and the values of the parameters in it.
fn subject(field: &Field) -> (&'static str, Vec<Value>) {
    let sql = match field {
        Field::Id => "j.id",
        Field::State => "j.state",
        Field::Batch => "j.batch",
        Field::Pipeline => "p.name",
        Field::Stage => super::jobs::STAGE,
        Field::Worker => "a.worker",
        Field::Key => "s.key",
        Field::Code => "j.failure ->> '$.code'",
        // A job's own label hides its batch's.
        Field::Label(name) => {
            let sql = "coalesce((SELECT value FROM json_each(s.labels) WHERE key = ?), \
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
        let (sql, values) = Conditions::of(&filter).finish();
        assert!(!sql.contains("DROP") && !sql.contains("--"), "{sql}");
        assert_eq!(sql.matches('?').count(), values.len());
        assert_eq!(values.last(), Some(&Value::Integer(3)));
    }

    #[test]
    fn no_terms_are_always_true() {
        assert_eq!(Conditions::of(&Filter::default()).finish(), ("TRUE".into(), Vec::new()));
    }
}
