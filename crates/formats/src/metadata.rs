//! The `plusx` entry of a weight file: which network it is, what its classes are called, how pictures become its
//! input, how good it was, and, in a checkpoint, where the training stood.

use std::collections::BTreeMap;
use std::path::Path;

use plusx_model::preprocess::{Interpolation, Preprocess, Resize};
use plusx_model::shape::ImageShape;
use serde_json::{Map, Value, json};

use crate::error::FormatError;
use crate::json;

/// Version of the entry's own layout; a reader refuses a larger one. Layout 1 knows no preprocessing but the chapter's way
/// of resizing; entries that need no more are still written as that, for programs that know no more.
const LAYOUT: u64 = 2;

/// Larger inputs are refused: a size from a foreign file must not decide how much memory is asked for.
const LARGEST_SIDE: usize = 4096;

/// Everything a weight file says besides the numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelFile {
    /// Name in the zoo, `resnet18-d2l`.
    pub architecture: String,
    /// Class names in the order of the outputs.
    pub classes: Vec<String>,
    /// How a picture becomes the network's input.
    pub preprocess: Preprocess,
    /// How good it was: `top1` and the like.
    pub metrics: BTreeMap<String, Value>,
    /// State of the training, in a checkpoint; its fields belong to the training crate.
    pub training: Option<Value>,
}

impl ModelFile {
    /// The entry's text. Equal values give equal text.
    pub(crate) fn to_text(&self) -> String {
        let p = &self.preprocess;
        let (input, sides) = ([p.input.c, p.input.h, p.input.w], [p.input.h, p.input.w]);
        let first = (p.resize, p.interpolation) == (Resize::Both, Interpolation::BilinearOpencv);
        let shorts = |values: &[f32]| values.iter().copied().map(json::short).collect::<Vec<_>>();
        let mut entry = json!({
            "layout": if first { 1 } else { LAYOUT },
            "version": env!("CARGO_PKG_VERSION"),
            "architecture": self.architecture,
            "classes": self.classes,
            "preprocess": {
                "input": input,
                "resize": sides,
                "interpolation": p.interpolation.as_str(),
                "mean": shorts(&p.mean),
                "std": shorts(&p.std),
            },
            "metrics": self.metrics,
        });
        if let Resize::Shorter(side) = p.resize {
            entry["preprocess"]["resize"] = json!(side);
            entry["preprocess"]["crop"] = json!(sides);
        }
        if let Some(training) = &self.training {
            entry["training"] = training.clone();
        }
        json::sorted(&entry)
    }

    /// Reads the entry of the file `path`.
    pub(crate) fn from_text(text: &str, path: &Path) -> Result<Self, FormatError> {
        let entry: Value = serde_json::from_str(text).map_err(|error| FormatError::metadata(path, error))?;
        let entry = Fields::of(&entry, "the entry", path)?;
        let layout = entry.get("layout")?.as_u64().ok_or_else(|| entry.bad("layout", "a number"))?;
        if layout > LAYOUT {
            return Err(FormatError::metadata(
                path,
                format_args!(
                    "layout {layout} is newer than this program understands ({LAYOUT}); update plusx"
                ),
            ));
        }
        let preprocess = preprocess(&Fields::of(entry.get("preprocess")?, "preprocess", path)?)?;
        let metrics = Fields::of(entry.get("metrics")?, "metrics", path)?;
        Ok(Self {
            architecture: entry.text("architecture")?,
            classes: entry.list("classes", "a list of names", |item| item.as_str().map(str::to_owned))?,
            preprocess,
            metrics: metrics.map.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            training: entry.map.get("training").cloned(),
        })
    }
}

fn preprocess(fields: &Fields<'_>) -> Result<Preprocess, FormatError> {
    let size = |item: &Value| item.as_u64().and_then(|value| usize::try_from(value).ok());
    let number = |item: &Value| item.as_f64().map(|value| value as f32);
    let input = fields.list("input", "three sizes", size)?;
    let [c, h, w] = input[..] else { return Err(fields.bad("input", "three sizes")) };
    let resize = match size(fields.get("resize")?) {
        None => Resize::Both,
        Some(side) => Resize::Shorter(side),
    };
    // what comes out is the input, whichever of the two makes it so
    let (last, wanted) = match resize {
        Resize::Both => ("resize", "one size, or the two of the input"),
        Resize::Shorter(_) => ("crop", "the two sizes of the input"),
    };
    if fields.list(last, wanted, size)? != [h, w] {
        return Err(fields.bad(last, wanted));
    }
    let interpolation = fields.text("interpolation")?;
    let preprocess = Preprocess {
        input: ImageShape::new(c, h, w),
        resize,
        interpolation: interpolation.parse().map_err(|error| FormatError::metadata(fields.path, error))?,
        mean: fields.list("mean", "numbers", number)?,
        std: fields.list("std", "numbers", number)?,
    };
    preprocess.check().map_err(|error| FormatError::metadata(fields.path, error))?;
    if [c, h, w].iter().any(|size| *size > LARGEST_SIDE) {
        return Err(fields.bad("input", "sizes of at most 4096"));
    }
    Ok(preprocess)
}

/// The fields of one JSON object, with what is needed to complain about them.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    name: &'a str,
    path: &'a Path,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, name: &'a str, path: &'a Path) -> Result<Self, FormatError> {
        let map = value
            .as_object()
            .ok_or_else(|| FormatError::metadata(path, format_args!("{name} must be an object")))?;
        Ok(Self { map, name, path })
    }

    fn get(&self, key: &str) -> Result<&'a Value, FormatError> {
        self.map
            .get(key)
            .ok_or_else(|| FormatError::metadata(self.path, format_args!("{} lacks `{key}`", self.name)))
    }

    fn bad(&self, key: &str, wanted: &str) -> FormatError {
        FormatError::metadata(self.path, format_args!("`{key}` of {} must be {wanted}", self.name))
    }

    fn text(&self, key: &str) -> Result<String, FormatError> {
        self.get(key)?.as_str().map(str::to_owned).ok_or_else(|| self.bad(key, "text"))
    }

    fn list<T>(
        &self,
        key: &str,
        wanted: &str,
        item: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, FormatError> {
        self.get(key)?
            .as_array()
            .and_then(|items| items.iter().map(item).collect::<Option<Vec<_>>>())
            .ok_or_else(|| self.bad(key, wanted))
    }
}
