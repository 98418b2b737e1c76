#!/usr/bin/env bash
# The crate `zip` refuses some sound archives written by torch.save, depending on the length of the file's name.
#
# zip 9.8.2 (crates.io) on files of PyTorch 1.13.1 (Debian 12: python3-torch 1.13.1+dfsg-4), seen 2026-11-30 on Linux
# x86-64. torch.save names the entries of its archive after the file's stem, and ends the archive with the two end
# records of zip64, which take 56 + 20 = 76 bytes. Where the first entry of the central directory takes 76 bytes too (a
# stem of 21 characters, as in `model_best_checkpoint.pth`), `ZipArchive::new` answers with an error. With one
# character less or more it opens the file. The error is "invalid Zip archive: Invalid Central Directory header".
# Python's zipfile and torch.load open all three. With `ArchiveOffset::Known(0)` in the configuration, so that `zip` does
# not guess where in the file the archive starts, it opens all three too.
#
# Why it matters here: a reader of checkpoints that leaves the guess on refuses a sound file because of its name on the
# day it was saved. Renaming the file does not help.
#
# Needs: cargo, and /usr/bin/python3 with PyTorch (Debian: apt-get install python3-torch).
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

/usr/bin/python3 - <<'PY'
import zipfile

import torch

print("torch", torch.__version__)
for stem in ["model_best_checkpoin", "model_best_checkpoint", "model_best_checkpoints"]:
    name = stem + ".pth"
    torch.save({"w": torch.ones(2, 2)}, name)
    assert torch.equal(torch.load(name)["w"], torch.ones(2, 2))
    with zipfile.ZipFile(name) as archive:
        assert archive.testzip() is None
        first = archive.infolist()[0]
    size = 46 + len(first.filename) + len(first.extra) + len(first.comment)
    data = open(name, "rb").read()
    end64, locator, end = (data.rindex(b"PK" + kind) for kind in (b"\6\6", b"\6\7", b"\5\6"))
    assert (locator - end64, end - locator) == (56, 20)
    print(f"{name}: a stem of {len(stem)}, first central entry of {size} bytes; zipfile and torch.load open it")
PY

export CARGO_TARGET_DIR="$work/target"
cargo init --quiet --vcs none --name opens .
cat > Cargo.toml <<'TOML'
[package]
name = "opens"
version = "0.1.0"
edition = "2021"

[dependencies]
zip = { version = "=9.8.2", default-features = false }

[workspace]
TOML
cat > src/main.rs <<'RS'
//! Opens each archive with the default configuration and with a known offset.
use std::fs::File;
use zip::read::{ArchiveOffset, Config};
use zip::ZipArchive;

fn main() {
    for name in ["model_best_checkpoin.pth", "model_best_checkpoint.pth", "model_best_checkpoints.pth"] {
        let guessed = ZipArchive::new(File::open(name).unwrap());
        let config = Config { archive_offset: ArchiveOffset::Known(0), ..Default::default() };
        let known = ZipArchive::with_config(config, File::open(name).unwrap());
        for (how, opened) in [("new", guessed), ("Known(0)", known)] {
            match opened {
                Ok(archive) => println!("{name}, {how}: {} entries", archive.len()),
                Err(error) => println!("{name}, {how}: error: {error}"),
            }
        }
    }
}
RS
cargo run --quiet | tee said.txt
grep -A 1 '^name = "zip"' Cargo.lock | grep version
grep -qx 'model_best_checkpoint.pth, new: error: invalid Zip archive: Invalid Central Directory header' said.txt
grep -qx 'model_best_checkpoin.pth, new: 3 entries' said.txt
grep -qx 'model_best_checkpoints.pth, new: 3 entries' said.txt
[ "$(grep -c ', Known(0): 3 entries$' said.txt)" -eq 3 ]
echo "as described"
