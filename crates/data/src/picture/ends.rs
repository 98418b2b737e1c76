//! Two parts of a file, as a rule its ends; or all of it.

/// Bytes at a file's beginning and further on; what lies between may be missing.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    pub(super) head: &'a [u8],
    /// The last bytes, or others that are wanted; nothing if `head` is all.
    pub(super) tail: &'a [u8],
    /// Where these begin.
    pub(super) tail_at: u64,
    /// Bytes of the file.
    pub(super) size: u64,
}

/// What a probe sees: columns and rows as stored, and whether the end is there.
pub(super) type SeenEnds = Option<([u32; 2], bool)>;

impl<'a> Ends<'a> {
    /// A file that is there from end to end.
    pub(super) fn whole(bytes: &'a [u8]) -> Self {
        Self { head: bytes, tail: &[], tail_at: 0, size: bytes.len() as u64 }
    }

    /// The bytes that are there before the end.
    pub(super) fn last(&self) -> &'a [u8] {
        if self.tail.is_empty() { self.head } else { self.tail }
    }

    /// `count` bytes from `at` on, if all of them are there.
    pub(super) fn get(&self, at: usize, count: usize) -> Option<&'a [u8]> {
        let end = at.checked_add(count)?;
        self.head.get(at..end).or_else(|| {
            let start = usize::try_from(self.tail_at).ok()?;
            self.tail.get(at.checked_sub(start)?..end.checked_sub(start)?)
        })
    }
}
