//! Which of a file's tensors are the network's.
//!
//! One rule serves every container. A prefix fits if all parameters of the network are found under it, in their shapes. It is
//! taken off, whatever it is called: the key of a checkpoint's dictionary, an attribute, several of them. Segments that
//! wrappers put anywhere (`module` of `DataParallel`, `_orig_mod` of `torch.compile`) count for nothing. The classifier may be
//! missing or of another size; whether that is allowed is for others to say.
//!
//! Where several prefixes fit, the one that was asked for is taken. Else it is the one whose first segment comes first in
//! [`SECTIONS`], if only one does. Else none is. Other tensors under the prefix are beside the network (a projection head) or
//! in its way (`layer1.0.se.fc1.weight`). If one is in its way, the file holds another network.

use std::collections::{BTreeMap, HashSet};

use plusx_model::graph::{Graph, NodeId, ParamId, ParamSpec, Role};

use super::tensor::NamedTensor;
use super::{names, stages};

/// Keys under which training scripts keep the network, in the order in which they are taken where several fit.
pub(super) const SECTIONS: [&str; 12] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "net",
    "params",
    "weights",
    "model_ema",
    "state_dict_ema",
    "params_ema",
    "ema",
];

/// What programs call the loss that they train with: its weights of classes are none of the network's.
const LOSSES: [&str; 4] = ["criterion", "loss", "loss_fn", "loss_func"];

/// The network's part of a file.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    /// What stands before the names, as the file has it: empty, or ending in a dot.
    pub(super) prefix: String,
    /// The same without what wrappers added.
    bare: String,
    /// For each parameter of the graph the index of its tensor.
    pub(super) pairs: Vec<Option<usize>>,
    /// Tensors under the prefix that are none of the network's, and not in its way.
    pub(super) beside: Vec<usize>,
    /// Whether all is there but perhaps the classifier, in the right shapes, and nothing is in the way.
    pub(super) fits: bool,
    /// Other prefixes that fit as well, as the file has them.
    pub(super) others: Vec<String>,
    /// For each tensor of the file its name without the prefix, if it stands under it.
    pub(super) names: Vec<Option<String>>,
}

/// Why nothing was chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Undecided {
    /// Several fit, and nobody said which is meant.
    Several(String),
    /// None of those that fit is in the section that was asked for.
    NoSection(String),
}

/// Names without the segments of wrappers; a name that would become one that is there already keeps them.
pub(super) fn bare_names(tensors: &[NamedTensor]) -> Vec<String> {
    let bare: Vec<String> = tensors.iter().map(|tensor| names::without_wrappers(&tensor.name)).collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    bare.iter().for_each(|name| *count.entry(name).or_default() += 1);
    let own = |(bare, tensor): (&String, &NamedTensor)| match count.get(bare.as_str()) {
        Some(1) => bare.clone(),
        _ => tensor.name.clone(),
    };
    bare.iter().zip(tensors).map(own).collect()
}

/// The network's part of a file. The error says between what cannot be decided.
pub(super) fn choose(
    tensors: &[NamedTensor],
    graph: &Graph,
    section: Option<&str>,
) -> Result<Choice, Undecided> {
    let file = File { tensors, names: bare_names(tensors), graph };
    let (mut fitting, mut rest): (Vec<_>, Vec<_>) = file.candidates().into_iter().partition(|one| one.fits);
    if let Some(section) = section {
        let there: Vec<String> = fitting.iter().map(Choice::title).collect();
        fitting.retain(|one| one.is_in(section));
        if fitting.is_empty() && !there.is_empty() {
            let found = there.join(", ");
            return Err(Undecided::NoSection(format!(
                "--section {section}: nothing under that name holds the parameters of this network; what does: {found}"
            )));
        }
        rest.sort_by_key(|one| !one.is_in(section));
        if let Some(others) = rest.iter().position(|one| !one.is_in(section)).filter(|others| *others > 0) {
            rest.truncate(others);
        }
    }
    let has_head = |one: &Choice| head(graph).is_none_or(|(weight, _)| one.pairs[weight].is_some());
    if fitting.iter().any(has_head) {
        fitting.retain(has_head);
    }
    match fitting.len() {
        0 => Ok(file.nearest(rest)),
        1 => Ok(fitting.swap_remove(0)),
        _ => file.decide(fitting),
    }
}

impl Choice {
    /// The prefix without its last dot.
    pub(super) fn title(&self) -> String {
        match self.prefix.strip_suffix('.') {
            Some(prefix) => prefix.to_owned(),
            None => "the outermost".to_owned(),
        }
    }

    /// Its section, if its first segment is a known one, and what else stands before the names.
    pub(super) fn section(&self) -> (Option<String>, String) {
        match self.prefix.split_once('.') {
            Some((first, rest)) if SECTIONS.contains(&first) => (Some(first.to_owned()), rest.to_owned()),
            _ => (None, self.prefix.clone()),
        }
    }

    /// A name, or the path of a layer, without the prefix and what wrappers added; others stay.
    pub(super) fn inside(&self, name: &str) -> String {
        let bare = match names::without_wrappers(&self.bare) == self.bare {
            true => names::without_wrappers(name),
            false => name.to_owned(),
        };
        bare.strip_prefix(self.bare.as_str()).unwrap_or(name).to_owned()
    }

    /// What is to be said of the choice.
    pub(super) fn said(&self) -> Option<String> {
        (!self.others.is_empty()).then(|| {
            format!(
                "`{}` was taken; other parameters of this network are under {}: --section NAME takes those",
                self.title(),
                self.others.join(", ")
            )
        })
    }

    /// Whether `section` names it: the beginning of its prefix, or a segment of it.
    fn is_in(&self, section: &str) -> bool {
        [&self.prefix, &self.bare].into_iter().any(|prefix| {
            let begins = prefix.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
            begins || prefix.split('.').any(|segment| segment == section)
        })
    }

    fn rank(&self) -> usize {
        let first = self.bare.split('.').next().unwrap_or_default();
        SECTIONS.iter().position(|section| *section == first).unwrap_or(SECTIONS.len())
    }
}

/// Indices of weight and bias of the classifier.
fn head(graph: &Graph) -> Option<(usize, Option<usize>)> {
    let weight = graph.params.iter().rposition(|spec| spec.role == Role::DenseWeight)?;
    let path = names::split(&graph.params[weight].name).0;
    let bias = |spec: &ParamSpec| spec.role == Role::Bias && names::split(&spec.name).0 == path;
    Some((weight, graph.params.iter().position(bias)))
}

/// The filters that read the images.
pub(super) fn stem(graph: &Graph) -> Option<ParamId> {
    let first = graph.nodes.iter().find(|node| node.inputs.first() == Some(&NodeId(0)))?;
    graph.params_of(first).into_iter().find(|id| graph.param(*id).role == Role::ConvWeight)
}

/// Whether every parameter has its tensor, in its shape. The classifier may be for other classes or missing, the images
/// grey or in colour.
pub(super) fn all_there(tensors: &[NamedTensor], graph: &Graph, pairs: &[Option<usize>]) -> bool {
    let (stem, head) = (stem(graph), head(graph));
    let fits = |(at, (spec, pair)): (usize, (&ParamSpec, &Option<usize>))| {
        let is_head = head.is_some_and(|(weight, bias)| at == weight || Some(at) == bias);
        let Some(tensor) = pair.map(|pair| &tensors[pair]) else { return is_head };
        let free = if is_head { Some(0) } else { stem.filter(|id| id.index() == at).map(|_| 1) };
        let dims = tensor.dims.iter().zip(&spec.dims).enumerate();
        tensor.dims.len() == spec.dims.len()
            && dims.into_iter().all(|(axis, (a, b))| a == b || Some(axis) == free)
    };
    let whole_head = head.is_none_or(|(weight, bias)| {
        bias.is_none_or(|bias| pairs[weight].is_some() == pairs[bias].is_some())
    });
    whole_head && graph.params.iter().zip(pairs).enumerate().all(fits)
}

/// What is chosen from.
struct File<'a> {
    tensors: &'a [NamedTensor],
    names: Vec<String>,
    graph: &'a Graph,
}

impl File<'_> {
    /// Every prefix under which the network may be, names read in torchvision's way; where none fits, also with stages by
    /// their order.
    fn candidates(&self) -> Vec<Choice> {
        let mut prefixes = self.prefixes();
        // what stands under a longer one that fits is no part of what a shorter one has
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        let mut found: Vec<Choice> = Vec::new();
        for prefix in prefixes {
            let pairs = names::pair(&self.inside(&prefix), self.tensors, self.graph);
            let choice = self.judge(prefix, pairs, &found);
            found.push(choice);
        }
        if !found.iter().any(|one| one.fits) {
            let by_order = stages::prefixes(&self.names).into_iter().filter_map(|prefix| {
                let pairs = stages::pair(&self.inside(&prefix), self.tensors, self.graph)?;
                Some(self.judge(prefix, pairs, &[]))
            });
            found.extend(by_order.filter(|one| one.fits));
        }
        found
    }

    /// What stands before the name of a layer deep in the network, each time it occurs.
    fn prefixes(&self) -> Vec<String> {
        let deep = |spec: &&ParamSpec| spec.name.split('.').count();
        let usable = |spec: &&ParamSpec| spec.role == Role::ConvWeight && !spec.name.contains("downsample");
        // of equally deep ones the first
        let anchor = self.graph.params.iter().filter(usable).rev().max_by_key(deep);
        let mut found = vec![String::new()];
        for name in anchor
            .iter()
            .flat_map(|anchor| self.names.iter().filter_map(|name| name.strip_suffix(anchor.name.as_str())))
        {
            if name.ends_with('.') && !found.iter().any(|one| one == name) {
                found.push(name.to_owned());
            }
            if found.len() == names::MOST_PREFIXES {
                break;
            }
        }
        found
    }

    /// The tensors under a prefix, with the rest of their names; counts of batches are none.
    fn inside(&self, prefix: &str) -> Vec<(usize, &str)> {
        let named = self.names.iter().enumerate();
        named
            .filter_map(|(index, name)| Some((index, name.strip_prefix(prefix)?)))
            .filter(|(_, rest)| !rest.ends_with("num_batches_tracked"))
            .collect()
    }

    fn judge(&self, bare: String, pairs: Vec<Option<usize>>, others: &[Choice]) -> Choice {
        let inside = self.inside(&bare);
        let prefix = self.as_written(&bare, &inside, &pairs);
        let below = |index: &usize| {
            others.iter().any(|other| {
                let own = other.bare != bare && other.bare.starts_with(bare.as_str());
                other.fits && own && self.names[*index].starts_with(other.bare.as_str())
            })
        };
        let (mut beside, mut extra) = self.left_over(&inside, &pairs);
        let copies: Vec<usize> = extra.extract_if(.., |index| below(index)).collect();
        beside.extend(copies);
        let behind = self.behind(&bare, &pairs);
        extra.extend(&behind);
        let fits = extra.is_empty() && all_there(self.tensors, self.graph, &pairs);
        let mut names = vec![None; self.tensors.len()];
        for (index, rest) in &inside {
            names[*index] = Some((*rest).to_owned());
        }
        for index in behind {
            names[index] = Some(self.tensors[index].name.clone());
        }
        Choice { prefix, bare, pairs, beside, fits, others: Vec::new(), names }
    }

    /// The prefix as the file has it, if all the network's tensors have the same.
    fn as_written(&self, bare: &str, inside: &[(usize, &str)], pairs: &[Option<usize>]) -> String {
        let mut found: Option<&str> = None;
        let used: HashSet<usize> = pairs.iter().flatten().copied().collect();
        for (index, rest) in inside.iter().filter(|(index, _)| used.contains(index)) {
            let Some(prefix) = self.tensors[*index].name.strip_suffix(rest) else { continue };
            match found {
                Some(other) if other != prefix => return bare.to_owned(),
                _ => found = Some(prefix),
            }
        }
        found.unwrap_or(bare).to_owned()
    }

    /// What is left under a prefix: beside the network, in its way.
    fn left_over(&self, inside: &[(usize, &str)], pairs: &[Option<usize>]) -> (Vec<usize>, Vec<usize>) {
        /// The first segment, without the digits at its end.
        fn kin(rest: &str) -> &str {
            let first = rest.split('.').next().unwrap_or_default();
            first.trim_end_matches(|c: char| c.is_ascii_digit())
        }
        let paired: HashSet<usize> = pairs.iter().flatten().copied().collect();
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut used = HashSet::new();
        for (index, rest) in inside {
            match paired.contains(index) {
                true => {
                    used.insert(kin(rest));
                }
                false => groups.entry(rest.split('.').next().unwrap_or_default()).or_default().push(*index),
            }
        }
        let (mut beside, mut extra) = (Vec::new(), Vec::new());
        for (group, members) in groups {
            let dims = |rank: usize| members.iter().any(|index| self.tensors[*index].dims.len() == rank);
            let single = members.iter().all(|index| self.tensors[*index].values.len() <= 1);
            let goes_on = members.iter().any(|index| self.reads_logits(*index, pairs));
            if LOSSES.contains(&group) {
                beside.extend(members);
                continue;
            }
            // layers of maps, or numbers for channels alone, are not beside the classifier
            match used.contains(kin(group)) || goes_on || dims(4) || !(dims(2) || single) {
                true => extra.extend(members),
                false => beside.extend(members),
            }
        }
        (beside, extra)
    }

    /// Matrices beside the container of the network that take what its classifier gives: there the network goes on.
    fn behind(&self, bare: &str, pairs: &[Option<usize>]) -> Vec<usize> {
        let Some(own) = bare.strip_suffix('.') else { return Vec::new() };
        let around = own.rfind('.').map_or("", |dot| &own[..=dot]);
        let named = self.names.iter().enumerate();
        named
            .filter(|(index, name)| {
                !name.starts_with(bare) && name.starts_with(around) && self.reads_logits(*index, pairs)
            })
            .map(|(index, _)| index)
            .collect()
    }

    /// Whether a matrix takes as many numbers as the classifier gives, and no features.
    fn reads_logits(&self, index: usize, pairs: &[Option<usize>]) -> bool {
        let head = head(self.graph).and_then(|(weight, _)| pairs[weight]);
        match (head.map(|head| &self.tensors[head].dims[..]), &self.tensors[index].dims[..]) {
            (Some([classes, features]), [_, inputs]) => inputs == classes && classes != features,
            _ => false,
        }
    }

    /// Of several that fit the one to take.
    fn decide(&self, mut fitting: Vec<Choice>) -> Result<Choice, Undecided> {
        let best = fitting.iter().map(Choice::rank).min().unwrap_or_default();
        let first: Vec<usize> = (0..fitting.len()).filter(|at| fitting[*at].rank() == best).collect();
        let same = first.windows(2).all(|pair| self.same(&fitting[pair[0]], &fitting[pair[1]]));
        let titles: Vec<String> = fitting.iter().map(Choice::title).collect();
        if !same {
            return Err(Undecided::Several(format!(
                "the parameters of this network are there {} times, under {}: choose with plusx import --section NAME",
                fitting.len(),
                titles.join(", ")
            )));
        }
        let mut chosen = fitting.swap_remove(first[0]);
        let all_same = fitting.iter().all(|other| self.same(&chosen, other));
        if !all_same {
            chosen.others = titles.into_iter().filter(|title| *title != chosen.title()).collect();
        }
        Ok(chosen)
    }

    /// Whether two choices are of equal numbers: a module that has two names is saved twice.
    fn same(&self, a: &Choice, b: &Choice) -> bool {
        let values = |pair: &Option<usize>| pair.map(|index| &self.tensors[index].values);
        a.pairs.iter().zip(&b.pairs).all(|(a, b)| values(a) == values(b))
    }

    /// Where none fits: that with the most of the network, for a message that says what is missing.
    fn nearest(&self, candidates: Vec<Choice>) -> Choice {
        let found = |one: &Choice| one.pairs.iter().flatten().count();
        let inside = |one: &Choice| usize::MAX - one.prefix.len();
        let best = candidates.into_iter().max_by_key(|one| (found(one), inside(one)));
        best.unwrap_or_else(|| self.judge(String::new(), vec![None; self.graph.params.len()], &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plusx_model::block::Block;
    use plusx_model::shape::ImageShape;
    use plusx_model::trace::{Names, trace};
    use plusx_model::zoo::{self, ZooOptions};

    fn graph(name: &str) -> Graph {
        let net: Box<dyn Block> = zoo::build(name, ZooOptions { classes: 10 }).unwrap();
        trace(&*net, zoo::find(name).unwrap().input, &mut Names::new()).unwrap()
    }

    /// A tensor for each parameter that `rule` renames; its one value tells sets apart.
    fn tensors(graph: &Graph, value: f32, rule: impl Fn(&str) -> Option<String>) -> Vec<NamedTensor> {
        let named = graph.params.iter().filter_map(|spec| Some((rule(&spec.name)?, spec)));
        named.map(|(name, spec)| NamedTensor { name, dims: spec.dims.clone(), values: vec![value] }).collect()
    }

    fn under(prefix: &str) -> impl Fn(&str) -> Option<String> {
        move |name| Some(format!("{prefix}{name}"))
    }

    fn more(name: &str, dims: &[usize]) -> NamedTensor {
        NamedTensor { name: name.to_owned(), dims: dims.to_vec(), values: vec![7.0; 2] }
    }

    #[test]
    fn any_prefix_is_taken_off() {
        let graph = graph("resnet20");
        for prefix in [
            "",
            "model.",
            "state_dict.model.",
            "backbone.",
            "module.model.",
            "encoder.net.",
            "0.",
            "a b.c-d.",
        ] {
            let choice = choose(&tensors(&graph, 1.0, under(prefix)), &graph, None).unwrap();
            assert!(choice.fits, "{prefix}");
            assert_eq!(choice.prefix, prefix);
        }
    }

    #[test]
    fn what_wrappers_add_counts_for_nothing_anywhere() {
        let graph = graph("resnet20");
        let stage = |name: &str| Some(format!("module.{}", name.replace("layer1.", "layer1._orig_mod.")));
        let choice = choose(&tensors(&graph, 1.0, stage), &graph, None).unwrap();
        assert!(choice.fits);
        assert_eq!(choice.prefix, "module.");
        let deep = |name: &str| Some(name.replace(".0.conv1", ".0.module._orig_mod.conv1"));
        assert!(choose(&tensors(&graph, 1.0, deep), &graph, None).unwrap().fits);
    }

    #[test]
    fn of_several_the_asked_one_or_the_documented_one_is_taken() {
        let graph = graph("resnet20");
        let two =
            |a: &str, b: &str| [tensors(&graph, 1.0, under(a)), tensors(&graph, 2.0, under(b))].concat();
        let value = |tensors: &[NamedTensor], section| {
            let choice = choose(tensors, &graph, section)?;
            Ok::<_, Undecided>((tensors[choice.pairs[0].unwrap()].values[0], choice.others))
        };
        let averaged = two("state_dict.module.", "state_dict_ema.module.");
        assert_eq!(value(&averaged, None).unwrap(), (1.0, vec!["state_dict_ema.module".to_owned()]));
        assert_eq!(value(&averaged, Some("state_dict_ema")).unwrap().0, 2.0);
        let error = value(&averaged, Some("ema")).unwrap_err();
        assert!(
            matches!(&error, Undecided::NoSection(text) if text.contains("state_dict.module")),
            "{error:?}"
        );
        for (a, b) in
            [("online.", "target."), ("state_dict.student.", "state_dict.teacher."), ("", "module.")]
        {
            let both = two(a, b);
            let error = value(&both, None).unwrap_err();
            assert!(matches!(&error, Undecided::Several(text) if text.contains("--section")), "{a} {b}");
        }
        assert_eq!(value(&two("online.", "target."), Some("target")).unwrap().0, 2.0);
        let nested = two("state_dict.student.", "state_dict.teacher.");
        assert_eq!(value(&nested, Some("state_dict.teacher")).unwrap().0, 2.0);
        // one module under two names is no question
        let shared = [tensors(&graph, 1.0, under("a.")), tensors(&graph, 1.0, under("b."))].concat();
        assert_eq!(value(&shared, None).unwrap(), (1.0, vec![]));
    }

    #[test]
    fn what_is_beside_the_network_and_what_is_in_its_way() {
        let graph = graph("resnet20");
        let with = |extra: NamedTensor| {
            let all = [tensors(&graph, 1.0, under("")), vec![extra]].concat();
            choose(&all, &graph, None).unwrap()
        };
        for (name, dims) in [
            ("projector.0.weight", &[64, 64][..]),
            ("queue", &[128, 9]),
            ("logit_scale", &[]),
            ("criterion.weight", &[10]),
        ] {
            let mut extra = more(name, dims);
            extra.values.truncate(if dims.is_empty() { 1 } else { 2 });
            let choice = with(extra);
            assert!(choice.fits && choice.beside.len() == 1, "{name}");
        }
        for (name, dims) in [
            ("layer1.0.se.fc1.weight", &[4, 16][..]),
            ("layer1.3.conv1.weight", &[16, 16, 3, 3]),
            ("layer4.0.bn1.weight", &[16]),
            ("conv2.weight", &[16, 16, 3, 3]),
            ("attention.weight", &[16, 16, 1, 1]),
            ("norm.weight", &[64]),
            ("fc2.weight", &[10, 10]),
        ] {
            let choice = with(more(name, dims));
            assert!(!choice.fits && choice.beside.is_empty(), "{name}");
        }
    }

    #[test]
    fn a_layer_that_reads_the_logits_makes_another_network() {
        let graph = graph("resnet20");
        let on_top = |name: &str, dims: &[usize]| {
            let all = [tensors(&graph, 1.0, under("state_dict.backbone.")), vec![more(name, dims)]].concat();
            choose(&all, &graph, None).unwrap().fits
        };
        assert!(!on_top("state_dict.head.weight", &[7, 10]));
        assert!(on_top("state_dict.projector.weight", &[7, 64]));
        assert!(on_top("optimizer.state", &[7, 10]));
    }

    #[test]
    fn a_sequential_of_stages_is_read_by_their_order() {
        let graph = graph("resnet18-d2l");
        let second = |name: &str| {
            let name = name.replace("downsample.0", "conv3");
            let (first, rest) = name.split_once('.').unwrap();
            Some(match first {
                "conv1" => format!("0.0.{rest}"),
                "bn1" => format!("0.1.{rest}"),
                "fc" => format!("7.{rest}"),
                stage => format!("{}.{rest}", &stage[5..]),
            })
        };
        let first = |name: &str| {
            let name = second(name)?;
            let (first, rest) = name.split_once('.')?;
            Some(match first {
                "0" => format!("net.0.{rest}"),
                "7" => format!("net.last.2.{rest}"),
                stage => format!("net.b{}.{rest}", stage.parse::<u32>().ok()? + 1),
            })
        };
        let own = tensors(&graph, 1.0, under(""));
        for rule in [&second as &dyn Fn(&str) -> Option<String>, &first] {
            let mut file = tensors(&graph, 1.0, rule);
            let names: Vec<String> = file.iter().map(|tensor| tensor.name.clone()).collect();
            file.reverse();
            let choice = choose(&file, &graph, None).unwrap();
            assert!(choice.fits);
            for (at, pair) in choice.pairs.iter().enumerate() {
                assert_eq!(file[pair.unwrap()].name, names[at], "{}", own[at].name);
            }
        }
    }

    #[test]
    fn a_grey_stem_and_another_classifier_still_fit() {
        let graph = graph("resnet20");
        let mut file = tensors(&graph, 1.0, under("m."));
        file[0].dims[1] = 1;
        let last = file.len();
        file[last - 2].dims[0] = 7;
        file[last - 1].dims[0] = 7;
        assert!(choose(&file, &graph, None).unwrap().fits);
        file.truncate(last - 2);
        assert!(choose(&file, &graph, None).unwrap().fits);
        file[3].dims[0] = 5;
        assert!(!choose(&file, &graph, None).unwrap().fits);
        assert_eq!(ImageShape::new(3, 32, 32), graph.input_shape());
    }
}
