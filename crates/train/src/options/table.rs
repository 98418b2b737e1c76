//! The table of training options. From it come the options of the command line and their help, the record in `args.yaml`,
//! how a new run is put together, what a resumed one may change, and which values are refused. `Overrides` in the file above
//! does the latter three.

use std::path::PathBuf;

use plusx_data::Mix;
use plusx_engine::{Level, Precision};
use plusx_model::shape::ImageShape;
use serde::{Deserialize, Serialize};

use super::augment::{AugmentPolicy, Bounds, ColorJitter};
use super::class_weights::{ClassWeights, GivenClassWeights};
use super::declare::{OnResume, OptionRow, hyphens, options};
use super::freeze::{CacheFeatures, Freeze};
use super::one_batch::{is_one_batch, one_batch};
use super::recipe::Recipe;
use super::save_every::SaveEvery;
use super::sched::{FirstValues, LastBatchScale, Milestones, Opt, Sampler, Sched, SchedPer};
use super::time_limit::TimeLimit;
use super::valid::{
    SIDES, is_amount, is_folder_name, is_probability, is_usual, is_usual_val_split, usual_val_split,
};
use super::value::{Lay, OptionValue, Shown};
use crate::by_name;
use crate::origin::Pretrained;
use crate::pictures::Pictures;

// key: how it is given => how it is kept = what holds if it is not given;
//     "its value in a help text", "what it means", default "the same in words, where it is worth saying";
//     what a resumed run makes of it, whether only a run that stands alone has it, whether it belongs to the recipe;
//     valid which values make sense, "what is said of others"
options! {
    recipe: Recipe => Recipe = Recipe::D2l;
        "NAME", "Named set of defaults: d2l, the chapter's run, small, finetune, tv, tv2 or timm (plusx recipes prints them)",
        default "d2l; of train with --data PLACE what suits the pictures";
        Kept, of_one_run false, of_recipe true

    model: String => String = "resnet18-d2l".into();
        "NAME", "Network from the zoo",
        default "resnet18-d2l; with --pretrained the one that the weights say they are of";
        Kept, of_one_run true, of_recipe true

    data: String => String = "fashion-mnist".into();
        "NAME|PLACE", "Data set: where your pictures are, a folder for each class, a table (.csv) or any other kind of \
        docs/data.md; or fashion-mnist; or fashion-mnist-mini, the sample inside this program",
        default "what --data-dir holds; without it fashion-mnist, or the sample if that is nowhere";
        Kept, of_one_run false, of_recipe false

    data_dir: PathBuf => Option<PathBuf> = None;
        "DIR", "Where the data set is that --data names by its kind, for example by idx",
        default "$PLUSX_DATA, the cache folder, /usr/share/datasets";
        Free, of_one_run false, of_recipe false

    #[serde(default = "usual_val_split", skip_serializing_if = "is_usual_val_split")]
    val_split: f32 => f32 = usual_val_split();
        "X", "Share of the pictures of each class to hold out and measure on, where the data come as one; the seed draws them",
        default "0.2";
        Kept, of_one_run false, of_recipe false;
        valid |o| o.val_split > 0.0 && o.val_split < 1.0, "above 0 and below 1"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    label_column: String => Option<String> = None;
        "NAME", "Column of a table or a Parquet file that has the labels",
        default "label, class or category; else the only one that is left";
        Kept, of_one_run false, of_recipe false

    resize: usize => usize = 96;
        "N", "Side of the square images are resized to, in pixels",
        default "96; with --pretrained what the weights were made for";
        Kept, of_one_run false, of_recipe true;
        valid |o| SIDES.contains(&o.resize), "between 1 and 4096 pixels"

    #[serde(default, with = "by_name::shape")]
    input: ImageShape => Option<ImageShape> = None;
        "CxHxW", "Shape of the network's input in place of that square; grey images fill several channels";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.input.is_none_or(|input| SIDES.contains(&input.h) && SIDES.contains(&input.w)),
            "between 1 and 4096 rows and columns"

    #[serde(default)]
    preprocess: Pictures => Option<Pictures> = None;
        "NAME", "How images are resized and normalised: d2l, cifar10, imagenet or timm. The whole image is resized; only --crop-pct cuts",
        default "d2l; with --pretrained as the weights were trained";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "Option::is_none")]
    crop_pct: f32 => Option<f32> = None;
        "X", "Resize so that this part of the shorter side is the input's, and cut out the middle", default "nothing is cut off";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.crop_pct.is_none_or(|part| is_probability(part) && part > 0.0), "above 0 and at most 1"

    #[serde(default, skip_serializing_if = "is_usual")]
    init: FirstValues => FirstValues = FirstValues::Xavier;
        "NAME", "How weights begin: xavier; kaiming, as in torchvision; kaiming-zero, as in timm", default "xavier";
        Kept, of_one_run false, of_recipe true

    #[serde(default)]
    pretrained: PathBuf => Option<Pretrained> = None;
        "FILE|NAME", "Start from trained weights: a weight file of plusx, anything that plusx import reads, or the name of a \
        network whose weights plusx weights get has fetched. A classifier for other classes starts anew";
        Kept, of_one_run true, of_recipe true

    #[serde(default, skip_serializing_if = "is_usual")]
    freeze: Freeze => Freeze = Freeze::None;
        "WHAT", "Leave a part of the network as it is: backbone, all but the classifier; N, its first N stages, of which the stem is the \
        first; or bn, the batch norms. What is frozen uses running statistics",
        default "none";
        Kept, of_one_run true, of_recipe true

    #[serde(default, skip_serializing_if = "Option::is_none")]
    unfreeze_after: u32 => Option<u32> = None;
        "N", "Let everything learn after N epochs";
        Kept, of_one_run true, of_recipe true;
        valid |o| o.unfreeze_after.is_none_or(|epochs| epochs > 0 && o.freeze != Freeze::None), "at least 1, and it needs --freeze"

    #[serde(default, skip_serializing_if = "is_usual")]
    cache_features: CacheFeatures => CacheFeatures = CacheFeatures::Auto;
        "auto|on|off", "Keep what lies before the first layer that learns, computed once for each picture, in a file beside the run; auto: \
        where it takes up to 4 GB",
        default "auto";
        Kept, of_one_run true, of_recipe true;
        valid |o| o.cache_features != CacheFeatures::On || (o.freeze != Freeze::None && o.mix() == Mix::default()),
            "it needs --freeze, and neither --mixup nor --cutmix"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    feature_views: u32 => Option<u32> = None;
        "K", "Views of each picture that are kept where pictures change at random; epochs take turns with them", default "4";
        Kept, of_one_run true, of_recipe true;
        valid |o| o.feature_views.is_none_or(|views| views > 0 && o.freeze != Freeze::None), "at least 1, and it needs --freeze"

    epochs: u32 => u32 = 5;
        "N", "Passes over the training images", default "5";
        Length, of_one_run false, of_recipe true;
        valid |o| o.epochs > 0, "at least 1"

    batch_size: usize => usize = 256;
        "N|auto", "Images in a batch, which is a step unless --grad-accum-steps says otherwise; auto: the default, or the largest power of two below it that there is memory (and data) for. The last \
        step of an epoch has what is left over",
        default "256";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.batch_size > 0, "at least 1"

    #[serde(default = "one_batch", skip_serializing_if = "is_one_batch")]
    grad_accum_steps: u32 => u32 = one_batch();
        "N", "Batches that are one step: their gradients are summed, and the parameters move once", default "1";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.grad_accum_steps > 0, "at least 1"

    lr: f32 => f32 = 0.05;
        "X", "Learning rate", default "0.05";
        Kept, of_one_run false, of_recipe true;
        valid |o| is_amount(o.lr), "a finite number, not negative"

    momentum: f32 => f32 = 0.0;
        "X", "Momentum of gradient descent", default "0";
        Kept, of_one_run false, of_recipe true;
        valid |o| is_amount(o.momentum) && o.momentum < 1.0, "at least 0 and below 1"

    nesterov: bool => bool = false;
        "", "Use Nesterov's momentum, which looks ahead along the velocity";
        Kept, of_one_run false, of_recipe true;
        valid |o| !o.nesterov || o.momentum > 0.0, "it needs --momentum above 0"

    weight_decay: f32 => f32 = 0.0;
        "X", "Weight decay", default "0";
        Kept, of_one_run false, of_recipe true;
        valid |o| is_amount(o.weight_decay), "a finite number, not negative"

    #[serde(default, skip_serializing_if = "is_usual")]
    opt: Opt => Opt = Opt::Sgd;
        "NAME", "Rule by which gradients change the parameters: sgd or adamw", default "sgd";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "Option::is_none")]
    clip_grad: f32 => Option<f32> = None;
        "X", "Shorten the gradient of all parameters together to this length where it is longer";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.clip_grad.is_none_or(|most| is_amount(most) && most > 0.0), "a finite number above 0"

    #[serde(default, skip_serializing_if = "is_usual")]
    smoothing: f32 => f32 = 0.0;
        "X", "Label smoothing: this part of the target is spread evenly over all classes", default "0";
        Kept, of_one_run false, of_recipe true;
        valid |o| is_amount(o.smoothing) && o.smoothing < 1.0, "at least 0 and below 1"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    model_ema_decay: f32 => Option<f32> = None;
        "X", "Keep an exponential moving average of the weights, of which every step leaves this part (0.9998 is usual); it is \
        what is measured and what the best weights are";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.model_ema_decay.is_none_or(|decay| decay > 0.0 && decay < 1.0), "above 0 and below 1"

    #[serde(default, skip_serializing_if = "is_usual")]
    class_weights: GivenClassWeights => ClassWeights = ClassWeights::None;
        "NAME|FILE", "What the losses of the classes are multiplied by: none; balanced or effective, more for small classes; or as a \
        file of lines class,weight says", default "none";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.class_weights.is_valid(), "a finite number of at least 0 for each class, and not 0 for all"

    #[serde(default, skip_serializing_if = "is_usual")]
    decay_weights_only: bool => bool = false;
        "", "Weight decay on the weights of convolutions and classifier alone, not on norms and biases, as timm does";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer_decay: f32 => Option<f32> = None;
        "X", "Multiply the learning rate of each layer by X once for every layer behind it, as timm does: the classifier learns fastest";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.layer_decay.is_none_or(|decay| decay > 0.0 && decay <= 1.0), "above 0 and at most 1"

    #[serde(default, skip_serializing_if = "is_usual")]
    no_norm_decay: bool => bool = false;
        "", "Weight decay on all but the scales and shifts of norms, as torchvision's --norm-weight-decay 0";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "is_usual")]
    last_batch_scale: LastBatchScale => LastBatchScale = LastBatchScale::Full;
        "full|actual", "Whether the gradient of a smaller last batch is divided by the batch size, as in the chapter, or by its \
        own number of images, as in PyTorch",
        default "full";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "is_usual")]
    drop_last: bool => bool = false;
        "", "Leave out the smaller last batch of an epoch, as timm does";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "is_usual")]
    sched: Sched => Sched = Sched::Constant;
        "NAME", "How the learning rate goes: constant, step, multistep, cosine, poly, tanh, onecycle or plateau (docs/training.md)",
        default "constant";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "is_usual")]
    sched_per: SchedPer => SchedPer = SchedPer::Step;
        "step|epoch", "Whether the schedule sets the rate at every step or at the beginning of every epoch", default "step";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "is_usual")]
    warmup_epochs: f32 => f32 = 0.0;
        "X", "Epochs in which the learning rate rises evenly from --warmup-lr to --lr", default "0";
        Kept, of_one_run false, of_recipe true;
        valid |o| is_amount(o.warmup_epochs), "a finite number, not negative"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    warmup_lr: f32 => Option<f32> = None;
        "X", "Learning rate that a warm-up begins with", default "0.00001";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.warmup_lr.is_none_or(is_amount), "a finite number, not negative"

    #[serde(default, skip_serializing_if = "is_usual")]
    warmup_overlap: bool => bool = false;
        "", "Let the schedule begin with the warm-up and not after it, as timm does: a cosine then starts below --lr";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_lr: f32 => Option<f32> = None;
        "X", "Smallest learning rate of cosine, poly, tanh and plateau", default "0";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.min_lr.is_none_or(|min| is_amount(min) && min <= o.lr), "at least 0 and at most --lr"

    #[serde(default, skip_serializing_if = "is_usual")]
    cooldown_epochs: u32 => u32 = 0;
        "N", "Epochs after --epochs in which cosine, poly and tanh stay at --min-lr", default "0";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "Option::is_none")]
    decay_epochs: u32 => Option<u32> = None;
        "N", "Epochs between two decays of the schedule step", default "30";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.decay_epochs != Some(0), "at least 1"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    decay_rate: f32 => Option<f32> = None;
        "X", "What a decay of step, multistep or plateau multiplies the learning rate by; of poly the power, as in timm", default "0.1";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.decay_rate.is_none_or(|rate| rate > 0.0 && rate <= if o.sched == Sched::Poly { 100.0 } else { 1.0 }),
            "above 0 and at most 1 (100 with --sched poly)"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    decay_milestones: Milestones => Option<Milestones> = None;
        "EPOCHS", "Epochs after which the schedule multistep decays, with commas between", default "30,60";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "Option::is_none")]
    patience_epochs: u32 => Option<u32> = None;
        "N", "Epochs without a smaller validation loss that the schedule plateau waits for", default "10";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "Option::is_none")]
    scale: Bounds => Option<Bounds> = None;
        "LOW,HIGH", "Learn from a random part of each picture with so much of its area, resized to the input: RandomResizedCrop, for \
        example 0.08,1";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.augment().is_none_or(|augment| augment.check().is_ok()), "above 0 and up to 1, the smaller number first"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    ratio: Bounds => Option<Bounds> = None;
        "LOW,HIGH", "Width over height of that part", default "0.75,1.3333 with --scale";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.ratio.is_none() || o.scale.is_some(), "it needs --scale"

    #[serde(default, skip_serializing_if = "is_usual")]
    hflip: f32 => f32 = 0.0;
        "X", "Probability that left and right of a picture change places", default "0";
        Kept, of_one_run false, of_recipe true;
        valid |o| is_probability(o.hflip), "between 0 and 1"

    #[serde(default, skip_serializing_if = "is_usual")]
    vflip: f32 => f32 = 0.0;
        "X", "Probability that top and bottom of a picture change places", default "0";
        Kept, of_one_run false, of_recipe true;
        valid |o| is_probability(o.vflip), "between 0 and 1"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    color_jitter: ColorJitter => Option<ColorJitter> = None;
        "X[,X,X[,X]]", "Change brightness, contrast and saturation by factors from 1 - X to 1 + X, and hue by up to X of a circle";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.augment().is_none_or(|augment| augment.check().is_ok()), "0 to 100 each, the hue 0 to 0.5"

    #[serde(default, skip_serializing_if = "is_usual")]
    rotation: f32 => f32 = 0.0;
        "DEGREES", "Turn pictures by up to this, either way", default "0";
        Kept, of_one_run false, of_recipe true;
        valid |o| is_amount(o.rotation) && o.rotation <= 180.0, "between 0 and 180"

    #[serde(default, skip_serializing_if = "is_usual")]
    aa: AugmentPolicy => AugmentPolicy = AugmentPolicy::default();
        "NAME", "Policy of operations: none; ta_wide (TrivialAugment); ra or rand-m9-n2 (RandAugment of magnitude 9, 2 operations)",
        default "none";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.augment().is_none_or(|augment| augment.check().is_ok()), "magnitudes are 0 to 30, operations 1 to 100"

    #[serde(default, skip_serializing_if = "is_usual")]
    reprob: f32 => f32 = 0.0;
        "X", "Probability that a part of a picture is erased", default "0";
        Kept, of_one_run false, of_recipe true;
        valid |o| is_probability(o.reprob), "between 0 and 1"

    #[serde(default, skip_serializing_if = "is_usual")]
    mixup: f32 => f32 = 0.0;
        "X", "Mix each image of a batch with the one before it, by shares from Beta(X, X)", default "0: not";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.mix().check().is_ok(), "0, or between 0.001 and 1000"

    #[serde(default, skip_serializing_if = "is_usual")]
    cutmix: f32 => f32 = 0.0;
        "X", "Put a part of the image before into each image of a batch; with --mixup one of them is drawn for each batch",
        default "0: not";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.mix().check().is_ok(), "0, or between 0.001 and 1000"

    #[serde(default, skip_serializing_if = "is_usual")]
    sampler: Sampler => Sampler = Sampler::Shuffle;
        "NAME", "Images of an epoch: shuffle, each once; balanced, as many, drawn so that each class is as likely as any other",
        default "shuffle";
        Kept, of_one_run false, of_recipe true

    #[serde(default, skip_serializing_if = "Option::is_none")]
    patience: u32 => Option<u32> = None;
        "N", "Stop early when the accuracy on the images held out has not risen for N epochs";
        Length, of_one_run true, of_recipe true;
        valid |o| o.patience != Some(0), "at least 1"

    #[serde(default, skip_serializing_if = "is_usual")]
    min_delta: f32 => f32 = 0.0;
        "X", "Rise of that accuracy, from 0 to 1, that counts for --patience", default "0: any, or the same with a smaller loss";
        Kept, of_one_run true, of_recipe true;
        valid |o| is_amount(o.min_delta) && o.min_delta < 1.0, "at least 0 and below 1"

    seed: u32 => u32 = 42;
        "N", "Seed of the initial weights and of the order of the images", default "42";
        Kept, of_one_run false, of_recipe false

    threads: usize => Option<usize> = None;
        "N", "Threads to compute with; the result does not depend on it",
        default "$RAYON_NUM_THREADS, $OMP_NUM_THREADS, or what the system grants";
        Free, of_one_run false, of_recipe false;
        valid |o| o.threads != Some(0), "at least 1"

    #[serde(with = "by_name::level")]
    isa: Option<Level> => Option<Level> = None;
        "LEVEL", "Instruction set: auto, amx, avx512, avx2 or portable", default "auto, the best there is";
        Free, of_one_run false, of_recipe false

    #[serde(default)]
    exact: bool => bool = false;
        "", "No Winograd algorithms: slower, rounded otherwise";
        Kept, of_one_run false, of_recipe false

    #[serde(default, with = "by_name::precision", skip_serializing_if = "is_usual")]
    precision: Precision => Precision = Precision::Highest;
        "NAME", "Products of convolutions and dense layers: highest; high or medium, less exact and on processors with AMX faster", default "highest";
        Method, of_one_run false, of_recipe false

    output: PathBuf => PathBuf = "runs/train".into();
        "DIR", "Folder that holds the runs or comparisons", default "runs/train, of compare runs/compare";
        Names, of_one_run false, of_recipe false

    name: String => Option<String> = None;
        "NAME", "Name of the folder", default "exp, exp2, ...";
        Names, of_one_run false, of_recipe false;
        valid |o| o.name.as_deref().is_none_or(is_folder_name), "one folder name, without separators"

    exist_ok: bool => bool = false;
        "", "Use the named folder even if it exists, and replace the run in it";
        Names, of_one_run true, of_recipe false

    save_every: SaveEvery => SaveEvery = SaveEvery::default();
        "WHEN", "Save this often, besides after each epoch: 10m, 90s, 1h, 20steps or epoch", default "10m";
        Free, of_one_run false, of_recipe false;
        valid |o| o.save_every.is_ever_due(), "at least 1s, or 1 step"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: TimeLimit => Option<TimeLimit> = None;
        "TIME", "Choose the epochs so that the run ends within this time on this machine: 20m, 90s, 2h or 1h30m; --epochs is then the \
        most of them";
        Length, of_one_run true, of_recipe true;
        valid |o| o.time.is_none_or(|time| time.seconds() > 0), "at least 1s"

    max_steps: u64 => Option<u64> = None;
        "N", "Stop after this many steps in all; plusx train --resume --epochs N lifts it";
        Length, of_one_run false, of_recipe true;
        valid |o| o.max_steps != Some(0), "at least 1"

    train_limit: usize => Option<usize> = None;
        "N", "Train on this many of the images only, drawn by the seed";
        Kept, of_one_run false, of_recipe true;
        valid |o| o.train_limit != Some(0), "at least 1"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    measure_every: u64 => Option<u64> = None;
        "N", "Measure training and test error after every N steps too, into points.csv", default "of compare, about 20 times";
        Kept, of_one_run false, of_recipe false;
        valid |o| o.measure_every != Some(0), "at least 1"

    #[serde(default, skip_serializing_if = "Option::is_none")]
    measure_limit: usize => Option<usize> = None;
        "N", "How many test images are looked at inside an epoch, the same ones for every seed", default "all";
        Kept, of_one_run false, of_recipe false;
        valid |o| o.measure_limit != Some(0), "at least 1"
}
