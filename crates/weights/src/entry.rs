//! The `plusx` entry of a weight file, as far as inference needs it: which network it is, what its classes are called,
//! how pictures become its input. Its other fields belong to whoever wrote them.

use std::path::Path;

use plusx_model::preprocess::{Preprocess, Resize};
use plusx_model::shape::ImageShape;

use crate::error::WeightError;
use crate::json::{self, JsonValue};

/// Version of the entry's own layout; a reader refuses a larger one. Layout 1 knows no preprocessing but the chapter's way
/// of resizing; entries that need no more are still written as that, for programs that know no more.
pub const LAYOUT: u64 = 2;

/// Larger inputs are refused: a size from a foreign file must not decide how much memory is asked for.
const LARGEST_SIDE: usize = 4096;

/// What a weight file says besides the numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct NetworkEntry {
    /// Name in the zoo, `resnet18-d2l`.
    pub architecture: String,
    /// Class names in the order of the outputs.
    pub classes: Vec<String>,
    /// How a picture becomes the network's input.
    pub preprocess: Preprocess,
    /// Its other fields, which belong to whoever wrote them; in the order of the text.
    pub others: Vec<(String, JsonValue)>,
}

/// The fields that are read here, and the layout that says how.
const READ: [&str; 4] = ["architecture", "classes", "layout", "preprocess"];

impl NetworkEntry {
    /// Reads the entry of the file `path`.
    ///
    /// # Errors
    /// [`WeightError::Metadata`] naming the field that is missing or not as it should be.
    pub fn from_text(text: &str, path: &Path) -> Result<Self, WeightError> {
        let value = json::parse(text).map_err(|error| WeightError::metadata(path, error))?;
        let entry = Fields::of(&value, "the entry", path)?;
        let layout = entry.get("layout")?.as_u64().ok_or_else(|| entry.bad("layout", "a number"))?;
        if layout > LAYOUT {
            return Err(WeightError::metadata(
                path,
                format_args!(
                    "layout {layout} is newer than this program understands ({LAYOUT}); update plusx"
                ),
            ));
        }
        let preprocess = preprocess(&Fields::of(entry.get("preprocess")?, "preprocess", path)?)?;
        let architecture = entry.text("architecture")?;
        let classes = entry.list("classes", "a list of names", |item| item.as_str().map(str::to_owned))?;
        let others = match value {
            JsonValue::Object(fields) => {
                fields.into_iter().filter(|(name, _)| !READ.contains(&name.as_str())).collect()
            }
            _ => Vec::new(),
        };
        Ok(Self { architecture, classes, preprocess, others })
    }
}

fn preprocess(fields: &Fields<'_>) -> Result<Preprocess, WeightError> {
    let size = |item: &JsonValue| item.as_u64().and_then(|value| usize::try_from(value).ok());
    let number = |item: &JsonValue| item.as_f64().map(|value| value as f32);
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
        interpolation: interpolation.parse().map_err(|error| WeightError::metadata(fields.path, error))?,
        mean: fields.list("mean", "numbers", number)?,
        std: fields.list("std", "numbers", number)?,
    };
    preprocess.check().map_err(|error| WeightError::metadata(fields.path, error))?;
    if [c, h, w].iter().any(|size| *size > LARGEST_SIDE) {
        return Err(fields.bad("input", "sizes of at most 4096"));
    }
    Ok(preprocess)
}

/// The fields of one JSON object, with what is needed to complain about them.
struct Fields<'a> {
    object: &'a JsonValue,
    name: &'a str,
    path: &'a Path,
}

impl<'a> Fields<'a> {
    fn of(object: &'a JsonValue, name: &'a str, path: &'a Path) -> Result<Self, WeightError> {
        match object.as_object() {
            Some(_) => Ok(Self { object, name, path }),
            None => Err(WeightError::metadata(path, format_args!("{name} must be an object"))),
        }
    }

    fn get(&self, key: &str) -> Result<&'a JsonValue, WeightError> {
        let lacks = || WeightError::metadata(self.path, format_args!("{} lacks `{key}`", self.name));
        self.object.get(key).ok_or_else(lacks)
    }

    fn bad(&self, key: &str, wanted: &str) -> WeightError {
        WeightError::metadata(self.path, format_args!("`{key}` of {} must be {wanted}", self.name))
    }

    fn text(&self, key: &str) -> Result<String, WeightError> {
        self.get(key)?.as_str().map(str::to_owned).ok_or_else(|| self.bad(key, "text"))
    }

    fn list<T>(
        &self,
        key: &str,
        wanted: &str,
        item: impl Fn(&JsonValue) -> Option<T>,
    ) -> Result<Vec<T>, WeightError> {
        self.get(key)?
            .as_array()
            .and_then(|items| items.iter().map(item).collect::<Option<Vec<_>>>())
            .ok_or_else(|| self.bad(key, wanted))
    }
}
