//! What tracing promises to people who write their own blocks.

use std::sync::Arc;

use plusx_model::ModelError;
use plusx_model::block::{Block, Var};
use plusx_model::containers::{Residual, Sequential};
use plusx_model::graph::{Graph, Op, ParamId};
use plusx_model::layers::{Activation, BatchNorm, Conv2d, Dense, MaxPool2d};
use plusx_model::shape::ImageShape;
use plusx_model::summary::Summary;
use plusx_model::trace::{Names, trace};

const IMAGE: ImageShape = ImageShape::new(3, 8, 8);

fn traced(block: &dyn Block) -> Graph {
    let graph = trace(block, IMAGE, &mut Names::new()).unwrap();
    graph.check().unwrap();
    graph
}

fn param_names(graph: &Graph) -> Vec<&str> {
    graph.params.iter().map(|spec| spec.name.as_str()).collect()
}

fn labels(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().map(|node| node.label.as_str()).collect()
}

/// A reader's own block: unnamed and named layers, an `if`, a block inside.
struct Mine {
    first: Conv2d,
    norm: BatchNorm,
    inner: Residual,
    deep: bool,
}

impl Mine {
    fn new(deep: bool) -> Self {
        let first = Conv2d::new(4, 3).padding(1);
        Self { first, norm: BatchNorm::new().named("norm"), inner: Residual::new(4), deep }
    }
}

impl Block for Mine {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let y = self.norm.forward(self.first.forward(x)?)?.relu();
        if self.deep { y.through("inner", &self.inner) } else { Ok(y) }
    }
}

#[test]
fn own_blocks_are_named_after_their_type_and_layers() {
    let deep = traced(&Mine::new(true));
    assert_eq!(
        param_names(&deep)[..6],
        ["conv0.weight", "conv0.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",]
    );
    assert_eq!(param_names(&deep)[6], "inner.conv1.weight");
    assert_eq!(deep.scopes.last().unwrap().label, "mine0");
    assert_eq!(labels(&deep)[..4], ["input", "conv0", "batchnorm0", "mine0_relu0"]);

    let flat = traced(&Mine::new(false));
    assert_eq!(flat.nodes.len(), 4);
    let outer = traced(&Sequential::new().add(Mine::new(false)).add_named("last", Mine::new(false)));
    assert_eq!(outer.params[0].name, "0.conv0.weight");
    assert_eq!(outer.params[6].name, "last.conv0.weight");
}

/// A graph is a plain value: it can be copied, compared and sent to another thread.
#[test]
fn graphs_are_plain_values() {
    fn plain<T: Clone + PartialEq + Send + Sync + 'static>(_: &T) {}
    plain(&traced(&Mine::new(true)));
}

#[test]
fn equal_recipes_give_equal_graphs_whatever_they_are_called() {
    let mut names = Names::new();
    let first = trace(&Mine::new(true), IMAGE, &mut names).unwrap();
    let second = trace(&Mine::new(true), IMAGE, &mut names).unwrap();
    assert_eq!(first, second);
    assert_ne!(labels(&first), labels(&second));
    assert_ne!(first, traced(&Mine::new(false)));
    assert_ne!(first, trace(&Mine::new(true), ImageShape::new(3, 8, 9), &mut names).unwrap());
}

struct Twice<B>(B);

impl<B: Block> Block for Twice<B> {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        self.0.forward(self.0.forward(x)?)
    }
}

#[test]
fn a_layer_used_twice_has_one_set_of_parameters() {
    let graph = traced(&Twice(Conv2d::new(3, 3).padding(1)));
    assert_eq!(param_names(&graph), ["conv0.weight", "conv0.bias"]);
    assert_eq!(labels(&graph), ["input", "conv0", "conv0"]);
    assert_eq!(graph.nodes[1].op, graph.nodes[2].op);
    assert_eq!(graph.scopes.last().unwrap().label, "twice0");
    let summary = Summary::new("twice", &graph);
    assert_eq!((summary.layers[0].params, summary.layers[1].params), (3 * 3 * 9 + 3, 0));

    let whole = traced(&Twice(Residual::new(3)));
    assert_eq!(whole.params.len(), 12);
    assert_eq!(whole.nodes.len(), 1 + 2 * 7);
    assert_eq!(whole.params[0].name, "residual0.conv1.weight");

    let shared = Arc::new(Mine::new(false));
    let graph = traced(&Twice(Sequential::new().add(Conv2d::new(3, 1)).add(Activation::Relu)));
    assert_eq!(labels(&graph), ["input", "conv0", "relu0", "conv0", "relu0"]);
    let error = trace(&Sequential::new().add(shared.clone()).add(shared), IMAGE, &mut Names::new());
    assert!(matches!(error, Err(ModelError::Shared { .. })), "{error:?}");
}

#[test]
fn a_clone_is_another_layer() {
    let conv = Conv2d::new(3, 1);
    let graph = traced(&Sequential::new().add(conv.clone()).add(conv));
    assert_eq!(param_names(&graph), ["0.weight", "0.bias", "1.weight", "1.bias"]);
}

/// Layers made inside `forward` may live at the same address one after another, and are still different ones.
struct Temporary;

impl Block for Temporary {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        (0..3).try_fold(x, |x, _| Conv2d::new(3, 1).bias(false).forward(x))
    }
}

#[test]
fn layers_made_on_the_fly_are_different_layers() {
    let graph = traced(&Temporary);
    assert_eq!(param_names(&graph), ["conv0.weight", "conv1.weight", "conv2.weight"]);
    assert_eq!(labels(&graph), ["input", "conv0", "conv1", "conv2"]);
}

#[test]
fn a_single_layer_is_a_network() {
    let graph = traced(&Dense::new(2).named("ignored at the root"));
    assert_eq!(param_names(&graph), ["weight", "bias"]);
    assert_eq!(labels(&graph), ["input", "dense0"]);
    let nothing = traced(&Sequential::new());
    assert_eq!((nothing.nodes.len(), nothing.output_shape()), (1, IMAGE));
}

#[test]
fn named_layers_keep_their_names_in_a_sequence() {
    let graph = traced(&Sequential::new().add(Conv2d::new(4, 3).named("stem")).add(Dense::new(2)));
    assert_eq!(param_names(&graph), ["stem.weight", "stem.bias", "1.weight", "1.bias"]);
}

/// Tries something that cannot work, and goes another way.
struct Cautious;

impl Block for Cautious {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let unused = Conv2d::new(5, 3).named("unused").forward(x)?;
        let y =
            MaxPool2d::new(100).forward(unused).or_else(|_| Conv2d::new(2, 1).named("used").forward(x))?;
        Ok(y.relu())
    }
}

#[test]
fn what_the_value_does_not_need_is_left_out() {
    let graph = traced(&Cautious);
    assert_eq!(labels(&graph), ["input", "conv1", "cautious0_relu0"]);
    assert_eq!(param_names(&graph), ["used.weight", "used.bias"]);
    let Op::Conv2d { weight, bias, .. } = graph.nodes[1].op else { panic!("{graph}") };
    assert_eq!((weight, bias), (ParamId(0), Some(ParamId(1))));
    assert!(graph.scopes.iter().all(|scope| scope.output.index() < graph.nodes.len()));
}

#[test]
fn names_count_on_after_a_failed_trace() {
    let mut names = Names::new();
    let net = Sequential::new().add(Conv2d::new(4, 3)).add(MaxPool2d::new(9));
    assert!(trace(&net, IMAGE, &mut names).is_err());
    assert_eq!(names.take("conv"), "conv1");
    assert_eq!(names.take("sequential"), "sequential1");
}

#[test]
fn graphs_print_as_text() {
    let graph = traced(&Residual::new(3));
    let text = graph.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "%0 input = input() 3x8x8");
    assert_eq!(lines[1], "%1 conv0 = conv2d(%0) 3x8x8 conv1.weight conv1.bias");
    assert_eq!(lines[6], "%6 residual0_add0 = add(%5, %0) 3x8x8");
}

#[test]
fn ill_formed_graphs_are_told_apart() {
    let good = traced(&Residual::new(3));
    let broken = |change: &dyn Fn(&mut Graph)| {
        let mut graph = good.clone();
        change(&mut graph);
        graph.check().unwrap_err().to_string()
    };
    let text = broken(&|graph| graph.nodes[2].inputs[0].0 = 5);
    assert!(text.contains("batchnorm0") && text.contains("does not come before"), "{text}");
    let text = broken(&|graph| graph.nodes[1].shape.h = 7);
    assert!(text.contains("expected the shape 3x8x8, got 3x7x8"), "{text}");
    let text = broken(&|graph| graph.params[0].dims[1] = 9);
    assert!(text.contains("conv0") && text.contains("[3, 3, 3, 3]"), "{text}");
    let text = broken(&|graph| graph.params[7].name = "conv1.bias".to_owned());
    assert!(text.contains("two parameters"), "{text}");
    let text = broken(&|graph| graph.params.truncate(1));
    assert!(text.contains("parameter 1, of 1"), "{text}");
    broken(&|graph| graph.nodes.clear());
    broken(&|graph| graph.nodes[3].op = Op::Input);
    broken(&|graph| graph.nodes[6].inputs.truncate(1));
    broken(&|graph| graph.output = Some(plusx_model::graph::NodeId(99)));
}
