//! Weights from a hub of a few lines: fetched once, cut, sent on, another file, gone, unknown, taken at its word.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::download::server::{Request, Server, ranged, status};

/// A network whose hash nobody knows here: its file can be anything.
const UNPINNED: &str = "resnet34d";
const BELOW: &str = "/timm/resnet34d.ra2_in1k/resolve/main/model.safetensors";

/// Bytes that begin as a gzip archive does: weights are hashed as they are.
fn content() -> Vec<u8> {
    let noise = (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8);
    [0x1f, 0x8b].into_iter().chain(noise).collect()
}

fn hash(bytes: &[u8]) -> String {
    crate::unzip::sha256_raw(bytes, Path::new("content"), u64::MAX).unwrap()
}

/// A server that sends on to where the content is, as the hub does, and says the content's hash meanwhile. Of the content
/// only `sent` bytes arrive at a time.
fn hub(content: &[u8], said: Option<&str>, sent: usize) -> Server {
    let (content, said) = (content.to_vec(), said.map(str::to_owned));
    Server::start(move |request: &Request| match request.path.as_str() {
        BELOW => {
            let said = said.as_ref().map_or(String::new(), |said| format!("X-Linked-ETag: \"{said}\"\r\n"));
            format!(
                "HTTP/1.1 302 Found\r\nLocation: /elsewhere/file\r\n{said}Content-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .into_bytes()
        }
        "/elsewhere/file" => ranged(&content, request, sent),
        _ => status("404 Not Found"),
    })
}

fn get(model: &str, endpoint: &str, cache: &Path, pin: Pin) -> Result<FetchedWeights, DataError> {
    let options = WeightOptions {
        model: model.to_owned(),
        cache_dir: cache.to_owned(),
        endpoint: endpoint.to_owned(),
        pin,
        advice: "advice".to_owned(),
    };
    fetch_weights(&options, &mut |_, _, _| {})
}

/// Names in the folder of weights, in order.
fn names(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache.join(FOLDER)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn sent_on_checked_and_fetched_once() {
    let content = content();
    let server = hub(&content, None, usize::MAX);
    let cache = tempfile::tempdir().unwrap();
    let given = || Pin::Given(hash(&content).to_uppercase());
    let weights = get(UNPINNED, &server.base, cache.path(), given()).unwrap();
    assert_eq!(weights.path, weights_path(cache.path(), UNPINNED));
    assert!(fs::read(&weights.path).unwrap() == content && !weights.by_hub);
    let note = fs::read_to_string(&weights.note).unwrap();
    for part in
        [&server.base[..], &BELOW[1..], "licence: apache-2.0", &hash(&content), "the caller's\nadvice\n"]
    {
        assert!(note.contains(part), "{part}: {note}");
    }
    assert_eq!(names(cache.path()), ["resnet34d.safetensors", "resnet34d.txt"]);
    let asked = server.requests.lock().unwrap().len();
    assert_eq!(asked, 2);
    // there already: nobody is asked, and the hash from before holds
    assert_eq!(get(UNPINNED, &server.base, cache.path(), Pin::Known).unwrap(), weights);
    assert_eq!(server.requests.lock().unwrap().len(), asked);
    assert_eq!(fs::read_to_string(&weights.note).unwrap(), note);
}

#[test]
fn a_cut_transfer_goes_on_where_it_stopped() {
    let content = content();
    let server = hub(&content, None, usize::MAX);
    let cache = tempfile::tempdir().unwrap();
    fs::create_dir_all(cache.path().join(FOLDER)).unwrap();
    let part = cache.path().join(FOLDER).join("resnet34d.safetensors.part");
    fs::write(part, &content[..123_456]).unwrap();
    let weights = get(UNPINNED, &server.base, cache.path(), Pin::Given(hash(&content))).unwrap();
    assert!(fs::read(&weights.path).unwrap() == content);
    // asked of the hub, and of where it sends one on to
    assert_eq!(server.starts_asked_for(), [Some(123_456); 2]);
    assert_eq!(names(cache.path()), ["resnet34d.safetensors", "resnet34d.txt"]);
}

#[test]
fn another_file_is_refused_and_nothing_of_it_kept() {
    let server = hub(&content(), None, usize::MAX);
    let cache = tempfile::tempdir().unwrap();
    let error = get(UNPINNED, &server.base, cache.path(), Pin::Given("0".repeat(64))).unwrap_err();
    assert!(matches!(error, DataError::WrongHash { .. }), "{error}");
    assert!(error.to_string().contains(&hash(&content())), "{error}");
    assert!(names(cache.path()).is_empty());
    // a known hash holds as well: this is not torchvision's file
    let other = Server::start(|request| ranged(&content(), request, usize::MAX));
    let error = get("resnet18", &other.base, cache.path(), Pin::Hub).unwrap_err();
    assert!(
        matches!(&error, DataError::WrongHash { expected, .. } if expected.starts_with("694f673d")),
        "{error}"
    );
    assert!(names(cache.path()).is_empty());
}

#[test]
fn a_hub_without_the_file_is_named() {
    let server = Server::start(|_| status("404 Not Found"));
    let cache = tempfile::tempdir().unwrap();
    for pin in [Pin::Given("0".repeat(64)), Pin::Hub] {
        let error = get(UNPINNED, &server.base, cache.path(), pin).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, DataError::Download { kept: false, .. }), "{text}");
        for part in ["404", "resnet34d.ra2_in1k", "--endpoint"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(names(cache.path()).is_empty());
    }
}

#[test]
fn without_anybodys_word_nothing_is_asked() {
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let server = Server::start({
        let asked = asked.clone();
        move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            status("404 Not Found")
        }
    });
    let cache = tempfile::tempdir().unwrap();
    let error = get(UNPINNED, &server.base, cache.path(), Pin::Known).unwrap_err();
    assert!(matches!(error, DataError::NoPin { .. }), "{error}");
    assert!(error.to_string().contains("--sha256") && error.to_string().contains("--trust-hub"), "{error}");
    let error = get(UNPINNED, &server.base, cache.path(), Pin::Given("12".to_owned())).unwrap_err();
    assert!(matches!(error, DataError::Hash { .. }), "{error}");
    let error = get("resnet20", &server.base, cache.path(), Pin::Hub).unwrap_err();
    assert!(error.to_string().contains("resnext101_64x4d"), "{error}");
    let error = get(UNPINNED, "ftp://hub", cache.path(), Pin::Hub).unwrap_err();
    assert!(matches!(error, DataError::Mirror { .. }), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn the_hubs_word_is_taken_once_and_then_holds() {
    let content = content();
    let cache = tempfile::tempdir().unwrap();
    let silent = hub(&content, None, usize::MAX);
    let error = get(UNPINNED, &silent.base, cache.path(), Pin::Hub).unwrap_err();
    assert!(error.to_string().contains("X-Linked-ETag"), "{error}");
    let honest = hub(&content, Some(&hash(&content)), usize::MAX);
    let weights = get(UNPINNED, &honest.base, cache.path(), Pin::Hub).unwrap();
    assert!(weights.by_hub && weights.sha256 == hash(&content));
    assert!(fs::read_to_string(&weights.note).unwrap().contains("hash: the word of http://127.0.0.1"));
    // the file is lost, the hub has another one meanwhile and says so: the first word holds
    fs::remove_file(&weights.path).unwrap();
    let mut other = content.clone();
    other[1000] ^= 1;
    let changed = hub(&other, Some(&hash(&other)), usize::MAX);
    let error = get(UNPINNED, &changed.base, cache.path(), Pin::Hub).unwrap_err();
    assert!(matches!(error, DataError::WrongHash { .. }), "{error}");
    // a liar is found out
    let liar = hub(&other, Some(&hash(&content)), usize::MAX);
    let fresh = tempfile::tempdir().unwrap();
    let error = get(UNPINNED, &liar.base, fresh.path(), Pin::Hub).unwrap_err();
    assert!(matches!(error, DataError::WrongHash { .. }), "{error}");
    assert!(names(fresh.path()).is_empty());
}

#[test]
fn sources_are_networks_of_the_zoo_with_hashes_that_are_some() {
    let mut hashes: Vec<_> = SOURCES.iter().filter_map(|source| source.sha256).collect();
    assert_eq!(hashes.len(), SOURCES.len() - 1);
    for hash in &hashes {
        assert_eq!(checked(hash).unwrap(), *hash);
    }
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), SOURCES.len() - 1);
    for source in &SOURCES {
        let spec = plusx_model::zoo::find(source.model).unwrap();
        assert_eq!((spec.classes, spec.input.c), (1000, 3));
        assert!(source.repository.starts_with(&format!("timm/{}.", source.model)), "{source:?}");
    }
    // all that timm and torchvision have
    use plusx_model::zoo::{Naming, SPECS};
    let foreign = SPECS.iter().filter(|spec| matches!(spec.names, Naming::Torchvision | Naming::Timm));
    assert_eq!(foreign.count(), SOURCES.len());
}
