//! What the user has settled: flags before environment before file before default.
//!
//! Every setting stands once in [`KEYS`]: its name in the file, which is also its environment
//! variable (`serve.bind` is GRISTMILL_SERVE_BIND), its kind and its default. `config show` prints
//! the same table, so it cannot drift from what the commands use.

mod file;
mod value;

use std::path::PathBuf;

pub use value::{Kind, Value};

use crate::error::{Error, Result};

/// One thing that can be settled.
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Option<&'static str>,
    pub about: &'static str,
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    about: &'static str,
) -> Key {
    Key { name, kind, default, about }
}

/// Every setting there is.
pub const KEYS: [Key; 10] = [
    key("server", Kind::Text, Some("http://127.0.0.1:7077"), "the server to talk to"),
    key("token", Kind::Secret, None, "the server's token"),
    key("color", Kind::Text, Some("auto"), "auto, always or never"),
    key("serve.bind", Kind::Text, Some("127.0.0.1:7077"), "where `serve` listens"),
    key("serve.data", Kind::Text, None, "the data folder of `serve`"),
    key("work.cpus", Kind::Count, None, "CPUs that `work` offers"),
    key("work.handlers", Kind::List, Some("images,command"), "what `work` runs"),
    key("work.shared_disk", Kind::List, None, "folders that `work` shares with submitters"),
    key("work.name", Kind::Text, None, "what `work` calls itself"),
    key("images.workers", Kind::Count, None, "images that `images` works on at once"),
];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Environment(String),
    File(PathBuf),
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Environment(name) => f.write_str(name),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// All settings of this process, each with its origin.
pub struct Settings {
    file: Option<PathBuf>,
    values: Vec<Option<(Value, Origin)>>,
}

impl Settings {
    /// Reads the environment and the file; `config` names another file than the usual one.
    pub fn load(config: Option<&std::path::Path>) -> Result<Settings> {
        let from_env = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let path =
            config.map(PathBuf::from).or_else(|| from_env("GRISTMILL_CONFIG").map(Into::into));
        let (file, mut written) = file::read(path)?;
        let mut values = Vec::with_capacity(KEYS.len());
        for key in &KEYS {
            let variable = variable(key.name);
            let value = if let Some(text) = from_env(&variable) {
                Some((key.kind.parse(&variable, &text)?, Origin::Environment(variable)))
            } else if let (Some(value), Some(path)) = (written.remove(key.name), &file) {
                Some((value, Origin::File(path.clone())))
            } else {
                let default = key.default.map(|text| key.kind.parse(key.name, text)).transpose()?;
                default.map(|value| (value, Origin::Default))
            };
            values.push(value);
        }
        Ok(Settings { file, values })
    }

    /// The file that was read, if there is one.
    pub fn file(&self) -> Option<&std::path::Path> {
        self.file.as_deref()
    }

    /// Every key with its value and origin.
    pub fn all(&self) -> impl Iterator<Item = (&'static Key, Option<&(Value, Origin)>)> {
        KEYS.iter().zip(self.values.iter().map(Option::as_ref))
    }

    /// The text of a setting.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number of a setting.
    pub fn count(&self, name: &str) -> Option<u32> {
        match self.get(name) {
            Some(Value::Count(count)) => Some(*count),
            _ => None,
        }
    }

    /// The words of a setting.
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(Value::List(words)) => words.clone(),
            _ => Vec::new(),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let index = KEYS.iter().position(|key| key.name == name);
        debug_assert!(index.is_some(), "`{name}` is not in KEYS");
        self.values.get(index?)?.as_ref().map(|(value, _)| value)
    }
}

/// The environment variable of a setting.
pub fn variable(name: &str) -> String {
    format!("GRISTMILL_{}", name.replace('.', "_").to_uppercase())
}

/// Refuses a name that no setting has, with the nearest one that exists.
fn unknown(name: &str, path: &std::path::Path) -> Error {
    let nearest = KEYS
        .iter()
        .map(|key| (strsim::jaro_winkler(name, key.name), key.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.75);
    let error = Error::usage(format!("unknown setting `{name}` in {}", path.display()));
    match nearest {
        Some((_, known)) => error.hint(format!("did you mean `{known}`?")),
        None => error.hint("`gristmill config show` lists every setting"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_told_its_nearest() {
        let hint = |name| unknown(name, "c.toml".as_ref()).hint.unwrap();
        assert_eq!(hint("servr"), "did you mean `server`?");
        assert_eq!(hint("serve.bnd"), "did you mean `serve.bind`?");
        assert!(hint("xyzzy").contains("config show"));
    }

    #[test]
    fn a_setting_is_its_own_variable() {
        assert_eq!(variable("work.shared_disk"), "GRISTMILL_WORK_SHARED_DISK");
    }
}
