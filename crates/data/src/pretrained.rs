//! Pretrained weights, fetched only when asked: the ImageNet networks of the zoo as timm keeps them on the Hugging Face hub.
//!
//! A file is trusted for its SHA-256 alone, whoever sent it. For all but one network it is known beforehand, in [`SOURCES`]:
//! it is what the hub shows for the file (Git LFS names a file by the SHA-256 of its content). Else the caller gives it, or
//! decides to take the hub's word; the hash is then kept beside the file and holds for later fetches.

use crate::DataError;
use crate::download::{Fetcher, PAUSE, Target, announced, base};
use std::fs;
use std::path::{Path, PathBuf};

/// The hub's own address.
pub const HUB: &str = "https://huggingface.co";

/// Folder of the cache in which the files are.
const FOLDER: &str = "weights";

/// More bytes than the largest of the files has: 508 MB, of wide_resnet101_2.
const MOST_BYTES: u64 = 1 << 30;

/// Digits of a SHA-256.
const DIGITS: usize = 64;

/// Begins the line of [`Weights::note`] that has the hash.
const PIN: &str = "sha256: ";

/// Where the weights of a network are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// The network's name in the zoo.
    pub model: &'static str,
    /// The repository on the hub.
    pub repository: &'static str,
    /// The licence it names.
    pub licence: &'static str,
    /// SHA-256 of its `model.safetensors`, lower-case hexadecimal, where it is known.
    pub sha256: Option<&'static str>,
    /// How pictures were prepared, if not torchvision's usual way: options of `plusx import` (timm's `crop_pct` and
    /// `interpolation` for 224 pixels, in its table of pretrained configurations).
    pub prepared: &'static [&'static str],
}

/// As timm evaluates its RA2 weights at 224 pixels: bicubic, 0.875 of the shorter side.
const TIMMS_WAY: &[&str] = &["--preprocess", "timm"];

/// As timm evaluates its A1 weights at 224 pixels: bicubic, 0.95 of the shorter side.
const TIMMS_A1_WAY: &[&str] = &["--preprocess", "timm", "--crop-pct", "0.95"];

/// As torchvision evaluates its second weights: 0.965 of the shorter side.
const SECOND_WEIGHTS: &[&str] = &["--crop-pct", "0.965"];

/// torchvision's weights carry the licence of its code.
const TORCHVISION: &str = "bsd-3-clause";

/// timm's own.
const TIMM: &str = "apache-2.0";

const fn source(
    model: &'static str,
    repository: &'static str,
    licence: &'static str,
    sha256: &'static str,
) -> Source {
    Source { model, repository, licence, sha256: Some(sha256), prepared: &[] }
}

impl Source {
    /// The command that makes a weight file of `file`, so that it records how pictures were prepared.
    pub fn import(&self, file: &Path) -> String {
        let Self { model, prepared, .. } = self;
        let options: String = prepared.iter().map(|word| format!(" {word}")).collect();
        format!("plusx import {} --model {model}{options} -o {model}.safetensors", file.display())
    }

    /// With options of `plusx import`.
    const fn prepared(self, prepared: &'static [&'static str]) -> Self {
        Self { prepared, ..self }
    }
}

/// Every ImageNet network of the zoo that timm has weights for: torchvision's first weights where their hash is known,
/// else its second or timm's own.
pub const SOURCES: [Source; 13] = [
    source(
        "resnet18",
        "timm/resnet18.tv_in1k",
        TORCHVISION,
        "694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81",
    ),
    source(
        "resnet34",
        "timm/resnet34.tv_in1k",
        TORCHVISION,
        "0bb82595a564991a9d424708b33f5d843f5aaed7f6c0886ff10849ff97022235",
    ),
    source(
        "resnet50",
        "timm/resnet50.tv_in1k",
        TORCHVISION,
        "5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888",
    ),
    source(
        "resnet101",
        "timm/resnet101.a1_in1k",
        TIMM,
        "1ba5b660e7c175b3c27c557fc7dc8b2815be830c516815b0155f61b403f27380",
    )
    .prepared(TIMMS_A1_WAY),
    source(
        "resnet152",
        "timm/resnet152.tv_in1k",
        TORCHVISION,
        "15897077afdf4d6334dc0c3f8e6fb483afb3faa9298c139f3c6eb29bca6ae5b2",
    ),
    source(
        "wide_resnet50_2",
        "timm/wide_resnet50_2.tv_in1k",
        TORCHVISION,
        "df6fb6c4824769769de18e14088475fd6ee94236849aa4e5d8022ba9d9a9a16c",
    ),
    source(
        "wide_resnet101_2",
        "timm/wide_resnet101_2.tv2_in1k",
        TORCHVISION,
        "0438046a3b7bb8166e6564dec811985d595f3098c9970181305945e0efa964c3",
    )
    .prepared(SECOND_WEIGHTS),
    source(
        "resnext50_32x4d",
        "timm/resnext50_32x4d.tv_in1k",
        TORCHVISION,
        "c0d85cba49c0e9dedbcf6d4e572e2c5ea5eb68e9d64d0564811fd54d4f72939a",
    ),
    source(
        "resnext101_32x8d",
        "timm/resnext101_32x8d.tv_in1k",
        TORCHVISION,
        "71c7427e233904ad828b768b9683876dc71f143876cbadaa26428bfea3560fc3",
    ),
    source(
        "resnext101_64x4d",
        "timm/resnext101_64x4d.tv_in1k",
        TORCHVISION,
        "47528f24e5cd6844249c9e4ea11aed6619431b83a0596afe80efdfffdb369900",
    ),
    source(
        "resnet18d",
        "timm/resnet18d.ra2_in1k",
        TIMM,
        "0ad5d924c4269ad863590b6ccdd19f5fb48d0bae695c1dd6751de0b0282d8361",
    )
    .prepared(TIMMS_WAY),
    Source {
        model: "resnet34d",
        repository: "timm/resnet34d.ra2_in1k",
        licence: TIMM,
        sha256: None,
        prepared: TIMMS_WAY,
    },
    source(
        "resnet50d",
        "timm/resnet50d.a1_in1k",
        TIMM,
        "0b4f757b0732eb4c6584d2c3692923c3b92efe116b8a383fd4b5eb62fda660cb",
    )
    .prepared(TIMMS_A1_WAY),
];

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
}

/// Weights that are there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Weights {
    /// The file, `NAME.safetensors`: timm's names and no entry of plusx, so one for `plusx import`.
    pub path: PathBuf,
    /// The text beside it, `NAME.txt`: source, licence, SHA-256 and whose word that is.
    pub note: PathBuf,
    /// Its SHA-256.
    pub sha256: String,
    /// Whether the hash was taken from the hub by this call.
    pub by_hub: bool,
}

/// The source of a network's weights.
///
/// # Errors
/// [`DataError::UnknownWeights`] listing the names there are.
pub fn source_of(model: &str) -> Result<&'static Source, DataError> {
    let known = || SOURCES.iter().map(|source| source.model.to_owned()).collect();
    let unknown = || DataError::UnknownWeights { model: model.to_owned(), known: known() };
    SOURCES.iter().find(|source| source.model == model).ok_or_else(unknown)
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
) -> Result<Weights, DataError> {
    let source = source_of(&options.model)?;
    let base = base(&options.endpoint)?;
    let below = format!("{}/resolve/main/model.safetensors", source.repository);
    let path = weights_path(&options.cache_dir, source.model);
    let folder = options.cache_dir.join(FOLDER);
    fs::create_dir_all(&folder).map_err(DataError::io("create", &folder))?;
    let note = folder.join(format!("{}.txt", source.model));

    let kept = kept_pin(&note);
    let by_hub = options.pin == Pin::Hub && source.sha256.is_none() && kept.is_none();
    let noted = kept.as_ref().map(|(hash, _)| hash.clone());
    let (sha256, word) = match (&options.pin, source.sha256) {
        (Pin::Given(hash), _) => (checked(hash)?, "the caller's".to_owned()),
        (_, Some(known)) => (known.to_owned(), "known to plusx".to_owned()),
        (pin, None) => match (kept, pin) {
            (Some((hash, word)), _) => (hash, word),
            (None, Pin::Hub) => {
                let url = format!("{base}{below}");
                (announced(&url)?, format!("the word of {}", options.endpoint))
            }
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
            "source: {}/{below}\nlicence: {}\n{PIN}{sha256}\nhash: {word}\nmake a weight file of it: {}\n",
            options.endpoint.trim_end_matches('/'),
            source.licence,
            source.import(&path)
        );
        fs::write(&note, text).map_err(DataError::io("write", &note))?;
    }
    Ok(Weights { path, note, sha256, by_hub })
}

/// A hash that somebody typed.
fn checked(hash: &str) -> Result<String, DataError> {
    let hash = hash.trim().to_ascii_lowercase();
    match hash.len() == DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(hash),
        false => Err(DataError::Hash { hash }),
    }
}

/// The hash that an earlier fetch left, and whose word it was.
fn kept_pin(note: &Path) -> Option<(String, String)> {
    let text = fs::read_to_string(note).ok()?;
    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    Some((checked(line(PIN)?).ok()?, line("hash: ")?.to_owned()))
}

#[cfg(test)]
mod tests;
