//! Files that are whole or not there: written aside in the same folder, then renamed.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file by handing `fill` a writer; a failure leaves whatever was there before.
pub fn write<T>(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<T>) -> Result<T> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |error: &std::io::Error| Error::file("write", path, error);
    let mut aside = tempfile::Builder::new()
        .prefix(".gristmill-")
        .permissions(ordinary())
        .tempfile_in(folder)
        .map_err(|error| failed(&error))?;
    let mut buffered = std::io::BufWriter::new(aside.as_file_mut());
    let value = fill(&mut buffered).map_err(|error| failed(&error))?;
    buffered.flush().map_err(|error| failed(&error))?;
    drop(buffered);
    aside.persist(path).map_err(|error| failed(&error.error))?;
    Ok(value)
}

/// What an ordinary new file gets; the process's umask takes its part.
pub fn ordinary() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o666)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write(&path, |out| out.write_all(b"first")).unwrap();
        let failed = write(&path, |out| {
            out.write_all(b"sec")?;
            Err::<(), _>(std::io::Error::other("no"))
        });
        assert!(failed.unwrap_err().message.contains("report.json"));
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
