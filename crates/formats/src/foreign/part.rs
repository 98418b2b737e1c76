//! Of all that a file holds, what a network of the zoo takes; where that is nothing, which other network would take it.

use plusx_model::graph::Graph;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, Spec};

use super::kind::FileKind;
use super::select::{self, Undecided};
use super::structure::FileNetwork;
use super::tensor::NamedTensor;
use super::weights::ForeignWeights;
use super::{layers, names, network, symbol};
use crate::error::FormatError;

/// Deepest prefix that is looked for in MXNet's names, in segments.
const DEEPEST: usize = 4;

impl ForeignWeights {
    /// The part for `spec`: with names as in the network, and without what is none of it.
    pub(super) fn part_for(self, spec: &Spec, section: Option<&str>) -> Result<Self, FormatError> {
        if self.described {
            return match section {
                None => Ok(self),
                Some(_) => Err(self.no_section("a file of a whole network has no sections".to_owned())),
            };
        }
        match self.kind {
            FileKind::Gluon if section.is_some() => {
                Err(self.no_section("files of MXNet have no sections".to_owned()))
            }
            FileKind::Gluon => self.by_order(spec),
            _ => self.by_name(spec, section),
        }
    }

    fn by_name(self, spec: &Spec, section: Option<&str>) -> Result<Self, FormatError> {
        let own = graph(spec)?;
        let choice = select::choose(&self.tensors, &own, section).map_err(|why| self.undecided(why))?;
        if !choice.fits {
            self.fits_another(spec, |graph| {
                select::choose(&self.tensors, graph, section).is_ok_and(|choice| choice.fits)
            })?;
        }
        let only = self.numbers_only() && self.said.is_none();
        let mut part = self.chosen(choice);
        if only {
            part.notes.extend(twins(spec, &own));
        }
        Ok(part)
    }

    /// Only what was chosen.
    fn chosen(mut self, choice: select::Choice) -> Self {
        let (section, prefix) = choice.section();
        self.section = self.section.or(section);
        self.prefix.push_str(&prefix);
        self.notes.extend(choice.said());
        let mut index = 0;
        self.tensors.retain(|tensor| {
            let kept = choice.names[index].is_some() && !choice.beside.contains(&index);
            index += 1;
            if !kept {
                self.notes.extend(normalises(tensor));
                self.skipped.push(tensor.name.clone());
            }
            kept
        });
        self.rename(|name| choice.inside(name));
        self
    }

    fn by_order(self, spec: &Spec) -> Result<Self, FormatError> {
        let graph = graph(spec)?;
        if let Some(found) = self.by_symbol(spec)? {
            return Ok(found);
        }
        if fits_by_order(&self.tensors, &graph) {
            return Ok(self.without_symbol());
        }
        let mut fitting = self.prefixes().into_iter().filter_map(|prefix| {
            let (inside, outside) = parted(&self.tensors, &prefix);
            fits_by_order(&inside, &graph).then_some((prefix, inside, outside))
        });
        if let Some((prefix, inside, outside)) = fitting.next() {
            if let Some((other, ..)) = fitting.next() {
                return Err(self.undecided(Undecided::Several(format!(
                    "the parameters of this network are there under {prefix} and {other}: save one of them alone"
                ))));
            }
            drop(fitting);
            let mut part = self;
            part.tensors = inside;
            part.skipped.extend(outside);
            part.prefix = prefix;
            return Ok(part.without_symbol());
        }
        drop(fitting);
        self.fits_another(spec, |graph| fits_by_order(&self.tensors, graph))?;
        Ok(self.without_symbol())
    }

    /// The network of the symbol beside a file of exported parameters.
    fn by_symbol(&self, spec: &Spec) -> Result<Option<Self>, FormatError> {
        let Some(path) = symbol::beside(&self.path).filter(|_| self.exported) else { return Ok(None) };
        let found = symbol::read(&path, &self.tensors, [spec.input.h, spec.input.w])?;
        let matched =
            network::matched(&self.path, FileNetwork { graph: &found.graph, params: &found.params }, spec)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut note = format!("operators were read from {name}, and are this network's");
        let others: Vec<String> =
            found.epsilons.iter().filter(|one| **one != EPSILON).map(|one| format!("{one:e}")).collect();
        if !others.is_empty() {
            note += &format!("; epsilon {} is taken over into the scales", others.join(" and "));
        }
        if found.fixed > 0 {
            note +=
                &format!("; {} batch norms have fix_gamma, so their stored gammas count as 1", found.fixed);
        }
        let mut notes = self.notes.clone();
        notes.push(note);
        let skipped = [&self.skipped[..], &found.unused].concat();
        let folded = matched.folded;
        let whole = Self::new(&self.path, FileKind::Gluon, matched.tensors);
        Ok(Some(Self { described: true, exported: true, notes, skipped, folded, ..whole }))
    }

    /// Says what was assumed where exported parameters have no symbol beside them.
    fn without_symbol(mut self) -> Self {
        if let Some(place) = symbol::place(&self.path).filter(|_| self.exported) {
            self.notes.push(format!(
                "no {} lies beside the file: fix_gamma is taken to be False and epsilon {EPSILON:e}, as in Gluon. MXNet's \
                 own operator has True and 1e-3 unless the symbol says otherwise; put it there if there is one",
                place.file_name().unwrap_or_default().to_string_lossy()
            ));
        }
        self
    }

    /// Prefixes of MXNet's names that some but not all of them have.
    fn prefixes(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for tensor in &self.tensors {
            for (dot, _) in tensor.name.match_indices('.').take(DEEPEST) {
                let prefix = &tensor.name[..=dot];
                if found.len() < names::MOST_PREFIXES && !found.iter().any(|one| one == prefix) {
                    found.push(prefix.to_owned());
                }
            }
        }
        let count = |prefix: &String| {
            self.tensors.iter().filter(|tensor| tensor.name.starts_with(prefix.as_str())).count()
        };
        let counts: Vec<(String, usize)> = found.iter().map(|one| (one.clone(), count(one))).collect();
        // of prefixes of the same tensors the longest
        let longest = |(prefix, tensors): &&(String, usize)| {
            let longer = |(other, same): &(String, usize)| {
                same == tensors && other.len() > prefix.len() && other.starts_with(prefix.as_str())
            };
            *tensors < self.tensors.len() && !counts.iter().any(longer)
        };
        counts.iter().filter(longest).map(|(prefix, _)| prefix.clone()).collect()
    }

    /// Refuses a file that other networks of the zoo fit, naming them.
    fn fits_another(&self, spec: &Spec, fits: impl Fn(&Graph) -> bool) -> Result<(), FormatError> {
        let others = zoo::SPECS.iter().filter(|other| other.name != spec.name);
        let found: Vec<&str> = others
            .filter(|other| graph(other).is_ok_and(|graph| fits(&graph)))
            .map(|other| other.name)
            .collect();
        let reason = match found[..] {
            [] => return Ok(()),
            [one] => format!("its parameters are those of {one}; use --model {one}"),
            _ => format!("its parameters fit {}; use --model with one of them", found.join(" and ")),
        };
        Err(FormatError::OtherNetwork { path: self.path.clone(), wanted: spec.name, reason })
    }

    pub(super) fn undecided(&self, why: Undecided) -> FormatError {
        match why {
            Undecided::Several(reason) => FormatError::Several { path: self.path.clone(), reason },
            Undecided::NoSection(reason) => self.no_section(reason),
        }
    }

    fn no_section(&self, reason: String) -> FormatError {
        FormatError::NoSection { path: self.path.clone(), reason }
    }

    /// Whether strides, epsilons and the like are not known from the file.
    pub(super) fn numbers_only(&self) -> bool {
        self.meta.is_none() && !self.described
    }
}

/// Epsilon of batch norms in every network of the zoo.
const EPSILON: f32 = 1e-5;

/// The network as it was made.
fn graph(spec: &Spec) -> Result<Graph, FormatError> {
    trace(&spec.build(spec.options()), spec.input, &mut Names::new())
        .map_err(|error| FormatError::Encode { reason: error.to_string() })
}

/// A word on networks of the zoo that compute something else with the same parameters.
fn twins(spec: &Spec, own: &Graph) -> Option<String> {
    let same = |other: &&Spec| {
        other.name != spec.name
            && graph(other).is_ok_and(|graph| graph.params == own.params && graph.nodes != own.nodes)
    };
    let found: Vec<&str> = zoo::SPECS.iter().filter(same).map(|other| other.name).collect();
    (!found.is_empty()).then(|| {
        format!(
            "{} has the same parameters: numbers alone do not tell it from {}",
            found.join(" and "),
            spec.name
        )
    })
}

/// Whether the tensors are those of a network, by their order, and no others.
fn fits_by_order(tensors: &[NamedTensor], graph: &Graph) -> bool {
    layers::pair(tensors, graph).is_ok_and(|pairs| {
        let used = pairs.iter().flatten().count();
        used == tensors.len() && select::all_there(tensors, graph, &pairs)
    })
}

/// The tensors under a prefix, without it, and the names of the others.
fn parted(tensors: &[NamedTensor], prefix: &str) -> (Vec<NamedTensor>, Vec<String>) {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for tensor in tensors {
        match tensor.name.strip_prefix(prefix) {
            Some(name) => inside.push(NamedTensor { name: name.to_owned(), ..tensor.clone() }),
            None => outside.push(tensor.name.clone()),
        }
    }
    (inside, outside)
}

/// A word on numbers for three channels that a program keeps beside its network to normalise pictures with.
fn normalises(tensor: &NamedTensor) -> Option<String> {
    const NAMES: [&str; 6] = ["mean", "std", "mu", "sigma", "pixel_mean", "pixel_std"];
    let last = tensor.name.rsplit('.').next().unwrap_or_default();
    (NAMES.contains(&last) && tensor.values.len() == 3).then(|| {
        format!(
            "the file also holds {} = {:?}: if its program normalises pictures with that, say so with --mean and --std",
            tensor.name, tensor.values
        )
    })
}
