//! What the losses of the classes are multiplied by: a rule, or a number for each class, which a file names.
//!
//! A file has a line `class,weight` for each class, as spreadsheets write it: UTF-8, the line ends of any system, a name with a
//! comma in double quotes. A first line `class,weight` is a header. What a run keeps are the numbers and not the file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plusx_model::ErrorKind;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::value::{Lay, OptionValue, Shown};
use crate::error::TrainError;

/// Most bytes of a file: a thousand for each of ten thousand classes.
const LARGEST: u64 = 16_000_000;

/// Classes that are shown with their weights, at most.
const SHOWN: usize = 4;

/// What the losses of the classes are multiplied by. Written `none`, `balanced`, `effective`, or as a mapping from classes to
/// weights.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum ClassWeights {
    /// Nothing.
    #[default]
    None,
    /// Images / (classes x images of the class).
    Balanced,
    /// One over the effective number of images of the class (Cui et al. 2019, equation 2).
    Effective,
    /// A number of its own for each class.
    Each(ClassWeightTable),
}

/// The rules, by their names.
const RULES: [(&str, ClassWeights); 3] = [
    ("none", ClassWeights::None),
    ("balanced", ClassWeights::Balanced),
    ("effective", ClassWeights::Effective),
];

/// A weight for each class, by its name. Tables are equal if their weights are, wherever these came from.
#[derive(Clone, Debug)]
pub struct ClassWeightTable {
    weights: BTreeMap<String, f32>,
    origin: Option<Arc<Origin>>,
}

/// The file that weights were read from, for messages.
#[derive(Debug)]
struct Origin {
    /// As the user called it.
    file: String,
    /// Of each class, counted from 1.
    lines: BTreeMap<String, usize>,
}

impl PartialEq for ClassWeightTable {
    fn eq(&self, other: &Self) -> bool {
        self.weights == other.weights
    }
}

impl ClassWeightTable {
    /// These weights. Those that make no sense are refused with the other options of a run: they must be finite and not
    /// negative, and not all 0.
    pub fn new(weights: BTreeMap<String, f32>) -> Self {
        Self { weights, origin: None }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::ClassWeights`] naming the line that is no class with its weight, or that there is no
    /// such file.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) => Self::decode(&bytes, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(TrainError::ClassWeights {
                from: format!("--class-weights {}", path.display()),
                reason: "there is no such file; without one it is none, balanced or effective".into(),
                kind: ErrorKind::NotThere,
            }),
            Err(error) => Err(TrainError::io("cannot read", path, error)),
        }
    }

    /// The weights in the `bytes` of `file`.
    fn decode(bytes: &[u8], file: &str) -> Result<Self, TrainError> {
        let wrong = |reason: String| bad_file(file.to_owned(), reason);
        if bytes.len() as u64 > LARGEST {
            return Err(wrong(format!("it has more than {LARGEST} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            bad_file(at(file, line), "it is not text in UTF-8; save the file as UTF-8".into())
        })?;
        let text = crate::by_name::without_mark(text).replace("\r\n", "\n").replace('\r', "\n");
        let (mut weights, mut lines) = (BTreeMap::new(), BTreeMap::new());
        let mut first = true;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |reason: String| bad_file(at(file, index + 1), reason);
            let [class, weight] = cells(line).map_err(wrong)?;
            let is_header = first && ["weight", "weights"].contains(&weight.to_ascii_lowercase().as_str());
            first = false;
            if is_header {
                continue;
            }
            let number = weight.parse().ok().filter(|number| is_weight(*number)).ok_or_else(|| {
                wrong(format!(
                    "the weight of class {class:?} is {weight:?}; it must be a finite number of at least 0"
                ))
            })?;
            if let Some(before) = lines.insert(class.clone(), index + 1) {
                return Err(wrong(format!("class {class:?} has its weight in line {before} already")));
            }
            weights.insert(class, number);
        }
        if weights.is_empty() {
            return Err(wrong("it has no line with a class and its weight, such as cat,1.5".into()));
        }
        if weights.values().all(|weight| *weight == 0.0) {
            return Err(wrong("every weight is 0, so nothing would be learnt".into()));
        }
        Ok(Self { weights, origin: Some(Arc::new(Origin { file: file.to_owned(), lines })) })
    }

    /// The weight of a class.
    pub fn get(&self, class: &str) -> Option<f32> {
        self.weights.get(class).copied()
    }

    /// The classes, in the order of their names.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.weights.keys().map(String::as_str)
    }

    /// Where the weights are from; the line of `class`, if one is given and that is known.
    pub(crate) fn place(&self, class: Option<&str>) -> String {
        let Some(origin) = &self.origin else { return "class weights".to_owned() };
        match class.and_then(|class| origin.lines.get(class)) {
            Some(line) => at(&origin.file, *line),
            None => origin.file.clone(),
        }
    }
}

impl ClassWeights {
    /// Whether every weight is one that a loss can have.
    pub(super) fn is_valid(&self) -> bool {
        let Self::Each(table) = self else { return true };
        table.weights.values().all(|weight| is_weight(*weight))
            && table.weights.values().any(|weight| *weight > 0.0)
    }
}

fn is_weight(number: f32) -> bool {
    number.is_finite() && number >= 0.0
}

fn at(file: &str, line: usize) -> String {
    format!("{file}, line {line}")
}

fn bad_file(from: String, reason: String) -> TrainError {
    TrainError::ClassWeights { from, reason, kind: ErrorKind::BadFile }
}

/// The class and the weight on a line.
fn cells(line: &str) -> Result<[String; 2], String> {
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).map_err(|error| error.to_string())?;
    match record.iter().collect::<Vec<_>>()[..] {
        ["", _] => Err("the name of the class is empty".to_owned()),
        [class, weight] => Ok([class.to_owned(), weight.to_owned()]),
        _ => Err(format!(
            "{:?} is not a class and its weight with a comma between, such as cat,1.5; a name with a comma in it must stand in \
             double quotes",
            line.trim()
        )),
    }
}

impl Shown for ClassWeights {
    /// Of many classes, the first and a hash of all.
    fn shown(&self) -> String {
        let Self::Each(table) = self else {
            let rule = RULES.iter().find(|(_, rule)| rule == self);
            return rule.map_or("", |(name, _)| name).to_owned();
        };
        let all: Vec<String> =
            table.weights.iter().map(|(class, weight)| format!("{class:?} {weight}")).collect();
        if all.len() <= SHOWN {
            return all.join(", ");
        }
        let digest = Sha256::digest(all.join(", ").as_bytes());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} and {} more (SHA-256 {digest})", all[..SHOWN].join(", "), all.len() - SHOWN)
    }
}

impl Serialize for ClassWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Each(table) => table.weights.serialize(serializer),
            rule => serializer.serialize_str(&rule.shown()),
        }
    }
}

impl<'de> Deserialize<'de> for ClassWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = ClassWeights;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("none, balanced, effective, or a mapping from classes to weights")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ClassWeights, E> {
                let unknown = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
                rule(text).ok_or_else(unknown)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClassWeights, A::Error> {
                let mut weights = BTreeMap::new();
                while let Some((class, weight)) = map.next_entry::<String, f32>()? {
                    if weights.insert(class.clone(), weight).is_some() {
                        return Err(A::Error::custom(format!("class {class:?} has two weights")));
                    }
                }
                Ok(ClassWeights::Each(ClassWeightTable::new(weights)))
            }
        }

        deserializer.deserialize_any(Written)
    }
}

/// The rule of this name.
fn rule(text: &str) -> Option<ClassWeights> {
    RULES.iter().find(|(name, _)| *name == text).map(|(_, rule)| rule.clone())
}

/// What class weights are given as.
#[derive(Clone, PartialEq, Debug)]
pub enum GivenClassWeights {
    /// What a run keeps.
    Settled(ClassWeights),
    /// A file with a line `class,weight` for each class. It is read when the options of a run are put together, once for each
    /// time.
    File(PathBuf),
}

impl From<ClassWeights> for GivenClassWeights {
    fn from(weights: ClassWeights) -> Self {
        Self::Settled(weights)
    }
}

impl GivenClassWeights {
    /// The same with its file read, if it names one.
    pub(super) fn settled(&self) -> Result<Self, TrainError> {
        match self {
            Self::Settled(_) => Ok(self.clone()),
            Self::File(path) => Ok(Self::Settled(ClassWeights::Each(ClassWeightTable::read(path)?))),
        }
    }
}

impl OptionValue for GivenClassWeights {
    /// What is no rule is a file.
    fn read(word: &OsStr) -> Result<Self, String> {
        match word.to_str().and_then(rule) {
            Some(rule) => Ok(Self::Settled(rule)),
            None if word.is_empty() => Err("none, balanced, effective, or a file of weights".to_owned()),
            None => Ok(Self::File(word.into())),
        }
    }
}

impl Shown for GivenClassWeights {
    fn shown(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Settled(ClassWeights::Each(table)) if table.origin.is_some() => table.place(None),
            Self::Settled(weights) => weights.shown(),
        }
    }
}

impl Lay<ClassWeights> for GivenClassWeights {
    /// A file that is still to be read says nothing yet.
    fn lay(&self, kept: &mut ClassWeights) {
        if let Self::Settled(weights) = self {
            kept.clone_from(weights);
        }
    }

    fn is(&self, kept: &ClassWeights) -> bool {
        matches!(self, Self::Settled(weights) if weights == kept)
    }
}

#[cfg(test)]
mod tests;
