//! What becomes of each picture: the name of its result, and the key by which a later run knows it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use gristmill_imaging::Recipe;

use super::walk::{Source, by_name};
use crate::error::{Error, Result};

/// Clashes that are named before the rest is only counted.
const NAMED: usize = 5;

/// A picture and its result to be.
#[derive(Debug, Clone)]
pub struct Image {
    pub source: Source,
    /// Path of the result relative to the folder of results.
    pub result: String,
    /// Absolute path of the result.
    pub path: PathBuf,
    pub key: String,
}

/// Names every result; refuses the whole run where two would be the same file, or where a result
/// would overwrite a source.
pub fn plan(
    sources: Vec<Source>,
    results: &Path,
    recipe: &Recipe,
    scope: &str,
) -> Result<Vec<Image>> {
    let recipe_text = text(recipe)?;
    let mut taken: HashMap<String, usize> = HashMap::with_capacity(sources.len());
    let mut images: Vec<Image> = Vec::with_capacity(sources.len());
    let mut clashes = Vec::new();
    for source in sources {
        let result = name(&source, recipe);
        if let Some(first) = taken.insert(result.clone(), images.len()) {
            let first = &images[first].source.name;
            clashes.push(format!("{first} and {} would both become {result}", source.name));
        }
        let path = results.join(&result);
        let key = key(&source, &result, &recipe_text, scope);
        images.push(Image { source, result, path, key });
    }
    if !clashes.is_empty() {
        return Err(clash(&clashes));
    }
    spare_sources(&images)?;
    Ok(images)
}

/// The recipe as it travels inside a job.
pub fn text(recipe: &Recipe) -> Result<String> {
    serde_json::to_string(recipe)
        .map_err(|error| Error::internal(format!("cannot write the recipe as JSON: {error}")))
}

/// A result keeps its source's name; its ending says what it is. A source whose name lies about
/// its content, or says nothing, gets the ending of its content.
fn name(source: &Source, recipe: &Recipe) -> String {
    let path = Path::new(&source.name);
    let written = recipe.format.or(source.format);
    match written {
        Some(format) if by_name(path) != Some(format) => {
            let ending = format.extension();
            let renamed = if by_name(path).is_some() {
                path.with_extension(ending)
            } else {
                // `scan.2024` has no ending, it has a year.
                PathBuf::from(format!("{}.{ending}", source.name))
            };
            renamed.to_string_lossy().into_owned()
        }
        _ => source.name.clone(),
    }
}

/// The same picture with the same recipe has the same key; a change of either, or of gristmill's
/// version, makes another. `scope` keeps apart what shares a server.
fn key(source: &Source, result: &str, recipe: &str, scope: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    let facts = [
        scope,
        &source.name,
        &source.size.to_string(),
        &source.changed.to_string(),
        recipe,
        result,
        env!("CARGO_PKG_VERSION"),
    ];
    for fact in facts {
        hasher.update(&(fact.len() as u64).to_le_bytes());
        hasher.update(fact.as_bytes());
    }
    format!("images-{}", hasher.finalize().to_hex())
}

fn clash(clashes: &[String]) -> Error {
    let mut message = clashes[..clashes.len().min(NAMED)].join("; ");
    if clashes.len() > NAMED {
        message.push_str(&format!("; and {} more", clashes.len() - NAMED));
    }
    Error::input(message).hint("leave one out with --exclude, or rename it; nothing was started")
}

fn spare_sources(images: &[Image]) -> Result<()> {
    let sources: HashMap<&Path, &str> = images
        .iter()
        .map(|image| (image.source.path.as_path(), image.source.name.as_str()))
        .collect();
    for image in images {
        if let Some(overwritten) = sources.get(image.path.as_path()) {
            let message = format!(
                "the result of {} would overwrite the source {overwritten}",
                image.source.name
            );
            return Err(Error::input(message).hint("choose another folder for the results"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gristmill_imaging::Format;

    fn source(name: &str, format: Option<Format>) -> Source {
        let path = Path::new("/in").join(name);
        Source { name: name.into(), path, size: 1, changed: 2, format }
    }

    fn named(name: &str, content: Option<Format>, written: Option<Format>) -> String {
        super::name(&source(name, content), &Recipe { format: written, ..Recipe::default() })
    }

    #[test]
    fn a_result_is_called_what_it_is() {
        use Format::{Jpeg, Png};
        assert_eq!(named("a/b.JPEG", Some(Jpeg), None), "a/b.JPEG");
        assert_eq!(named("a.jpg", Some(Png), None), "a.png");
        assert_eq!(named("scan.2024", Some(Png), None), "scan.2024.png");
        assert_eq!(named("a.png", Some(Png), Some(Jpeg)), "a.jpg");
        assert_eq!(named("empty.jpg", None, None), "empty.jpg");
    }

    #[test]
    fn two_sources_of_one_result_are_both_named() {
        let recipe = Recipe { format: Some(Format::Jpeg), ..Recipe::default() };
        let sources = vec![source("a.png", Some(Format::Png)), source("a.jpg", Some(Format::Jpeg))];
        let error = plan(sources, Path::new("/out"), &recipe, "").unwrap_err();
        assert_eq!(error.message, "a.png and a.jpg would both become a.jpg");
    }

    #[test]
    fn a_source_is_never_overwritten() {
        let sources = vec![source("a.jpg", Some(Format::Jpeg))];
        let error = plan(sources, Path::new("/in"), &Recipe::default(), "").unwrap_err();
        assert!(error.message.contains("overwrite"));
    }

    #[test]
    fn a_key_changes_with_what_matters() {
        let one = source("a.jpg", Some(Format::Jpeg));
        let later = Source { changed: 3, ..one.clone() };
        assert_eq!(key(&one, "a.jpg", "{}", ""), key(&one.clone(), "a.jpg", "{}", ""));
        assert_ne!(key(&one, "a.jpg", "{}", ""), key(&later, "a.jpg", "{}", ""));
        assert_ne!(key(&one, "a.jpg", "{}", ""), key(&one, "a.png", "{}", ""));
        assert!(key(&one, "a.jpg", "{}", "").len() <= gristmill_model::limits::KEY_BYTES);
    }
}
