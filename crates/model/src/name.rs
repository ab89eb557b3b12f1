//! The rule for names that people give: of projects, pipelines and stages.

use crate::limits;
use crate::problem::{Code, Rejection};

/// Judges a name: 1 to [`limits::NAME_BYTES`] letters, digits, `.`, `_` or `-`.
///
/// # Errors
/// `code`, saying of `what` it is no name.
///
/// ```
/// use gristmill_model::{name, problem::Code};
/// assert!(name::check("project", "lab-3", Code::InvalidRequest).is_ok());
/// assert!(name::check("project", "lab 3", Code::InvalidRequest).is_err());
/// ```
pub fn check(what: &str, name: &str, code: Code) -> Result<(), Rejection> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > limits::NAME_BYTES || !name.chars().all(plain) {
        let detail = format!(
            "`{name}` is not a {what} name: expected 1 to {} letters, digits, `.`, `_` or `-`",
            limits::NAME_BYTES
        );
        return Err(Rejection::new(code, detail));
    }
    Ok(())
}
