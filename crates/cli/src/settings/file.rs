//! The configuration file: TOML, refused whole when one key of it is unknown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::value::Value;
use super::{KEYS, unknown};
use crate::error::{Error, Result};

/// The file's path, where there is a file, and what is written in it by dotted name. A file that
/// was asked for must exist; the usual one need not.
pub fn read(asked: Option<PathBuf>) -> Result<(Option<PathBuf>, BTreeMap<String, Value>)> {
    let Some(path) = asked.clone().or_else(usual) else { return Ok((None, BTreeMap::new())) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && asked.is_none() => {
            return Ok((None, BTreeMap::new()));
        }
        Err(error) => {
            let mut refused = Error::file("read", &path, &error);
            refused.exit = gristmill_model::problem::exit::USAGE;
            return Err(refused);
        }
    };
    let values = parse(&text, &path)?;
    Ok((Some(path), values))
}

/// `$XDG_CONFIG_HOME/gristmill/config.toml`, by default under `~/.config`.
pub fn usual() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".config")))?;
    Some(folder.join("gristmill/config.toml"))
}

fn parse(text: &str, path: &Path) -> Result<BTreeMap<String, Value>> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Error::usage(format!("{} is not TOML: {}", path.display(), error.message()))
            .hint(place(text, error.span()))
    })?;
    let mut values = BTreeMap::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(section) => {
                for (inner, value) in section {
                    take(&mut values, format!("{name}.{inner}"), value, path)?;
                }
            }
            value => take(&mut values, name, value, path)?,
        }
    }
    Ok(values)
}

fn take(
    values: &mut BTreeMap<String, Value>,
    name: String,
    value: toml::Value,
    path: &Path,
) -> Result<()> {
    let key = KEYS.iter().find(|key| key.name == name).ok_or_else(|| unknown(&name, path))?;
    let value = key.kind.take(&name, value).map_err(|error| Error {
        message: format!("{} (in {})", error.message, path.display()),
        ..error
    })?;
    values.insert(name, value);
    Ok(())
}

fn place(text: &str, span: Option<std::ops::Range<usize>>) -> String {
    let at = span.map_or(0, |span| span.start).min(text.len());
    let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    format!("look at line {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_become_dotted_names() {
        let text = "server = \"http://mill:7077\"\n[work]\ncpus = 4\nhandlers = [\"images\"]\n";
        let values = parse(text, "c.toml".as_ref()).unwrap();
        assert_eq!(values["server"], Value::Text("http://mill:7077".into()));
        assert_eq!(values["work.cpus"], Value::Count(4));
        assert_eq!(values["work.handlers"], Value::List(vec!["images".into()]));
    }

    #[test]
    fn a_wrong_value_is_named_and_a_secret_never_shown() {
        let message = |text| parse(text, "c.toml".as_ref()).unwrap_err().message;
        assert!(message("[work]\ncpus = 0").contains("work.cpus is `0`"));
        assert!(!message("token = 12345").contains("12345"));
        assert!(parse("a = \n\nb", "c.toml".as_ref()).unwrap_err().hint.is_some());
    }
}
