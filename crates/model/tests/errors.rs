//! Wrong networks: every error is typed, names the layer, and shows what was expected and what was found.

use plusx_model::ModelError;
use plusx_model::block::{Block, Var};
use plusx_model::containers::{Residual, Sequential};
use plusx_model::graph::{Graph, ParamId};
use plusx_model::layers::{AvgPool2d, BatchNorm, Conv2d, Dense, MaxPool2d};
use plusx_model::params::Params;
use plusx_model::preprocess::{Preprocess, Resize};
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo::{self, ZooOptions};

/// A shortcut without parameters.
struct Skip([usize; 2], usize);

impl Block for Skip {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        x.subsample((self.0[0], self.0[1]), self.1)
    }
}

fn error(block: impl Block, input: &str) -> ModelError {
    trace(&block, input.parse().unwrap(), &mut Names::new()).unwrap_err()
}

#[test]
fn windows_larger_than_the_input() {
    let net = Sequential::new().add(Conv2d::new(4, 3)).add(Conv2d::new(4, 3).dilation(2).padding((1, 0)));
    let text = error(net, "3x5x5").to_string();
    for part in ["conv1", "at least 3x5", "window of 5x5", "padding 1x0", "got 4x3x3"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(matches!(error(MaxPool2d::new(4), "1x3x9"), ModelError::Window { .. }));
    // sizes that round up need one pixel of the last step only
    let text = error(AvgPool2d::new(4).strides(2).ceil(true), "1x2x9").to_string();
    assert!(text.contains("pool0") && text.contains("at least 3x3"), "{text}");
}

#[test]
fn sums_of_different_shapes() {
    let net = Sequential::new().add(Residual::new(3)).add(Residual::new(6).strides(2));
    let ModelError::Shapes { layer, left, right } = error(net, "3x6x6") else { panic!() };
    assert_eq!(
        (layer.as_str(), left, right),
        ("residual1_add0", ImageShape::new(6, 3, 3), ImageShape::new(3, 6, 6))
    );
}

/// A map beside another, or times it: the input and what a window makes of it.
struct With {
    window: usize,
    product: bool,
}

impl Block for With {
    fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
        let y = MaxPool2d::new(self.window).forward(x)?;
        if self.product { x * y } else { x.concat(&[y]) }
    }
}

#[test]
fn products_and_concatenations_of_shapes_that_do_not_fit() {
    let text = error(With { window: 2, product: true }, "3x6x6").to_string();
    for part in ["with0_multiply0", "3x1x1", "3x6x6", "3x3x3"] {
        assert!(text.contains(part), "{text}");
    }
    let text = error(With { window: 2, product: false }, "3x6x6").to_string();
    for part in ["with0_concat0", "3x6x6", "3x3x3"] {
        assert!(text.contains(part), "{text}");
    }
    for (product, shape) in [(true, ImageShape::new(3, 6, 6)), (false, ImageShape::new(6, 1, 1))] {
        let (window, input) = if product { (6, "3x6x6") } else { (1, "3x1x1") };
        let graph = trace(&With { window, product }, input.parse().unwrap(), &mut Names::new()).unwrap();
        assert_eq!(graph.output_shape(), shape);
        graph.check().unwrap();
    }
    struct Alone;
    impl Block for Alone {
        fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
            x.concat(&[])
        }
    }
    let text = error(Alone, "3x6x6").to_string();
    assert_eq!(text, "alone0_concat0: expected at least two maps to lay beside each other, got one");
}

#[test]
fn groups_that_do_not_divide() {
    let text = error(Conv2d::new(4, 3).groups(2), "3x6x6").to_string();
    assert!(text.contains("conv0") && text.contains("2 groups") && text.contains("3x6x6"), "{text}");
    assert!(matches!(error(Conv2d::new(5, 3).groups(2), "4x6x6"), ModelError::Groups { .. }));
}

#[test]
fn settings_out_of_range() {
    let bad: [Box<dyn Block>; 9] = [
        Box::new(Conv2d::new(0, 3)),
        Box::new(Conv2d::new(4, 0)),
        Box::new(Conv2d::new(4, 3).strides(0)),
        Box::new(Conv2d::new(4, 3).dilation((1, 0))),
        Box::new(Conv2d::new(4, 3).groups(0)),
        Box::new(MaxPool2d::new(2).strides(0)),
        Box::new(Dense::new(0)),
        Box::new(BatchNorm::new().epsilon(0.0)),
        Box::new(BatchNorm::new().momentum(f32::NAN)),
    ];
    for block in bad {
        let alias = block.alias();
        let error = error(block, "3x6x6");
        assert!(matches!(error, ModelError::Setting { .. }), "{error}");
        assert!(error.to_string().starts_with(&alias), "{error}");
    }
    for pool in
        [Box::new(MaxPool2d::new(2).padding(2)) as Box<dyn Block>, Box::new(AvgPool2d::new(2).padding(2))]
    {
        assert!(matches!(error(pool, "3x6x6"), ModelError::Padding { .. }));
    }
    let text = error(Skip([0, 1], 4), "3x6x6").to_string();
    assert_eq!(text, "skip0_subsample0: expected strides to be at least 1, got 0x1");
}

#[test]
fn sizes_beyond_any_machine() {
    let blocks: [Box<dyn Block>; 5] = [
        Box::new(Conv2d::new(usize::MAX, 1)),
        Box::new(Conv2d::new(2, usize::MAX).dilation(usize::MAX)),
        Box::new(Conv2d::new(2, 1).padding(usize::MAX)),
        Box::new(Dense::new(usize::MAX / 2)),
        Box::new(Conv2d::new(1 << 20, 1).bias(false).padding(60)),
    ];
    for block in blocks {
        let error = error(block, "3x6x6");
        assert!(matches!(error, ModelError::TooLarge { .. }), "{error}");
    }
    let error = error(Skip([1, 1], usize::MAX), "3x6x6");
    assert!(matches!(error, ModelError::TooLarge { .. }), "{error}");
    for text in ["1x99999999x99999999", "0x1x1", "1x96", "1x96x96x3", "", "1x-1x3", "axbxc"] {
        assert!(text.parse::<ImageShape>().is_err(), "{text}");
    }
    let huge = ImageShape::new(usize::MAX, usize::MAX, 2);
    assert!(trace(&Residual::new(3), huge, &mut Names::new()).is_err());
    let empty = ImageShape::new(3, 0, 6);
    assert!(matches!(trace(&Residual::new(3), empty, &mut Names::new()), Err(ModelError::Setting { .. })));
}

#[test]
fn one_layer_for_two_sizes() {
    struct Both(Conv2d);
    impl Block for Both {
        fn forward<'g>(&self, x: Var<'g>) -> Result<Var<'g>, ModelError> {
            self.0.forward(self.0.forward(x)?)
        }
    }
    let text = error(Both(Conv2d::new(4, 1)), "3x6x6").to_string();
    for part in ["conv0", "[4, 3, 1, 1]", "4x6x6", "[4, 4, 1, 1]"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn two_layers_of_one_name() {
    let net = Sequential::new().add_named("a", Conv2d::new(4, 1)).add_named("a", Conv2d::new(4, 1));
    let ModelError::DuplicateName { layer, parameter } = error(net, "3x6x6") else { panic!() };
    assert_eq!((layer.as_str(), parameter.as_str()), ("conv1", "a.weight"));
}

#[test]
fn unknown_models_list_the_known_ones() {
    let Err(error) = zoo::build("resnet19", ZooOptions::default()) else { panic!() };
    assert!(error.to_string().contains("resnet18-d2l"), "{error}");
    assert!(zoo::find("").is_err());
    assert_eq!(zoo::find("resnet18-d2l").unwrap().input, ImageShape::new(1, 96, 96));
    let none = zoo::build("resnet18-d2l", ZooOptions { classes: 0 }).unwrap();
    assert!(trace(&none, ImageShape::new(1, 96, 96), &mut Names::new()).is_err());
}

#[test]
fn values_of_the_wrong_length() {
    let graph: Graph = trace(&Dense::new(2), ImageShape::new(3, 1, 1), &mut Names::new()).unwrap();
    let mut params = Params::zeros(&graph);
    assert!(params.fits(&graph));
    params.set(ParamId(1), &[1.0, 2.0]).unwrap();
    assert_eq!(params.values()[6..], [1.0, 2.0]);
    let error = params.set(ParamId(0), &[1.0]).unwrap_err();
    assert_eq!(error.to_string(), "parameter weight: expected 6 values, got 1");
}

#[test]
fn preprocessing_that_fits_no_image() {
    let good = Preprocess::chapter(ImageShape::new(3, 8, 9));
    good.check().unwrap();
    assert!(Preprocess { resize: Resize::Shorter(8), ..good.clone() }.check().is_err());
    assert!(Preprocess { mean: vec![0.0], ..good.clone() }.check().is_err());
    assert!(Preprocess { std: vec![1.0, 0.0, 1.0], ..good.clone() }.check().is_err());
    assert!(Preprocess { mean: vec![f32::NAN; 3], ..good.clone() }.check().is_err());
    assert!("nearest".parse::<plusx_model::preprocess::Interpolation>().is_err());
    assert_eq!("bilinear-opencv".parse(), Ok(good.interpolation));
}
