//! Pretrained weights, fetched only when asked: the ImageNet networks of the zoo as timm keeps them on the Hugging Face hub.
//!
//! A file is trusted for its SHA-256 alone, whoever sent it. For all but one network it is known beforehand, in [`SOURCES`]:
//! it is what the hub shows for the file (Git LFS names a file by the SHA-256 of its content). For the other one the caller
//! gives it, or takes the hub's word. The hash is then kept beside the file and holds for later fetches.

mod preparation;
mod sources;

use crate::DataError;
use crate::download::{Fetcher, PAUSE, Target, announced, base};
use std::fs;
use std::path::{Path, PathBuf};

pub use preparation::Preparation;
pub use sources::{PretrainedSource, SOURCES, source_of};

/// The hub's own address.
pub const HUB: &str = "https://huggingface.co";

/// Folder of the cache in which the files are.
const FOLDER: &str = "weights";

/// More bytes than the largest of the files has: 508 MB, of wide_resnet101_2.
const MOST_BYTES: u64 = 1 << 30;

/// Digits of a SHA-256.
const DIGITS: usize = 64;

/// Begins the line of [`FetchedWeights::note`] that has the hash.
const PIN: &str = "sha256: ";

/// Whose word the SHA-256 of a file is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub enum Pin {
    /// What [`SOURCES`] knows, else what an earlier fetch left beside the file.
    #[default]
    Known,
    /// The caller's, in hexadecimal; before all others.
    Given(String),
    /// The hub's, if nothing is known: the hash it announces for the file (`X-Linked-ETag`).
    Hub,
}

/// What to fetch, from where and to where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WeightOptions {
    /// The network's name in the zoo.
    pub model: String,
    /// The user's cache folder for plusx (see [`cache_dir`](crate::cache_dir)); the file goes to `weights` below it.
    pub cache_dir: PathBuf,
    /// Address of the hub or of a mirror of it ([`HUB`], `$HF_ENDPOINT`), `http://` or `https://`.
    pub endpoint: String,
    /// Whose word its SHA-256 is.
    pub pin: Pin,
    /// Ends the text beside the file: what to do with it. A line without its end; may be empty.
    pub advice: String,
}

/// Weights that are there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchedWeights {
    /// The file, `NAME.safetensors`: timm's names and no entry of plusx, so one for `plusx import`.
    pub path: PathBuf,
    /// The text beside it, `NAME.txt`: source, licence, SHA-256 and whose word that is.
    pub note: PathBuf,
    /// Its SHA-256.
    pub sha256: String,
    /// Whether the hash was taken from the hub by this call.
    pub by_hub: bool,
}

/// Where the weights of `model` are in a cache folder, there or not.
pub fn weights_path(cache_dir: &Path, model: &str) -> PathBuf {
    cache_dir.join(FOLDER).join(format!("{model}.safetensors"))
}

/// Fetches the weights of a network, unless they are there already, and checks them.
///
/// A transfer that breaks off is taken up where it stopped, at once or by the next call; the file gets its name only after
/// its content was checked, and of a wrong one nothing is kept. `progress` hears the file's name, the bytes it has so far
/// and, when the server tells, the bytes there will be.
///
/// # Errors
/// [`DataError::UnknownWeights`] for a network without a source, [`DataError::NoPin`] if its hash is not known and nobody's
/// word was to be taken, [`DataError::Hash`] for a given one that is none, [`DataError::Mirror`] for an unusable address,
/// [`DataError::WrongHash`] for another file, [`DataError::Download`] if the hub does not give it (or, asked for its word,
/// announces no hash), [`DataError::Busy`] if another process is fetching it, [`DataError::Io`] if it cannot be stored.
pub fn fetch_weights(
    options: &WeightOptions,
    progress: &mut dyn FnMut(&str, u64, Option<u64>),
) -> Result<FetchedWeights, DataError> {
    let source = source_of(&options.model)?;
    let base = base(&options.endpoint)?;
    let below = format!("{}/resolve/main/model.safetensors", source.repository);
    let path = weights_path(&options.cache_dir, source.model);
    let folder = options.cache_dir.join(FOLDER);
    fs::create_dir_all(&folder).map_err(DataError::io("create", &folder))?;
    let note = folder.join(format!("{}.txt", source.model));

    let kept = KeptPin::read(&note);
    let by_hub = options.pin == Pin::Hub && source.sha256.is_none() && kept.is_none();
    let noted = kept.as_ref().map(|kept| kept.sha256.clone());
    let KeptPin { sha256, word } = match (&options.pin, source.sha256) {
        (Pin::Given(hash), _) => KeptPin { sha256: checked(hash)?, word: "the caller's".to_owned() },
        (_, Some(known)) => KeptPin { sha256: known.to_owned(), word: "known to plusx".to_owned() },
        (pin, None) => match (kept, pin) {
            (Some(kept), _) => kept,
            (None, Pin::Hub) => KeptPin {
                sha256: announced(&format!("{base}{below}"))?,
                word: format!("the word of {}", options.endpoint),
            },
            (None, _) => return Err(DataError::NoPin { model: source.model.to_owned() }),
        },
    };
    let name = format!("{}.safetensors", source.model);
    let target = Target { name: &name, below: &below, sha256: &sha256, bytes: MOST_BYTES, packed: false };
    let mut fetcher =
        Fetcher { bases: &[base], folder: &folder, pause: PAUSE, other: "--endpoint", progress };
    // of a file that was there already the note stays: it came from where that says
    if fetcher.fetch(&target)? || noted.as_ref() != Some(&sha256) {
        let text = format!(
            "source: {}/{below}\nlicence: {}\n{PIN}{sha256}\nhash: {word}\n{}\n",
            options.endpoint.trim_end_matches('/'),
            source.licence,
            options.advice
        );
        fs::write(&note, text).map_err(DataError::io("write", &note))?;
    }
    Ok(FetchedWeights { path, note, sha256, by_hub })
}

/// A hash that somebody typed.
fn checked(hash: &str) -> Result<String, DataError> {
    let hash = hash.trim().to_ascii_lowercase();
    match hash.len() == DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(hash),
        false => Err(DataError::Hash { hash }),
    }
}

/// A hash, and whose word it is, as the text beside the file keeps them.
struct KeptPin {
    sha256: String,
    word: String,
}

impl KeptPin {
    /// What an earlier fetch left.
    fn read(note: &Path) -> Option<Self> {
        let text = fs::read_to_string(note).ok()?;
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        Some(Self { sha256: checked(line(PIN)?).ok()?, word: line("hash: ")?.to_owned() })
    }
}

#[cfg(test)]
mod tests;
