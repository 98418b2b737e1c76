//! The embedded sample against the full set it is cut from.

use plusx_data::{FindOptions, fashion, load, locate};

#[test]
fn the_sample_is_the_first_of_each_class() {
    let options = FindOptions::default();
    let Some(folder) = locate(fashion::NAME, &options) else {
        eprintln!("SKIPPED: Fashion-MNIST is not installed (Debian: apt-get install dataset-fashion-mnist)");
        return;
    };
    assert_eq!(fashion::verify(&folder).unwrap().len(), 4);
    let full = load(fashion::NAME, &options).unwrap();
    assert_eq!((full.train.len(), full.test.len()), (60_000, 10_000));
    let mini = load("fashion-mnist-mini", &options).unwrap();
    assert!(mini.train == fashion::first_of_each_class(&full.train, 600));
    assert!(mini.test == fashion::first_of_each_class(&full.test, 100));
}
