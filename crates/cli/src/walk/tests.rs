//! Odd folders: links in circles, pipes, more levels than a path has room for.
#![cfg(unix)]

use super::*;
use anyhow::Result;
use std::os::unix::fs::symlink;

/// Names of the pictures below `folder`, and lines about what else was told.
fn walked(folder: &Path) -> (Vec<String>, Vec<String>) {
    let (mut pictures, mut told) = (Vec::new(), Vec::new());
    for found in Walk::new(folder) {
        match found {
            WalkEntry::Picture(path) => {
                pictures.push(path.strip_prefix(folder).expect("inside").display().to_string());
            }
            WalkEntry::LeftOut(kind) => told.push(kind),
            WalkEntry::Odd(text) => told.push(text),
            WalkEntry::Failed(error) => told.push(format!("{} {error:#}", crate::exit::of(&error))),
        }
    }
    (pictures, told)
}

fn folder(path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(path)?;
    fs::write(path.join("a.png"), b"")?;
    Ok(path.to_owned())
}

#[test]
fn links_to_folders_are_followed_once() -> Result<()> {
    let place = tempfile::tempdir()?;
    let root = folder(&place.path().join("start"))?;
    folder(&root.join("in"))?;
    folder(&root.join(".store"))?;
    let outside = folder(&place.path().join("outside"))?;
    folder(&outside.join("sub"))?;
    for (link, target) in [
        ("start/again", "in"),
        ("start/loop", "."),
        ("start/in/up", ".."),
        ("start/more", "../outside"),
        ("start/most", "../outside/sub"),
        ("start/shown", ".store"),
        ("outside/back", "../start/in"),
        ("outside/self", "."),
        ("outside/circle", "../outside/sub/.."),
        ("start/zz.png", "a.png"),
    ] {
        symlink(target, place.path().join(link))?;
    }
    let (pictures, told) = walked(&root);
    let expected = ["a.png", "in/a.png", "more/a.png", "more/sub/a.png", "shown/a.png", "zz.png"];
    assert_eq!(pictures, expected, "{told:?}");
    for link in ["again", "loop", "in/up", "more/back", "more/self", "more/circle", "most"] {
        let link = root.join(link).display().to_string();
        assert_eq!(
            told.iter().filter(|line| line.starts_with(&format!("{link}: "))).count(),
            1,
            "{link}: {told:?}"
        );
    }
    assert_eq!(told.len(), 7, "{told:?}");

    // a link to the folder above: what is there is found, and this folder not again
    let inner = folder(&root.join("in/inner"))?;
    symlink("../..", inner.join("above"))?;
    let (pictures, told) = walked(&inner);
    assert_eq!(pictures.iter().filter(|name| name.contains("inner")).count(), 0, "{pictures:?}");
    // `above/again` is `above/in`, and comes first
    assert!(pictures.contains(&"above/again/a.png".to_owned()), "{pictures:?}");
    for name in ["above/again/inner", "above/in"] {
        let said = format!("{name}: a folder that was entered before by another name");
        assert!(told.iter().any(|line| line.contains(&said)), "{name}: {told:?}");
    }
    Ok(())
}

#[test]
fn links_to_each_other_do_not_multiply() -> Result<()> {
    let place = tempfile::tempdir()?;
    let root = folder(&place.path().join("root"))?;
    // 2^30 ways lead to the last folder; Linux follows no more than 40 links on one of them
    for level in 0..30 {
        let here = folder(&place.path().join(format!("level{level}")))?;
        symlink(format!("../level{}", level + 1), here.join("x"))?;
        symlink(format!("../level{}", level + 1), here.join("y"))?;
    }
    folder(&place.path().join("level30"))?;
    symlink("../level0", root.join("down"))?;
    let (pictures, told) = walked(&root);
    assert_eq!((pictures.len(), told.len()), (1 + 31, 30));
    Ok(())
}

#[test]
fn links_that_lead_nowhere_are_failures() -> Result<()> {
    let place = tempfile::tempdir()?;
    let root = folder(&place.path().join("root"))?;
    symlink("gone", root.join("broken.png"))?;
    symlink("gone/too", root.join("broken"))?;
    symlink("own", root.join("own"))?;
    symlink("a.png/b", root.join("through"))?;
    let (pictures, told) = walked(&root);
    assert_eq!(pictures, ["a.png"]);
    let codes: Vec<_> = told.iter().map(|line| &line[..2]).collect();
    assert_eq!(codes, ["66", "66", "74", "74"], "{told:?}");
    Ok(())
}

#[test]
fn what_is_no_file_is_not_opened() -> Result<()> {
    let place = tempfile::tempdir()?;
    let root = folder(place.path())?;
    for pipe in ["pipe", "pipe.png"] {
        assert!(std::process::Command::new("mkfifo").arg(root.join(pipe)).status()?.success());
    }
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket"))?;
    symlink("/dev/zero", root.join("zeros"))?;
    symlink("pipe", root.join("link.jpg"))?;
    folder(&root.join("cats.jpg"))?;
    let (pictures, told) = walked(&root);
    assert_eq!(pictures, ["a.png", "cats.jpg/a.png"]);
    let said = ["65 ", "pipe: a named pipe", "65 ", "socket: a socket", "zeros: a device"];
    assert_eq!(told.len(), said.len(), "{told:?}");
    assert!(told.iter().zip(said).all(|(line, said)| line.contains(said)), "{told:?}");
    Ok(())
}

/// Folders in each other, in pieces that the system can name: each is put under the next.
fn dig(place: &Path, pieces: usize, levels: usize) -> io::Result<PathBuf> {
    let top = place.join("deep");
    for _ in 0..pieces {
        let piece = place.join("piece");
        fs::create_dir_all(piece.join("d/".repeat(levels)))?;
        if top.exists() {
            fs::rename(&top, piece.join("d/".repeat(levels)).join("d"))?;
        }
        fs::rename(&piece, &top)?;
    }
    Ok(top)
}

/// Takes the pieces apart again: nothing removes such folders at once.
fn fill(place: &Path, top: &Path, levels: usize) -> io::Result<()> {
    loop {
        let below = top.join("d/".repeat(levels)).join("d");
        let more = below.exists();
        if more {
            fs::rename(&below, place.join("rest"))?;
        }
        fs::remove_dir_all(top)?;
        if !more {
            return Ok(());
        }
        fs::rename(place.join("rest"), top)?;
    }
}

#[test]
fn thousands_of_folders_in_each_other_need_no_stack() -> Result<()> {
    // a disk takes half a minute to forget them
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
    let levels = 250;
    let top = dig(place.path(), 10, levels)?;
    folder(&top.join("d/d/d"))?;
    fs::write(top.join("z.png"), b"")?;
    let found = walked(&top);
    fill(place.path(), &top, levels)?;
    let (pictures, told) = found;
    assert_eq!(pictures, ["d/d/d/a.png", "z.png"]);
    assert!(told.len() == 1 && told[0].starts_with("74 cannot read"), "{}", told.len());
    Ok(())
}

#[test]
fn one_bad_entry_does_not_end_the_walk() -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let place = tempfile::tempdir()?;
    let root = folder(place.path())?;
    folder(&root.join("b"))?;
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"caf\xe9.png")), b"")?;
    // as if the system had failed to read the second of three entries
    let mut walk = Walk::new(&root);
    let open = walk.open.last_mut().expect("a folder");
    let mut entries: Vec<_> = std::mem::take(&mut open.entries).collect();
    entries.insert(1, (OsString::new(), Err(io::Error::other("torn"))));
    open.entries = entries.into_iter();
    let found: Vec<_> = walk.collect();
    assert!(matches!(&found[1], WalkEntry::Failed(error) if crate::exit::of(error) == 74), "{found:?}");
    assert_eq!(found.iter().filter(|found| matches!(found, WalkEntry::Picture(_))).count(), 3, "{found:?}");
    Ok(())
}
