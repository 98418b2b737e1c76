//! Entries of an archive that belong together: those that follow each other and have one key.
//!
//! The key of an entry is its path up to the first dot of its name; what follows that dot is its field, in small letters
//! (<https://github.com/webdataset/webdataset>, `base_plus_ext`).

use super::store::Entry;
use serde_json::Value;

/// Fields that are pictures.
const PICTURES: [&str; 12] =
    ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "jfif", "jpe", "ppm", "img"];

/// Where the label is looked for inside a field `json`.
const LABELS: [&str; 3] = ["label", "cls", "class"];

/// What is in a picture's group.
#[derive(Default, Debug)]
pub(super) struct Group {
    pub(super) key: String,
    pictures: Vec<(String, Entry)>,
    label: Option<Result<String, String>>,
    /// Fields that are neither.
    others: Vec<String>,
}

/// A picture with its label.
#[derive(Debug)]
pub(super) struct Labelling {
    pub(super) field: String,
    pub(super) entry: Entry,
    pub(super) label: String,
}

/// The key and the field of an entry; `None` for one without a dot, which belongs to nothing.
pub(super) fn key_and_field(path: &str) -> Option<(&str, String)> {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name + path[name..].find('.')?;
    // a name that begins with a dot has no key: `._a.jpg` is what macOS puts beside a file
    (dot > name).then(|| (&path[..dot], path[dot + 1..].to_ascii_lowercase()))
}

/// Whether the field is a picture: `jpg`, or `left.jpg`.
pub(super) fn is_picture(field: &str) -> bool {
    PICTURES.contains(&field.rsplit('.').next().unwrap_or(field))
}

/// Whether the field may say the label.
pub(super) fn is_label(field: &str, column: Option<&str>) -> bool {
    field == "json" || column.map_or(field == "cls", |column| field == column)
}

impl Group {
    pub(super) fn new(key: &str) -> Self {
        Self { key: key.to_owned(), ..Self::default() }
    }

    pub(super) fn add_picture(&mut self, field: String, entry: Entry) {
        self.pictures.push((field, entry));
    }

    pub(super) fn add_other(&mut self, field: String) {
        self.others.push(field);
    }

    /// Takes the label from a field that may say it. `cls` goes before `json`.
    pub(super) fn add_label(&mut self, field: &str, content: &[u8], column: Option<&str>) {
        if field == "json" && column != Some("json") {
            let said = in_json(content, column);
            self.label = self.label.take().or(Some(said));
        } else {
            let text = std::str::from_utf8(content).map(str::trim);
            self.label = Some(match text {
                Ok("") => Err(format!("its {field} is empty")),
                Ok(text) => Ok(text.to_owned()),
                Err(_) => Err(format!("its {field} is not text in UTF-8")),
            });
        }
    }

    /// The picture and the label of the group, or why it has none; `None` for a group without pictures.
    pub(super) fn finish(mut self, column: Option<&str>) -> Option<Result<Labelling, String>> {
        let plain: Vec<usize> =
            (0..self.pictures.len()).filter(|at| !self.pictures[*at].0.contains('.')).collect();
        let at = match (&plain[..], self.pictures.len()) {
            (_, 0) => return None,
            (&[only], _) => only,
            (_, 1) => 0,
            _ => {
                let fields: Vec<&str> = self.pictures.iter().map(|(field, _)| field.as_str()).collect();
                return Some(Err(format!("it has several pictures: {}", fields.join(", "))));
            }
        };
        let (field, entry) = self.pictures.swap_remove(at);
        Some(match self.label {
            Some(Ok(label)) => Ok(Labelling { field, entry, label }),
            Some(Err(reason)) => Err(reason),
            None => {
                let wanted = column.unwrap_or("cls");
                let beside = match self.others.is_empty() {
                    true => String::new(),
                    false => format!("; there is {}", self.others.join(", ")),
                };
                Err(format!("no label follows or precedes it, neither {wanted} nor json{beside}"))
            }
        })
    }
}

/// The label that a `json` says.
fn in_json(content: &[u8], column: Option<&str>) -> Result<String, String> {
    let all: Value = serde_json::from_slice(content).map_err(|error| format!("its json: {error}"))?;
    let found = match column {
        Some(column) => all.get(column),
        None => LABELS.iter().find_map(|name| all.get(name)),
    };
    match found {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(other) => Err(format!("its json says as label {other}, neither a text nor a number")),
        None => {
            let fields = column.map_or_else(|| LABELS.join(", "), str::to_owned);
            Err(format!("its json has no field {fields}; --label-column names another"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_end_at_the_first_dot_of_the_name() {
        for (path, key, field) in [
            ("a.jpg", "a", "jpg"),
            ("x.y/a.LEFT.Jpg", "x.y/a", "left.jpg"),
            ("./train/0001.cls", "./train/0001", "cls"),
        ] {
            assert_eq!(key_and_field(path), Some((key, field.to_owned())));
        }
        assert_eq!(["README", "x.y/z", "._a.jpg", "x/.hidden", ""].map(key_and_field), [const { None }; 5]);
    }

    #[test]
    fn labels_are_texts_or_numbers() {
        assert_eq!(in_json(br#"{"label": 7, "cls": "x"}"#, None), Ok("7".to_owned()));
        assert_eq!(in_json(br#"{"class": " cat "}"#, None), Ok("cat".to_owned()));
        assert_eq!(in_json(br#"{"label": 7, "breed": "pug"}"#, Some("breed")), Ok("pug".to_owned()));
        for (json, said) in [
            (&br#"{"label": [1]}"#[..], "neither a text nor a number"),
            (br#"{"label": null}"#, "neither"),
            (br#"{"caption": "a cat"}"#, "has no field label, cls, class; --label-column"),
            (b"[1]", "has no field"),
            (b"{", "its json: EOF"),
            (b"\xff", "its json: "),
        ] {
            let reason = in_json(json, None).unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
    }
}
