//! Bilinear resize of 8-bit images, equal to OpenCV's.

/// Resizes an image `[h][w][c]` of shape `from = [h, w, c]` to `[to[0]][to[1]][c]`.
///
/// # Panics
/// If `src` is not `h * w * c` long or a side is zero.
pub fn bilinear_u8(src: &[u8], from: [usize; 3], to: [usize; 2]) -> Vec<u8> {
    todo!("{} {from:?} {to:?}", src.len())
}
