//! Which values of options are usual, and which make sense.

use std::path::{Component, Path};

/// Keras's and timm's examples hold out a fifth, too.
pub(super) fn usual_val_split() -> f32 {
    0.2
}

pub(super) fn is_usual_val_split(share: &f32) -> bool {
    *share == usual_val_split()
}

/// What an option that older versions had not does not write into `args.yaml`.
pub(super) fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Rows and columns that images may have.
pub(super) const SIDES: std::ops::RangeInclusive<usize> = 1..=4096;

pub(super) fn is_probability(value: f32) -> bool {
    (0.0..=1.0).contains(&value)
}

pub(super) fn is_amount(value: f32) -> bool {
    value.is_finite() && value >= 0.0
}

/// Whether `name` is a single ordinary path component.
pub(super) fn is_folder_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) && !name.ends_with(['/', '\\'])
}
