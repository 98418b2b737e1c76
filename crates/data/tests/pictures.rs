//! Real files through the decoders: formats, orientation, limits, damage.

use image::{DynamicImage, ExtendedColorType, ImageEncoder, RgbImage};
use plusx_data::{DataError, picture};
use std::path::{Path, PathBuf};

/// A picture of 24x16 whose left upper quarter is bright: no turn or mirror image of it looks the same.
fn pattern() -> RgbImage {
    RgbImage::from_fn(24, 16, |x, y| if x < 12 && y < 8 { [250, 240, 230] } else { [10, 20, 30] }.into())
}

fn jpeg(exif: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).unwrap();
    }
    let image = pattern();
    encoder.write_image(&image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

fn png(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// An EXIF block (a TIFF file) with one entry: tag 0x0112, orientation, type short.
fn orientation(value: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([value, 0, 0, 0, 0, 0, 0, 0]);
    tiff
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn png_is_exact_in_every_colour_type() {
    let folder = tempfile::tempdir().unwrap();
    let rgb = DynamicImage::ImageRgb8(pattern());
    for (name, image) in [
        ("rgb.png", rgb.clone()),
        ("rgba.png", rgb.to_rgba8().into()),
        ("rgb16.png", rgb.to_rgb16().into()),
        ("named.jpg", rgb.clone()), // the name is not believed
    ] {
        let read = picture::open(&put(folder.path(), name, &png(&image))).unwrap();
        assert_eq!((read.w, read.h, &read.rgb8), (24, 16, rgb.as_bytes().to_vec().as_ref()), "{name}");
    }
    let grey: DynamicImage = rgb.to_luma8().into();
    let read = picture::open(&put(folder.path(), "grey.png", &png(&grey))).unwrap();
    assert!(read.rgb8.chunks(3).zip(grey.as_bytes()).all(|(rgb, &value)| rgb == [value; 3]));
}

#[test]
fn jpeg_is_turned_upright() {
    let folder = tempfile::tempdir().unwrap();
    // EXIF 2.3, section 4.6.4: where the bright left upper quarter goes, and whether the sides change places
    let corners = [(1, 0, 0), (2, 1, 0), (3, 1, 1), (4, 0, 1), (5, 0, 0), (6, 1, 0), (7, 1, 1), (8, 0, 1)];
    for (value, right, lower) in corners {
        let path = put(folder.path(), "turned.jpg", &jpeg(Some(orientation(value))));
        let read = picture::open(&path).unwrap();
        assert_eq!((read.w, read.h), if value > 4 { (16, 24) } else { (24, 16) }, "orientation {value}");
        let at = |x: usize, y: usize| read.rgb8[(y * read.w + x) * 3];
        for (x, y) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let value_there = at(x * (read.w - 1), y * (read.h - 1));
            assert_eq!(value_there > 128, (x, y) == (right, lower), "orientation {value}, corner {x} {y}");
        }
    }
    let plain = picture::open(&put(folder.path(), "plain.jpg", &jpeg(None))).unwrap();
    assert_eq!((plain.w, plain.h), (24, 16));
}

#[test]
fn damaged_and_foreign_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole_png = png(&DynamicImage::ImageRgb8(pattern()));
    let whole_jpeg = jpeg(None);
    // an end marker inside an application segment is not the picture's
    let with_thumbnail = [&whole_jpeg[..2], b"\xff\xe1\0\x06\xff\xd8\xff\xd9", &whole_jpeg[2..]].concat();
    picture::open(&put(folder.path(), "whole.jpg", &with_thumbnail)).unwrap();
    for (name, bytes) in [
        ("text.png", &b"not a picture at all"[..]),
        ("empty.jpg", b""),
        ("half.png", &whole_png[..whole_png.len() / 2]),
        ("half.jpg", &whole_jpeg[..whole_jpeg.len() - 40]),
        ("thumbnail.jpg", &with_thumbnail[..with_thumbnail.len() - 2]),
        ("head.jpg", &whole_jpeg[..100]),
        ("anim.gif", b"GIF89a\x01\0\x01\0\0\0\0;"),
    ] {
        let error = picture::open(&put(folder.path(), name, bytes)).unwrap_err();
        assert!(matches!(error, DataError::Picture { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let error = picture::open(&folder.path().join("nowhere.png")).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }) && error.to_string().contains("nowhere.png"), "{error}");
    assert!(matches!(picture::open(folder.path()), Err(DataError::Io { .. })));
}

#[test]
fn a_small_file_cannot_announce_a_huge_picture() {
    let folder = tempfile::tempdir().unwrap();
    // a header of 60000x60000 in an otherwise valid file: 10.8 GB of pixels
    let mut bytes = png(&DynamicImage::ImageRgb8(pattern()));
    bytes[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let error = picture::open(&put(folder.path(), "huge.png", &bytes)).unwrap_err();
    assert!(matches!(error, DataError::TooLarge { size: 3_600_000_000, .. }), "{error:?}");
}
