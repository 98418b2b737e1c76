//! How many images a network answered wrongly, of those it learns from and of those it is tested on.

/// Images, and the wrong answers among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) images: u64,
    pub(crate) wrong: u64,
}

impl Answers {
    /// The share of wrong answers, 0 to 1.
    pub(crate) fn error(self) -> f64 {
        self.wrong as f64 / self.images.max(1) as f64
    }
}

/// A value of the training images, and one of the test images.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct TrainTest<T> {
    pub(crate) train: T,
    pub(crate) test: T,
}

impl<T> TrainTest<T> {
    /// What `of` makes of each.
    pub(crate) fn map<U>(self, of: impl Fn(T) -> U) -> TrainTest<U> {
        TrainTest { train: of(self.train), test: of(self.test) }
    }
}
