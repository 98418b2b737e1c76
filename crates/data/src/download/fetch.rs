//! One file from the first address that has it: resumed when cut, checked, then given its name.
//!
//! ```text
//! for each address:
//!     until the part is complete:
//!         ask for what is missing (Range); append it, or start over if the server does not know Range
//!     if its content is right: sync, rename, done
//!     if it was begun earlier: it may be the rest of another file: start over, once
//! ```

use super::ask::{Failure, agent, content_range, failure};
use crate::fashion::SetFile;
use crate::{DataError, unzip};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::{StatusCode, header};
use ureq::{Agent, Body};

/// Attempts that may bring nothing new before the next address is tried.
const FRUITLESS: u32 = 3;

/// Fetches files from several base addresses into a folder.
pub(crate) struct Fetcher<'a> {
    /// Base addresses, each ending in a slash, best first.
    pub(crate) bases: &'a [String],
    /// Where the files go.
    pub(crate) folder: &'a Path,
    /// Pause before a cut transfer is taken up again.
    pub(crate) pause: Duration,
    /// The option that names another server.
    pub(crate) other: &'static str,
    /// Hears the name, the bytes so far and the bytes expected.
    pub(crate) progress: &'a mut dyn FnMut(&str, u64, Option<u64>),
}

/// A file to fetch, and how to tell that it is the right one.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    /// Its name in the folder.
    pub(crate) name: &'a str,
    /// What follows the base address.
    pub(crate) below: &'a str,
    /// SHA-256 of its content, lower-case hexadecimal.
    pub(crate) sha256: &'a str,
    /// Bytes of its content, at most.
    pub(crate) bytes: u64,
    /// Whether its content is what it unpacks to, if it is a gzip archive.
    pub(crate) packed: bool,
}

/// The file being received.
struct Part<'a> {
    target: &'a Target<'a>,
    path: PathBuf,
    handle: File,
}

impl Fetcher<'_> {
    /// Makes sure that `target` is in the folder; whether it had to be fetched.
    pub(crate) fn fetch(&mut self, target: &Target<'_>) -> Result<bool, DataError> {
        let path = self.folder.join(target.name);
        if path.is_file() {
            let file = File::open(&path).map_err(DataError::io("open", &path))?;
            let len = file.metadata().map_err(DataError::io("read", &path))?.len();
            if target.hash(file, &path)? == target.sha256 {
                (self.progress)(target.name, len, Some(len));
                return Ok(false);
            }
        }
        self.complete(target).map(|_| true)
    }

    /// Makes sure that `file` is in the folder with its official content, packed or not.
    pub(super) fn fetch_packed(&mut self, file: &SetFile) -> Result<(), DataError> {
        let name = format!("{}.gz", file.name);
        let present = file.in_folder(self.folder);
        if let Some(path) = &present {
            match file.check(path) {
                Ok(()) => {
                    let len = path.metadata().map_err(DataError::io("read", path))?.len();
                    (self.progress)(&name, len, Some(len));
                    return Ok(());
                }
                Err(DataError::WrongHash { .. } | DataError::Malformed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let (sha256, bytes) = (file.sha256, file.bytes);
        let path = self.complete(&Target { name: &name, below: &name, sha256, bytes, packed: true })?;
        // a damaged file without `.gz` would be preferred to the good one
        if let Some(damaged) = present.filter(|damaged| *damaged != path) {
            fs::remove_file(&damaged).map_err(DataError::io("remove", &damaged))?;
        }
        Ok(())
    }

    /// Fetches `target`, whatever is in the folder; where it is.
    fn complete(&mut self, target: &Target<'_>) -> Result<PathBuf, DataError> {
        let mut part = Part::open(target, self.folder)?;
        self.any_address(&mut part)?;
        let path = self.folder.join(target.name);
        part.keep(&path)?;
        Ok(path)
    }

    fn any_address(&mut self, part: &mut Part<'_>) -> Result<(), DataError> {
        let mut tried = Vec::new();
        let mut foreign = None;
        for base in self.bases {
            let url = format!("{base}{}", part.target.below);
            match self.one_address(&url, part) {
                Ok(()) => return Ok(()),
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Again(reason) | Failure::Unreached(reason) | Failure::Never(reason)) => {
                    tried.push(format!("{url}: {reason}"))
                }
                Err(Failure::Foreign(None)) => tried.push(format!("{url}: a damaged archive")),
                Err(Failure::Foreign(Some(found))) => {
                    tried.push(format!("{url}: another file (SHA-256 {found})"));
                    foreign = Some((url, found));
                }
            }
        }
        let kept = part.len()? > 0;
        if !kept {
            fs::remove_file(&part.path).map_err(DataError::io("remove", &part.path))?;
        }
        Err(match foreign {
            Some((url, found)) if self.bases.len() == 1 => {
                DataError::WrongHash { path: url.into(), expected: part.target.sha256.to_owned(), found }
            }
            _ => {
                let (file, other) = (part.target.name.to_owned(), self.other);
                DataError::Download { file, tried, kept, other }
            }
        })
    }

    /// Completes `part` from one address and checks its content.
    fn one_address(&mut self, url: &str, part: &mut Part<'_>) -> Result<(), Failure> {
        let agent = agent(url);
        let mut most = part.len()?;
        let mut begun_earlier = most > 0;
        let (mut fruitless, mut has_sent) = (0, false);
        loop {
            match self.attempt(&agent, url, part) {
                Ok(()) => {
                    let Err(failure) = part.check() else { return Ok(()) };
                    if let Failure::Foreign(_) = failure {
                        part.restart()?;
                    }
                    if !std::mem::take(&mut begun_earlier) {
                        return Err(failure);
                    }
                    most = 0;
                }
                Err(Failure::Unreached(reason)) if !has_sent => return Err(Failure::Never(reason)),
                Err(Failure::Again(reason) | Failure::Unreached(reason)) => {
                    let len = part.len()?;
                    has_sent |= len > most;
                    fruitless = if len > most { 0 } else { fruitless + 1 };
                    most = most.max(len);
                    if fruitless == FRUITLESS {
                        return Err(Failure::Never(reason));
                    }
                    std::thread::sleep(self.pause);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// One request for what is missing.
    fn attempt(&mut self, agent: &Agent, url: &str, part: &mut Part<'_>) -> Result<(), Failure> {
        let have = part.len()?;
        let mut request = agent.get(url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = request.call().map_err(|error| failure(&error))?;
        let total = match response.status() {
            StatusCode::OK => {
                part.restart()?;
                response.body().content_length()
            }
            StatusCode::PARTIAL_CONTENT if have > 0 => match content_range(&response) {
                Some((Some(start), total)) if start == have => total,
                _ => {
                    part.restart()?;
                    return Err(Failure::Again(
                        "the server answered with another range than asked for".to_owned(),
                    ));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => {
                if let Some((None, Some(total))) = content_range(&response)
                    && total == have
                {
                    return Ok(()); // only its name was missing
                }
                part.restart()?;
                return Err(Failure::Again(
                    "the part received earlier does not fit the server's file".to_owned(),
                ));
            }
            status => {
                let reason = format!("HTTP {status}");
                let passing = status.is_server_error()
                    || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
                return Err(if passing { Failure::Again(reason) } else { Failure::Never(reason) });
            }
        };
        self.receive(response.into_body(), total, part)
    }

    /// Appends the body to the part until its end.
    fn receive(&mut self, body: Body, total: Option<u64>, part: &mut Part<'_>) -> Result<(), Failure> {
        // gzip grows what it cannot shrink by five bytes in 16 KiB (RFC 1951, section 3.2.4), and has a header
        let bytes = part.target.bytes;
        let limit = bytes + bytes / 1000 + 1024;
        let mut len = part.len()?;
        let mut body = body.into_reader();
        let mut buffer = vec![0; 64 << 10];
        part.handle.seek(SeekFrom::End(0)).map_err(DataError::io("write", &part.path))?;
        loop {
            (self.progress)(part.target.name, len, total);
            if len.max(total.unwrap_or(0)) > limit {
                part.restart()?;
                return Err(Failure::Never(format!("too long: at most {limit} bytes were expected")));
            }
            let n = match body.read(&mut buffer) {
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Again(format!("cut after {len} bytes ({error})"))),
            };
            if n == 0 {
                break;
            }
            part.handle.write_all(&buffer[..n]).map_err(DataError::io("write", &part.path))?;
            len += n as u64;
        }
        match total {
            Some(total) if len != total => Err(Failure::Again(format!("cut after {len} of {total} bytes"))),
            _ => Ok(()),
        }
    }
}

impl Target<'_> {
    /// SHA-256 of the content of `raw`, whose name in errors is `path`.
    fn hash(&self, raw: impl Read, path: &Path) -> Result<String, DataError> {
        match self.packed {
            true => unzip::sha256_of(raw, path, self.bytes),
            false => unzip::sha256_raw(raw, path, self.bytes),
        }
    }
}

impl<'a> Part<'a> {
    /// Opens or makes `NAME.part` and keeps other processes off it.
    fn open(target: &'a Target<'a>, folder: &Path) -> Result<Self, DataError> {
        let path = folder.join(format!("{}.part", target.name));
        let handle = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(DataError::io("create", &path))?;
        match handle.try_lock() {
            Err(TryLockError::WouldBlock) => Err(DataError::Busy { path }),
            // some network file systems know no locks; the check of the content still holds
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self { target, path, handle }),
        }
    }

    fn len(&self) -> Result<u64, DataError> {
        Ok(self.handle.metadata().map_err(DataError::io("read", &self.path))?.len())
    }

    fn restart(&mut self) -> Result<(), DataError> {
        self.handle.set_len(0).map_err(DataError::io("write", &self.path))
    }

    /// Whether the content is the official one.
    fn check(&mut self) -> Result<(), Failure> {
        self.handle.rewind().map_err(DataError::io("read", &self.path))?;
        match self.target.hash(&self.handle, &self.path) {
            Ok(found) if found == self.target.sha256 => Ok(()),
            Ok(found) => Err(Failure::Foreign(Some(found))),
            Err(DataError::Malformed { .. }) => Err(Failure::Foreign(None)),
            Err(error) => Err(Failure::Fatal(error)),
        }
    }

    /// Gives the complete file its name, so that it survives a crash right after.
    fn keep(self, path: &Path) -> Result<(), DataError> {
        self.handle.sync_all().map_err(DataError::io("write", &self.path))?;
        fs::rename(&self.path, path).map_err(DataError::io("rename", &self.path))?;
        #[cfg(unix)]
        path.parent().map_or(Ok(()), sync_folder)?;
        Ok(())
    }
}

/// Flushes a folder, so that a new name in it survives a crash right after.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<(), DataError> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // some network and FUSE file systems have no such thing for folders
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        result => result.map_err(DataError::io("write", folder)),
    }
}
