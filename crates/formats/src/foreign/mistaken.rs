//! Files that are taken for weights and are not, or not of a kind that is read: told by their contents, with what to do.

use std::io::{BufReader, Read};
use std::path::Path;

use super::unpickle::{self, most_values};
use crate::error::FormatError;

/// So many bytes tell every kind that is told here.
const FIRST: u64 = 4096;

const STATE_DICT: &str = "load it with PyTorch, save the state_dict of the network (torch.save(model.state_dict(), FILE)) and \
                          give that file";
const TENSORFLOW: &str = "convert it to ONNX (tf2onnx does) and give that file, or load it there and save its weights under \
                          torchvision's names as safetensors";
const NUMPY: &str = "save the arrays under torchvision's names as safetensors (safetensors.numpy.save_file) and give that \
                     file";
const UNPACK: &str = "unpack it and give the file with the weights";
const WEIGHTS: &str = "give a file with weights: safetensors, .pth, .params or .onnx";

/// What begins like this, and what to do.
const BEGINNINGS: [(&[u8], &str, &str); 24] = [
    (
        b"version https://git-lfs",
        "a pointer of Git LFS and not the weights themselves",
        "run `git lfs pull` in the repository that it comes from, or download the file itself",
    ),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes its weights (.h5)", TENSORFLOW),
    (b"\x93NUMPY", "an array of numpy (.npy)", NUMPY),
    (
        b"GGUF",
        "a GGUF file, as llama.cpp reads it",
        "it holds no residual network; give a file with its weights",
    ),
    (b"\x1f\x8b", "compressed with gzip", UNPACK),
    (b"BZh", "compressed with bzip2", UNPACK),
    (b"\xfd7zXZ\0", "compressed with xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"PK\x05\x06", "an empty zip archive", "download or save it again"),
    (b"\x89PNG", "a picture (PNG)", WEIGHTS),
    (b"\xff\xd8\xff", "a picture (JPEG)", WEIGHTS),
    (b"GIF8", "a picture (GIF)", WEIGHTS),
    (b"%PDF", "a PDF document", WEIGHTS),
    (b"\x7fELF", "a program", WEIGHTS),
    (b"MZ", "a program", WEIGHTS),
    (b"SQLite format 3", "a database", WEIGHTS),
    (b"#!", "a script", WEIGHTS),
    (b"7767517\n", "a network of ncnn (.param)", "give the file that it was converted from"),
    (b"<mlmodel", "a model description", WEIGHTS),
    (b"x\x01", "compressed with zlib, as joblib and scikit-learn write", NUMPY),
    (b"x\x9c", "compressed with zlib, as joblib and scikit-learn write", NUMPY),
    (b"x\xda", "compressed with zlib, as joblib and scikit-learn write", NUMPY),
];

/// The error for a file of no kind that is read: what it is, if its contents tell.
pub(super) fn unknown(path: &Path) -> FormatError {
    let mut bytes = Vec::new();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(source) => return FormatError::read(path, source),
    };
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    if let Err(source) = (&file).take(FIRST).read_to_end(&mut bytes) {
        return FormatError::read(path, source);
    }
    let told = |what: &str, advice| FormatError::other_kind(path, what, advice);
    if bytes.is_empty() {
        return told("an empty file", "download or save it again");
    }
    if let Some((_, what, advice)) = BEGINNINGS.iter().find(|(mark, ..)| bytes.starts_with(mark)) {
        return told(what, advice);
    }
    if bytes.get(4..8) == Some(b"TFL3") {
        return told("a network of TensorFlow Lite", TENSORFLOW);
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return told(
            "nothing but zeros at its beginning",
            "copying or downloading it was broken off: do it again",
        );
    }
    if let Some((what, advice)) = pickled(&file, &bytes, size) {
        return FormatError::other_kind(path, what, advice);
    }
    if graph(&bytes) {
        return told("a graph of TensorFlow (.pb)", TENSORFLOW);
    }
    match text(&bytes) {
        Some((what, advice)) => told(&what, advice),
        None => FormatError::UnknownKind { path: path.into() },
    }
}

/// The error for a folder: what it is, if what lies in it tells.
pub(super) fn folder(path: &Path) -> FormatError {
    let has = |name: &str| path.join(name).exists();
    let (what, advice) = if has("saved_model.pb") {
        ("a folder with a saved model of TensorFlow", TENSORFLOW)
    } else if has("Manifest.json") && has("Data") {
        ("a folder with a network of Core ML", "give the file that it was converted from")
    } else {
        ("a folder without model.safetensors or pytorch_model.bin", "give the file with the weights")
    };
    FormatError::other_kind(path, what, advice)
}

/// A pickle that `torch.save` did not write.
fn pickled(file: &std::fs::File, first: &[u8], size: u64) -> Option<(String, &'static str)> {
    use std::io::Seek;
    if !matches!(first, [0x80, 0..=5, ..] | [b'(' | b'c' | b'}' | b']', ..]) {
        return None;
    }
    let mut file = file;
    file.rewind().ok()?;
    let saved = unpickle::read(&mut BufReader::new(file), most_values(size)).ok();
    // beginnings of protocol 0 could begin a text, too
    if saved.is_none() && first[0] != 0x80 {
        return None;
    }
    let what = saved.map(|saved| saved.type_name(saved.root));
    let names = |name: &&str| first.windows(name.len()).any(|part| part == name.as_bytes());
    let learned = ["sklearn", "joblib", "xgboost", "lightgbm"].iter().any(names);
    let advice =
        if learned { "it is no residual network; give a file with the weights of one" } else { STATE_DICT };
    let of = what.map_or(String::new(), |what| format!(", {what}"));
    Some((format!("a pickle of Python{of}, that torch.save did not write"), advice))
}

/// Whether a protocol buffer begins as TensorFlow's graphs do: with a node, which has a name and an operation.
fn graph(first: &[u8]) -> bool {
    let [0x0a, length, 0x0a, name, ..] = first else { return false };
    let operation = first.get(4 + usize::from(*name));
    *length > *name && *length < 0x80 && *name < 0x7e && operation == Some(&0x12)
}

/// Texts of all kinds.
fn text(first: &[u8]) -> Option<(String, &'static str)> {
    let whole = std::str::from_utf8(first);
    let text = match &whole {
        Ok(text) => *text,
        // cut within a character
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&first[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.is_empty() || text.chars().any(|one| one.is_control() && !one.is_whitespace()) {
        return None;
    }
    let start = text.get(..15).unwrap_or(text).to_lowercase();
    Some(if start.starts_with("<!doctype html") || start.starts_with("<html") {
        let advice =
            "the download was of a web page (a sign-in, a notice): follow its link to the file itself";
        ("an HTML page and not the weights".to_owned(), advice)
    } else if start.starts_with('<') {
        ("an XML text".to_owned(), WEIGHTS)
    } else if text.contains("\"weight_map\"") {
        let advice = "give the index under its own name, beside the parts that it names";
        ("the index of weights in several parts".to_owned(), advice)
    } else if text.starts_with(['{', '[']) {
        ("a JSON text, perhaps the configuration of a network".to_owned(), WEIGHTS)
    } else {
        let line: String = text.lines().next().unwrap_or_default().chars().take(40).collect();
        (format!("a text that begins with `{}`", line.trim_end()), WEIGHTS)
    })
}

/// What a zip archive is that `torch.save` did not write, by the names of its entries; `None` if it may be one of those.
pub(super) fn of_archive<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Option<(String, &'static str)> {
    let has = |end: &str| {
        names
            .clone()
            .any(|name| name == end || name.strip_suffix(end).is_some_and(|rest| rest.ends_with('/')))
    };
    let ends = |end: &str| names.clone().find(|name| name.ends_with(end));
    let told = |what: &str, advice| Some((what.to_owned(), advice));
    if has("constants.pkl") && (ends("data.pkl").is_some() || ends(".py").is_some()) {
        return told("a TorchScript archive: a compiled program (torch.jit.save)", STATE_DICT);
    }
    if has("serialized_exported_program.json") || has("archive_format") || has("models/model.json") {
        return told("a program of torch.export (.pt2)", STATE_DICT);
    }
    if has("model.weights.h5") || has("config.json") && has("metadata.json") {
        return told("a network of Keras (.keras)", TENSORFLOW);
    }
    if ends("data.pkl").is_some() {
        return None;
    }
    if has("saved_model.pb") {
        return told("a packed model of TensorFlow", TENSORFLOW);
    }
    if ends(".npy").is_some() {
        return told("arrays of numpy (.npz)", NUMPY);
    }
    if ends(".mlmodel").is_some() || has("Manifest.json") {
        return told("a packed model of Core ML", "give the file that it was converted from");
    }
    if has("MAR-INF/MANIFEST.json") {
        return told("an archive of TorchServe (.mar)", UNPACK);
    }
    let inside = [".pth", ".pt", ".th", ".tar", ".safetensors", ".ckpt", ".bin", ".params", ".onnx"];
    if let Some(name) = inside.iter().find_map(|end| ends(end)) {
        return Some((format!("a zip archive with {name} in it"), UNPACK));
    }
    let first = names.clone().next().unwrap_or_default();
    Some((format!("a zip archive that torch.save did not write; its first entry is {first}"), WEIGHTS))
}

/// What an ONNX file is taken for that is none, by how it begins: protocol buffers of TensorFlow and Core ML have a number
/// in their first field, too.
pub(super) fn no_onnx(first: &[u8]) -> Option<(&'static str, &'static str)> {
    let [0x08, version, 0x12, rest @ ..] = first else { return None };
    // a length of one to five bytes, then a message, where ONNX has the producer's name
    let length = rest.iter().position(|byte| *byte < 0x80)? + 1;
    let message = rest.get(length..)?;
    let [0x0a, inner @ ..] = message else { return None };
    let length = inner.iter().position(|byte| *byte < 0x80)? + 1;
    match (*version, inner.get(length)) {
        (1..=20, Some(0x0a)) => {
            Some(("a network of Core ML (.mlmodel)", "give the file that it was converted from"))
        }
        (1, _) => Some(("a saved model of TensorFlow (.pb)", TENSORFLOW)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(names: &[&str]) -> Option<String> {
        of_archive(names.iter().copied()).map(|(what, _)| what)
    }

    #[test]
    fn archives_are_told_by_their_entries() {
        assert_eq!(archive(&["net/data.pkl", "net/version", "net/data/0"]), None);
        for (names, what) in [
            (&["net/data.pkl", "net/code/__torch__.py", "net/constants.pkl"][..], "TorchScript"),
            (&["serialized_state_dict.pt", "serialized_exported_program.json", "version"], "torch.export"),
            (&["net/archive_format", "net/models/model.json", "net/data/weights/model.pt"], "torch.export"),
            (&["metadata.json", "config.json", "model.weights.h5"], "Keras"),
            (&["conv1.npy", "fc.npy"], "numpy"),
            (&["weights/net.pth", "readme.txt"], "with weights/net.pth in it"),
            (&["word/document.xml"], "first entry is word/document.xml"),
            (&[], "torch.save did not write"),
        ] {
            assert!(archive(names).unwrap().contains(what), "{names:?}");
        }
    }

    #[test]
    fn protocol_buffers_of_others() {
        // schema 1, a graph whose information names operations; version 5, a description whose first input has a name
        let saved_model = b"\x08\x01\x12\x90\x01\x0a\x20\x12\x1e\x0a\x05\x0a\x03Add";
        let core_ml = b"\x08\x05\x12\x30\x0a\x10\x0a\x05image";
        assert!(no_onnx(saved_model).unwrap().0.contains("TensorFlow"));
        assert!(no_onnx(core_ml).unwrap().0.contains("Core ML"));
        assert_eq!(no_onnx(b"\x08\x08\x12\x07pytorch\x1a\x051.13"), None);
        assert!(graph(b"\x0a\x2b\x0a\x05input\x12\x0bPlaceholder"));
    }

    #[test]
    fn texts_of_all_kinds() {
        let what = |bytes: &[u8]| text(bytes).map(|(what, _)| what);
        assert!(what(b"\xef\xbb\xbf\n <!DOCTYPE HTML><html>").unwrap().contains("HTML"));
        assert!(what(b"<?xml version=\"1.0\"?>").unwrap().contains("XML"));
        assert!(what(b"{\"weight_map\": {}}").unwrap().contains("several parts"));
        assert!(what(b"[1, 2]").unwrap().contains("JSON"));
        assert!(what("modèle: resnet50\nlr: 0.1".as_bytes()).unwrap().contains("`modèle: resnet50`"));
        assert_eq!(what(b"\xff\xfe"), None);
        assert_eq!(what(b"a\0b"), None);
    }
}
