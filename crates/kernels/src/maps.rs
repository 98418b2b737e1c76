//! The two types that a map's values may be stored as: `f32`, and [`Bf16`] in half the memory.
//!
//! A kernel reads either and computes in `f32`. What it stores as bf16 is rounded once, at the store ([`Bf16::from_f32`]).
//! Whatever is taken of a value that was stored, a gate or a sum, is taken of the value as stored. Which type a map has is
//! thus no matter of the order of operations, and a step may be fused or not without changing a byte.

mod ptr;

use std::ops::Range;

pub(crate) use self::ptr::{MapPtr, MapPtrMut};
use crate::bf16::Bf16;
use crate::rows::RowsMut;

/// A stored map to read.
#[derive(Clone, Copy, Debug)]
pub enum MapRef<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Half the memory.
    Bf16(&'a [Bf16]),
}

impl<'a> From<&'a [f32]> for MapRef<'a> {
    fn from(map: &'a [f32]) -> Self {
        Self::F32(map)
    }
}

impl<'a> From<&'a Vec<f32>> for MapRef<'a> {
    fn from(map: &'a Vec<f32>) -> Self {
        Self::F32(map)
    }
}

impl<'a, const N: usize> From<&'a [f32; N]> for MapRef<'a> {
    fn from(map: &'a [f32; N]) -> Self {
        Self::F32(map)
    }
}

impl<'a> From<&'a [Bf16]> for MapRef<'a> {
    fn from(map: &'a [Bf16]) -> Self {
        Self::Bf16(map)
    }
}

impl<'a> MapRef<'a> {
    /// How many values.
    pub const fn len(&self) -> usize {
        match self {
            Self::F32(map) => map.len(),
            Self::Bf16(map) => map.len(),
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values `range`.
    ///
    /// # Panics
    /// If the map does not have them.
    pub fn slice(self, range: Range<usize>) -> Self {
        match self {
            Self::F32(map) => Self::F32(&map[range]),
            Self::Bf16(map) => Self::Bf16(&map[range]),
        }
    }

    /// Value `index`.
    ///
    /// # Panics
    /// If the map does not have it.
    #[inline(always)]
    pub fn get(&self, index: usize) -> f32 {
        match self {
            Self::F32(map) => map[index],
            Self::Bf16(map) => map[index].to_f32(),
        }
    }

    /// The values from `start` on, as many as `dst` has.
    ///
    /// # Panics
    /// If the map does not have them.
    #[inline(always)]
    pub fn read(&self, start: usize, dst: &mut [f32]) {
        match self {
            Self::F32(map) => dst.copy_from_slice(&map[start..start + dst.len()]),
            Self::Bf16(map) => {
                let src = &map[start..start + dst.len()];
                for (dst, src) in dst.iter_mut().zip(src) {
                    *dst = src.to_f32();
                }
            }
        }
    }

    /// The values, for those who know single precision only. `what` names the map.
    ///
    /// # Panics
    /// If it is stored as bf16.
    #[track_caller]
    pub fn expect_f32(self, what: &str) -> &'a [f32] {
        match self {
            Self::F32(map) => map,
            Self::Bf16(_) => panic!("{what} is stored as bf16 and must be f32 here"),
        }
    }

    /// Whether the values are bf16.
    #[inline(always)]
    pub(crate) fn half(&self) -> bool {
        matches!(self, Self::Bf16(_))
    }

    #[inline(always)]
    pub(crate) fn ptr(&self) -> MapPtr {
        match self {
            Self::F32(map) => MapPtr::F32(map.as_ptr()),
            Self::Bf16(map) => MapPtr::Bf16(map.as_ptr()),
        }
    }
}

/// Rows of a map to write, see [`RowsMut`].
#[derive(Debug)]
pub enum MapRowsMut<'a> {
    /// Single precision.
    F32(RowsMut<'a, f32>),
    /// Half the memory.
    Bf16(RowsMut<'a, Bf16>),
}

impl<'a> From<RowsMut<'a, f32>> for MapRowsMut<'a> {
    fn from(rows: RowsMut<'a, f32>) -> Self {
        Self::F32(rows)
    }
}

impl<'a> From<RowsMut<'a, Bf16>> for MapRowsMut<'a> {
    fn from(rows: RowsMut<'a, Bf16>) -> Self {
        Self::Bf16(rows)
    }
}

/// What both types of rows have.
macro_rules! either {
    ($rows:expr, $name:ident => $value:expr) => {
        match $rows {
            Self::F32($name) => $value,
            Self::Bf16($name) => $value,
        }
    };
}

impl MapRowsMut<'_> {
    /// How many rows.
    #[inline(always)]
    pub fn rows(&self) -> usize {
        either!(self, rows => rows.rows())
    }

    /// Values in a row.
    #[inline(always)]
    pub fn width(&self) -> usize {
        either!(self, rows => rows.width())
    }

    /// Distance between rows.
    #[inline(always)]
    pub fn pitch(&self) -> usize {
        either!(self, rows => rows.pitch())
    }

    /// Value `column` of row `row`.
    ///
    /// # Panics
    /// If there is none.
    #[inline(always)]
    pub fn get(&mut self, row: usize, column: usize) -> f32 {
        match self {
            Self::F32(rows) => rows.row(row)[column],
            Self::Bf16(rows) => rows.row(row)[column].to_f32(),
        }
    }

    /// Stores `value` as value `column` of row `row`; gives it as stored.
    ///
    /// # Panics
    /// If there is no such value.
    #[inline(always)]
    pub fn set(&mut self, row: usize, column: usize, value: f32) -> f32 {
        match self {
            Self::F32(rows) => {
                rows.row(row)[column] = value;
                value
            }
            Self::Bf16(rows) => {
                let stored = Bf16::from_f32(value);
                rows.row(row)[column] = stored;
                stored.to_f32()
            }
        }
    }

    /// Stores `values` in row `row`, from column `column` on.
    ///
    /// # Panics
    /// If the row is too short, or there is none.
    #[inline(always)]
    pub fn write(&mut self, row: usize, column: usize, values: &[f32]) {
        match self {
            Self::F32(rows) => rows.row(row)[column..column + values.len()].copy_from_slice(values),
            Self::Bf16(rows) => {
                let dst = &mut rows.row(row)[column..column + values.len()];
                for (dst, value) in dst.iter_mut().zip(values) {
                    *dst = Bf16::from_f32(*value);
                }
            }
        }
    }

    /// Stores zeros in columns `columns` of row `row`.
    ///
    /// # Panics
    /// If the row is too short, or there is none.
    #[inline(always)]
    pub fn clear(&mut self, row: usize, columns: Range<usize>) {
        match self {
            Self::F32(rows) => rows.row(row)[columns].fill(0.0),
            Self::Bf16(rows) => rows.row(row)[columns].fill(Bf16::default()),
        }
    }

    /// Whether the values are bf16.
    #[inline(always)]
    pub(crate) fn half(&self) -> bool {
        matches!(self, Self::Bf16(_))
    }

    /// The same window for a shorter time.
    pub fn reborrow(&mut self) -> MapRowsMut<'_> {
        match self {
            Self::F32(rows) => MapRowsMut::F32(rows.reborrow()),
            Self::Bf16(rows) => MapRowsMut::Bf16(rows.reborrow()),
        }
    }

    #[inline(always)]
    pub(crate) fn ptr(&mut self) -> MapPtrMut {
        match self {
            Self::F32(rows) => MapPtrMut::F32(rows.as_mut_ptr()),
            Self::Bf16(rows) => MapPtrMut::Bf16(rows.as_mut_ptr()),
        }
    }
}
