//! Properties: output sizes against counting windows one by one, and any recipe against the graph's own check.

use plusx_model::ModelError;
use plusx_model::block::{Block, Var};
use plusx_model::containers::{Residual, Sequential};
use plusx_model::graph::{Op, Role};
use plusx_model::init::{Init, initialize};
use plusx_model::layers::{Activation, AvgPool2d, BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d};
use plusx_model::random::{INIT, Philox, uniform24};
use plusx_model::shape::{ImageShape, MAX_VALUES};
use plusx_model::trace::{Names, trace};
use proptest::prelude::*;

/// How many windows fit, counted by moving one.
fn count(size: usize, taps: usize, stride: usize, padding: usize, dilation: usize) -> usize {
    let mut windows = 0;
    let mut start = 0;
    while start + dilation * (taps - 1) < size + 2 * padding {
        windows += 1;
        start += stride;
    }
    windows
}

/// How many windows begin inside the map or its first border and still end in the last step, counted by moving one.
fn count_up(size: usize, taps: usize, stride: usize, padding: usize) -> usize {
    let mut windows = 0;
    let mut start = 0;
    while start + taps < size + 2 * padding + stride && start < size + padding {
        windows += 1;
        start += stride;
    }
    windows
}

fn pair(range: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = (usize, usize)> {
    (range.clone(), range)
}

/// A shortcut without parameters.
struct Subsample((usize, usize), usize);

impl Block for Subsample {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        x.subsample(self.0, self.1)
    }
}

/// The map times a number for each channel, made of its means.
struct Squeeze;

impl Block for Squeeze {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        x * GlobalAvgPool2d::new().forward(x)?.sigmoid()
    }
}

/// What the convolutions make, behind what they read.
struct Beside(Vec<Conv2d>);

impl Block for Beside {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let made = self.0.iter().map(|conv| conv.forward(x)).collect::<Result<Vec<_>, _>>()?;
        x.concat(&made)
    }
}

/// A layer to be made.
#[derive(Clone, Debug)]
enum Recipe {
    Conv { channels: usize, kernel: usize, stride: usize, padding: usize },
    Residual { channels: usize, stride: usize, shortcut: bool },
    Norm,
    Beside { channels: Vec<usize>, kernel: usize },
    Relu,
    Sigmoid,
    Squeeze,
    Pool,
    Mean,
    Dense,
}

impl Recipe {
    fn make(&self) -> Box<dyn Block> {
        match *self {
            Recipe::Conv { channels, kernel, stride, padding } => {
                Box::new(Conv2d::new(channels, kernel).strides(stride).padding(padding))
            }
            Recipe::Residual { channels, stride, shortcut } => {
                Box::new(Residual::new(channels).strides(stride).use_1x1conv(shortcut))
            }
            Recipe::Norm => Box::new(BatchNorm::new()),
            Recipe::Beside { ref channels, kernel } => {
                let conv = |channels: &usize| Conv2d::new(*channels, kernel).padding(kernel / 2);
                Box::new(Beside(channels.iter().map(conv).collect()))
            }
            Recipe::Relu => Box::new(Activation::Relu),
            Recipe::Sigmoid => Box::new(Activation::Sigmoid),
            Recipe::Squeeze => Box::new(Squeeze),
            Recipe::Pool => Box::new(MaxPool2d::new(2)),
            Recipe::Mean => Box::new(GlobalAvgPool2d::new()),
            Recipe::Dense => Box::new(Dense::new(5)),
        }
    }
}

fn recipe() -> impl Strategy<Value = Recipe> {
    prop_oneof![
        (1..9usize, 1..4usize, 1..3usize, 0..3usize).prop_map(|(channels, kernel, stride, padding)| {
            Recipe::Conv { channels, kernel, stride, padding }
        }),
        (1..9usize, 1..3usize, any::<bool>()).prop_map(|(channels, stride, shortcut)| Recipe::Residual {
            channels,
            stride,
            shortcut
        }),
        (prop::collection::vec(1..9usize, 0..4), 1..4usize)
            .prop_map(|(channels, kernel)| Recipe::Beside { channels, kernel }),
        prop::sample::select(vec![
            Recipe::Norm,
            Recipe::Relu,
            Recipe::Sigmoid,
            Recipe::Squeeze,
            Recipe::Pool,
            Recipe::Mean,
            Recipe::Dense,
        ]),
    ]
}

proptest! {
    #[test]
    fn convolution_sizes(
        (h, w) in pair(1..=40), kernel in pair(1..=7), stride in pair(1..=4), padding in pair(0..=4),
        dilation in pair(1..=3),
    ) {
        let conv = Conv2d::new(5, kernel).strides(stride).padding(padding).dilation(dilation);
        let rows = count(h, kernel.0, stride.0, padding.0, dilation.0);
        let columns = count(w, kernel.1, stride.1, padding.1, dilation.1);
        match trace(&conv, ImageShape::new(2, h, w), &mut Names::new()) {
            Ok(graph) => prop_assert_eq!(graph.output_shape(), ImageShape::new(5, rows, columns)),
            Err(_) => prop_assert_eq!(rows * columns, 0),
        }
    }

    #[test]
    fn pooling_sizes(
        (h, w) in pair(1..=40), kernel in pair(1..=7), stride in pair(1..=4), padding in pair(0..=4),
    ) {
        let pool = MaxPool2d::new(kernel).strides(stride).padding(padding);
        let rows = count(h, kernel.0, stride.0, padding.0, 1);
        let columns = count(w, kernel.1, stride.1, padding.1, 1);
        match trace(&pool, ImageShape::new(3, h, w), &mut Names::new()) {
            Ok(graph) => {
                prop_assert_eq!(graph.output_shape(), ImageShape::new(3, rows, columns));
                // every window sees a pixel
                prop_assert!((rows - 1) * stride.0 < h + padding.0 && kernel.0 > padding.0);
                prop_assert!((columns - 1) * stride.1 < w + padding.1 && kernel.1 > padding.1);
            }
            Err(_) => prop_assert!(rows * columns == 0 || padding.0 >= kernel.0 || padding.1 >= kernel.1),
        }
    }

    #[test]
    fn average_pooling_sizes(
        (h, w) in pair(1..=40), kernel in pair(1..=7), stride in pair(1..=4), padding in pair(0..=4),
        ceil: bool,
    ) {
        let pool = AvgPool2d::new(kernel).strides(stride).padding(padding).ceil(ceil);
        let count = |size, taps, stride, padding| match ceil {
            true => count_up(size, taps, stride, padding),
            false => count(size, taps, stride, padding, 1),
        };
        let rows = count(h, kernel.0, stride.0, padding.0);
        let columns = count(w, kernel.1, stride.1, padding.1);
        match trace(&pool, ImageShape::new(3, h, w), &mut Names::new()) {
            Ok(graph) => prop_assert_eq!(graph.output_shape(), ImageShape::new(3, rows, columns)),
            Err(_) => prop_assert!(rows * columns == 0 || padding.0 >= kernel.0 || padding.1 >= kernel.1),
        }
    }

    #[test]
    fn subsampling_sizes((h, w) in pair(1..=20), stride in pair(1..=4), c in 1..9usize, channels in 0..20usize) {
        let graph = trace(&Subsample(stride, channels), ImageShape::new(c, h, w), &mut Names::new()).unwrap();
        let kept = |size: usize, stride: usize| (0..size).filter(|at| at % stride == 0).count();
        let shape = ImageShape::new(channels.max(c), kept(h, stride.0), kept(w, stride.1));
        prop_assert_eq!(graph.output_shape(), shape);
        prop_assert_eq!(&graph.nodes[1].label, "subsample0_subsample0");
        graph.check().unwrap();
    }

    #[test]
    fn channels_beside_each_other_add_up(
        c in 1..9usize, channels in prop::collection::vec(1..40usize, 0..5), kernel in 1..4usize, (h, w) in pair(1..=9),
    ) {
        let recipe = Recipe::Beside { channels: channels.clone(), kernel };
        match trace(recipe.make().as_ref(), ImageShape::new(c, h, w), &mut Names::new()) {
            Ok(graph) => {
                let sum = c + channels.iter().sum::<usize>();
                prop_assert_eq!(graph.output_shape(), ImageShape::new(sum, h, w));
                prop_assert_eq!(graph.nodes.last().unwrap().inputs.len(), 1 + channels.len());
            }
            // an even window adds a row and a column
            Err(error) => prop_assert!(channels.is_empty() || kernel == 2, "{error}"),
        }
    }

    #[test]
    fn a_squeeze_changes_no_shape(c in 1..40usize, (h, w) in pair(1..=9)) {
        let input = ImageShape::new(c, h, w);
        let graph = trace(&Squeeze, input, &mut Names::new()).unwrap();
        prop_assert_eq!(graph.output_shape(), input);
        let labels: Vec<&str> = graph.nodes.iter().map(|node| node.label.as_str()).collect();
        prop_assert_eq!(labels, ["input", "pool0", "squeeze0_sigmoid0", "squeeze0_multiply0"]);
    }

    #[test]
    fn no_sizes_panic(
        sizes in prop::array::uniform10(prop_oneof![Just(0), 0..20usize, 0..1_000_000usize, any::<usize>()]),
    ) {
        let [c, h, w, channels, kernel, stride, padding, dilation, groups, units] = sizes;
        let conv = Conv2d::new(channels, kernel).strides(stride).padding(padding).dilation(dilation);
        let pool = MaxPool2d::new(kernel).strides(stride).padding(padding);
        let mean = AvgPool2d::new(kernel).strides(stride).padding(padding).ceil(true);
        let skip = Subsample((stride, stride), channels);
        let beside = Beside(vec![Conv2d::new(channels, 1), Conv2d::new(units, kernel).padding(padding)]);
        let net = Sequential::new().add(skip).add(conv.groups(groups)).add(pool).add(mean).add(beside).add(Squeeze);
        let net = net.add(Dense::new(units));
        if let Ok(graph) = trace(&net, ImageShape::new(c, h, w), &mut Names::new()) {
            prop_assert!(graph.check().is_ok());
            prop_assert!(graph.nodes.iter().all(|node| node.shape.len() <= MAX_VALUES));
            prop_assert!(graph.params.iter().all(|spec| spec.len() <= MAX_VALUES));
        }
    }

    #[test]
    fn every_trace_is_well_formed_and_repeats(
        layers in prop::collection::vec(recipe(), 0..8), h in 1..20usize, w in 1..20usize,
    ) {
        let net = || {
            let mut net = Sequential::new();
            layers.iter().for_each(|layer| { net.push(layer.make()); });
            net
        };
        let input = ImageShape::new(3, h, w);
        let (first, second) =
            (trace(&net(), input, &mut Names::new()), trace(&net(), input, &mut Names::new()));
        prop_assert_eq!(&first, &second);
        if let Ok(graph) = first {
            prop_assert!(graph.check().is_ok(), "{}", graph);
            prop_assert_eq!(graph.output().index(), graph.nodes.len() - 1);
        }
    }

    #[test]
    fn initial_values_follow_the_formula(seed: u32, channels in 1..20usize, kernel in 1..4usize) {
        let net = Sequential::new().add(Conv2d::new(channels, kernel)).add(BatchNorm::new()).add(Dense::new(3));
        let graph = trace(&net, ImageShape::new(2, 4, 4), &mut Names::new()).unwrap();
        for init in [Init::default(), Init::Xavier] {
            let params = initialize(&graph, init, seed);
            for (p, (spec, values)) in params.iter().enumerate() {
                match spec.role {
                    Role::Bias | Role::Beta | Role::RunningMean => prop_assert!(values.iter().all(|&v| v == 0.0)),
                    Role::Gamma | Role::RunningVar => prop_assert!(values.iter().all(|&v| v == 1.0)),
                    Role::ConvWeight | Role::DenseWeight => {
                        let pixels: usize = spec.dims[2..].iter().product();
                        let c = match init {
                            Init::Uniform(c) => c,
                            _ => (6.0 / ((spec.dims[0] + spec.dims[1]) * pixels) as f64).sqrt() as f32,
                        };
                        let last = values.len() - 1;
                        let word = Philox::new(seed, INIT).block([p as u32, 0, 0, last as u32 / 4])[last % 4];
                        prop_assert_eq!(values[last], (2.0 * uniform24(word) - 1.0) * c);
                        prop_assert!(values.iter().all(|v| (-c..=c).contains(v)));
                    }
                }
            }
        }
    }
}

/// The chapter's bounds, to four digits.
#[test]
fn xavier_bounds() {
    let cases = [
        (1, Conv2d::new(64, 7), 0.0434),
        (64, Conv2d::new(64, 3), 0.07217),
        (64, Conv2d::new(128, 1), 0.17678),
    ];
    for (c, conv, bound) in cases {
        let graph = trace(&conv, ImageShape::new(c, 8, 8), &mut Names::new()).unwrap();
        let params = initialize(&graph, Init::Xavier, 42);
        let values = params.get(plusx_model::graph::ParamId(0));
        let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        assert!(largest < bound + 5e-6 && largest > 0.99 * bound, "{largest} {bound}");
        assert!(matches!(graph.nodes[1].op, Op::Conv2d { .. }));
    }
}

/// Initial weights are part of every trained weight: they must never change. The 24-bit draws of the first four
/// values of parameter 0 and of values 4 to 7 of parameter 2, by an independent implementation of Philox.
#[test]
fn initial_values_are_pinned() {
    let net = Sequential::new().add(Conv2d::new(2, 2)).add(Conv2d::new(1, 2));
    let graph = trace(&net, ImageShape::new(1, 4, 4), &mut Names::new()).unwrap();
    let params = initialize(&graph, Init::Uniform(1.0), 42);
    let draws = |p: u32, first: usize| -> Vec<i64> {
        let values = &params.get(plusx_model::graph::ParamId(p))[first..first + 4];
        values.iter().map(|&value| ((f64::from(value) + 1.0) / 2.0 * f64::from(1 << 24)) as i64).collect()
    };
    assert_eq!(draws(0, 0), [9_815_938, 14_754_601, 4_690_691, 5_667_610]);
    assert_eq!(draws(2, 4), [9_743_935, 7_632_384, 12_622_357, 2_828_130]);
}
