//! The chapter's cells as graphs: labels as Gluon counts them, shapes, parameter names, totals.

use plusx_model::block::Block;
use plusx_model::containers::{Residual, Sequential};
use plusx_model::graph::Graph;
use plusx_model::layers::{Activation, BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d};
use plusx_model::shape::ImageShape;
use plusx_model::summary::Summary;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};

fn chapter_net() -> Box<dyn Block> {
    zoo::build("resnet18-d2l", ZooOptions::default()).unwrap()
}

/// Label and shape of the blocks directly inside the traced one.
fn outline(graph: &Graph) -> Vec<String> {
    let children = graph.scopes.iter().filter(|scope| scope.depth == 1);
    children.map(|scope| format!("{} {}", scope.label, graph.node(scope.output).shape)).collect()
}

#[test]
fn demo_blocks_come_first_and_are_counted() {
    let mut names = Names::new();
    let same = trace(&Residual::new(3), ImageShape::new(3, 6, 6), &mut names).unwrap();
    assert_eq!(same.output_shape(), ImageShape::new(3, 6, 6));
    assert_eq!(outline(&same), ["conv0 3x6x6", "batchnorm0 3x6x6", "conv1 3x6x6", "batchnorm1 3x6x6"]);

    let halved = Residual::new(6).use_1x1conv(true).strides(2);
    let halved = trace(&halved, ImageShape::new(3, 6, 6), &mut names).unwrap();
    assert_eq!(halved.output_shape(), ImageShape::new(6, 3, 3));
    assert_eq!(
        outline(&halved),
        ["conv2 6x3x3", "batchnorm2 6x3x3", "conv3 6x3x3", "batchnorm3 6x3x3", "conv4 6x3x3"]
    );
    assert_eq!(halved.scopes.last().unwrap().label, "residual1");

    let net = trace(&chapter_net(), ImageShape::new(1, 224, 224), &mut names).unwrap();
    assert_eq!(
        outline(&net),
        [
            "conv5 64x112x112",
            "batchnorm4 64x112x112",
            "relu0 64x112x112",
            "pool0 64x56x56",
            "sequential1 64x56x56",
            "sequential2 128x28x28",
            "sequential3 256x14x14",
            "sequential4 512x7x7",
            "pool1 512x1x1",
            "dense0 10x1x1",
        ]
    );
    let root = net.scopes.last().unwrap();
    assert_eq!((root.label.as_str(), root.depth, root.output), ("sequential0", 0, net.output()));
}

#[test]
fn a_fresh_process_counts_from_zero() {
    let net = trace(&chapter_net(), ImageShape::new(1, 96, 96), &mut Names::new()).unwrap();
    assert_eq!(
        outline(&net),
        [
            "conv0 64x48x48",
            "batchnorm0 64x48x48",
            "relu0 64x48x48",
            "pool0 64x24x24",
            "sequential1 64x24x24",
            "sequential2 128x12x12",
            "sequential3 256x6x6",
            "sequential4 512x3x3",
            "pool1 512x1x1",
            "dense0 10x1x1",
        ]
    );
    let residuals = net.scopes.iter().filter(|scope| scope.label.starts_with("residual"));
    let expected: Vec<String> = (0..8).map(|i| format!("residual{i}")).collect();
    assert_eq!(residuals.map(|scope| scope.label.clone()).collect::<Vec<_>>(), expected);
}

/// The net as a reader writes it: the same as the zoo's, but for the names of parameters.
#[test]
fn written_by_hand_it_is_the_same_network() {
    fn resnet_block(channels: usize, blocks: usize, first: bool) -> Sequential {
        let mut stage = Sequential::new();
        for block in 0..blocks {
            if block == 0 && !first {
                stage.push(Residual::new(channels).use_1x1conv(true).strides(2));
            } else {
                stage.push(Residual::new(channels));
            }
        }
        stage
    }
    let net = Sequential::new()
        .add(Conv2d::new(64, 7).strides(2).padding(3))
        .add(BatchNorm::new())
        .add(Activation::Relu)
        .add(MaxPool2d::new(3).strides(2).padding(1))
        .add(resnet_block(64, 2, true))
        .add(resnet_block(128, 2, false))
        .add(resnet_block(256, 2, false))
        .add(resnet_block(512, 2, false))
        .add(GlobalAvgPool2d::new())
        .add(Dense::new(10));
    let input = ImageShape::new(1, 96, 96);
    let ours = trace(&net, input, &mut Names::new()).unwrap();
    let zoo = trace(&chapter_net(), input, &mut Names::new()).unwrap();
    assert_eq!(ours.nodes, zoo.nodes);
    assert_eq!(outline(&ours), outline(&zoo));
    assert_eq!(ours.params[0].name, "0.weight");
    assert_eq!(ours.params[6].name, "4.0.conv1.weight");
}

/// torchvision's `resnet18().state_dict()` in its order, with the chapter's biases and without what it lacks:
/// batch norms on shortcuts (`downsample.1`), and the counters of batches, which are no part of the graph.
#[test]
fn parameters_are_named_and_ordered_as_in_torchvision() {
    let conv = |path: String| ["weight", "bias"].map(|suffix| format!("{path}.{suffix}")).to_vec();
    let norm = |path: String| {
        ["weight", "bias", "running_mean", "running_var"].map(|suffix| format!("{path}.{suffix}")).to_vec()
    };
    let mut expected = [conv("conv1".into()), norm("bn1".into())].concat();
    for layer in 1..=4 {
        for block in 0..2 {
            for unit in 1..=2 {
                expected.extend(conv(format!("layer{layer}.{block}.conv{unit}")));
                expected.extend(norm(format!("layer{layer}.{block}.bn{unit}")));
            }
            if layer > 1 && block == 0 {
                expected.extend(conv(format!("layer{layer}.0.downsample.0")));
            }
        }
    }
    expected.extend(conv("fc".into()));

    let net = trace(&chapter_net(), ImageShape::new(1, 96, 96), &mut Names::new()).unwrap();
    assert_eq!(net.params.iter().map(|spec| spec.name.clone()).collect::<Vec<_>>(), expected);
    let dims = |name: &str| net.params.iter().find(|spec| spec.name == name).unwrap().dims.clone();
    assert_eq!(dims("conv1.weight"), [64, 1, 7, 7]);
    assert_eq!(dims("layer2.0.conv1.weight"), [128, 64, 3, 3]);
    assert_eq!(dims("layer2.0.downsample.0.weight"), [128, 64, 1, 1]);
    assert_eq!(dims("layer4.1.bn2.running_var"), [512]);
    assert_eq!(dims("fc.weight"), [10, 512]);
}

#[test]
fn totals() {
    for (input, macs) in [("1x96x96", 318_657_536), ("1x224x224", 1_734_890_496)] {
        let graph = trace(&chapter_net(), input.parse().unwrap(), &mut Names::new()).unwrap();
        graph.check().unwrap();
        let summary = Summary::new("resnet18-d2l", &graph);
        assert_eq!(summary.total_params, 11_178_378);
        assert_eq!(summary.total_statistics, 7_808);
        assert_eq!(summary.total_macs, macs);
        assert_eq!(summary.layers.len(), graph.nodes.len() - 1);
        assert_eq!(summary.layers.iter().map(|row| row.macs).sum::<u64>(), macs);
    }
}

#[test]
fn the_summary_reads_well() {
    let net = Residual::new(6).use_1x1conv(true).strides(2);
    let graph = trace(&net, ImageShape::new(3, 6, 6), &mut Names::new()).unwrap();
    let text = Summary::new("residual", &graph).to_string();
    let expected = "\
residual, input 3x6x6
name             op           output shape     parameters             MACs
conv0            conv2d              6x3x3            168            1,458
batchnorm0       batch_norm          6x3x3             12                0
residual0_relu0  relu                6x3x3              0                0
conv1            conv2d              6x3x3            330            2,916
batchnorm1       batch_norm          6x3x3             12                0
conv2            conv2d              6x3x3             24              162
residual0_add0   add                 6x3x3              0                0
residual0_relu1  relu                6x3x3              0                0
parameters: 546 trainable
running statistics: 24
multiply-accumulates: 4,536 per image";
    let squeeze = |text: &str| {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(squeeze(&text), squeeze(expected), "{text}");
}

#[test]
fn a_stage_of_another_width_comes_from_the_same_table() {
    let spec = zoo::Spec { width: 8, ..*zoo::find("resnet18-d2l").unwrap() };
    let net = spec.build(ZooOptions { classes: 4 });
    let graph = trace(&net, ImageShape::new(3, 32, 32), &mut Names::new()).unwrap();
    assert_eq!(graph.output_shape(), ImageShape::new(4, 1, 1));
    assert_eq!(graph.params.last().unwrap().dims, [4]);
    assert_eq!(graph.params.len(), 110);
}
