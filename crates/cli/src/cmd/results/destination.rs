//! The folder into which results are fetched. Each file is written aside and renamed, and what is
//! there already stays: with the same bytes it need not come again, so that a fetch that was
//! interrupted can be repeated; with others it is refused, unless it was said to overwrite.

use std::io;
use std::path::{Path, PathBuf};

use gristmill_model::api::Job;
use gristmill_model::job::JobState;

use super::contents::{self, Source};
use crate::aside;
use crate::client::{Client, digest_of};
use crate::error::{Error, Result};

/// Where results go.
#[derive(Debug, Clone)]
pub struct Destination {
    folder: PathBuf,
    force: bool,
}

impl Destination {
    /// What `-o DIR` and `--force` say.
    pub fn new(folder: Option<&Path>, force: bool) -> Option<Destination> {
        folder.map(|folder| Destination { folder: folder.to_owned(), force })
    }

    /// How to fetch again what belongs to this.
    pub fn command(&self, of: &str) -> String {
        format!("gristmill results {of} -o {}", self.folder.display())
    }

    /// Makes the folder, and refuses one in which other results are where those of so many jobs
    /// will be: before any work is done for nothing.
    pub fn claim(&self, jobs: Option<u64>) -> Result<()> {
        let failed = |doing, error| Error::file(doing, &self.folder, &error);
        std::fs::create_dir_all(&self.folder).map_err(|error| failed("make", error))?;
        if self.force {
            return Ok(());
        }
        for entry in std::fs::read_dir(&self.folder).map_err(|error| failed("read", error))? {
            let name = entry.map_err(|error| failed("read", error))?.file_name();
            let name = name.to_string_lossy();
            let place: Option<u64> = name.parse().ok();
            let taken = match jobs {
                Some(1) => name == contents::VALUE,
                Some(jobs) => place.is_some_and(|place| place < jobs),
                None => place.is_some() || name == contents::VALUE,
            };
            if taken {
                return Err(there_already(&self.folder.join(&*name), ""));
            }
        }
        Ok(())
    }

    /// Brings what a job made, if it has succeeded: straight into the folder where no other job's
    /// results go there, else into a folder named after its place. Gives the files, the value last.
    pub async fn fetch(&self, client: &Client, job: &Job, alone: bool) -> Result<Vec<PathBuf>> {
        if job.state != JobState::Succeeded {
            return Ok(Vec::new());
        }
        let folder =
            if alone { self.folder.clone() } else { self.folder.join(job.index.to_string()) };
        let mut paths = Vec::new();
        for file in contents::of_job(client, job).await? {
            let path = folder.join(&file.name);
            if !self.stands(&path, &file.source).await? {
                put(client, &path, file.source).await?;
            }
            paths.push(path);
        }
        Ok(paths)
    }

    /// Whether the file is there already.
    async fn stands(&self, path: &Path, source: &Source) -> Result<bool> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::file("look at", path, &error)),
            Ok(there) if there.is_file() => {}
            Ok(_) if self.force => return Ok(false),
            Ok(_) => return Err(there_already(path, ", and is no file")),
        }
        let wanted = match source {
            Source::Blob(digest) => digest.0,
            Source::Bytes(bytes) => *blake3::hash(bytes).as_bytes(),
            Source::Path(from) => digest_of(from).await?.0.0,
        };
        let same = digest_of(path).await?.0.0 == wanted;
        if same || self.force { Ok(same) } else { Err(there_already(path, ", with other bytes")) }
    }
}

async fn put(client: &Client, path: &Path, source: Source) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| Error::file("make", folder, &error))?;
    match source {
        Source::Blob(digest) => client.download(digest, path).await.map(drop),
        Source::Bytes(bytes) => aside::write(path, |out| out.write_all(&bytes)),
        Source::Path(from) => {
            let to = path.to_owned();
            let copy = tokio::task::spawn_blocking(move || copy(&from, &to)).await;
            copy.map_err(|error| Error::internal(error.to_string()))?
        }
    }
}

/// Copies a file of a disk that the workers see, where this machine sees it too.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut file = std::fs::File::open(from).map_err(|error| {
        Error::file("read", from, &error)
            .hint("the result is a path on the workers' disk: fetch it where that disk is seen")
    })?;
    aside::write(to, |out| io::copy(&mut file, out).map(drop))
}

fn there_already(path: &Path, but: &str) -> Error {
    Error::input(format!("{} is there already{but}", path.display()))
        .hint("name another folder with -o, or add --force to overwrite")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_results_is_refused_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let into = |force| Destination::new(Some(&folder.path().join("deep/out")), force).unwrap();
        into(false).claim(None).unwrap();
        let at = |name: &str| folder.path().join("deep/out").join(name);
        std::fs::write(at("notes.txt"), "kept").unwrap();
        into(false).claim(None).unwrap();
        for (name, taken_for, free_for) in [("result.json", 1, 13), ("12", 13, 12)] {
            std::fs::write(at(name), "other").unwrap();
            for jobs in [None, Some(taken_for)] {
                let error = into(false).claim(jobs).unwrap_err();
                assert!(error.message.contains(name), "{error}");
                assert!(error.hint.unwrap().contains("--force"));
            }
            into(false).claim(Some(free_for)).unwrap();
            into(true).claim(None).unwrap();
            std::fs::remove_file(at(name)).unwrap();
        }
        let file = Destination::new(Some(&at("notes.txt")), false).unwrap();
        assert!(file.claim(None).unwrap_err().message.contains("notes.txt"));
    }

    #[tokio::test]
    async fn the_same_bytes_stay_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mill.txt");
        let into = |force| Destination::new(Some(folder.path()), force).unwrap();
        let flour = Source::Bytes(b"flour".to_vec());
        assert!(!into(false).stands(&path, &flour).await.unwrap());
        std::fs::write(&path, "flour").unwrap();
        assert!(into(false).stands(&path, &flour).await.unwrap());
        assert!(into(true).stands(&path, &flour).await.unwrap());
        let bran = Source::Bytes(b"bran".to_vec());
        let error = into(false).stands(&path, &bran).await.unwrap_err();
        assert!(error.message.contains("mill.txt"), "{error}");
        assert!(!into(true).stands(&path, &bran).await.unwrap());
        std::fs::create_dir(folder.path().join("dir")).unwrap();
        assert!(into(false).stands(&folder.path().join("dir"), &bran).await.is_err());
    }
}
