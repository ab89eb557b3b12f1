//! How often this disk syncs, and how long one sync takes: a small write and an fdatasync, one
//! after the other. Whatever is acknowledged waits for at least one of these.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Figure, percentiles};
use crate::error::{Error, Result};

/// Long enough to see past the first few, which are often cached.
const FOR: Duration = Duration::from_millis(500);
/// A page of the log.
const PAGE: usize = 4_096;

/// Syncs a second, into space that was allocated before, as the log does; and the time of one.
pub fn syncs(folder: &Path) -> Result<[Figure; 3]> {
    let failed = |error: std::io::Error| Error::file("write in", folder, &error);
    let mut file = tempfile::tempfile_in(folder).map_err(failed)?;
    let page = [7u8; PAGE];
    for _ in 0..256 {
        file.write_all(&page).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    let (started, mut took) = (Instant::now(), Vec::new());
    while started.elapsed() < FOR {
        let began = Instant::now();
        let at = (took.len() % 256 * PAGE) as u64;
        file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&page)).map_err(failed)?;
        file.sync_data().map_err(failed)?;
        took.push(began.elapsed());
    }
    let count = took.len() as u64;
    let value = count as f64 / started.elapsed().as_secs_f64();
    let rate = Figure { figure: "disk: fdatasync", value, unit: "1/s", count };
    let (median, late) = percentiles(took);
    Ok([
        rate,
        Figure::ms("disk: one fdatasync, p50", median, count),
        Figure::ms("disk: one fdatasync, p99", late, count),
    ])
}
