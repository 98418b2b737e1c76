//! Files of class names, as people and programs keep them.
//!
//! A text has a name on each line, in the order of the outputs. JSON, told by its first character, may be a list of names; a
//! mapping from numbers to names, also with several names each as Keras has it (`{"0": ["n01440764", "tench"]}`, the second
//! is taken); a mapping from names to numbers (`class_to_idx`); or an object that has one of these under a key of
//! [`KEYS`], as the `config.json` of timm and of transformers do. Numbers must be those from 0 to one less than there are
//! names.
//!
//! Text may be UTF-8 or, with a byte-order mark, UTF-16, with the line ends of any system. Nothing is guessed: a blank line
//! between names or a comment is an error with its line, since every name after it would be another class's.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::FormatError;

/// Most bytes: a thousand for each of ten thousand classes.
const LARGEST: u64 = 16_000_000;

/// Keys whose value is names, in the order in which they are looked for: timm's (`label_names`), transformers', those of
/// torchvision's datasets and weights, Ultralytics'.
pub const KEYS: [&str; 8] =
    ["label_names", "id2label", "label2id", "class_to_idx", "idx_to_class", "categories", "classes", "names"];

/// What a file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClassNames {
    /// The names, in the order of the outputs; at least one.
    pub names: Vec<String>,
    /// What should be said of them: sentences that name the file.
    pub notes: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// [`FormatError::Read`]; [`FormatError::ClassNames`] naming the line, or the entry, that is no name.
pub fn read(path: &Path) -> Result<ClassNames, FormatError> {
    let failed = |source| FormatError::read(path, source);
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(failed)?;
    decode(&bytes, path)
}

/// The names in a file's `bytes`; `path` is only for messages.
///
/// # Errors
/// Those of [`read`], except for reading.
pub fn decode(bytes: &[u8], path: &Path) -> Result<ClassNames, FormatError> {
    let wrong = |reason: String| FormatError::ClassNames { path: path.into(), reason };
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(format!("it has more than {LARGEST} bytes")));
    }
    let text = text(bytes).map_err(wrong)?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (names, note) = match text.trim_start().starts_with(['{', '[']) {
        true => from_json(&text).map_err(wrong)?,
        false => (from_lines(&text).map_err(wrong)?, numbered(&text)),
    };
    if names.is_empty() {
        return Err(wrong("it names no class".to_owned()));
    }
    if let Some(empty) = names.iter().position(String::is_empty) {
        return Err(wrong(format!("the name of class {empty} is empty")));
    }
    let notes = [note, twice(&names)].into_iter().flatten();
    let notes = notes.map(|note| format!("{}: {note}", path.display())).collect();
    Ok(ClassNames { names, notes })
}

/// The text, without a byte-order mark.
fn text(bytes: &[u8]) -> Result<String, String> {
    let sixteen = |rest: &[u8], read: fn([u8; 2]) -> u16| {
        let (units, odd) = rest.as_chunks::<2>();
        let text = char::decode_utf16(units.iter().map(|unit| read(*unit))).collect::<Result<String, _>>();
        match text {
            Ok(text) if odd.is_empty() => Ok(text),
            _ => Err("it begins as UTF-16 does, and is none; save it as UTF-8".to_owned()),
        }
    };
    let text = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err("it is UTF-32; save it as UTF-8".to_owned());
        }
        [0xff, 0xfe, rest @ ..] => sixteen(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => sixteen(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest)?,
        _ => utf8(bytes)?,
    };
    match text.find('\0') {
        None => Ok(text),
        Some(at) => {
            let line = line_of(text.as_bytes(), at);
            Err(format!(
                "line {line} holds a zero: it is UTF-16 without a mark, or no text; save it as UTF-8"
            ))
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        format!("line {} is not UTF-8; save it as UTF-8", line_of(bytes, error.valid_up_to()))
    })
}

/// The line, counted from 1, that byte `at` is on.
fn line_of(bytes: &[u8], at: usize) -> usize {
    let before = &bytes[..at];
    let feeds = before.iter().filter(|byte| **byte == b'\n').count();
    // line ends of old Macs have no feeds
    1 + if feeds > 0 { feeds } else { before.iter().filter(|byte| **byte == b'\r').count() }
}

fn from_lines(text: &str) -> Result<Vec<String>, String> {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim).collect();
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    for (index, line) in lines.iter().enumerate() {
        let number = index + 1;
        if line.is_empty() {
            return Err(format!(
                "line {number} is blank, and names follow it; take it out, or give the class a name"
            ));
        }
        if line.starts_with('#') {
            return Err(format!(
                "line {number} begins with #, and comments are no names; take it out, or give names that begin so as a JSON \
                 list"
            ));
        }
    }
    Ok(lines.into_iter().map(str::to_owned).collect())
}

/// A word on lines that all begin with their number, which becomes part of the names.
fn numbered(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let begins = |(index, line): (usize, &&str)| {
        let digits = line.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse() == Ok(index) && line.trim().len() > digits.len()
    };
    (lines.len() > 1 && lines.iter().enumerate().all(begins))
        .then(|| "every line begins with its number, which is taken as part of the name".to_owned())
}

/// A word on names that stand for two classes.
fn twice(names: &[String]) -> Option<String> {
    let mut seen = BTreeMap::new();
    let pairs: Vec<String> = names
        .iter()
        .enumerate()
        .filter_map(|(index, name)| {
            let first = seen.insert(name, index)?;
            Some(format!("{name:?} is the name of classes {first} and {index}"))
        })
        .collect();
    (!pairs.is_empty()).then(|| plusx_weights::some(&pairs, ", "))
}

/// JSON whose objects keep their order and every key, so that no class is lost to another of the same number.
#[derive(Clone, PartialEq, Debug)]
enum Json {
    Text(String),
    Number(u64),
    List(Vec<Json>),
    Map(Vec<(String, Json)>),
    Other,
}

/// Names, and a word on where they are from.
type Found = (Vec<String>, Option<String>);

fn from_json(text: &str) -> Result<Found, String> {
    let json: Json = serde_json::from_str(text).map_err(|error| {
        format!("it begins as JSON does, and is none: {error}; a dictionary as Python prints it is no JSON")
    })?;
    match &json {
        Json::List(items) => Ok((list(items)?, None)),
        Json::Map(entries) => match mapping(entries) {
            Some(names) => Ok((names?, None)),
            None => keyed(entries),
        },
        _ => Err("it is neither a list nor a mapping".to_owned()),
    }
}

fn list(items: &[Json]) -> Result<Vec<String>, String> {
    let name = |(index, item): (usize, &Json)| match item {
        Json::Text(name) => Ok(name.trim().to_owned()),
        _ => Err(format!("entry {index} of its list is no text")),
    };
    items.iter().enumerate().map(name).collect()
}

/// The names of a mapping between numbers and names, whichever way; `None` if it is none.
fn mapping(entries: &[(String, Json)]) -> Option<Result<Vec<String>, String>> {
    let is_name = |json: &Json| match json {
        Json::Text(_) => true,
        Json::List(names) => names.len() >= 2 && names.iter().all(|name| matches!(name, Json::Text(_))),
        _ => false,
    };
    let to_name = |(key, value): &(String, Json)| {
        let name = match value {
            Json::Text(name) => name,
            Json::List(names) => match names.get(1) {
                Some(Json::Text(name)) => name,
                _ => return None,
            },
            _ => return None,
        };
        Some((key.trim().parse().ok()?, name.trim().to_owned()))
    };
    let to_number = |(key, value): &(String, Json)| match value {
        Json::Number(number) => Some((*number, key.trim().to_owned())),
        _ => None,
    };
    if entries.is_empty() {
        return None;
    }
    let numbers = |(_, value): &(String, Json)| matches!(value, Json::Number(_));
    let pairs: Option<Vec<(u64, String)>> = match entries.iter().all(numbers) {
        true => entries.iter().map(to_number).collect(),
        false if entries.iter().all(|(_, value)| is_name(value)) => entries.iter().map(to_name).collect(),
        false => None,
    };
    pairs.map(in_order)
}

/// Names by their numbers, which must be those from 0 on.
fn in_order(mut pairs: Vec<(u64, String)>) -> Result<Vec<String>, String> {
    pairs.sort_by_key(|(number, _)| *number);
    let count = pairs.len();
    for (index, (number, name)) in pairs.iter().enumerate() {
        let index = index as u64;
        if *number < index {
            return Err(format!("it names class {number} twice: {name:?} is the second"));
        }
        if *number > index {
            return Err(format!(
                "it has no name for class {index}: {count} names must have the numbers 0 to {}, and the next one has {number}",
                count - 1
            ));
        }
    }
    Ok(pairs.into_iter().map(|(_, name)| name).collect())
}

/// The names under one of [`KEYS`].
fn keyed(entries: &[(String, Json)]) -> Result<Found, String> {
    let get = |entries: &[(String, Json)], key: &str| {
        entries.iter().find(|(own, _)| own == key).map(|(_, value)| value.clone())
    };
    // timm's older files have the names inside
    let inner = match get(entries, "pretrained_cfg") {
        Some(Json::Map(inner)) => inner,
        _ => Vec::new(),
    };
    for key in KEYS {
        let (found, around) = match (get(entries, key), get(&inner, key)) {
            (Some(found), _) => (found, entries),
            (None, Some(found)) => (found, &inner[..]),
            (None, None) => continue,
        };
        let inside = |reason: String| format!("{key}: {reason}");
        let names = match &found {
            Json::List(items) => list(items).map_err(inside)?,
            Json::Map(entries) => match mapping(entries) {
                Some(names) => names.map_err(inside)?,
                None => {
                    return Err(inside("it maps neither numbers to names nor names to numbers".to_owned()));
                }
            },
            Json::Other => continue,
            _ => return Err(inside("it is neither a list nor a mapping".to_owned())),
        };
        let descriptions = get(around, "label_descriptions").or_else(|| get(entries, "label_descriptions"));
        return Ok(
            match descriptions.and_then(|all| described(&names, &all)).filter(|_| key == "label_names") {
                Some(described) => (described, Some("names are those of label_descriptions".to_owned())),
                None => (names, Some(format!("names are those of {key}"))),
            },
        );
    }
    Err(format!(
        "it maps neither numbers to names nor names to numbers, and has none of the keys {}",
        KEYS.join(", ")
    ))
}

/// What timm calls the classes for people, if every one has such a name.
fn described(names: &[String], all: &Json) -> Option<Vec<String>> {
    match all {
        Json::Map(entries) => {
            let known: BTreeMap<&str, &Json> =
                entries.iter().map(|(name, value)| (name.as_str(), value)).collect();
            let description = |name: &String| match known.get(name.as_str()) {
                Some(Json::Text(description)) if !description.trim().is_empty() => {
                    Some(description.trim().to_owned())
                }
                _ => None,
            };
            names.iter().map(description).collect()
        }
        Json::List(items) if items.len() == names.len() => list(items).ok(),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
                Ok(Json::Number(number))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
                let mut found = Vec::new();
                while let Some(item) = items.next_element()? {
                    found.push(item);
                }
                Ok(Json::List(found))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
                let mut found = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    found.push(entry);
                }
                Ok(Json::Map(found))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(bytes: impl AsRef<[u8]>) -> Result<ClassNames, String> {
        decode(bytes.as_ref(), Path::new("names")).map_err(|error| error.to_string())
    }

    fn sixteen(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn every_form_gives_the_same_names() {
        let forms: [&[u8]; 18] = [
            b"cat\ndog\nfox\n",
            b"cat\r\ndog\r\nfox",
            b"cat\rdog\rfox\r",
            b"\xef\xbb\xbfcat\ndog\nfox\n\n\n",
            b"  cat \n\tdog\nfox \n \n",
            &sixteen("cat\r\ndog\r\nfox\r\n", u16::to_le_bytes),
            &sixteen("cat\ndog\nfox", u16::to_be_bytes),
            br#"["cat", "dog", "fox"]"#,
            b"\xef\xbb\xbf\n [\"cat\", \"dog\", \"fox\"]\n",
            br#"{"0": "cat", "2": "fox", "1": "dog"}"#,
            br#"{"cat": 0, "dog": 1, "fox": 2}"#,
            br#"{"0": ["n1", "cat"], "1": ["n2", "dog"], "2": ["n3", "fox"]}"#,
            br#"{"label_names": ["cat", "dog", "fox"], "num_classes": 3}"#,
            br#"{"label_names": ["n1", "n2", "n3"], "label_descriptions": {"n1": "cat", "n2": "dog", "n3": "fox"}}"#,
            br#"{"architecture": "x", "pretrained_cfg": {"label_names": ["cat", "dog", "fox"]}}"#,
            br#"{"model_type": "resnet", "id2label": {"0": "cat", "1": "dog", "2": "fox"}, "label2id": {"cat": 0}}"#,
            br#"{"id2label": null, "label2id": {"cat": 0, "dog": 1, "fox": 2}}"#,
            &sixteen(r#"{"class_to_idx": {"fox": 2, "dog": 1, "cat": 0}}"#, u16::to_le_bytes),
        ];
        for form in forms {
            let text = String::from_utf8_lossy(form).into_owned();
            assert_eq!(found(form).unwrap().names, ["cat", "dog", "fox"], "{text}");
        }
        // digits are names like others
        assert_eq!(found(br#"{"7": 0, "3": 1}"#).unwrap().names, ["7", "3"]);
        assert_eq!(found(br#"{"0": "5", "1": "4"}"#).unwrap().names, ["5", "4"]);
        assert_eq!(found("null").unwrap().names, ["null"]);
    }

    #[test]
    fn what_is_no_list_of_names_is_refused_with_its_place() {
        let large = vec![b'a'; LARGEST as usize + 1];
        let unmarked: Vec<u8> = "cat\ndog".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, part) in [
            (&b"cat\n\ndog\n"[..], "line 2 is blank"),
            (b"\ncat\n", "line 1 is blank"),
            (b"# classes\ncat\n", "line 1 begins with #"),
            (b"cat\nd\xf6g\n", "line 2 is not UTF-8"),
            (b"cat\rd\xf6g\r", "line 2 is not UTF-8"),
            (&unmarked, "UTF-16 without a mark"),
            (b"\xff\xfe\0\0c\0\0\0", "UTF-32"),
            (b"\xff\xfec\0a", "UTF-16"),
            (b"", "names no class"),
            (b" \n\n", "names no class"),
            (b"[]", "names no class"),
            (b"{}", "has none of the keys"),
            (b"{\"0\": \"cat\", \"0\": \"dog\"}", "names class 0 twice"),
            (b"{\"0\": \"cat\", \"2\": \"dog\"}", "no name for class 1"),
            (b"{\"1\": \"cat\", \"2\": \"dog\"}", "no name for class 0"),
            (b"{\"cat\": 0, \"dog\": 0}", "names class 0 twice"),
            (b"{\"0\": \"cat\", \"x\": \"dog\"}", "maps neither"),
            (b"{\"0\": \"cat\", \"1\": 5}", "maps neither"),
            (b"{\"0\": \"\"}", "class 0 is empty"),
            (b"[\"cat\", 3]", "entry 1"),
            (b"[[\"n1\", \"cat\"]]", "entry 0"),
            (b"{0: 'cat', 1: 'dog'}", "no JSON"),
            (b"{\"id2label\": {\"1\": \"cat\"}}", "id2label: it has no name for class 0"),
            (&large, "more than"),
        ] {
            let error = found(bytes).unwrap_err();
            assert!(error.contains("names") && error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn doubtful_names_are_said() {
        assert_eq!(found("cat\ndog").unwrap().notes, [""; 0]);
        let note = |text: &str| found(text).unwrap().notes.join(" ");
        assert!(note("cat\ndog\ncat\n").contains("\"cat\" is the name of classes 0 and 2"));
        assert!(note("0 cat\n1 dog\n").contains("begins with its number"));
        assert_eq!(note("0\n1\n"), "");
        assert!(note(r#"{"id2label": {"0": "cat"}}"#).contains("id2label"));
    }

    #[test]
    fn noise_never_panics() {
        let form = br#"{"pretrained_cfg": {"label_names": ["a", "b"], "label_descriptions": {"a": "x"}}, "id2label": {"0": 1}}"#;
        for at in 0..form.len() {
            for byte in *b"\"0{}[],:\0\xff\r" {
                let mut changed = form.to_vec();
                changed[at] = byte;
                let _ = found(&changed);
                let _ = found(&changed[at..]);
            }
        }
    }
}
