//! Downloads from a server of a few lines: cut, resumed, refused, without `Range`, gone.

use super::ask::is_local;
use super::fetch::Fetcher;
use super::server::{Server, ranged, read_request, status, whole};
use super::{DownloadOptions, base, download};
use crate::fashion::{self, SetFile};
use crate::{DataError, FindOptions, cache_dir, locate, unzip};
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

/// Content that is its own archive: plain, and far from compressible.
fn content() -> Vec<u8> {
    (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect()
}

/// A file of the set as the downloader knows it, with the hash of `content`.
fn file_of(content: &[u8]) -> SetFile {
    let sha256 = unzip::sha256_of(content, Path::new("content"), u64::MAX).unwrap();
    SetFile { name: "toy-ubyte", sha256: Box::leak(sha256.into_boxed_str()), bytes: content.len() as u64 }
}

fn fetch(file: &SetFile, bases: &[&str], folder: &Path) -> Result<(), DataError> {
    let bases: Vec<_> = bases.iter().map(|&base| base.to_owned()).collect();
    Fetcher { bases: &bases, folder, pause: Duration::ZERO, other: "--mirror", progress: &mut |_, _, _| {} }
        .fetch_packed(file)
}

/// The only file in the folder is the finished one, with this content.
fn assert_done(folder: &Path, content: &[u8]) {
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["toy-ubyte.gz"]);
    assert!(fs::read(folder.join("toy-ubyte.gz")).unwrap() == content);
}

#[test]
fn a_file_is_fetched_once() {
    let data = content();
    let server = Server::start({
        let data = data.clone();
        move |request| ranged(&data, request, usize::MAX)
    });
    let folder = tempfile::tempdir().unwrap();
    let mut heard = Vec::new();
    let bases = [server.base.clone()];
    let mut progress = |name: &str, done, total| heard.push((name.to_owned(), done, total));
    let mut fetcher = Fetcher {
        bases: &bases,
        folder: folder.path(),
        pause: Duration::ZERO,
        other: "--mirror",
        progress: &mut progress,
    };
    fetcher.fetch_packed(&file_of(&data)).unwrap();
    fetcher.fetch_packed(&file_of(&data)).unwrap();
    assert_done(folder.path(), &data);
    assert_eq!(server.requests.lock().unwrap().len(), 1);
    let len = data.len() as u64;
    assert_eq!(heard.first().unwrap(), &("toy-ubyte.gz".to_owned(), 0, Some(len)));
    assert!(heard.is_sorted_by_key(|(_, done, _)| *done));
    assert_eq!(heard.last().unwrap(), &("toy-ubyte.gz".to_owned(), len, Some(len)));
}

#[test]
fn a_cut_transfer_goes_on_where_it_stopped() {
    let data = content();
    let server = Server::start({
        let data = data.clone();
        move |request| ranged(&data, request, 100_000)
    });
    let folder = tempfile::tempdir().unwrap();
    fetch(&file_of(&data), &[&server.base], folder.path()).unwrap();
    assert_done(folder.path(), &data);
    let starts = server.starts_asked_for();
    assert_eq!(starts[0], None);
    // what a closed connection swallows is not ours to fix, but nothing received is asked for twice
    assert!(starts.len() >= 3 && starts[1..].is_sorted() && starts[1].is_some(), "{starts:?}");
}

#[test]
fn the_next_process_goes_on_too() {
    let data = content();
    let server = Server::start({
        let data = data.clone();
        move |request| ranged(&data, request, usize::MAX)
    });
    for received in [1, 123_456, data.len()] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("toy-ubyte.gz.part"), &data[..received]).unwrap();
        fetch(&file_of(&data), &[&server.base], folder.path()).unwrap();
        assert_done(folder.path(), &data);
        assert_eq!(server.starts_asked_for().pop().unwrap(), Some(received));
    }
    assert_eq!(server.requests.lock().unwrap().len(), 3);
}

#[test]
fn without_ranges_it_starts_over() {
    let data = content();
    let server = Server::start({
        let data = data.clone();
        let mut answers = 0;
        move |_| {
            answers += 1;
            whole(&data, if answers == 1 { 200_000 } else { usize::MAX })
        }
    });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("toy-ubyte.gz.part"), b"some older beginning").unwrap();
    fetch(&file_of(&data), &[&server.base], folder.path()).unwrap();
    assert_done(folder.path(), &data);
}

#[test]
fn the_rest_of_another_file_is_dropped() {
    let data = content();
    let server = Server::start({
        let data = data.clone();
        move |request| ranged(&data, request, usize::MAX)
    });
    // shorter than the file, and longer: the server refuses that range
    for stale in [vec![7; 1000], vec![7; data.len() + 5]] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("toy-ubyte.gz.part"), stale).unwrap();
        fetch(&file_of(&data), &[&server.base], folder.path()).unwrap();
        assert_done(folder.path(), &data);
    }
}

#[test]
fn another_content_is_refused() {
    let data = content();
    let server = Server::start(move |request| {
        let mut other = content();
        other[150_000] ^= 1;
        ranged(&other, request, usize::MAX)
    });
    let folder = tempfile::tempdir().unwrap();
    let error = fetch(&file_of(&data), &[&server.base], folder.path()).unwrap_err();
    assert!(matches!(error, DataError::WrongHash { .. }), "{error}");
    assert!(error.to_string().contains(&format!("{}toy-ubyte.gz", server.base)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // the same for a resumed one, after one more try from the start
    fs::write(folder.path().join("toy-ubyte.gz.part"), &data[..10]).unwrap();
    fetch(&file_of(&data), &[&server.base], folder.path()).unwrap_err();
    assert_eq!(server.starts_asked_for(), [None, Some(10), None]);
}

#[test]
fn the_next_address_is_tried() {
    let data = content();
    let gone = Server::start(|_| status("404 Not Found"));
    let other = Server::start(|_| whole(b"<html>welcome to our hotel</html>", 100));
    let damaged = Server::start(|_| whole(b"\x1f\x8b\x08\0and then nothing", 100));
    let good = Server::start({
        let data = data.clone();
        move |request| ranged(&data, request, usize::MAX)
    });
    let folder = tempfile::tempdir().unwrap();
    let dead = "http://127.0.0.1:1/";
    let bases = [dead, &gone.base, &other.base, &damaged.base, &good.base];
    fetch(&file_of(&data), &bases, folder.path()).unwrap();
    assert_done(folder.path(), &data);

    let folder = tempfile::tempdir().unwrap();
    let error = fetch(&file_of(&data), &bases[..4], folder.path()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, DataError::Download { kept: false, .. }), "{text}");
    assert!(text.contains("404") && text.contains("another file") && text.contains("damaged"), "{text}");
    assert!(text.contains(dead) && text.contains("--mirror"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_busy_server_is_asked_again() {
    let data = content();
    let server = Server::start({
        let data = data.clone();
        let mut answers = 0;
        move |request| {
            answers += 1;
            if answers < 3 { status("503 Service Unavailable") } else { ranged(&data, request, usize::MAX) }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    fetch(&file_of(&data), &[&server.base], folder.path()).unwrap();
    assert_done(folder.path(), &data);
}

#[test]
fn a_server_that_goes_away_in_the_middle_is_waited_for() {
    let data = content();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn({
        let data = data.clone();
        move || {
            let answer = |listener: &TcpListener, sent| {
                let mut stream = listener.accept().unwrap().0;
                let request = read_request(&stream).unwrap();
                stream.write_all(&ranged(&data, &request, sent)).unwrap();
                request.from
            };
            assert_eq!(answer(&listener, 100_000), None);
            // refused at the first attempt (after 0.3 s), back before the third and last
            drop(listener);
            std::thread::sleep(Duration::from_millis(450));
            let listener = TcpListener::bind(address).unwrap();
            assert!(
                answer(&listener, usize::MAX).is_some_and(|from| from > 0),
                "it goes on where it stopped"
            );
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let bases = [format!("http://{address}/")];
    let pause = Duration::from_millis(300);
    let mut fetcher = Fetcher {
        bases: &bases,
        folder: folder.path(),
        pause,
        other: "--mirror",
        progress: &mut |_, _, _| {},
    };
    fetcher.fetch_packed(&file_of(&data)).unwrap();
    server.join().unwrap();
    assert_done(folder.path(), &data);
}

#[test]
fn an_address_that_was_never_reached_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("toy-ubyte.gz.part"), b"of an earlier call").unwrap();
    let started = std::time::Instant::now();
    let bases = ["http://127.0.0.1:1/".to_owned()];
    let pause = Duration::from_secs(60);
    let mut fetcher = Fetcher {
        bases: &bases,
        folder: folder.path(),
        pause,
        other: "--mirror",
        progress: &mut |_, _, _| {},
    };
    let error = fetcher.fetch_packed(&file_of(&content())).unwrap_err();
    assert!(matches!(error, DataError::Download { kept: true, .. }), "{error}");
    assert!(started.elapsed() < pause);
}

#[test]
fn a_server_that_never_gets_further_is_given_up() {
    let data = content();
    let server = Server::start({
        let data = data.clone();
        move |_| whole(&data, 1000)
    });
    let folder = tempfile::tempdir().unwrap();
    let error = fetch(&file_of(&data), &[&server.base], folder.path()).unwrap_err();
    assert!(matches!(error, DataError::Download { kept: true, .. }), "{error}");
    assert!(error.to_string().contains("cut after"), "{error}");
    assert!(folder.path().join("toy-ubyte.gz.part").exists());
    assert!(server.requests.lock().unwrap().len() <= 4);
}

#[test]
fn endless_files_are_refused() {
    let data = content();
    let announced =
        Server::start(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000\r\n\r\nabc".to_vec());
    let silent =
        Server::start(|_| [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", &vec![0; 4 << 20][..]].concat());
    for server in [announced, silent] {
        let folder = tempfile::tempdir().unwrap();
        let error = fetch(&file_of(&data), &[&server.base], folder.path()).unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn damaged_files_are_replaced_and_two_downloads_kept_apart() {
    let data = content();
    let server = Server::start({
        let data = data.clone();
        move |request| ranged(&data, request, usize::MAX)
    });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("toy-ubyte"), b"damaged, and preferred for having no .gz").unwrap();
    fs::write(folder.path().join("toy-ubyte.gz"), b"damaged").unwrap();
    let part = fs::File::create(folder.path().join("toy-ubyte.gz.part")).unwrap();
    part.lock().unwrap();
    let error = fetch(&file_of(&data), &[&server.base], folder.path()).unwrap_err();
    assert!(matches!(error, DataError::Busy { .. }), "{error}");
    drop(part);
    fetch(&file_of(&data), &[&server.base], folder.path()).unwrap();
    assert_done(folder.path(), &data);
}

#[test]
fn mirrors_are_addresses() {
    assert_eq!(base("http://example.org").unwrap(), "http://example.org/");
    assert_eq!(base("https://example.org/a/b//").unwrap(), "https://example.org/a/b/");
    for bad in [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc",
        "http://example.org/?file=",
        "not an address",
    ] {
        assert!(matches!(base(bad), Err(DataError::Mirror { .. })), "{bad}");
    }
    assert!(
        is_local("http://127.0.0.1:80/a") && is_local("http://localhost/a") && is_local("http://[::1]:8/a")
    );
    assert!(!is_local("http://example.org/a") && !is_local("nonsense"));
}

#[test]
fn the_whole_set_from_a_mirror() {
    let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let everywhere = FindOptions {
        reading: crate::ReadOptions::default(),
        data_dir: None,
        env_dir: value("PLUSX_DATA").map(Into::into),
        cache_dir: cache_dir(value),
    };
    let Some(full) = locate(fashion::NAME, &everywhere) else {
        eprintln!(
            "SKIPPED: no full Fashion-MNIST (apt-get install dataset-fashion-mnist, plusx data get fashion-mnist)"
        );
        return;
    };
    if fashion::FILES.iter().any(|file| !full.join(format!("{}.gz", file.name)).is_file()) {
        eprintln!("SKIPPED: the files in {} are unpacked, a server has packed ones", full.display());
        return;
    }
    let server = Server::start(move |request| {
        let name = request.path.strip_prefix("/sets/fashion/").unwrap();
        let content = fs::read(full.join(name)).unwrap();
        // the first request for each of the large files is cut in the middle
        ranged(
            &content,
            request,
            if request.from.is_none() { content.len().min(2_000_000) } else { usize::MAX },
        )
    });
    let cache = tempfile::tempdir().unwrap();
    let options = DownloadOptions {
        cache_dir: cache.path().to_owned(),
        mirror: Some(format!("{}sets/fashion", server.base)),
    };
    let folder = download(&options, &mut |_, _, _| {}).unwrap();
    assert_eq!(folder, cache.path().join("fashion-mnist"));
    assert_eq!(fashion::verify(&folder).unwrap().len(), 4);
    let find = FindOptions { cache_dir: Some(cache.path().to_owned()), ..FindOptions::default() };
    assert_eq!(locate(fashion::NAME, &find).unwrap(), folder);
}
