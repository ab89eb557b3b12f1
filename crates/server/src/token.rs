//! The server's token: 32 random bytes, shown once, kept as a hash. Who holds it may do everything;
//! users and roles come later.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// By which people and scanners know a token of ours.
const PREFIX: &str = "gm_";

/// Why the token cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file does not hold a hash.
    #[error("{path} does not hold a token's hash: delete it, and the next start makes a new token")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The system has no random bytes to give.
    #[error("no token can be made: {0}")]
    Random(getrandom::Error),
    /// Anything else that the system says.
    #[error("{path} cannot be used: {source}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What a token is compared with. It cannot be turned back into one.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenHash(blake3::Hash);

impl TokenHash {
    /// Whether this is the token. The comparison takes the same time whatever differs.
    #[must_use]
    pub fn admits(&self, token: &str) -> bool {
        blake3::hash(token.as_bytes()) == self.0
    }
}

/// The hash kept in a file, or a new token's, with the token itself: the only time it is seen.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn open(path: &Path) -> Result<(TokenHash, Option<String>), TokenError> {
    let unusable = |source| TokenError::Unusable { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Ok(text) => match blake3::Hash::from_hex(text.trim()) {
            Ok(hash) => Ok((TokenHash(hash), None)),
            Err(_) => Err(TokenError::Damaged { path: path.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = draw()?;
            let hash = blake3::hash(token.as_bytes());
            write(path, &hash).map_err(unusable)?;
            Ok((TokenHash(hash), Some(token)))
        }
        Err(error) => Err(unusable(error)),
    }
}

fn draw() -> Result<String, TokenError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(TokenError::Random)?;
    let mut token = PREFIX.to_owned();
    bytes.iter().for_each(|byte| {
        // Writing into a string cannot fail.
        let _ = write!(token, "{byte:02x}");
    });
    Ok(token)
}

/// Written aside and renamed: a crash between leaves no half a hash.
fn write(path: &Path, hash: &blake3::Hash) -> io::Result<()> {
    let aside = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    writeln!(file, "{}", hash.to_hex())?;
    file.sync_all()?;
    fs::rename(&aside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_token_is_shown_once_and_recognised_ever_after() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("token");
        let (hash, shown) = open(&path).unwrap();
        let token = shown.unwrap();
        assert!(token.starts_with("gm_") && token.len() == 67, "{token}");
        assert!(hash.admits(&token) && !hash.admits("gm_00"));
        let kept = fs::read_to_string(&path).unwrap();
        assert!(!kept.contains(&token[3..]), "only the hash is kept");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (again, shown) = open(&path).unwrap();
        assert!(again == hash && shown.is_none());
    }

    #[test]
    fn a_damaged_hash_is_named() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "x").unwrap();
        let error = open(&path).map(drop).unwrap_err().to_string();
        assert!(error.contains("delete it"), "{error}");
    }
}
