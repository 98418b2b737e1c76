#!/usr/bin/env bash
# The crate `image` decodes a JPEG file at 4:2:0 in several scans to other pixels, without an error.
#
# image 0.25.10 with zune-jpeg 0.5.15 (crates.io), seen 2026-11-30 on Linux x86-64. A baseline JPEG file may hold its
# components one after the other, a scan each, in place of one interleaved scan (ITU-T T.81, A.2.2). The script writes
# one picture twice with `cjpeg` of libjpeg-turbo (Debian 12: 2.1.5): as usual, and with the scan script "0; 1; 2;". The
# coefficients are the same, so `djpeg` gives the same pixels for both. At 4:2:0, the default of cjpeg, `image` makes a
# green picture of the second file and says nothing. At 4:4:4 it decodes both right.
#
# Why it matters here: a classifier would be given another picture than the file holds, and nothing would tell. Such
# files are rare, but valid: `cjpeg -scans` and `jpegtran -scans` write them.
#
# Needs: cargo, and cjpeg, djpeg and jpegtran (Debian: apt-get install libjpeg-turbo-progs).
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cjpeg -version 2>&1 | head -n 1

# a smooth picture with colours, 96 x 64, as text
awk 'BEGIN {
    print "P3 96 64 255"
    for (y = 0; y < 64; y++) for (x = 0; x < 96; x++)
        print int(127 + 120 * sin(x / 9)), int(127 + 120 * sin(y / 7)), int(127 + 120 * sin((x + y) / 11))
}' > picture.ppm
echo "0; 1; 2;" > scans.txt
for sampling in 420 444; do
    [ "$sampling" = 420 ] && factors=2x2 || factors=1x1
    one=one-scan-$sampling three=three-scans-$sampling
    cjpeg -quality 90 -sample "$factors" picture.ppm > "$one.jpg"
    cjpeg -quality 90 -sample "$factors" -scans scans.txt picture.ppm > "$three.jpg"
    # the same coefficients: written anew as one interleaved scan, the two are the same file
    jpegtran -optimize "$one.jpg" > one.again.jpg
    jpegtran -optimize "$three.jpg" > three.again.jpg
    cmp one.again.jpg three.again.jpg
    djpeg -ppm "$one.jpg" > "$one.ppm"
    djpeg -ppm "$three.jpg" > "$three.ppm"
    cmp "$one.ppm" "$three.ppm"
done
echo "djpeg: equal pixels for one scan and three, at 4:2:0 and at 4:4:4"

export CARGO_TARGET_DIR="$work/target"
cargo init --quiet --vcs none --name scans .
cat > Cargo.toml <<'TOML'
[package]
name = "scans"
version = "0.1.0"
edition = "2021"

[dependencies]
image = { version = "=0.25.10", default-features = false, features = ["jpeg", "pnm"] }
zune-jpeg = "=0.5.15"

[workspace]
TOML
cat > src/main.rs <<'RS'
//! Compares what `image` makes of each JPEG file with what djpeg made of it.
use std::process::exit;

fn compare(name: &str) -> (u8, f64) {
    let ours = image::open(format!("{name}.jpg")).expect("decodes").into_rgb8();
    let theirs = image::open(format!("{name}.ppm")).expect("reads").into_rgb8();
    assert_eq!(ours.dimensions(), theirs.dimensions());
    let apart = |(a, b): (&image::Rgb<u8>, &image::Rgb<u8>)| (0..3).map(|c| a[c].abs_diff(b[c])).max().unwrap();
    let differences: Vec<u8> = ours.pixels().zip(theirs.pixels()).map(apart).collect();
    let far = differences.iter().filter(|&&d| d > 16).count() as f64 / differences.len() as f64;
    (*differences.iter().max().unwrap(), far)
}

fn main() {
    let mut as_described = true;
    for name in ["one-scan-420", "three-scans-420", "one-scan-444", "three-scans-444"] {
        let (largest, far) = compare(name);
        let percent = 100.0 * far;
        println!("{name}: no error, largest difference {largest}, pixels off by more than 16: {percent:.1} %");
        as_described &= if name == "three-scans-420" { largest >= 64 && far > 0.05 } else { largest <= 16 };
    }
    if !as_described {
        exit(1);
    }
}
RS
cargo run --quiet
grep -A 1 -E '^name = "(image|zune-jpeg)"' Cargo.lock | grep version
echo "as described"
