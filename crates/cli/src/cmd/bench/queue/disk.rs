//! How often this disk syncs: a small write and an fdatasync, one after the other.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::Figure;
use crate::error::{Error, Result};

/// Long enough to see past the first few, which are often cached.
const FOR: Duration = Duration::from_millis(500);
/// A page of the log.
const PAGE: usize = 4_096;

/// Syncs a second, into space that was allocated before, as the log does.
pub fn syncs(folder: &Path) -> Result<Figure> {
    let failed = |error: std::io::Error| Error::file("write in", folder, &error);
    let mut file = tempfile::tempfile_in(folder).map_err(failed)?;
    let page = [7u8; PAGE];
    for _ in 0..256 {
        file.write_all(&page).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    let (started, mut count) = (Instant::now(), 0u64);
    while started.elapsed() < FOR {
        let at = count % 256 * PAGE as u64;
        file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&page)).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        count += 1;
    }
    let rate = count as f64 / started.elapsed().as_secs_f64();
    Ok(Figure { figure: "disk: fdatasync", value: rate, unit: "1/s", count })
}
