//! Many short texts in one piece of memory: the paths of a hundred thousand pictures.

/// Texts, told by their place.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct NameList {
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl NameList {
    pub(crate) fn push(&mut self, name: &str) {
        self.text.push_str(name);
        self.ends.push(self.text.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text at `index`; panics past the end.
    pub(crate) fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[index]]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Bytes of memory held.
    pub(crate) fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    /// Lets go of memory that further names would have taken.
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

impl<'n> FromIterator<&'n str> for NameList {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        let mut all = Self::default();
        names.into_iter().for_each(|name| all.push(name));
        all.shrink();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_went_in() {
        let names: NameList = ["a/b.png", "", "é\n.jpg"].into_iter().collect();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["a/b.png", "", "é\n.jpg"]);
        assert_eq!(names.get(2), "é\n.jpg");
        assert!(names.bytes() < 60);
    }
}
