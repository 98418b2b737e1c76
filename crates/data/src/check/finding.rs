//! What may be wrong with a data set.

/// What kind of thing was found. They are in the order in which a user should mend them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FindingKind {
    /// A held-out picture that is in an earlier split, too, with the same pixels or nearly: what is measured on it is memory.
    Leak,
    /// A picture that is in two classes, with the same pixels or nearly.
    TwoLabels,
    /// A file that gives no picture.
    Unreadable,
    /// Classes whose names differ only in capitals, blanks or the way letters are encoded.
    AlikeClasses,
    /// A class that no picture is of.
    EmptyClass,
    /// A class with pictures, but none to learn from.
    UnlearntClass,
    /// A class that nothing is measured on.
    UnmeasuredClass,
    /// The largest class has over three times the pictures of the smallest.
    Lopsided,
    /// A picture that is twice in one split, with the same pixels.
    Duplicate,
    /// A picture that is in one split twice, nearly.
    NearDuplicate,
    /// A picture of one colour.
    OneColour,
    /// A picture with fewer pixels than will be asked for.
    Small,
    /// A file whose name promises another format than it has. It is read all the same.
    WrongEnding,
}

impl FindingKind {
    /// All of them, in their order.
    pub const ALL: [Self; 13] = [
        Self::Leak,
        Self::TwoLabels,
        Self::Unreadable,
        Self::AlikeClasses,
        Self::EmptyClass,
        Self::UnlearntClass,
        Self::UnmeasuredClass,
        Self::Lopsided,
        Self::Duplicate,
        Self::NearDuplicate,
        Self::OneColour,
        Self::Small,
        Self::WrongEnding,
    ];

    /// What files call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Leak => "leak",
            Self::TwoLabels => "two-labels",
            Self::Unreadable => "unreadable",
            Self::AlikeClasses => "alike-classes",
            Self::EmptyClass => "empty-class",
            Self::UnlearntClass => "unlearnt-class",
            Self::UnmeasuredClass => "unmeasured-class",
            Self::Lopsided => "lopsided",
            Self::Duplicate => "duplicate",
            Self::NearDuplicate => "near-duplicate",
            Self::OneColour => "one-colour",
            Self::Small => "small",
            Self::WrongEnding => "wrong-ending",
        }
    }

    /// Whether a user should mend it before a network learns from the set. The others are remarks: many sets are meant so.
    pub fn must_be_mended(self) -> bool {
        self <= Self::UnlearntClass
    }
}

/// One thing that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckFinding {
    /// What it is.
    pub kind: FindingKind,
    /// The picture as [`Samples::name`](crate::Samples::name) calls it, the file that is none, the class, or the set.
    pub path: String,
    /// What is wrong, in words.
    pub reason: String,
}

impl CheckFinding {
    pub(super) fn new(kind: FindingKind, path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { kind, path: path.into(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_in_order() {
        assert!(FindingKind::ALL.is_sorted());
        assert_eq!(FindingKind::ALL.last().map(|last| *last as usize + 1), Some(FindingKind::ALL.len()));
        assert!(FindingKind::UnlearntClass.must_be_mended() && !FindingKind::Duplicate.must_be_mended());
    }
}
