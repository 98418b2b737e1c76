//! Where a filter value lives: `[k / 16][c / 16][row][column][c in block][16 k]`, contiguous in the order the forward
//! kernel's reduction walks (input block, tap, input channel), one panel per 16 output channels.
//!
//! Parameters, their gradients and velocities stay in this layout inside the engine; lanes beyond the last output
//! channel hold zeros, and every update keeps them zero. Grouped convolutions have `c / groups` input channels here.

use std::ops::Range;

use crate::LANES;
use crate::shape::ConvShape;

/// Input channels that one filter sees.
pub(crate) fn filter_channels(shape: &ConvShape) -> usize {
    shape.c / shape.groups
}

/// Filters that see one input channel.
pub(crate) fn filters_of_channel(shape: &ConvShape) -> usize {
    shape.k / shape.groups
}

/// Values in the panel of one block of output channels.
pub fn packed_block_len(shape: &ConvShape) -> usize {
    shape.kernel[0] * shape.kernel[1] * filter_channels(shape) * LANES
}

/// Values in the packed filters.
pub fn packed_len(shape: &ConvShape) -> usize {
    shape.k.div_ceil(LANES) * packed_block_len(shape)
}

/// Values in the transposed filters of [`pack_backward`].
pub fn backward_len(shape: &ConvShape) -> usize {
    shape.c.div_ceil(LANES) * backward_block_len(shape)
}

/// Values in the transposed panel of one block of input channels.
pub fn backward_block_len(shape: &ConvShape) -> usize {
    shape.kernel[0] * shape.kernel[1] * filters_of_channel(shape) * LANES
}

/// Offset of `(tap, inner)` inside a panel, for a reduction over `channels` channels in blocks of sixteen.
#[inline(always)]
pub(crate) fn panel_offset(taps: usize, channels: usize, tap: usize, channel: usize) -> usize {
    let block = channel / LANES;
    let width = LANES.min(channels - block * LANES);
    (block * taps * LANES + tap * width + channel % LANES) * LANES
}

/// Filters `[k][c / groups][rows][columns]` into panels; tail lanes become 0.
///
/// # Panics
/// If a slice has another length than the shape says.
pub fn pack(shape: &ConvShape, oihw: &[f32], dst: &mut [f32]) {
    let (taps, channels) = (shape.kernel[0] * shape.kernel[1], filter_channels(shape));
    assert_eq!(oihw.len(), shape.k * channels * taps, "filter length");
    assert_eq!(dst.len(), packed_len(shape), "packed length");
    dst.fill(0.0);
    let block_len = packed_block_len(shape);
    for k in 0..shape.k {
        let panel = &mut dst[k / LANES * block_len..][..block_len];
        for c in 0..channels {
            for tap in 0..taps {
                panel[panel_offset(taps, channels, tap, c) + k % LANES] =
                    oihw[(k * channels + c) * taps + tap];
            }
        }
    }
}

/// The inverse of [`pack`].
///
/// # Panics
/// If a slice has another length than the shape says.
pub fn unpack(shape: &ConvShape, packed: &[f32], oihw: &mut [f32]) {
    let (taps, channels) = (shape.kernel[0] * shape.kernel[1], filter_channels(shape));
    assert_eq!(oihw.len(), shape.k * channels * taps, "filter length");
    assert_eq!(packed.len(), packed_len(shape), "packed length");
    let block_len = packed_block_len(shape);
    let filter = channels * taps;
    for (panel, filters) in packed.chunks_exact(block_len).zip(oihw.chunks_mut((LANES * filter).max(1))) {
        // a vector is read once, and each of its values goes on with the filter it belongs to
        for c in 0..channels {
            for tap in 0..taps {
                let from = &panel[panel_offset(taps, channels, tap, c)..][..LANES];
                let to = filters[c * taps + tap..].iter_mut().step_by(filter);
                to.zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }
}

/// A whole tile, rows for columns: squares of four by four, which a compiler keeps in registers.
#[inline(always)]
fn transpose(from: &[f32; LANES * LANES], to: &mut [f32; LANES * LANES]) {
    const SIDE: usize = 4;
    for row in (0..LANES).step_by(SIDE) {
        for column in (0..LANES).step_by(SIDE) {
            let square: [[f32; SIDE]; SIDE] =
                std::array::from_fn(|i| std::array::from_fn(|j| from[(row + i) * LANES + column + j]));
            for j in 0..SIDE {
                let turned: [f32; SIDE] = std::array::from_fn(|i| square[i][j]);
                to[(column + j) * LANES + row..][..SIDE].copy_from_slice(&turned);
            }
        }
    }
}

/// Panels for the gradient of the input, `[c / 16][k / 16][row][column][k in block][16 c]`, of the input-channel
/// blocks `blocks`; `dst` holds just those. With groups, k counts the `k / groups` filters of a lane's own group.
///
/// # Panics
/// If a slice has another length than the shape and the range say.
pub fn pack_backward(shape: &ConvShape, packed: &[f32], blocks: Range<usize>, dst: &mut [f32]) {
    let taps = shape.kernel[0] * shape.kernel[1];
    assert_eq!(packed.len(), packed_len(shape), "packed length");
    assert_eq!(dst.len(), blocks.len() * backward_block_len(shape), "transposed length");
    let (block_len, backward_len) = (packed_block_len(shape), backward_block_len(shape));
    if shape.groups > 1 {
        for (panel, block) in dst.chunks_exact_mut(backward_len).zip(blocks) {
            pack_backward_grouped(shape, packed, block, panel);
        }
        return;
    }
    for (panel, c_block) in dst.chunks_exact_mut(backward_len).zip(blocks) {
        let lanes = LANES.min(shape.c - c_block * LANES);
        for k_block in 0..shape.k.div_ceil(LANES) {
            let rows = LANES.min(shape.k - k_block * LANES);
            for tap in 0..taps {
                let from = k_block * block_len + panel_offset(taps, shape.c, tap, c_block * LANES);
                let tile = &packed[from..from + lanes * LANES];
                let to = panel_offset(taps, shape.k, tap, k_block * LANES);
                let turned = &mut panel[to..to + rows * LANES];
                if let (Ok(tile), Ok(turned)) = (tile.try_into(), (&mut *turned).try_into()) {
                    transpose(tile, turned);
                    continue;
                }
                for (k, row) in turned.chunks_exact_mut(LANES).enumerate() {
                    row.fill(0.0);
                    for c in 0..lanes {
                        row[c] = tile[c * LANES + k];
                    }
                }
            }
        }
    }
}

/// The panel of one block of input channels in groups: lane by lane, as lanes of a block may be in several groups.
fn pack_backward_grouped(shape: &ConvShape, packed: &[f32], block: usize, panel: &mut [f32]) {
    let (taps, block_len) = (shape.kernel[0] * shape.kernel[1], packed_block_len(shape));
    let (channels, filters) = (filter_channels(shape), filters_of_channel(shape));
    panel.fill(0.0);
    for c in block * LANES..shape.c.min((block + 1) * LANES) {
        for (member, k) in (c / channels * filters..).take(filters).enumerate() {
            let from = &packed[k / LANES * block_len..][..block_len];
            for tap in 0..taps {
                panel[panel_offset(taps, filters, tap, member) + c % LANES] =
                    from[panel_offset(taps, channels, tap, c % channels) + k % LANES];
            }
        }
    }
}
