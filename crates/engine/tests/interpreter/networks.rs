//! Small networks that take the planner through all its cases, most of them unlike any ResNet.

// by path: a test inside the crate uses this file, too
#[path = "building.rs"]
mod building;
#[path = "joined.rs"]
mod joined;

use plusx_model::block::Block;
use plusx_model::containers::{Residual, Sequential};
use plusx_model::graph::{Graph, RunningVariance};
use plusx_model::layers::{AvgPool2d, BatchNorm, Conv2d, Dense, GlobalAvgPool2d, MaxPool2d};
use plusx_model::shape::ImageShape;
use plusx_model::trace::{Names, trace};
use plusx_model::zoo;

use self::building::{conv, head, net};

/// All networks, with the name of what is special about them.
pub(crate) fn all() -> Vec<(&'static str, Graph)> {
    let mut all = plain();
    all.extend(sums());
    all.extend(shared());
    all.extend(shortcuts());
    all.extend(joined::all());
    all.extend(zoo());
    all
}

fn plain() -> Vec<(&'static str, Graph)> {
    vec![
        ("dense only", net((2, 3, 3), |x| Dense::new(4).forward(x))),
        ("conv, relu, head", net((1, 6, 5), |x| head(conv(5).forward(x)?.relu()))),
        (
            "conv, bn, relu, head",
            net((3, 6, 6), |x| head(BatchNorm::new().forward(conv(17).forward(x)?)?.relu())),
        ),
        (
            "conv with bn but no relu",
            net((2, 5, 5), |x| head(BatchNorm::new().forward(conv(6).forward(x)?)?)),
        ),
        ("conv without bias", net((2, 5, 5), |x| head(conv(6).bias(false).forward(x)?.relu()))),
        ("bn of the images", net((3, 6, 6), |x| head(conv(6).forward(BatchNorm::new().forward(x)?)?.relu()))),
        ("relu of the images", net((3, 6, 6), |x| head(conv(6).forward(x.relu())?.relu()))),
        (
            "relu of relu",
            net((2, 5, 5), |x| {
                let y = conv(6).forward(x)?.relu().relu();
                head((conv(6).forward(y.relu())? + y)?.relu().relu())
            }),
        ),
        (
            "bn after pool",
            net((2, 8, 8), |x| {
                let y = MaxPool2d::new(3).strides(2).padding(1).forward(conv(6).forward(x)?)?;
                head(conv(5).forward(BatchNorm::new().forward(y)?.relu())?.relu())
            }),
        ),
        (
            "bn after average",
            net((2, 4, 4), |x| {
                let y = GlobalAvgPool2d::new().forward(conv(6).bias(false).forward(x)?)?;
                Dense::new(4).forward(BatchNorm::new().forward(y)?.relu())
            }),
        ),
        (
            "pool of bn and relu",
            net((2, 9, 8), |x| {
                let y = BatchNorm::new().forward(conv(6).forward(x)?)?.relu();
                head(conv(5).forward(MaxPool2d::new(3).strides(2).padding(1).forward(y)?)?.relu())
            }),
        ),
        (
            "pool of pool, images first",
            net((2, 9, 9), |x| {
                let y = MaxPool2d::new(2).forward(x)?;
                let y = MaxPool2d::new(2).strides(1).forward(conv(6).forward(y)?)?;
                head(MaxPool2d::new(2).strides(1).forward(y)?)
            }),
        ),
        (
            "dense in the middle",
            net((2, 4, 4), |x| {
                let y = Dense::new(20).forward(conv(6).forward(x)?.relu())?.relu();
                Dense::new(4).forward(BatchNorm::new().forward(Dense::new(9).forward(y)?)?.relu())
            }),
        ),
        (
            "logits through bn",
            net((2, 4, 4), |x| BatchNorm::new().forward(Dense::new(4).forward(conv(3).forward(x)?.relu())?)),
        ),
        ("logits through relu", net((2, 4, 4), |x| Ok(Dense::new(4).forward(x)?.relu()))),
        ("average as logits", net((2, 4, 4), |x| GlobalAvgPool2d::new().forward(conv(4).forward(x)?))),
        (
            "strides, kernels, dilation, groups",
            net((4, 11, 9), |x| {
                let y = Conv2d::new(6, (5, 3)).strides((2, 1)).padding((2, 0)).forward(x)?.relu();
                let y = Conv2d::new(8, 3).dilation(2).padding(2).forward(y)?.relu();
                let y = Conv2d::new(6, 3).groups(2).padding(1).forward(BatchNorm::new().forward(y)?)?.relu();
                head(Conv2d::new(5, 1).strides(2).forward(y)?)
            }),
        ),
        (
            "unbiased, other momentum",
            net((2, 5, 5), |x| {
                let bn =
                    BatchNorm::new().momentum(0.7).epsilon(1e-3).running_variance(RunningVariance::Unbiased);
                head(bn.forward(conv(6).forward(x)?)?.relu())
            }),
        ),
    ]
}

fn sums() -> Vec<(&'static str, Graph)> {
    vec![
        ("residual on the images", net((3, 6, 6), |x| head(Residual::new(3).forward(x)?))),
        (
            "residual, strided shortcut",
            net((3, 7, 7), |x| {
                head(Residual::new(6).use_1x1conv(true).strides(2).forward(conv(3).forward(x)?)?)
            }),
        ),
        (
            "two residuals",
            net((1, 8, 8), |x| {
                let y = BatchNorm::new().forward(conv(6).forward(x)?)?.relu();
                let y = Residual::new(6).forward(MaxPool2d::new(2).forward(y)?)?;
                head(Residual::new(18).use_1x1conv(true).strides(2).forward(Residual::new(6).forward(y)?)?)
            }),
        ),
        (
            "bn on both branches",
            net((3, 6, 6), |x| {
                let a = BatchNorm::new().forward(conv(6).forward(x)?)?;
                let b = BatchNorm::new().forward(Conv2d::new(6, 1).forward(x)?)?;
                head((a + b)?.relu())
            }),
        ),
        (
            "x + x",
            net((3, 4, 4), |x| {
                let y = conv(6).forward(x)?;
                head(((y + y)?.relu() + y)?)
            }),
        ),
        (
            "x + relu(x)",
            net((3, 4, 4), |x| {
                let y = BatchNorm::new().forward(conv(6).forward(x)?)?;
                head((y + y.relu())?)
            }),
        ),
        (
            "add of three",
            net((3, 5, 5), |x| {
                let a = conv(6).forward(x)?;
                let b = BatchNorm::new().forward(Conv2d::new(6, 1).forward(x)?)?;
                let c = conv(6).forward(a.relu())?.relu();
                head(((a + b)? + c)?.relu())
            }),
        ),
        (
            "add without relu",
            net((3, 5, 5), |x| {
                let a = conv(6).forward(x)?;
                let b = conv(6).forward(a)?;
                let s = (a + b)?;
                head((conv(6).forward(s)? + s)?)
            }),
        ),
        (
            "one convolution and a skip",
            net((3, 5, 5), |x| {
                let y = conv(6).forward(x)?.relu();
                head((conv(6).forward(y)? + y)?.relu())
            }),
        ),
        (
            "a skip read late",
            net((3, 5, 5), |x| {
                // the buffer of the sum's gradient is still needed when the skip's other reader writes
                let y = conv(6).forward(x)?.relu();
                let a = conv(6).forward(y)?;
                let b = conv(6).forward(y)?;
                head(((a + y)?.relu() + b)?.relu())
            }),
        ),
        (
            "pre-activation",
            net((3, 6, 6), |x| {
                let mut y = conv(6).forward(x)?;
                for _ in 0..2 {
                    let z = BatchNorm::new().forward(y)?.relu();
                    let z = conv(6).forward(z)?;
                    let z = BatchNorm::new().forward(z)?.relu();
                    y = (conv(6).forward(z)? + y)?;
                }
                head(BatchNorm::new().forward(y)?.relu())
            }),
        ),
        (
            "nested skips",
            net((3, 5, 5), |x| {
                let y = conv(6).forward(x)?.relu();
                let inner = (conv(6).forward(y)? + y)?;
                let outer = (inner + y)?;
                head(((outer + inner)? + y)?.relu())
            }),
        ),
        (
            "bn of bn, twice read",
            net((3, 5, 5), |x| {
                let y = conv(6).forward(x)?;
                let a = BatchNorm::new().forward(y)?;
                let b = BatchNorm::new().forward(a)?;
                head((BatchNorm::new().forward(y)? + (a + b)?)?)
            }),
        ),
        (
            "images added",
            net((3, 5, 5), |x| {
                let y = (BatchNorm::new().forward(x)? + x)?;
                head((conv(3).forward(y)? + x)?.relu())
            }),
        ),
        (
            "pools added",
            net((3, 6, 6), |x| {
                let y = conv(6).forward(x)?.relu();
                let a = MaxPool2d::new(3).strides(1).padding(1).forward(y)?;
                head(
                    (BatchNorm::new().forward(a)? + MaxPool2d::new(3).strides(1).padding(1).forward(y)?)?
                        .relu(),
                )
            }),
        ),
    ]
}

fn shared() -> Vec<(&'static str, Graph)> {
    vec![
        ("a convolution used twice", {
            let twice = conv(3);
            net((3, 5, 5), move |x| {
                let y = twice.forward(x)?.relu();
                head((twice.forward(y)? + y)?.relu())
            })
        }),
        ("conv and bn used twice", {
            let (twice, bn) = (conv(3), BatchNorm::new());
            net((3, 5, 5), move |x| {
                let y = bn.forward(twice.forward(x)?)?.relu();
                let z = bn.forward(twice.forward(y)?)?;
                head((z + twice.forward(x)?)?.relu())
            })
        }),
        ("bn used twice, statistics first", {
            let bn = BatchNorm::new();
            net((3, 5, 5), move |x| {
                let (a, b) = (conv(6).forward(x)?, conv(6).forward(x)?);
                head((bn.forward(a)? + bn.forward(b)?)?.relu())
            })
        }),
        ("sequential", {
            let mut block = Sequential::new();
            block.push(conv(6)).push(BatchNorm::new()).push(Residual::new(6));
            net((1, 6, 6), move |x| head(block.forward(x)?))
        }),
    ]
}

/// Poolings and subsamplings of everything that can be in front of them, read by everything that can be behind.
fn shortcuts() -> Vec<(&'static str, Graph)> {
    vec![
        (
            "windows averaged, images first",
            net((2, 9, 7), |x| {
                let y = AvgPool2d::new(2).ceil(true).forward(x)?;
                let y = AvgPool2d::new(3).strides(2).padding(1).forward(conv(6).forward(y)?)?;
                // a batch norm of means of means would divide by next to nothing
                let y = BatchNorm::new().forward(conv(6).forward(y)?)?.relu();
                head(AvgPool2d::new(2).strides(1).ceil(true).forward(y)?)
            }),
        ),
        (
            "average of bn and relu, many taps",
            net((2, 9, 9), |x| {
                let y = BatchNorm::new().forward(conv(17).forward(x)?)?.relu();
                let y = AvgPool2d::new((9, 8)).strides((4, 5)).padding((4, 3)).forward(y)?;
                head(conv(5).forward(y)?.relu())
            }),
        ),
        (
            "pooled shortcut",
            net((3, 7, 5), |x| {
                let y = conv(6).forward(x)?.relu();
                let z = BatchNorm::new().forward(conv(18).strides(2).forward(y)?)?;
                let s = Conv2d::new(18, 1).bias(false);
                let s = s.forward(AvgPool2d::new(2).ceil(true).forward(y)?)?;
                head((z + BatchNorm::new().forward(s)?)?.relu())
            }),
        ),
        (
            "padded shortcut",
            net((3, 7, 6), |x| {
                let y = BatchNorm::new().forward(conv(6).forward(x)?)?.relu();
                let z = BatchNorm::new().forward(conv(37).strides(2).forward(y)?)?;
                let y = (z + y.subsample(2, 37)?)?.relu();
                let z = BatchNorm::new().forward(conv(40).strides((1, 3)).forward(y)?)?;
                head((z + y.subsample((1, 3), 40)?)?.relu())
            }),
        ),
        (
            "images subsampled, and everything after",
            net((2, 6, 5), |x| {
                let y = conv(7).forward(x.subsample((1, 2), 5)?)?;
                let y = BatchNorm::new().forward(y)?.relu().subsample(1, 19)?;
                head(((y + y.subsample(1, 3)?)?.subsample((2, 1), 20)?).relu())
            }),
        ),
        (
            "subsampled and pooled, added",
            net((3, 6, 6), |x| {
                let y = conv(6).forward(x)?;
                let a = y.relu().subsample(2, 6)?;
                let b = AvgPool2d::new(2).forward(y)?;
                head((a + b)?.relu())
            }),
        ),
    ]
}

/// The zoo's kinds of units, with few channels; sizes at which no ReLU has an input within rounding of 0.
fn zoo() -> Vec<(&'static str, Graph)> {
    let narrow = |name: &'static str, (width, size): (usize, usize)| {
        let mut spec = zoo::Spec { width, stages: &[1, 1], ..*zoo::find(name).unwrap() };
        if let zoo::Unit::Bottleneck { groups, base, .. } = &mut spec.unit {
            (*groups, *base) = (groups.div_ceil(16), 32);
        }
        let net = spec.build(zoo::ZooOptions { classes: 4 });
        (name, trace(&net, ImageShape::new(3, size, size - 1), &mut Names::new()).unwrap())
    };
    vec![
        narrow("resnet18", (4, 17)),
        narrow("resnext50_32x4d", (4, 17)),
        narrow("resnet50d", (4, 19)),
        narrow("resnet20", (6, 7)),
        narrow("plain20", (6, 7)),
        narrow("resnet18v2", (4, 17)),
        narrow("resnet50v2", (4, 15)),
        narrow("resnet18-d2lzh", (4, 7)),
    ]
}
