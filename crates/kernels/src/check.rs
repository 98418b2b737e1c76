//! Size checks that kernels make up front, so that their loops may rely on them.

use crate::args::{Affine, Finish, Gate, MapSource, MapTerm, Sink, Sums};
use crate::maps::MapRef;

/// A source over `rows` pixels.
#[track_caller]
pub(crate) fn source(src: &MapSource<'_>, rows: usize, pitch: usize) {
    term(&src.main, rows, pitch);
    if let Some(add) = &src.add {
        term(add, rows, pitch);
    }
}

#[track_caller]
fn term(term: &MapTerm<'_>, rows: usize, pitch: usize) {
    map(&term.data, rows, pitch);
    if let Some(term) = &term.affine {
        affine(term, pitch);
    }
}

/// What happens to outputs of `rows` pixels (of whole images), whose piece is written at a pitch of `written`.
#[track_caller]
pub(crate) fn finish(finish: &Finish<'_>, [rows, pitch]: [usize; 2], written: usize) {
    if let Some(norm) = &finish.affine {
        affine(norm, pitch);
    }
    if let Some(add) = &finish.add {
        term(add, rows, pitch);
        assert_eq!(written, pitch, "pitch of a map to which another is added");
    }
}

/// A full map of `rows` pixels.
#[track_caller]
pub(crate) fn map(data: &MapRef<'_>, rows: usize, pitch: usize) {
    values(data.len(), rows, pitch);
}

/// What is as long as such a map.
#[track_caller]
pub(crate) fn values(len: usize, rows: usize, pitch: usize) {
    assert_eq!(len, rows * pitch, "values in a map of {rows} pixels at pitch {pitch}");
}

#[track_caller]
fn affine(affine: &Affine<'_>, pitch: usize) {
    assert!(affine.scale.len() == pitch && affine.shift.len() == pitch, "scale and shift of pitch {pitch}");
}

/// Sums of all channels of `images` images.
#[track_caller]
pub(crate) fn sums(sums: &Sums<'_>, images: usize, pitch: usize) {
    assert_eq!(sums.shift.len(), pitch, "shift of the sums");
    assert!(
        sums.out.rows() == 2 * images && sums.out.width() == pitch,
        "sums of {images} images, pitch {pitch}"
    );
}

/// A sink over all channels of `images` images of `pixels` pixels.
#[track_caller]
pub(crate) fn sink(sink: &Sink<'_>, [images, pixels]: [usize; 2], pitch: usize) {
    let rows = images * pixels;
    assert!(sink.dst.rows() == rows && sink.dst.width() == pitch, "sink of {rows} rows, pitch {pitch}");
    match &sink.gate {
        Gate::Open => {}
        Gate::Stored(z) => map(z, rows, pitch),
        Gate::Affine { y, affine: gate } => {
            map(y, rows, pitch);
            affine(gate, pitch);
        }
    }
    if let Some((y, sink)) = &sink.sums {
        map(y, rows, pitch);
        sums(sink, images, pitch);
    }
}
