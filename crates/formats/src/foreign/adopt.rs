//! From the tensors of a file to the parameters of a graph: every one accounted for, or an error that lists the others.

use std::collections::BTreeSet;

use plusx_model::graph::{Graph, ParamId, ParamSpec, Role};
use plusx_model::params::Params;

use super::kind::FileKind;
use super::report::{AdoptReport, NewHead};
use super::tensor::NamedTensor;
use super::weights::ForeignWeights;
use super::{layers, names, select};
use plusx_weights::{Misshapen, WeightError};

use crate::error::FormatError;

/// What may differ between file and network; default nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Allow {
    /// The number of classes: a classifier of another size, or none in the file, starts anew.
    pub other_classes: bool,
    /// Colour in the file, grey in the network: the three filters of the first convolution are summed, so that a grey
    /// picture gives what it gave as three equal channels. (timm does the same.)
    pub grey: bool,
}

/// Parameters from a file.
#[derive(Clone, PartialEq, Debug)]
pub struct Adopted {
    /// Those of the network.
    pub params: Params,
    /// What was done to get them.
    pub report: AdoptReport,
}

/// The tensors of the parameters.
struct Paired {
    /// For each parameter its tensor.
    pairs: Vec<Option<usize>>,
    /// For each tensor its name in the network's part of the file, if it is in that.
    names: Vec<Option<String>>,
    /// Tensors in that part that are beside the network.
    beside: Vec<usize>,
    report: AdoptReport,
}

/// What is wrong so far.
#[derive(Default)]
struct Wrong {
    missing: Vec<String>,
    extra: Vec<String>,
    misshapen: Vec<Misshapen>,
}

impl ForeignWeights {
    /// The parameters and running statistics of `graph`. `start` is what they are before: a classifier that starts anew
    /// keeps it.
    ///
    /// By name: torchvision's, and what others call the same (`linear.` for `fc.`, `shortcut.` for `downsample.`), under
    /// whatever prefix all of them are found. In Gluon's files by the order of the layers.
    ///
    /// # Errors
    /// [`WeightError::Mismatch`] listing the missing, unknown and misshapen tensors, [`WeightError::Dtype`] for a
    /// parameter of whole numbers, [`FormatError::Several`] where several sets of parameters fit, [`WeightError::NotFinite`] naming the first tensor with an infinity or no number,
    /// [`FormatError::Broken`] for a Gluon file whose layers have no order.
    ///
    /// # Panics
    /// If `start` is not of this graph.
    pub fn adopt(&self, graph: &Graph, start: Params, allow: Allow) -> Result<Adopted, FormatError> {
        assert!(start.fits(graph), "the initial parameters are those of another graph");
        let Paired { pairs, names, beside, mut report } = self.paired(graph)?;
        let head = new_head(self, graph, &pairs).filter(|_| allow.other_classes);
        let stem = select::stem(graph).filter(|_| allow.grey);
        let (mut params, mut wrong) = (start, Wrong::default());
        let mut left: BTreeSet<usize> = (0..self.tensors.len()).collect();
        // where one of two is taken, the other is no part of the network
        left.retain(|index| names[*index].is_some() && !beside.contains(index));
        let name = |index: usize| names[index].as_ref().unwrap_or(&self.tensors[index].name);
        for (index, (spec, pair)) in graph.params.iter().zip(pairs.iter().copied()).enumerate() {
            let tensor = pair.map(|pair| {
                left.remove(&pair);
                (&self.tensors[pair], name(pair))
            });
            if head.as_ref().is_some_and(|head| names::split(&spec.name).0 == head.layer) {
                continue;
            }
            let Some((tensor, known_as)) = tensor else {
                self.check_type(&spec.name)?;
                wrong.missing.push(spec.name.clone());
                continue;
            };
            let id = ParamId(index as u32);
            if tensor.dims == spec.dims {
                params.get_mut(id).copy_from_slice(&tensor.values);
            } else if stem == Some(id) && sums_to(tensor, &spec.dims) {
                params.get_mut(id).copy_from_slice(&grey(tensor));
                report.grey = Some(spec.name.clone());
            } else {
                wrong.misshapen.push(misshapen(tensor, known_as, spec));
                continue;
            }
            if !params.get(id).iter().all(|value| value.is_finite()) {
                let (path, name) = (self.path.clone(), known_as.clone());
                return Err(WeightError::NotFinite { path, name }.into());
            }
            if *known_as != spec.name {
                report.renamed.push((known_as.clone(), spec.name.clone()));
            }
            report.taken += 1;
        }
        wrong.extra = left.into_iter().map(|index| name(index).clone()).collect();
        if !(wrong.missing.is_empty() && wrong.extra.is_empty() && wrong.misshapen.is_empty()) {
            let Wrong { missing, extra, misshapen } = wrong;
            return Err(WeightError::Mismatch { path: self.path.clone(), missing, extra, misshapen }.into());
        }
        report.numbers_only &= !self.describes(&pairs);
        report.notes.extend(self.agreed(graph, &pairs, &mut params)?);
        report.head = head;
        Ok(Adopted { params, report })
    }

    /// Which tensor is which parameter, and a report of what was decided on the way.
    fn paired(&self, graph: &Graph) -> Result<Paired, FormatError> {
        let mut report = AdoptReport {
            kind: self.kind,
            section: self.section.clone(),
            prefix: self.prefix.clone(),
            taken: 0,
            renamed: Vec::new(),
            skipped: self.skipped.clone(),
            head: None,
            grey: None,
            folded: self.folded,
            files: self.files,
            numbers_only: self.numbers_only(),
            notes: self.notes.clone(),
        };
        if self.kind == FileKind::Gluon && !self.described {
            let pairs = layers::pair(&self.tensors, graph)
                .map_err(|reason| FormatError::broken(&self.path, self.kind, reason))?;
            let names = self.tensors.iter().map(|tensor| Some(tensor.name.clone())).collect();
            return Ok(Paired { pairs, names, beside: Vec::new(), report });
        }
        let choice = select::choose(&self.tensors, graph, None).map_err(|why| self.undecided(why))?;
        let outside = choice.names.iter().zip(&self.tensors).filter(|(name, _)| name.is_none());
        report.skipped.extend(outside.map(|(_, tensor)| tensor.name.clone()));
        report.skipped.extend(choice.beside.iter().map(|index| self.tensors[*index].name.clone()));
        let (section, prefix) = choice.section();
        report.section = report.section.or(section);
        report.prefix.push_str(&prefix);
        report.notes.extend(choice.said());
        let select::Choice { pairs, names, beside, .. } = choice;
        Ok(Paired { pairs, names, beside, report })
    }

    /// Refuses a parameter that the file has as something of which none can be made.
    fn check_type(&self, name: &str) -> Result<(), FormatError> {
        let is = |skipped: &&String| {
            skipped.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        match self.skipped.iter().find(is) {
            Some(skipped) => Err(WeightError::Dtype {
                path: self.path.clone(),
                name: name.to_owned(),
                found: self.others.get(skipped).map_or("whole numbers", String::as_str).to_owned(),
            }
            .into()),
            None => Ok(()),
        }
    }
}

/// The last dense layer, if the file has it for another number of classes or not at all.
fn new_head(weights: &ForeignWeights, graph: &Graph, pairs: &[Option<usize>]) -> Option<NewHead> {
    let weight = graph.params.iter().rposition(|spec| spec.role == Role::DenseWeight)?;
    let spec = &graph.params[weight];
    let (layer, to) = (names::split(&spec.name).0.to_owned(), spec.dims[0]);
    match pairs[weight].map(|pair| &weights.tensors[pair].dims[..]) {
        None => Some(NewHead { layer, from: None, to }),
        Some(&[from, features]) if from != to && features == spec.dims[1] => {
            Some(NewHead { layer, from: Some(from), to })
        }
        Some(_) => None,
    }
}

/// Whether filters for colours become `dims`, filters for grey, by summing.
fn sums_to(tensor: &NamedTensor, dims: &[usize]) -> bool {
    matches!((&tensor.dims[..], dims), ([o, 3, h, w], [to, 1, th, tw]) if [o, h, w] == [to, th, tw])
}

/// Filters \[o, 3, h, w\] summed over their channels.
fn grey(tensor: &NamedTensor) -> Vec<f32> {
    let pixels: usize = tensor.dims[2..].iter().product();
    let filters = tensor.values.chunks_exact((3 * pixels).max(1));
    filters
        .flat_map(|filter| (0..pixels).map(|at| filter[at] + filter[pixels + at] + filter[2 * pixels + at]))
        .collect()
}

/// Names the tensor as the network does, and as the file does if that differs.
fn misshapen(tensor: &NamedTensor, known_as: &str, spec: &ParamSpec) -> Misshapen {
    let name = match known_as == spec.name {
        true => spec.name.clone(),
        false => format!("{} (there {known_as})", spec.name),
    };
    Misshapen { name, expected: spec.dims.clone(), found: tensor.dims.clone() }
}
