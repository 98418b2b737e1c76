//! The front door: deferred shapes, names, training from outside, errors that say what to do.

use plusx::prelude::*;

fn small() -> Sequential {
    Sequential::new()
        .add(Conv2d::new(8, 3).padding(1))
        .add(BatchNorm::new())
        .add(Activation::Relu)
        .add(Residual::new(8))
        .add(Residual::new(16).use_1x1conv(true).strides(2))
        .add(GlobalAvgPool2d::new())
        .add(Dense::new(3))
}

fn model() -> Model {
    let mut model = Model::new(small());
    model.initialize(Init::Xavier, 42).unwrap();
    model
}

fn images(shape: [usize; 4]) -> Tensor {
    Tensor::uniform(shape, 0.0, 1.0, 7).unwrap()
}

#[test]
fn forward_needs_values_first() {
    let error = Model::new(small()).forward(&images([1, 1, 8, 8])).unwrap_err();
    assert!(error.to_string().contains("initialize"), "{error}");
}

#[test]
fn images_of_another_size_keep_the_parameters() {
    let mut model = model();
    assert_eq!(model.forward(&images([2, 1, 8, 8])).unwrap().shape().to_string(), "(2, 3)");
    let before = model.params().unwrap();
    assert_eq!(model.forward(&images([5, 1, 12, 10])).unwrap().shape().to_string(), "(5, 3)");
    assert_eq!(model.params().unwrap(), before);
    let error = model.forward(&images([1, 3, 8, 8])).unwrap_err().to_string();
    for part in ["0.weight", "(1, 3, 8, 8)", "(8, 1, 3, 3)", "(8, 3, 3, 3)"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    model.forward(&images([2, 1, 8, 8])).expect("usable after an error");
}

#[test]
fn a_value_does_not_depend_on_its_batch() {
    let mut model = model();
    let whole = model.forward(&images([9, 1, 8, 8])).unwrap();
    let mut first = |n: usize| {
        let part = Tensor::new([n, 1, 8, 8], images([9, 1, 8, 8]).data()[..n * 64].to_vec()).unwrap();
        model.forward(&part).unwrap()
    };
    assert_eq!(first(5).data(), &whole.data()[..15]);
    // up to four images are planned for latency and may differ in the last places
    let largest = whole.data().iter().fold(0.0f32, |most, value| most.max(value.abs()));
    for (alone, value) in first(1).data().iter().zip(whole.data()) {
        assert!((alone - value).abs() <= 1e-5 * largest, "{alone} {value}");
    }
}

#[test]
fn names_count_on_from_model_to_model() {
    let mut first = model();
    first.forward(&images([1, 1, 8, 8])).unwrap();
    let mut second = Model::with_names(small(), first.names().clone());
    second.initialize(Init::Xavier, 42).unwrap();
    let layers = second.forward_each(&images([1, 1, 8, 8])).unwrap();
    let names: Vec<_> = layers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["conv6", "batchnorm5", "relu1", "residual2", "residual3", "pool1", "dense1"],
        "six convolutions, five batch norms and so on came before"
    );
}

#[test]
fn training_from_outside_lowers_the_loss() {
    let mut model = model();
    let x = images([6, 1, 8, 8]);
    let labels = [0, 1, 2, 0, 1, 2];
    let update = Update::sgd(0.05, labels.len()).momentum(0.9);
    let mean = |result: StepResult| result.losses.iter().sum::<f32>() / 6.0;
    let first = mean(model.train_step(&x, &labels, Some(&update)).unwrap());
    for _ in 0..30 {
        model.train_step(&x, &labels, Some(&update)).unwrap();
    }
    let last = mean(model.train_step(&x, &labels, Some(&update)).unwrap());
    assert!(last < first / 2.0, "{first} {last}");
}

#[test]
fn a_step_without_an_update_tells_gradients_and_changes_nothing() {
    let mut model = model();
    let x = images([2, 1, 8, 8]);
    model.forward(&x).unwrap();
    let trained = |model: &Model| -> Vec<Vec<f32>> {
        let params = model.params().unwrap();
        params.iter().filter(|(spec, _)| spec.role.trainable()).map(|(_, values)| values.to_vec()).collect()
    };
    let before = trained(&model);
    model.train_step(&x, &[0, 2], None).unwrap();
    assert_eq!(trained(&model), before);
    let gradients = model.gradients().unwrap();
    assert!(gradients.iter().any(|(_, values)| values.iter().any(|&value| value != 0.0)));
}

#[test]
fn labels_are_checked() {
    let mut model = model();
    let x = images([2, 1, 8, 8]);
    let error = model.train_step(&x, &[0], None).unwrap_err().to_string();
    assert!(error.contains("2 images came with 1 labels"), "{error}");
    let error = model.train_step(&x, &[0, 3], None).unwrap_err().to_string();
    assert!(error.contains("label 3"), "{error}");
}

#[test]
fn threads_leave_no_trace() {
    let bits = |threads: usize| {
        let mut model = model();
        model.set_threads(threads);
        model.train_step(&images([6, 1, 8, 8]), &[0, 1, 2, 0, 1, 2], Some(&Update::sgd(0.1, 6))).unwrap();
        model.params().unwrap().values().iter().map(|value| value.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(bits(1), bits(3));
}

#[test]
fn precision_may_change_between_calls() {
    let mut model = model();
    let x = images([2, 1, 8, 8]);
    let highest = model.forward(&x).unwrap();
    model.set_precision(Precision::Medium);
    let medium = model.forward(&x).unwrap();
    assert_ne!(medium, highest);
    for (medium, highest) in medium.data().iter().zip(highest.data()) {
        assert!((medium - highest).abs() < 1e-2, "{medium} {highest}");
    }
    model.set_precision(Precision::Highest);
    assert_eq!(model.forward(&x).unwrap(), highest);
}

#[test]
fn initialize_starts_over() {
    let mut model = model();
    let x = images([2, 1, 8, 8]);
    let before = model.forward(&x).unwrap();
    model.train_step(&x, &[0, 1], Some(&Update::sgd(0.1, 2))).unwrap();
    assert_ne!(model.forward(&x).unwrap(), before);
    model.initialize(Init::Xavier, 42).unwrap();
    assert_eq!(model.forward(&x).unwrap(), before);
}
