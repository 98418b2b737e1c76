//! Which columns of a Parquet file have the pictures, their paths and their labels, and what the classes are called.
//!
//! The Hugging Face hub keeps a picture as a struct of `bytes` and `path`, a label as a number, and the names of the numbers as
//! JSON under the key `huggingface` of the file's metadata: `{"info": {"features": {"label": {"names": […]}}}}`.

use crate::classes;
use crate::reading::ReadOptions;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::file::metadata::FileMetaData;
use parquet::schema::types::ColumnDescriptor;
use plusx_model::words::did_you_mean;
use serde_json::Value;

const IMAGES: [&str; 8] = ["image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp"];
const LABELS: [&str; 8] = ["label", "labels", "fine_label", "class", "category", "target", "cls", "y"];

/// Key of the metadata that the library `datasets` keeps its features under.
const FEATURES: &str = "huggingface";

/// The columns of a file, by their index among all leaves of its schema.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Columns {
    pub(super) image: usize,
    pub(super) path: Option<usize>,
    pub(super) label: usize,
    /// What the labels are.
    pub(super) labels: LabelKind,
}

/// What the labels of a file are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum LabelKind {
    /// Texts.
    Text,
    /// Numbers without names.
    Number,
    /// Numbers that count these names.
    Named(Vec<String>),
}

/// A leaf of the schema, by its name.
struct Leaf<'a> {
    index: usize,
    descriptor: &'a ColumnDescriptor,
    parts: &'a [String],
}

impl Leaf<'_> {
    /// The column that the file's writer saw.
    fn column(&self) -> &str {
        self.parts.first().map_or("", String::as_str)
    }

    /// Whether it is the column, and not a part of one.
    fn is_whole(&self) -> bool {
        self.parts.len() == 1 && self.is_single()
    }

    /// Whether a row has one value at most.
    fn is_single(&self) -> bool {
        self.descriptor.max_rep_level() == 0
    }

    fn is_text(&self) -> bool {
        matches!(self.descriptor.logical_type_ref(), Some(LogicalType::String | LogicalType::Enum))
            || matches!(self.descriptor.converted_type(), ConvertedType::UTF8 | ConvertedType::ENUM)
    }

    fn is_bytes(&self) -> bool {
        self.descriptor.physical_type() == Type::BYTE_ARRAY && !self.is_text()
    }

    fn is_image(&self) -> bool {
        let in_struct = self.parts.len() == 2 && self.parts[1] == "bytes" && self.is_single();
        self.is_bytes() && (self.is_whole() || in_struct)
    }

    fn is_label(&self) -> bool {
        let is_number = matches!(self.descriptor.physical_type(), Type::INT32 | Type::INT64);
        self.is_whole() && (is_number || self.is_text())
    }
}

impl Columns {
    pub(super) fn of(file: &FileMetaData, options: &ReadOptions) -> Result<Self, String> {
        let schema = file.schema_descr();
        let leaves: Vec<Leaf<'_>> = (0..schema.num_columns())
            .map(|index| {
                let descriptor = schema.columns()[index].as_ref();
                Leaf { index, descriptor, parts: descriptor.path().parts() }
            })
            .collect();
        let features = features(file);
        let images: Vec<&Leaf<'_>> = leaves.iter().filter(|leaf| leaf.is_image()).collect();
        let image = by_name(&images, &IMAGES).or(only(&images)).ok_or_else(|| {
            let wanted = "a struct of bytes and path, or bytes";
            match images.is_empty() {
                true => format!("no column has pictures ({wanted}); there are {}", listed(&leaves)),
                false => {
                    format!("which column has the pictures? call one of them image: {}", listed(&leaves))
                }
            }
        })?;
        let path = leaves.iter().find(|leaf| {
            leaf.parts.len() == 2
                && leaf.column() == image.column()
                && leaf.parts[1] == "path"
                && leaf.is_single()
                && leaf.is_text()
        });
        let labels: Vec<&Leaf<'_>> = leaves.iter().filter(|leaf| leaf.is_label()).collect();
        let label = match &options.label_column {
            Some(name) => chosen(name, &leaves, &labels)?,
            None => {
                let named = labels.iter().filter(|leaf| names_of(&features, leaf.column()).is_some());
                let named: Vec<&Leaf<'_>> = named.copied().collect();
                by_name(&labels, &LABELS).or(only(&named)).or(only(&labels)).ok_or_else(|| {
                    let columns = listed(&leaves);
                    format!("which column has the labels? there are {columns}; name one with --label-column")
                })?
            }
        };
        let kind = if label.is_text() {
            LabelKind::Text
        } else {
            match names_of(&features, label.column()) {
                Some(names) => LabelKind::Named(checked(names, label.column())?),
                None => LabelKind::Number,
            }
        };
        Ok(Self { image: image.index, path: path.map(|leaf| leaf.index), label: label.index, labels: kind })
    }
}

/// The first of these names that is a column's.
fn by_name<'l>(leaves: &[&'l Leaf<'l>], names: &[&str]) -> Option<&'l Leaf<'l>> {
    names.iter().find_map(|name| leaves.iter().find(|leaf| leaf.column().eq_ignore_ascii_case(name)).copied())
}

fn only<'l>(leaves: &[&'l Leaf<'l>]) -> Option<&'l Leaf<'l>> {
    if let [only] = leaves { Some(only) } else { None }
}

/// The column that the user named.
fn chosen<'l>(name: &str, leaves: &'l [Leaf<'l>], labels: &[&'l Leaf<'l>]) -> Result<&'l Leaf<'l>, String> {
    if let Some(found) = labels.iter().find(|leaf| leaf.column() == name) {
        return Ok(found);
    }
    let names = leaves.iter().map(Leaf::column);
    Err(match leaves.iter().any(|leaf| leaf.column() == name) {
        true => {
            format!("--label-column {name}: it has neither one whole number nor one text for each picture")
        }
        false => format!(
            "--label-column {name}: there is no such column{}; there are {}",
            did_you_mean(name, names),
            listed(leaves)
        ),
    })
}

/// All columns, once each.
fn listed(leaves: &[Leaf<'_>]) -> String {
    let mut names: Vec<&str> = leaves.iter().map(Leaf::column).collect();
    names.dedup();
    names.join(", ")
}

/// What the metadata say of each column.
fn features(file: &FileMetaData) -> Value {
    let found = file.key_value_metadata().into_iter().flatten().find(|pair| pair.key == FEATURES);
    let text = found.and_then(|pair| pair.value.as_deref()).unwrap_or_default();
    let mut all: Value = serde_json::from_str(text).unwrap_or_default();
    all.pointer_mut("/info/features").map(Value::take).unwrap_or_default()
}

/// The names that a column's numbers count.
fn names_of<'f>(features: &'f Value, column: &str) -> Option<&'f Vec<Value>> {
    features.get(column)?.get("names")?.as_array()
}

fn checked(names: &[Value], column: &str) -> Result<Vec<String>, String> {
    let texts: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
    let texts = texts.ok_or_else(|| format!("the names of {column} in its metadata are not all texts"))?;
    let different = texts.iter().collect::<std::collections::BTreeSet<_>>().len();
    if different != texts.len() || texts.is_empty() || texts.len() > classes::MOST {
        return Err(format!(
            "the {} names of {column} in its metadata are {different} different ones",
            texts.len()
        ));
    }
    Ok(texts)
}
