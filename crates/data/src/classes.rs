//! What the classes of a data set in IDX are called: its files hold numbers only.
//!
//! `classes.txt` has the name of a class on each line, in the order of the labels. EMNIST's `mapping.txt` has a label and the
//! codes of the characters that it stands for on each line. Without either the names are the numbers, from 0 to the largest
//! label.

use crate::DataError;
use crate::files::{CLASSES, ClassFile};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Most classes: what is beyond is no label.
pub(crate) const MOST: usize = 1 << 16;

/// Most bytes of names.
const LARGEST: u64 = 8 << 20;

/// Names for the labels 0 to `largest`, at least.
///
/// # Errors
/// Naming the file: too few names, an empty or a repeated one, or text that is none.
pub(crate) fn names(file: Option<&ClassFile>, largest: usize) -> Result<Vec<String>, DataError> {
    let (path, names) = match file {
        None => return Ok((0..=largest).map(|label| label.to_string()).collect()),
        Some(ClassFile::Lines(path)) => (path, lines(path)?),
        Some(ClassFile::Mapping(path)) => (path, mapping(path)?),
    };
    if names.len() <= largest {
        let reason = format!(
            "names {} classes, but there is a label {largest}: one name for each label from 0 on is \
                              needed",
            names.len()
        );
        return Err(DataError::malformed(path, reason));
    }
    let mut seen = HashMap::new();
    for (label, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name.as_str(), label) {
            let reason = format!("classes {first} and {label} are both called {name:?}");
            return Err(DataError::malformed(path, reason));
        }
    }
    Ok(names)
}

/// One name a line.
fn lines(path: &Path) -> Result<Vec<String>, DataError> {
    let text = text(path)?;
    let mut names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    while names.last().is_some_and(String::is_empty) {
        names.pop();
    }
    if let Some(line) = names.iter().position(String::is_empty) {
        let reason = format!("line {} is empty; each line names a class", line + 1);
        return Err(DataError::malformed(path, reason));
    }
    Ok(names)
}

/// The characters that each label stands for, as `A/a`; a label that stands for none is called by its number.
fn mapping(path: &Path) -> Result<Vec<String>, DataError> {
    let text = text(path)?;
    let mut names: Vec<Option<String>> = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: &str| {
            let reason = format!(
                "line {}, {line:?}: {what}; expected a label and the codes of its characters, as in \"10 65 97\" ({CLASSES} \
                 with a name on each line goes before this file)",
                index + 1
            );
            DataError::malformed(path, reason)
        };
        let numbers: Option<Vec<u32>> = line.split_whitespace().map(|word| word.parse().ok()).collect();
        let numbers = numbers.ok_or_else(|| wrong("not all of it are numbers"))?;
        let [label, codes @ ..] = &numbers[..] else { continue };
        let label = usize::try_from(*label).ok().filter(|label| *label < MOST);
        let label = label.ok_or_else(|| wrong("the label is too large"))?;
        let letters: Option<Vec<String>> =
            codes.iter().map(|code| char::from_u32(*code).map(String::from)).collect();
        let letters = letters.filter(|letters| !letters.is_empty());
        let letters = letters.ok_or_else(|| wrong("there is no such character"))?;
        if names.len() <= label {
            names.resize(label + 1, None);
        }
        if names[label].replace(letters.join("/")).is_some() {
            return Err(wrong("a line before is of the same label"));
        }
    }
    let numbered = names.into_iter().enumerate();
    Ok(numbered.map(|(label, name)| name.unwrap_or_else(|| label.to_string())).collect())
}

/// A small text file, without the byte order mark that some editors write.
fn text(path: &Path) -> Result<String, DataError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(DataError::io("open", path))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(DataError::io("read", path))?;
    if bytes.len() as u64 > LARGEST {
        let (what, size) = ("the size of the file in bytes", bytes.len() as u64);
        return Err(DataError::TooLarge { path: path.to_owned(), what, size, limit: LARGEST });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned)),
        Err(_) => Err(DataError::malformed(path, "not text in UTF-8; save it as such")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn with(text: &[u8], names_of: fn(PathBuf) -> ClassFile, largest: usize) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names.txt");
        std::fs::write(&path, text).unwrap();
        names(Some(&names_of(path)), largest).map_err(|error| {
            let text = error.to_string();
            assert!(text.contains("names.txt"), "{text}");
            text
        })
    }

    #[test]
    fn without_a_file_numbers_are_names() {
        assert_eq!(names(None, 2).unwrap(), ["0", "1", "2"]);
    }

    #[test]
    fn lines_are_names() {
        let lines = |text: &[u8], largest| with(text, ClassFile::Lines, largest);
        assert_eq!(lines("zéro\neins\n".as_bytes(), 1).unwrap(), ["zéro", "eins"]);
        // marks and line ends of other systems; a class that no picture is of
        assert_eq!(lines(b"\xef\xbb\xbfa\r\nb c\r\n\r\n", 0).unwrap(), ["a", "b c"]);
        for (text, largest, said) in [
            (&b"a\nb\n"[..], 2, "names 2 classes, but there is a label 2"),
            (b"a\n\nb\n", 1, "line 2 is empty"),
            (b"a\nb\na\n", 1, "classes 0 and 2 are both called \"a\""),
            (b"\xff\xfea\0\n\0", 0, "UTF-8"),
        ] {
            let reason = lines(text, largest).unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
    }

    #[test]
    fn mappings_give_characters() {
        let mapping = |text: &[u8], largest| with(text, ClassFile::Mapping, largest);
        // EMNIST's letters begin at 1 and are capital and small ones; its balanced set has one code a label
        assert_eq!(mapping(b"1 65 97\n2 66 98\n", 2).unwrap(), ["0", "A/a", "B/b"]);
        assert_eq!(mapping(b"0 48\r\n1 65\r\n", 1).unwrap(), ["0", "A"]);
        for (text, said) in [
            (&b"0 48\n0 49\n"[..], "same label"),
            (b"0 zero\n", "not all of it are numbers"),
            (b"0\n", "no such character"),
            (b"99999 48\n", "too large"),
            (b"0 48\n", "there is a label 1"),
        ] {
            let reason = mapping(text, 1).unwrap_err();
            assert!(reason.contains(said), "{reason}");
        }
    }
}
