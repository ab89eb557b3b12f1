//! What the files of a result are called: a name of their own or the keys that lead to them, made
//! safe, and each name once.

use std::collections::BTreeSet;

/// Bytes of a name, with room for a number before the 255 that file systems take.
const LONGEST: usize = 200;
/// Bytes of an ending; what is longer is part of the name.
const LONGEST_ENDING: usize = 12;

/// The names of one folder. Names that differ in case alone are one, as some disks have it.
#[derive(Debug, Default)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// The name that was wished for, with a number where it is taken.
    pub fn take(&mut self, wish: &str) -> String {
        let (stem, ending) = split(wish);
        let mut name = wish.to_owned();
        let mut number = 0;
        while !self.0.insert(name.to_lowercase()) {
            number += 1;
            name = format!("{stem}-{number}{ending}");
        }
        name
    }

    pub fn is_free(&self, name: &str) -> bool {
        !self.0.contains(&name.to_lowercase())
    }
}

/// A name without folders, not hidden, whatever a handler called its file; nothing where nothing
/// is left of it.
pub fn plain(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    let kept = kept.trim_start_matches('.').trim();
    (!kept.is_empty()).then(|| cut(kept))
}

/// A name made of the keys that lead to a value, as `images-0` with an ending.
pub fn of_keys(keys: &[String], ending: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '_' { c } else { '-' };
    let joined: String = keys.join("-").chars().map(plain).collect();
    let joined = joined.trim_matches('-');
    cut(&format!("{}{ending}", if joined.is_empty() { "result" } else { joined }))
}

/// The ending of a name, with its dot; empty where it has none.
pub fn ending(name: &str) -> &str {
    split(name).1
}

/// The ending that files of a kind of media have.
pub fn ending_of(media: &str) -> &'static str {
    match media.split(';').next().unwrap_or_default().trim() {
        "image/png" => ".png",
        "image/jpeg" => ".jpg",
        "image/webp" => ".webp",
        "image/gif" => ".gif",
        "image/tiff" => ".tiff",
        "image/bmp" => ".bmp",
        "image/svg+xml" => ".svg",
        "text/plain" => ".txt",
        "text/csv" => ".csv",
        "text/html" => ".html",
        "text/markdown" => ".md",
        "application/json" => ".json",
        "application/pdf" => ".pdf",
        "application/zip" => ".zip",
        "application/x-npy" => ".npy",
        "audio/wav" | "audio/x-wav" => ".wav",
        "audio/mpeg" => ".mp3",
        "audio/flac" | "audio/x-flac" => ".flac",
        "audio/ogg" => ".ogg",
        "video/mp4" => ".mp4",
        "video/webm" => ".webm",
        _ => ".bin",
    }
}

fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= LONGEST_ENDING => name.split_at(at),
        _ => (name, ""),
    }
}

/// The name within the bound, with its ending.
fn cut(name: &str) -> String {
    let (stem, ending) = split(name);
    let mut end = stem.len().min(LONGEST - ending.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &stem[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_plain_whatever_it_was() {
        for (given, name) in [
            ("mill.png", Some("mill.png")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\mills\\red.png", Some("red.png")),
            ("/", None),
            ("..", None),
            (".bashrc", Some("bashrc")),
            ("a\nb\0.txt", Some("a_b_.txt")),
        ] {
            assert_eq!(plain(given).as_deref(), name, "{given:?}");
        }
        let long = plain(&format!("{}.png", "ü".repeat(500))).unwrap();
        assert!(long.len() <= LONGEST && long.ends_with("ü.png"), "{long}");
    }

    #[test]
    fn keys_are_joined_and_numbers_tell_apart() {
        let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>();
        assert_eq!(of_keys(&keys(&["images", "0"]), ".png"), "images-0.png");
        assert_eq!(of_keys(&[], ".npy"), "result.npy");
        assert_eq!(of_keys(&keys(&["../a/b"]), ".bin"), "a-b.bin");
        let mut names = Names::default();
        let taken = ["a.png", "A.png", "a.png", "a"].map(|wish| names.take(wish));
        assert_eq!(taken, ["a.png", "A-1.png", "a-2.png", "a"]);
        assert!(names.is_free("b.png") && !names.is_free("A"));
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_its_folder(given in any::<String>(), keys in any::<Vec<String>>()) {
            for name in plain(&given).into_iter().chain([of_keys(&keys, ".bin")]) {
                let path = std::path::Path::new(&name);
                prop_assert_eq!(path.components().count(), 1, "{}", name);
                prop_assert_eq!(path.file_name().and_then(|last| last.to_str()), Some(&*name));
                prop_assert!(name.len() <= LONGEST && !name.starts_with('.') , "{name:?}");
            }
        }
    }
}
