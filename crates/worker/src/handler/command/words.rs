//! The words of a command with their placeholders filled in; quoted where a shell reads them.

use std::path::Path;

use gristmill_model::attempt::{Failure, FailureKind};
use gristmill_model::pipeline::CommandSpec;
use gristmill_model::template;
use gristmill_model::wire::Assignment;

use crate::attempt::Given;

/// The argument list. With `shell` it is `/bin/sh -c` and one line, in which every value is one
/// word whatever it holds.
pub(super) fn fill(
    spec: &CommandSpec,
    assignment: &Assignment,
    input: &Given,
    output: &Path,
) -> Result<Vec<String>, Failure> {
    let value = |name: &str| match name {
        "input" => match input {
            Given::Text(text) => text.clone(),
            Given::File { path, .. } => path.to_string_lossy().into_owned(),
        },
        "output" => output.to_string_lossy().into_owned(),
        "job" => assignment.job.to_string(),
        "attempt" => assignment.attempt.to_string(),
        _ => String::new(),
    };
    let word = |word: &String| {
        template::fill(word, |name| if spec.shell { quote(&value(name)) } else { value(name) })
    };
    let words: Vec<String> =
        spec.argv.iter().map(word).collect::<Result<_, _>>().map_err(|error| {
            Failure::new(FailureKind::Invalid, "unknown_placeholder", error.to_string())
        })?;
    if words.iter().any(|word| word.contains('\0')) {
        let message = "an argument holds a NUL byte, which no program can be given";
        return Err(Failure::new(FailureKind::Invalid, "bad_argument", message));
    }
    Ok(if spec.shell { vec!["/bin/sh".into(), "-c".into(), words.join(" ")] } else { words })
}

/// One word for a POSIX shell: between single quotes nothing is special but the quote itself.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_value_is_one_word_whatever_it_holds() {
        assert_eq!(quote(""), "''");
        assert_eq!(quote("it's $HOME; `rm`"), r"'it'\''s $HOME; `rm`'");
    }
}
