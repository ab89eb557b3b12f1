//! The filter grammar that the API (`?filter=`) and the CLI (`--filter`) share.
//!
//! A filter is a list of terms separated by spaces, all of which must hold. A term is a field, an
//! operator and one or more values separated by commas, any of which may match:
//!
//! ```text
//! state=failed,cancelled batch=b3 project=lab label.user=ada key!=x worker=w2 id>j100
//! ```

use std::fmt;
use std::str::FromStr;

use crate::job::JobState;
use crate::limits;
use crate::problem::{Code, Rejection};

/// A parsed filter; no terms means everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// All of these must hold.
    pub terms: Vec<Term>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// What is looked at.
    pub field: Field,
    /// How it is compared.
    pub op: Op,
    /// One of these must match; all are checked against the field's kind.
    pub values: Vec<String>,
}

/// What a filter can look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The job's id.
    Id,
    /// The job's state.
    State,
    /// The job's batch.
    Batch,
    /// The name of the project whose work it is.
    Project,
    /// The pipeline's name.
    Pipeline,
    /// The name of the stage where the job stands.
    Stage,
    /// The last worker that held it.
    Worker,
    /// Its idempotency key.
    Key,
    /// The code of its last failure.
    Code,
    /// A label, by name.
    Label(String),
}

/// How a term compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Equal to one of the values.
    Is,
    /// Equal to none of them.
    IsNot,
    /// After the value, in order of ids.
    After,
    /// Before the value, in order of ids.
    Before,
}

const FIELDS: &str = "id, state, batch, project, pipeline, stage, worker, key, code or label.NAME";

impl Filter {
    /// A filter with one more term.
    #[must_use]
    pub fn and(mut self, field: Field, value: impl Into<String>) -> Filter {
        self.terms.push(Term { field, op: Op::Is, values: vec![value.into()] });
        self
    }
}

impl FromStr for Filter {
    type Err = Rejection;

    fn from_str(text: &str) -> Result<Filter, Rejection> {
        let terms: Vec<Term> = text.split_whitespace().map(term).collect::<Result<_, _>>()?;
        if terms.len() > limits::FILTER_TERMS {
            return Err(bad(format!("more than {} terms", limits::FILTER_TERMS)));
        }
        Ok(Filter { terms })
    }
}

fn term(text: &str) -> Result<Term, Rejection> {
    let at = text.find(['=', '!', '<', '>']).ok_or_else(|| {
        bad(format!("`{text}` has no operator: expected FIELD=VALUE, with one of =, !=, < or >"))
    })?;
    let (name, rest) = text.split_at(at);
    let (op, values) = [("!=", Op::IsNot), ("=", Op::Is), (">", Op::After), ("<", Op::Before)]
        .into_iter()
        .find_map(|(sign, op)| rest.strip_prefix(sign).map(|values| (op, values)))
        .ok_or_else(|| bad(format!("`{text}`: expected one of =, !=, < or >")))?;
    let field: Field = name.parse()?;
    if matches!(op, Op::After | Op::Before) && field != Field::Id {
        return Err(bad(format!("`{text}`: only id can be compared with < and >")));
    }
    let values: Vec<String> = values.split(',').map(str::to_owned).collect();
    if matches!(op, Op::After | Op::Before) && values.len() > 1 {
        return Err(bad(format!("`{text}`: < and > compare with one value")));
    }
    values.iter().try_for_each(|value| field.check(value))?;
    Ok(Term { field, op, values })
}

impl FromStr for Field {
    type Err = Rejection;

    fn from_str(name: &str) -> Result<Field, Rejection> {
        Ok(match name {
            "id" => Field::Id,
            "state" => Field::State,
            "batch" => Field::Batch,
            "project" => Field::Project,
            "pipeline" => Field::Pipeline,
            "stage" => Field::Stage,
            "worker" => Field::Worker,
            "key" => Field::Key,
            "code" => Field::Code,
            _ => match name.strip_prefix("label.") {
                Some(label) if !label.is_empty() => Field::Label(label.to_owned()),
                _ => return Err(bad(format!("unknown field `{name}`: expected {FIELDS}"))),
            },
        })
    }
}

impl Field {
    fn check(&self, value: &str) -> Result<(), Rejection> {
        let checked = match self {
            Field::Id => value.parse::<crate::JobId>().map(drop).map_err(|e| e.to_string()),
            Field::Batch => value.parse::<crate::BatchId>().map(drop).map_err(|e| e.to_string()),
            Field::Worker => value.parse::<crate::WorkerId>().map(drop).map_err(|e| e.to_string()),
            Field::State => value.parse::<JobState>().map(drop),
            Field::Project => {
                crate::name::check("project", value, Code::InvalidFilter).map_err(|why| why.detail)
            }
            _ => Ok(()),
        };
        checked.map_err(bad)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<String> = self.terms.iter().map(Term::to_string).collect();
        f.write_str(&terms.join(" "))
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            Op::Is => "=",
            Op::IsNot => "!=",
            Op::After => ">",
            Op::Before => "<",
        };
        write!(f, "{}{op}{}", self.field, self.values.join(","))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Field::Id => f.write_str("id"),
            Field::State => f.write_str("state"),
            Field::Batch => f.write_str("batch"),
            Field::Project => f.write_str("project"),
            Field::Pipeline => f.write_str("pipeline"),
            Field::Stage => f.write_str("stage"),
            Field::Worker => f.write_str("worker"),
            Field::Key => f.write_str("key"),
            Field::Code => f.write_str("code"),
            Field::Label(name) => write!(f, "label.{name}"),
        }
    }
}

fn bad(detail: String) -> Rejection {
    Rejection::new(Code::InvalidFilter, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_survives_its_text() {
        let text = "state=failed,cancelled batch!=b3 project=lab label.user=ada id>j100";
        assert_eq!(text.parse::<Filter>().unwrap().to_string(), text);
        assert_eq!("".parse::<Filter>().unwrap(), Filter::default());
    }

    #[test]
    fn a_bad_filter_names_what_was_expected() {
        let detail = |text: &str| text.parse::<Filter>().unwrap_err().detail;
        assert!(detail("colour=red").contains("unknown field `colour`"));
        assert!(detail("state=done").contains("expected one of scheduled"));
        assert!(detail("batch=j3").contains("is not a batch id"));
        assert!(detail("failed").contains("no operator"));
        assert!(detail("project=a/b").contains("not a project name"));
        assert!(detail("project>a").contains("only id"));
        assert!(detail("state>failed").contains("only id"));
        assert!(detail("id>j1,j2").contains("one value"));
    }
}
