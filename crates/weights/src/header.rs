//! The header of a safetensors file: names, types and byte ranges of the tensors, and texts by name.
//!
//! ```text
//! 8 bytes  length n of the header, little-endian
//! n bytes  {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, .., "__metadata__": {"key": "text"}}
//! ..       the numbers, little-endian, row-major, one tensor behind the other
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

use crate::json::{self, JsonValue};

/// Where the texts are.
const TEXTS: &str = "__metadata__";

/// A tensor of the file.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct TensorRecord {
    pub(crate) dtype: String,
    pub(crate) dims: Vec<usize>,
    /// Its bytes, counted from the end of the header.
    pub(crate) bytes: Range<usize>,
}

/// A header.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct SafetensorsHeader {
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) tensors: BTreeMap<String, TensorRecord>,
    /// Bytes behind it.
    pub(crate) data_len: usize,
}

impl SafetensorsHeader {
    /// Reads the bytes of a header, without its length. The tensors must lie behind each other without gaps, and be as
    /// long as their shapes say.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("its header is no text: {error}"))?;
        let value = json::parse(text)?;
        let fields = value.as_object().ok_or("its header is no object")?;
        let (mut texts, mut tensors) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in fields {
            if name == TEXTS {
                for (key, text) in value.as_object().ok_or("its metadata are no object")? {
                    let text =
                        text.as_str().ok_or_else(|| format!("{key:.60} in its metadata is no text"))?;
                    texts.insert(key.clone(), text.to_owned());
                }
            } else {
                let place =
                    place(value).ok_or_else(|| format!("the place of tensor {name:.60} is malformed"))?;
                tensors.insert(name.clone(), place);
            }
        }
        let mut places: Vec<(&String, &TensorRecord)> = tensors.iter().collect();
        places.sort_by_key(|(_, place)| (place.bytes.start, place.bytes.end));
        let mut data_len = 0;
        for (name, place) in places {
            if place.bytes.start != data_len || place.bytes.end < data_len {
                return Err(format!("tensor {name:.60} does not begin where the one before it ends"));
            }
            if let Some(width) = width(&place.dtype) {
                let len = place.dims.iter().try_fold(width, |len: usize, dim| len.checked_mul(*dim));
                if len != Some(place.bytes.len()) {
                    return Err(format!("tensor {name:.60} is not as long as its shape says"));
                }
            }
            data_len = place.bytes.end;
        }
        Ok(Self { texts, tensors, data_len })
    }
}

/// Bytes of a number, for the types of whole bytes that the format knows.
fn width(dtype: &str) -> Option<usize> {
    match dtype {
        "BOOL" | "U8" | "I8" => Some(1),
        "I16" | "U16" | "F16" | "BF16" => Some(2),
        "I32" | "U32" | "F32" => Some(4),
        "I64" | "U64" | "F64" | "C64" => Some(8),
        _ if dtype.starts_with("F8_") => Some(1),
        _ => None,
    }
}

fn place(value: &JsonValue) -> Option<TensorRecord> {
    let size = |value: &JsonValue| usize::try_from(value.as_u64()?).ok();
    let sizes = |name| value.get(name)?.as_array()?.iter().map(size).collect::<Option<Vec<usize>>>();
    let [start, end] = sizes("data_offsets")?[..] else { return None };
    Some(TensorRecord {
        dtype: value.get("dtype")?.as_str()?.to_owned(),
        dims: sizes("shape")?,
        bytes: start..end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_each_other_and_fit_their_shapes() {
        let tensor = |dtype: &str, shape: &str, from: usize, to: usize| {
            format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
        };
        let header =
            |a: String, b: String| SafetensorsHeader::parse(format!(r#"{{"b":{b},"a":{a}}}"#).as_bytes());
        let good = header(tensor("F32", "[2,3]", 8, 32), tensor("I64", "[]", 0, 8)).unwrap();
        assert_eq!((good.data_len, good.tensors.len()), (32, 2));
        assert_eq!(good.tensors["a"], TensorRecord { dtype: "F32".into(), dims: vec![2, 3], bytes: 8..32 });
        assert!(header(tensor("F16", "[2,3]", 8, 20), tensor("I64", "[]", 0, 8)).is_ok());
        assert!(header(tensor("BF16", "[2,3]", 8, 21), tensor("I64", "[]", 0, 8)).is_err());
        // types that nobody knows are only put in their place
        assert!(header(tensor("F4", "[2,3]", 8, 11), tensor("I64", "[]", 0, 8)).is_ok());
        for (shape, from, to) in [
            ("[2,3]", 0, 24),
            ("[2,3]", 9, 33),
            ("[2,3]", 8, 28),
            ("[2,3]", 8, 4),
            ("[-2,-3]", 8, 32),
            ("[2.0,3]", 8, 32),
            ("[4294967296,4294967296,4]", 8, 8),
        ] {
            assert!(header(tensor("F32", shape, from, to), tensor("I64", "[]", 0, 8)).is_err(), "{shape}");
        }
        for text in ["[]", "{", r#"{"__metadata__":[]}"#, r#"{"__metadata__":{"a":1}}"#, r#"{"a":{}}"#] {
            assert!(SafetensorsHeader::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(SafetensorsHeader::parse(b"{\"\xff\":1}").unwrap_err().contains("no text"));
    }
}
