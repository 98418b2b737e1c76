//! The numbers behind the rules on shapes. None depends on the machine. Those of weights, [`WEIGHT_CHAIN`],
//! [`WEIGHT_IMAGES`], [`LEAST_SEGMENT`] and [`SEGMENT_PIXELS`], fix orders of sums.

use crate::sum::SEGMENT;

/// Maps of at most this many pixels are walked position by position with images as the tile's rows: the taps that
/// fall on the border are the same for the whole tile and are skipped (two fifths of all taps on a 3x3 map).
pub(super) const SMALL_MAP: usize = 49;

/// Images below which tiles run over pixels even on small maps: a register tile of one or two rows wastes more than the
/// border's taps do. No byte depends on it: what the border adds is zero.
pub(super) const FEW_IMAGES: usize = 3;

/// Rows of the widest register tile: what is taken together is whole tiles.
pub(super) const TILE_ROWS: usize = 6;

/// Positions that are taken together at least, of several images where one has fewer. So many read a panel from the
/// first-level cache.
pub(super) const LEAST_PIXELS: usize = 21 * TILE_ROWS;

/// Values loaded at once: 256 KiB, half of the smallest L2 in common use, leaving room for a panel.
pub(super) const LOAD_VALUES: usize = 64 * 1024;

/// Pixels in one chain of a filter's gradient: long enough that storing the tile costs little, short enough to keep
/// both operands in L1 and the chain's error small.
pub(super) const WEIGHT_CHAIN: usize = 144;

/// Values of a gradient that one piece adds to: 1 MiB.
pub(super) const WEIGHT_VALUES: usize = 256 * 1024;

/// Images in one chain at most; a power of two, so that it divides a segment.
pub(super) const WEIGHT_IMAGES: usize = 16;
const _: () = assert!(SEGMENT.is_multiple_of(WEIGHT_IMAGES));

/// Images in a segment of a filter's gradient at least: enough work beside adding the segments up.
pub(super) const LEAST_SEGMENT: usize = 4;

/// Outputs of a channel that a segment has at least: whole chains, those of a Winograd algorithm too (36 tiles of at most
/// 16 outputs, rounded down to a power of two of images).
pub(super) const SEGMENT_PIXELS: usize = 288;
