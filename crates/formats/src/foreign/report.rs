//! What was done to make the weights of one network those of another: nothing of it happens in silence.

use super::kind::FileKind;
use plusx_model::words::counted;
use plusx_weights::some;

/// A classifier that starts anew.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewHead {
    /// Its layer, `fc`.
    pub layer: String,
    /// Classes in the file; none if the file has no classifier.
    pub from: Option<usize>,
    /// Classes of the network.
    pub to: usize,
}

/// How [`ForeignWeights::adopt`](super::ForeignWeights::adopt) came to its parameters; displays as sentences, one a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdoptReport {
    /// What the file was.
    pub kind: FileKind,
    /// The part of the file that was read.
    pub section: Option<String>,
    /// What stood before every name.
    pub prefix: String,
    /// Parameters that were found.
    pub taken: usize,
    /// Parameters the file has by other names: the file's, the network's.
    pub renamed: Vec<(String, String)>,
    /// Names in the file that are no parameters.
    pub skipped: Vec<String>,
    /// The classifier, if it starts anew.
    pub head: Option<NewHead>,
    /// The first convolution, if its filters for red, green and blue were summed to one for grey.
    pub grey: Option<String>,
    /// Batch norms that the file has inside its convolutions.
    pub folded: usize,
    /// How many files they were in.
    pub files: usize,
    /// Whether nothing but numbers was there: no word on strides, dilations and epsilons.
    pub numbers_only: bool,
    /// What else should be known, each a sentence.
    pub notes: Vec<String>,
}

impl std::fmt::Display for AdoptReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let classes = |count: usize| counted(count as u64, "class");
        write!(f, "{}: {}", self.kind, counted(self.taken as u64, "parameter"))?;
        if self.files > 1 {
            write!(f, " in {} files", self.files)?;
        }
        if let Some(section) = &self.section {
            write!(f, " from `{section}`")?;
        }
        if !self.prefix.is_empty() {
            write!(f, ", `{}` taken off their names", self.prefix)?;
        }
        if !self.renamed.is_empty() {
            let pairs: Vec<_> = self.renamed.iter().map(|(from, to)| format!("{from} as {to}")).collect();
            write!(f, "\n{} by other names: {}", pairs.len(), some(&pairs, ", "))?;
        }
        let (counts, others): (Vec<_>, Vec<_>) =
            self.skipped.iter().partition(|name| name.ends_with("num_batches_tracked"));
        if !counts.is_empty() {
            write!(f, "\nleft out: {} counts of batches", counts.len())?;
        }
        if !others.is_empty() {
            write!(f, "\nleft out: {}", some(&others, ", "))?;
        }
        match &self.head {
            Some(NewHead { layer, from: Some(from), to }) => {
                write!(
                    f,
                    "\n{layer} starts anew: {} in the file, {to} in the network. What the file's classifier \
                     has learnt is thrown away",
                    classes(*from)
                )?;
            }
            Some(NewHead { layer, from: None, to }) => {
                write!(
                    f,
                    "\n{layer} starts anew: no classifier in the file, {} in the network",
                    classes(*to)
                )?;
            }
            None => {}
        }
        if self.folded > 0 {
            write!(
                f,
                "\n{} batch norms are inside their convolutions in the file: here they only add what these add. It answers \
                 alike, but weights with batch norms of their own are better to train on",
                self.folded
            )?;
        }
        if let Some(name) = &self.grey {
            write!(f, "\n{name}: filters for red, green and blue summed to one for grey")?;
        }
        if self.numbers_only {
            write!(
                f,
                "\nonly numbers were read: strides, dilations and the epsilons of batch norms are not in the file and are \
                 taken to be this network's own"
            )?;
        }
        for note in &self.notes {
            write!(f, "\nnote: {note}")?;
        }
        Ok(())
    }
}
