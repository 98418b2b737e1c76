//! Real files through the decoders: formats, orientation, limits, and what Pillow made of a few of every kind.

mod bmp;
mod gif;
mod jpeg;
mod peers;
mod png;
mod tiff;

use bmp::Bmp;
use gif::Gif;
use jpeg::Jpeg;
use plusx_data::picture::{Limits, Picture};
use plusx_data::{DataError, picture};
use png::{Png, chunk, zlib};
use std::io::Read;
use std::path::{Path, PathBuf};
use tiff::Tiff;

/// How a 4:2:0 photograph is sampled.
const PHOTO: &[(u8, u8)] = &[(2, 2), (1, 1), (1, 1)];

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn golden_files_are_decoded_to_pillows_bytes() {
    for (names, pixels) in [(golden("jpeg"), "jpeg/pixels.gz"), (golden_others(), "others/pixels.gz")] {
        let mut expected = Vec::new();
        let pixels = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(pixels);
        let packed = std::fs::read(pixels).unwrap();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut expected).unwrap();
        let mut rest = expected.as_slice();
        assert!(names.len() >= 12);
        for path in names {
            let picture = picture::open(&path).unwrap();
            let (theirs, after) = rest.split_at(picture.rgb8.len());
            assert!(picture.rgb8 == theirs, "{}", path.display());
            rest = after;
        }
        assert!(rest.is_empty());
    }
}

/// The files of a golden folder, but for their pixels.
fn golden(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|ending| ending != "gz"));
    names.sort();
    names
}

/// Those that are neither JPEG nor PNG.
fn golden_others() -> Vec<PathBuf> {
    golden("others")
}

#[test]
fn components_in_several_scans_are_the_same_picture() {
    let folder = tempfile::tempdir().unwrap();
    let file = Jpeg::new(61, 47, PHOTO);
    let together = picture::open(&put(folder.path(), "one.jpg", &file.write())).unwrap();
    let apart = picture::open(&put(folder.path(), "several.jpg", &file.apart().write())).unwrap();
    assert_eq!(together, apart);
}

#[test]
fn other_files_are_named_as_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let ftyp = |brand: &[u8; 4]| [b"\0\0\0\x18ftyp", &brand[..], b"\0\0\0\0"].concat();
    for (bytes, named) in [
        (ftyp(b"heic"), "a HEIC picture; plusx reads JPEG, PNG, WebP, BMP, GIF and TIFF"),
        (ftyp(b"avif"), "an AVIF picture"),
        (ftyp(b"isom"), "a video"),
        (b"\xff\x0a\xfa\x1f".to_vec(), "a JPEG XL picture"),
        (b"P6 1 1 255\nabc".to_vec(), "a PNM picture"),
        (b"%PDF-1.7\n".to_vec(), "a PDF document"),
        (b"\xef\xbb\xbf\n <!DOCTYPE HTML>\n<html>".to_vec(), "an HTML page"),
        (b"<?xml version=\"1.0\"?>\n<svg xmlns=\"\">".to_vec(), "an SVG drawing"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec(), "Git LFS pointer"),
        (Vec::new(), "an empty file"),
        (b"not a picture at all".to_vec(), "no picture of a known kind"),
        (b"BM, a text".to_vec(), "no picture of a known kind"),
        (b"\xff\xd8\0\0".to_vec(), "no picture of a known kind"),
    ] {
        // the name is not believed
        let error = picture::open(&put(folder.path(), "named.jpg", &bytes)).unwrap_err();
        assert!(matches!(error, DataError::Picture { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("named.jpg") && text.contains(named), "{named}: {text}");
    }
    let error = picture::open(&folder.path().join("nowhere.png")).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }) && error.to_string().contains("nowhere.png"), "{error}");
    assert!(matches!(picture::open(folder.path()), Err(DataError::Io { .. })));
    // a right file of another name
    picture::open(&put(folder.path(), "picture.txt", &Png::new(3, 2, 2, 8).write())).unwrap();
}

#[test]
fn a_thumbnails_end_is_not_the_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let thumbnail = b"\xff\xd8\xff\xd9".to_vec();
    let file = Jpeg { segments: vec![(0xe1, thumbnail)], ..Jpeg::new(24, 16, PHOTO) }.write();
    let opened = |bytes: &[u8]| picture::open(&put(folder.path(), "thumbnail.jpg", bytes));
    opened(&file).unwrap();
    let error = opened(&file[..file.len() - 40]).unwrap_err().to_string();
    assert!(error.contains("truncated"), "{error}");
    let error = opened(&file[..30]).unwrap_err().to_string();
    assert!(error.contains("truncated"), "{error}");
}

#[test]
fn many_pictures_in_a_file_that_says_so_are_no_odd_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = Jpeg { segments: vec![(0xe2, b"MPF\0II*\0".to_vec())], ..Jpeg::new(24, 16, PHOTO) }.write();
    let path = put(folder.path(), "phone.jpg", &[&file[..], &file].concat());
    assert!(picture::open_with_notes(&path, &Limits::default()).unwrap().notes.is_empty());
}

#[test]
fn a_small_file_cannot_announce_a_huge_picture() {
    let folder = tempfile::tempdir().unwrap();
    // 60000x60000: 10.8 GB of pixels
    let [mut jpeg, png] =
        [Jpeg::new(16, 16, PHOTO).write(), Png::new(60_000, 60_000, 6, 16).with_data(&zlib(&[0]))];
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    let mut gif = Gif::new(16, 16, 2).write();
    gif[6..10].copy_from_slice(&[0x60, 0xea, 0x60, 0xea]);
    let bmp = Bmp { data: Some(Vec::new()), ..Bmp::new(60_000, 60_000, 24) }.write();
    let tiff = Tiff::new([60_000, 60_000], 2, 3, 8).with_chunks(&[Vec::new()]);
    let tile =
        Tiff { tile: Some([60_000, 60_000]), ..Tiff::new([16, 16], 2, 3, 8) }.with_chunks(&[Vec::new()]);
    for (name, bytes) in [
        ("huge.jpg", jpeg),
        ("huge.png", png),
        ("huge.gif", gif),
        ("huge.bmp", bmp),
        ("huge.tif", tiff),
        ("tile.tif", tile),
    ] {
        let error = picture::open(&put(folder.path(), name, &bytes)).unwrap_err();
        assert!(matches!(error, DataError::TooLarge { size: 3_600_000_000, .. }), "{name}: {error:?}");
    }
    // the most that WebP can announce: 16384 x 16384
    let webp = b"RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f\xff\xff\xff\x0f\0".to_vec();
    let error = picture::open(&put(folder.path(), "huge.webp", &webp)).unwrap_err();
    assert!(matches!(error, DataError::TooLarge { size: 268_435_456, .. }), "{error:?}");
}

#[test]
fn phones_of_two_hundred_million_pixels_are_admitted_where_memory_allows() {
    let folder = tempfile::tempdir().unwrap();
    // a header alone, so nothing is decoded: who gets past the limits fails for the missing pixels
    let mut bytes = Jpeg::new(16, 16, PHOTO).write();
    let frame = bytes.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x2f, 0xd0, 0x3f, 0xc0]); // 12240 rows of 16320
    let path = put(folder.path(), "phone.jpg", &bytes[..bytes.len() - 2]);
    let small = Limits { memory: Some(500_000_000), ..Limits::default() };
    let error = picture::open_with_notes(&path, &small).unwrap_err();
    // 600 MB of pixels, 300 MB of samples
    let DataError::TooLarge { size, limit: 500_000_000, .. } = error else { panic!("{error:?}") };
    assert!((890_000_000..910_000_000).contains(&size), "{size}");
    let few = Limits { pixels: 100_000_000, ..Limits::default() };
    let error = picture::open_with_notes(&path, &few).unwrap_err();
    assert!(matches!(error, DataError::TooLarge { size: 199_756_800, .. }), "{error:?}");
    assert!(Limits::default().pixels > 199_756_800);
    let short = Limits { bytes: 100, ..Limits::default() };
    assert!(matches!(picture::open_with_notes(&path, &short), Err(DataError::TooLarge { limit: 100, .. })));
}

#[test]
fn deep_greys_keep_their_upper_bytes() {
    let folder = tempfile::tempdir().unwrap();
    // Pillow cuts values over 255 off, which makes nearly all of such a picture white
    let rows = [&[0_u8, 0x12, 0x34, 0x56, 0x78][..], &[0, 0x9a, 0xbc, 0xff, 0xff]].concat();
    let file = Png::new(2, 2, 0, 16).with_data(&zlib(&rows));
    let picture = picture::open(&put(folder.path(), "deep.png", &file)).unwrap();
    let greys: Vec<u8> = [0x12, 0x56, 0x9a, 0xff].into_iter().flat_map(|grey| [grey; 3]).collect();
    assert_eq!(picture, Picture { rgb8: greys, w: 2, h: 2 });
}

/// A TIFF file with one entry in its directory: the orientation as `count` values of type `kind`, in an order of bytes.
fn exif(big: bool, kind: u16, count: u32, value: &[u8]) -> Vec<u8> {
    let ordered = |mut bytes: Vec<u8>| {
        if !big {
            bytes.reverse();
        }
        bytes
    };
    let mut tiff = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    tiff.extend(ordered(8_u32.to_be_bytes().to_vec()));
    tiff.extend(ordered(1_u16.to_be_bytes().to_vec()));
    tiff.extend(ordered(0x0112_u16.to_be_bytes().to_vec()));
    tiff.extend(ordered(kind.to_be_bytes().to_vec()));
    tiff.extend(ordered(count.to_be_bytes().to_vec()));
    if value.len() > 4 {
        // behind the directory
        tiff.extend(ordered(26_u32.to_be_bytes().to_vec()));
        tiff.extend([0; 4]);
        tiff.extend(value);
    } else {
        tiff.extend(value);
        tiff.resize(26, 0);
    }
    tiff
}

fn short(value: u16) -> Vec<u8> {
    exif(false, 3, 1, &value.to_le_bytes())
}

/// As ImageMagick writes it.
fn raw_profile(bytes: &[u8]) -> Vec<u8> {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<&str> =
        digits.as_bytes().chunks(72).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("\nexif\n{:8}\n{}\n", bytes.len(), lines.join("\n")).into_bytes()
}

/// Every way to say an orientation: what it is called, and a file.
fn ways(value: u16) -> Vec<(&'static str, Vec<u8>)> {
    let wide = u32::from(value);
    let xmp = |attribute: bool| {
        let (start, end) = if attribute { ("=\"", "\"") } else { (">", "</tiff:Orientation>") };
        format!("<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><tiff:Orientation{start}{value}{end}</x:xmpmeta>")
            .into_bytes()
    };
    let jpeg = |segments: Vec<Vec<u8>>| {
        let segments = segments.into_iter().map(|content| (0xe1, content)).collect();
        Jpeg { segments, ..Jpeg::new(24, 17, PHOTO) }.write()
    };
    let app1 = |tiff: Vec<u8>| [b"Exif\0\0".to_vec(), tiff].concat();
    let adobe = |packet: Vec<u8>| [b"http://ns.adobe.com/xap/1.0/\0".to_vec(), packet].concat();
    let png = |name: &'static [u8; 4], content: Vec<u8>, first: bool| {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if first { &mut before } else { &mut after }.push((name, content));
        Png { before, after, ..Png::new(24, 17, 2, 8) }.write()
    };
    let keyed = |key: &str, middle: &[u8], text: &[u8]| [key.as_bytes(), middle, text].concat();
    let profile = raw_profile(&app1(short(value)));
    let bytes = value.to_le_bytes();
    let rational = |first: u32, second: u32| [first.to_le_bytes(), second.to_le_bytes()].concat();
    vec![
        ("short, little", jpeg(vec![app1(short(value))])),
        ("short, big", jpeg(vec![app1(exif(true, 3, 1, &value.to_be_bytes()))])),
        ("long, little", jpeg(vec![app1(exif(false, 4, 1, &wide.to_le_bytes()))])),
        ("long, big", jpeg(vec![app1(exif(true, 4, 1, &wide.to_be_bytes()))])),
        ("long beyond 16 bits", jpeg(vec![app1(exif(true, 4, 1, &(wide + 65_536).to_be_bytes()))])),
        ("byte", jpeg(vec![app1(exif(false, 1, 1, &bytes[..1]))])),
        ("text", jpeg(vec![app1(exif(false, 2, 2, format!("{value}\0").as_bytes()))])),
        ("rational", jpeg(vec![app1(exif(false, 5, 1, &rational(wide * 3, 3)))])),
        ("half", jpeg(vec![app1(exif(false, 5, 1, &rational(wide * 2 + 1, 2)))])),
        ("signed byte", jpeg(vec![app1(exif(false, 6, 1, &bytes[..1]))])),
        ("undefined", jpeg(vec![app1(exif(false, 7, 1, &bytes[..1]))])),
        ("signed short", jpeg(vec![app1(exif(false, 8, 1, &bytes))])),
        ("signed long", jpeg(vec![app1(exif(false, 9, 1, &wide.to_le_bytes()))])),
        ("float", jpeg(vec![app1(exif(false, 11, 1, &f32::from(value).to_le_bytes()))])),
        ("double", jpeg(vec![app1(exif(false, 12, 1, &f64::from(value).to_le_bytes()))])),
        ("directory", jpeg(vec![app1(exif(false, 13, 1, &wide.to_le_bytes()))])),
        ("long long", jpeg(vec![app1(exif(false, 16, 1, &u64::from(value).to_le_bytes()))])),
        ("unknown type", jpeg(vec![app1(exif(false, 77, 1, &bytes))])),
        ("several shorts", jpeg(vec![app1(exif(false, 3, 4, &[bytes, [1, 0], [3, 0], [3, 0]].concat()))])),
        ("no short", jpeg(vec![app1(exif(false, 3, 0, &bytes))])),
        ("twice the prefix", jpeg(vec![app1(app1(short(value)))])),
        ("version turned round", jpeg(vec![app1([b"II\0*".to_vec(), short(value)[4..].to_vec()].concat())])),
        ("no TIFF", jpeg(vec![app1([b"XX\0*".to_vec(), short(value)[4..].to_vec()].concat())])),
        ("in two segments", jpeg(vec![app1(short(value)[..11].to_vec()), app1(short(value)[11..].to_vec())])),
        ("cut directory", jpeg(vec![app1(short(value)[..15].to_vec())])),
        ("no prefix", jpeg(vec![short(value)])),
        ("XMP attribute", jpeg(vec![adobe(xmp(true))])),
        ("XMP element", jpeg(vec![adobe(xmp(false))])),
        ("two XMP", jpeg(vec![adobe(b"tiff:Orientation=\"3\"".to_vec()), adobe(xmp(true))])),
        ("EXIF before XMP", jpeg(vec![adobe(xmp(true)), app1(short(3))])),
        ("odd EXIF before XMP", jpeg(vec![adobe(xmp(true)), app1(short(9))])),
        ("EXIF without the tag and XMP", jpeg(vec![app1(exif(false, 77, 1, &bytes)), adobe(xmp(true))])),
        ("PNG, before the pixels", png(b"eXIf", short(value), true)),
        ("PNG, after the pixels", png(b"eXIf", short(value), false)),
        ("PNG, wrong prefix", png(b"eXIf", app1(short(value)), true)),
        ("PNG, long", png(b"eXIf", exif(true, 4, 1, &wide.to_be_bytes()), false)),
        ("PNG, text exif", png(b"tEXt", keyed("exif", b"\0", &app1(short(value))), true)),
        ("PNG, tEXt profile", png(b"tEXt", keyed("Raw profile type exif", b"\0", &profile), true)),
        ("PNG, zTXt profile", png(b"zTXt", keyed("Raw profile type exif", b"\0\0", &zlib(&profile)), true)),
        (
            "PNG, zTXt profile after",
            png(b"zTXt", keyed("Raw profile type exif", b"\0\0", &zlib(&profile)), false),
        ),
        ("PNG, iTXt profile", png(b"iTXt", keyed("Raw profile type exif", b"\0\0\0\0\0", &profile), true)),
        ("PNG, other profile", png(b"tEXt", keyed("Raw profile type APP1", b"\0", &profile), true)),
        ("PNG, XMP", png(b"iTXt", keyed("XML:com.adobe.xmp", b"\0\0\0\0\0", &xmp(true)), true)),
        (
            "PNG, XMP element after",
            png(b"iTXt", keyed("XML:com.adobe.xmp", b"\0\0\0\0\0", &xmp(false)), false),
        ),
        (
            "PNG, packed XMP",
            png(b"iTXt", keyed("XML:com.adobe.xmp", b"\0\x01\0en\0\0", &zlib(&xmp(true))), true),
        ),
        ("PNG, XMP in tEXt", png(b"tEXt", keyed("XML:com.adobe.xmp", b"\0", &xmp(true)), true)),
    ]
}

/// Ways that say nothing to Pillow, and to us.
const SILENT: [&str; 11] = [
    "long beyond 16 bits",
    "byte",
    "text",
    "half",
    "undefined",
    "unknown type",
    "no short",
    "no TIFF",
    "cut directory",
    "no prefix",
    "PNG, other profile",
];

/// EXIF 2.3, section 4.6.4: the stored pixel that is seen at (x, y), of a stored picture of `w` columns and `h` rows.
fn seen(value: u16, (x, y): (usize, usize), (w, h): (usize, usize)) -> (usize, usize) {
    match value {
        2 => (w - 1 - x, y),
        3 => (w - 1 - x, h - 1 - y),
        4 => (x, h - 1 - y),
        5 => (y, x),
        6 => (y, h - 1 - x),
        7 => (w - 1 - y, h - 1 - x),
        8 => (w - 1 - y, x),
        _ => (x, y),
    }
}

#[test]
fn pictures_are_turned_however_they_say_it() {
    let folder = tempfile::tempdir().unwrap();
    let plain = [Jpeg::new(24, 17, PHOTO).write(), Png::new(24, 17, 2, 8).write()];
    let plain = plain.map(|bytes| picture::open(&put(folder.path(), "plain", &bytes)).unwrap());
    let mut asked = Vec::new();
    for value in 0..=9 {
        for (index, (way, bytes)) in ways(value).into_iter().enumerate() {
            let path = put(folder.path(), &format!("{value}-{index}"), &bytes);
            let picture = picture::open(&path).unwrap();
            let value = match way {
                "EXIF before XMP" => 3,
                "odd EXIF before XMP" => 1,
                _ if SILENT.contains(&way) => 1,
                _ => value,
            };
            let stored = &plain[usize::from(way.starts_with("PNG"))];
            let sideways = (5..=8).contains(&value);
            assert_eq!([picture.w, picture.h], if sideways { [17, 24] } else { [24, 17] }, "{way} {value}");
            let pixel = |of: &Picture, (x, y): (usize, usize)| of.rgb8[3 * (y * of.w + x)..][..3].to_vec();
            for (x, y) in (0..picture.h).flat_map(|y| (0..picture.w).map(move |x| (x, y))) {
                let expected = pixel(stored, seen(value, (x, y), (24, 17)));
                assert_eq!(pixel(&picture, (x, y)), expected, "{way} {value} at {x} {y}");
            }
            asked.push((way, path, picture));
        }
    }
    let Some(python) = peers::pillow() else { return };
    let paths: Vec<PathBuf> = asked.iter().map(|(_, path, _)| path.clone()).collect();
    for ((way, _, ours), theirs) in asked.iter().zip(peers::ask_pillow(&python, folder.path(), &paths)) {
        let theirs = theirs.unwrap();
        assert!((ours.w, ours.h, &ours.rgb8) == (theirs.0, theirs.1, &theirs.2), "{way}");
    }
}

#[test]
fn odd_chunks_of_png_say_nothing_and_harm_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = |before: Vec<(&'static [u8; 4], Vec<u8>)>| Png { before, ..Png::new(9, 5, 2, 8) }.write();
    let plain = picture::open(&put(folder.path(), "plain.png", &file(Vec::new()))).unwrap();
    let key = b"Raw profile type exif\0";
    for odd in [
        (b"zTXt", [&key[..], b"\0not compressed"].concat()),
        (b"zTXt", [&key[..], b"\x07"].concat()),
        (b"tEXt", [&key[..], b"\nexif\n 4\nno digits"].concat()),
        (b"tEXt", b"no zero".to_vec()),
        (b"iTXt", b"XML:com.adobe.xmp\0\x01".to_vec()),
        (b"eXIf", Vec::new()),
        (b"eXIf", b"MM\0*\xff\xff\xff\xff".to_vec()),
        (b"iCCP", b"\0\0\0".to_vec()),
        (b"sBIT", Vec::new()),
    ] {
        let read = picture::open(&put(folder.path(), "odd.png", &file(vec![odd.clone()]))).unwrap();
        assert_eq!(read, plain, "{odd:?}");
    }
    // bytes that are no chunk
    let mut noise = file(Vec::new());
    noise.truncate(8);
    noise.extend(chunk(b"I\0\0\0", b""));
    let error = picture::open(&put(folder.path(), "noise.png", &noise)).unwrap_err();
    assert!(matches!(error, DataError::Picture { .. }), "{error:?}");
}

/// A generator of noise.
fn random(state: &mut u32) -> usize {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*state >> 8) as usize
}

#[test]
fn damage_anywhere_ends_in_a_picture_or_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged");
    let mut files: Vec<Vec<u8>> =
        golden("jpeg").into_iter().map(|path| std::fs::read(path).unwrap()).collect();
    files.push(Png { interlaced: true, ..Png::new(20, 11, 3, 4) }.write());
    files.push(Png::new(20, 11, 6, 16).write());
    files.extend(golden_others().into_iter().map(|path| std::fs::read(path).unwrap()));
    files.extend([1, 8, 16, 32].map(|bits| Bmp::new(20, 11, bits).write()));
    files.push(Gif { interlaced: true, ..Gif::new(20, 11, 4) }.write());
    let plain = Tiff { rows: 3, ..Tiff::new([20, 11], 2, 3, 8) };
    files.push(Tiff { planar: true, compression: 8, ..plain.clone() }.write());
    files.push(Tiff { wide: true, compression: 5, tile: Some([16, 16]), ..plain }.write());
    let mut state = 1;
    for file in &files {
        for _ in 0..15 {
            let mut bytes = file.clone();
            for _ in 0..=random(&mut state) % 3 {
                let at = random(&mut state) % bytes.len();
                match random(&mut state) % 3 {
                    0 => bytes[at] = random(&mut state) as u8,
                    1 => bytes.truncate(at.max(1)),
                    _ => drop(bytes.drain(at..(at + random(&mut state) % 9).min(bytes.len()))),
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            if let Err(error) = picture::open(&path) {
                let text = error.to_string();
                assert!(!text.contains("the decoder's fault"), "{text}");
            }
        }
    }
}
