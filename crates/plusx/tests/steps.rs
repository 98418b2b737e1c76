//! Training driven from outside: the same steps as one by one, cancelled between two, and errors that say what to do.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use plusx::prelude::*;

fn model() -> Model {
    let network = Sequential::new()
        .add(Conv2d::new(8, 3).padding(1))
        .add(BatchNorm::new())
        .add(Activation::Relu)
        .add(GlobalAvgPool2d::new())
        .add(Dense::new(3));
    let mut model = Model::new(network);
    model.initialize(Init::Xavier, 42).unwrap();
    model
}

fn batch(seed: u32) -> (Tensor, Vec<u32>) {
    (Tensor::uniform([6, 1, 8, 8], 0.0, 1.0, seed).unwrap(), vec![0, 1, 2, 2, 1, 0])
}

fn update() -> Update<'static> {
    Update::sgd(0.1, 6).momentum(0.9)
}

fn go_on(_: &Step<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn its_steps_are_those_done_one_by_one() {
    let (mut all, mut one) = (model(), model());
    let mut heard = Vec::new();
    all.set_threads(3);
    let trained = all.train((0..5).map(batch), &update(), |step| {
        heard.push((step.number, step.loss, step.correct, step.result.clone()));
        assert_eq!(step.images, 6);
        ControlFlow::Continue(())
    });
    assert_eq!(trained.unwrap(), Trained { steps: 5, cancelled: false });
    one.set_threads(1);
    for (index, seed) in (0..5).enumerate() {
        let (x, labels) = batch(seed);
        let result = one.train_step(&x, &labels, Some(&update())).unwrap();
        let loss = result.losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() / 6.0;
        let correct = result.predictions.iter().zip(&labels).filter(|(a, b)| a == b).count();
        assert_eq!(heard[index], (index + 1, loss, correct, result));
    }
    assert_eq!(all.params(), one.params());
}

#[test]
fn cancelled_and_gone_on_with_it_ends_where_it_would_have() {
    let mut whole = model();
    whole.train((0..6).map(batch), &update(), go_on).unwrap();
    let mut cut = model();
    // another thread may set what the callback looks at
    let most = AtomicUsize::new(usize::MAX);
    let trained = std::thread::scope(|scope| {
        cut.train((0..6).map(batch), &update(), |step| {
            if step.number == 2 {
                scope.spawn(|| most.store(2, Ordering::SeqCst)).join().unwrap();
            }
            match step.number >= most.load(Ordering::SeqCst) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    });
    assert_eq!(trained.unwrap(), Trained { steps: 2, cancelled: true });
    assert_ne!(cut.params(), whole.params());
    cut.train((2..6).map(batch), &update(), go_on).unwrap();
    assert_eq!(cut.params(), whole.params());
}

#[test]
fn errors_stop_it_and_leave_the_model_as_it_was() {
    let mut model = model();
    model.train([batch(1)], &update(), go_on).unwrap();
    let before = model.params();
    let few = (batch(2).0, vec![0; 5]);
    let unknown = (batch(2).0, vec![3; 6]);
    let strange = (Tensor::zeros([6, 64]).unwrap(), vec![0; 6]);
    for (bad, said) in
        [(few, "6 images came with 5 labels"), (unknown, "label 3"), (strange, "images of shape")]
    {
        let error = model.train([bad], &update(), go_on).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(model.params(), before);
    }
    let error = Model::new(Dense::new(2)).train([batch(1)], &update(), go_on).unwrap_err();
    assert!(error.to_string().contains("initialize"), "{error}");

    // the first step spoils the parameters, the second notices
    let wild = Update { lr: 1e38, ..update() };
    let mut heard = 0;
    let error = model.train((0..9).map(batch), &wild, |_| {
        heard += 1;
        ControlFlow::Continue(())
    });
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Diverged { step } if step == heard + 1), "{error}");
    assert!(error.to_string().contains("smaller learning rate"), "{error}");
}
