//! The zoo's table against what torchvision, timm, Gluon and the papers say: names, order and dimensions of parameters,
//! totals, and that every network takes any images or says which layer does not.

use std::collections::HashSet;

use plusx_model::graph::{Graph, Op, RunningVariance};
use plusx_model::shape::ImageShape;
use plusx_model::summary::Summary;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, Naming, SPECS, Spec, ZooOptions};

/// Made by `tools/zoo_names.py`, which describes the format.
const STATE_DICTS: &str = include_str!("state_dicts.txt");

fn graph(spec: &Spec, input: ImageShape) -> Graph {
    trace(&spec.build(spec.options()), input, &mut Names::new()).unwrap()
}

fn by_name(name: &str) -> (Graph, Summary) {
    let spec = zoo::find(name).unwrap();
    let graph = graph(spec, spec.input);
    let summary = Summary::new(name, &graph);
    (graph, summary)
}

/// One network of the file.
struct Theirs<'a> {
    name: &'a str,
    params: u64,
    macs: u64,
    /// Parameters and running statistics.
    state: Vec<(String, Vec<usize>)>,
}

impl<'a> Theirs<'a> {
    fn read(block: &'a str) -> Self {
        let mut lines = block.lines();
        let head: Vec<&str> = lines.next().unwrap().split(' ').collect();
        let [name, params, macs] = head[..] else { panic!("{head:?}") };
        let mut layers: Vec<(String, &str)> = Vec::new();
        for line in lines {
            let (layer, what) = line.split_once(' ').unwrap();
            match layer {
                "..." => repeat(&mut layers, what.parse().unwrap()),
                _ => layers.push((layer.to_owned(), what)),
            }
        }
        let state = layers.iter().flat_map(|(layer, what)| parameters(layer, what)).collect();
        Self { name, params: params.parse().unwrap(), macs: macs.parse().unwrap(), state }
    }
}

/// Appends the last unit again, under all numbers to `last`.
fn repeat(layers: &mut Vec<(String, &str)>, last: usize) {
    let unit = layers.last().unwrap().0.split('.').take(2).collect::<Vec<_>>().join(".");
    let (stage, number) = unit.split_once('.').unwrap();
    let inside = |layer: &str| layer.strip_prefix(&format!("{unit}.")).map(str::to_owned);
    let content: Vec<_> =
        layers.iter().filter_map(|(layer, what)| Some((inside(layer)?, *what))).collect::<Vec<_>>();
    for number in number.parse::<usize>().unwrap() + 1..=last {
        layers.extend(content.iter().map(|(rest, what)| (format!("{stage}.{number}.{rest}"), *what)));
    }
}

/// Without the counters of batches, which are no part of the graph.
fn parameters(layer: &str, what: &str) -> Vec<(String, Vec<usize>)> {
    let named = |suffix: &str, dims: &[usize]| (format!("{layer}.{suffix}"), dims.to_vec());
    if let Some(channels) = what.strip_prefix("bn ") {
        let dims = [channels.parse().unwrap()];
        return ["weight", "bias", "running_mean", "running_var"].map(|suffix| named(suffix, &dims)).to_vec();
    }
    let dims: Vec<usize> = what.split('x').map(|size| size.parse().unwrap()).collect();
    match layer {
        "fc" => vec![named("weight", &dims), named("bias", &dims[..1])],
        _ => vec![named("weight", &dims)],
    }
}

#[test]
fn names_dimensions_and_totals_are_those_of_torchvision_and_timm() {
    let (_, blocks) = STATE_DICTS.split_once("\n= ").unwrap();
    let mut seen = HashSet::new();
    for theirs in blocks.split("\n= ").map(Theirs::read) {
        let (graph, summary) = by_name(theirs.name);
        seen.insert(theirs.name);
        let ours: Vec<_> = graph.params.iter().map(|spec| (spec.name.clone(), spec.dims.clone())).collect();
        for (ours, theirs_one) in ours.iter().zip(&theirs.state) {
            assert_eq!(ours, theirs_one, "{}", theirs.name);
        }
        assert_eq!(ours.len(), theirs.state.len(), "{}", theirs.name);
        assert_eq!(
            (summary.total_params, summary.total_macs),
            (theirs.params, theirs.macs),
            "{}",
            theirs.name
        );
        for node in &graph.nodes {
            if let Op::BatchNorm { spec, .. } = node.op {
                assert_eq!((spec.epsilon, spec.momentum), (1e-5, 0.9));
                assert_eq!(spec.running_variance, RunningVariance::Unbiased);
            }
        }
    }
    let named = |naming| move |spec: &&Spec| spec.names == naming;
    let borrowed =
        SPECS.iter().filter(named(Naming::Torchvision)).chain(SPECS.iter().filter(named(Naming::Timm)));
    assert!(borrowed.map(|spec| spec.name).all(|name| seen.remove(name)) && seen.is_empty(), "{seen:?}");
}

/// Published by those who define them: the authors' numbers are rounded, these are of the best-known implementations.
#[test]
fn totals_of_the_others() {
    // trainable parameters: akamaster/pytorch_resnet_cifar10 for options A and B, the book's network by hand
    for (name, params) in [
        ("resnet18-d2l", 11_178_378),
        ("resnet20", 269_722),
        ("resnet32", 464_154),
        ("resnet44", 658_586),
        ("resnet56", 853_018),
        ("resnet110", 1_727_962),
        ("resnet20-b", 272_474),
        ("resnet56-b", 855_770),
        ("resnet110-b", 1_730_714),
    ] {
        assert_eq!(by_name(name).1.total_params, params, "{name}");
    }
    // with running statistics: Gluon's model zoo
    for (name, values) in [
        ("resnet18v2", 11_695_796),
        ("resnet34v2", 21_811_380),
        ("resnet50v2", 25_595_060),
        ("resnet101v2", 44_639_412),
        ("resnet152v2", 60_329_140),
    ] {
        let (_, summary) = by_name(name);
        assert_eq!(summary.total_params + summary.total_statistics, values, "{name}");
    }
    // the book's stem for small pictures is smaller by the taps of its kernel
    assert_eq!(by_name("resnet18-d2lzh").1.total_params, 11_178_378 - 64 * (49 - 9));
}

/// A plain twin has the layers of the network without those of its shortcuts, and no sum.
#[test]
fn plain_networks_are_their_twins_without_shortcuts() {
    for (plain, twin) in [("plain18", "resnet18"), ("plain34", "resnet34"), ("plain20", "resnet20-b")] {
        let ([plain, _], [twin, _]) = ([plain, ""], [twin, ""]);
        let ((plain, _), (twin, _)) = (by_name(plain), by_name(twin));
        let path = twin.params.iter().filter(|spec| !spec.name.contains("downsample"));
        assert!(path.eq(&plain.params));
        assert!(plain.nodes.iter().all(|node| node.op != Op::Add));
    }
    let (padded, _) = by_name("resnet44");
    let (plain, _) = by_name("plain44");
    assert_eq!(padded.params, plain.params);
}

#[test]
fn pre_activation_names() {
    let (graph, _) = by_name("resnet50v2");
    let layers: Vec<&str> = graph
        .params
        .iter()
        .filter_map(|spec| spec.name.strip_suffix(".weight"))
        .filter(|name| {
            !name.starts_with("layer") || name.starts_with("layer1.0") || name.starts_with("layer1.1")
        })
        .collect();
    let expected = [
        "bn0",
        "conv1",
        "bn1",
        "layer1.0.bn1",
        "layer1.0.conv1",
        "layer1.0.bn2",
        "layer1.0.conv2",
        "layer1.0.bn3",
        "layer1.0.conv3",
        "layer1.0.downsample.0",
        "layer1.1.bn1",
        "layer1.1.conv1",
        "layer1.1.bn2",
        "layer1.1.conv2",
        "layer1.1.bn3",
        "layer1.1.conv3",
        "bn2",
        "fc",
    ];
    assert_eq!(layers, expected);
}

/// Odd sizes, a single pixel, any channels: every network takes them, and its graph passes its own check.
#[test]
fn any_images_will_do() {
    for spec in SPECS {
        for input in [ImageShape::new(1, 1, 1), ImageShape::new(2, 33, 31), ImageShape::new(5, 7, 64)] {
            let net = spec.build(ZooOptions { classes: 3 });
            let graph = trace(&net, input, &mut Names::new())
                .unwrap_or_else(|error| panic!("{} of {input}: {error}", spec.name));
            graph.check().unwrap();
            assert_eq!(graph.output_shape(), ImageShape::new(3, 1, 1), "{}", spec.name);
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let text = |spec: Spec, classes| {
        let net = spec.build(ZooOptions { classes });
        trace(&net, spec.input, &mut Names::new()).unwrap_err().to_string()
    };
    for spec in SPECS {
        assert!(text(*spec, 0).starts_with("dense0"), "{}", spec.name);
    }
    // 8 / 64 of a base of 4 is no channel
    let narrow = Spec { width: 8, ..*zoo::find("resnext50_32x4d").unwrap() };
    assert!(text(narrow, 10).starts_with("conv1: expected channels"), "{}", text(narrow, 10));
}

#[test]
fn names_are_unique_and_found() {
    let names: HashSet<&str> = zoo::names().into_iter().collect();
    assert_eq!(names.len(), SPECS.len());
    for name in names {
        assert_eq!(zoo::find(name).unwrap().name, name);
    }
}
