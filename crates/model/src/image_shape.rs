//! The shape of one image or feature map.

/// Most values in one image's feature map, and in one parameter: 2^31 - 1, 8 GiB of `f32`. Beyond it, sizes are
/// typing errors; below it, no product of sizes overflows.
pub const MAX_VALUES: usize = i32::MAX as usize;

/// Shape of one image or feature map: channels, rows, columns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ImageShape {
    /// Channels.
    pub c: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
}

impl ImageShape {
    /// Channels, rows, columns.
    pub const fn new(c: usize, h: usize, w: usize) -> Self {
        Self { c, h, w }
    }

    /// Values in one image.
    pub const fn len(self) -> usize {
        self.c * self.h * self.w
    }

    /// Whether there is no value at all.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Rows times columns.
    pub const fn pixels(self) -> usize {
        self.h * self.w
    }
}

impl std::fmt::Display for ImageShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.c, self.h, self.w)
    }
}
