//! The `plusx` entry of a weight file, as far as inference needs it: which network it is, what its classes are called,
//! how pictures become its input. Its other fields belong to whoever wrote them.

use std::path::Path;

use plusx_model::preprocess::Preprocess;
use plusx_model::shape::ImageShape;

use crate::error::WeightError;
use crate::json::{self, Value};

/// Version of the entry's own layout; a reader refuses a larger one.
pub const LAYOUT: u64 = 1;

/// Larger inputs are refused: a size from a foreign file must not decide how much memory is asked for.
const LARGEST_SIDE: usize = 4096;

/// What a weight file says besides the numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Name in the zoo, `resnet18-d2l`.
    pub architecture: String,
    /// Class names in the order of the outputs.
    pub classes: Vec<String>,
    /// How a picture becomes the network's input.
    pub preprocess: Preprocess,
}

impl Entry {
    /// Reads the entry of the file `path`.
    ///
    /// # Errors
    /// [`WeightError::Metadata`] naming the field that is missing or not as it should be.
    pub fn from_text(text: &str, path: &Path) -> Result<Self, WeightError> {
        let entry = json::parse(text).map_err(|error| WeightError::metadata(path, error))?;
        let entry = Fields::of(&entry, "the entry", path)?;
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
        Ok(Self {
            architecture: entry.text("architecture")?,
            classes: entry.list("classes", "a list of names", |item| item.as_str().map(str::to_owned))?,
            preprocess,
        })
    }
}

fn preprocess(fields: &Fields<'_>) -> Result<Preprocess, WeightError> {
    let size = |item: &Value| item.as_u64().and_then(|value| usize::try_from(value).ok());
    let number = |item: &Value| item.as_f64().map(|value| value as f32);
    let input = fields.list("input", "three sizes", size)?;
    let resize = fields.list("resize", "two sizes", size)?;
    let [c, h, w] = input[..] else { return Err(fields.bad("input", "three sizes")) };
    let [rows, columns] = resize[..] else { return Err(fields.bad("resize", "two sizes")) };
    let interpolation = fields.text("interpolation")?;
    let preprocess = Preprocess {
        input: ImageShape::new(c, h, w),
        resize: [rows, columns],
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
    object: &'a Value,
    name: &'a str,
    path: &'a Path,
}

impl<'a> Fields<'a> {
    fn of(object: &'a Value, name: &'a str, path: &'a Path) -> Result<Self, WeightError> {
        match object.as_object() {
            Some(_) => Ok(Self { object, name, path }),
            None => Err(WeightError::metadata(path, format_args!("{name} must be an object"))),
        }
    }

    fn get(&self, key: &str) -> Result<&'a Value, WeightError> {
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
        item: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, WeightError> {
        self.get(key)?
            .as_array()
            .and_then(|items| items.iter().map(item).collect::<Option<Vec<_>>>())
            .ok_or_else(|| self.bad(key, wanted))
    }
}
