//! The embedded sample against the full set it is cut from.

use plusx_data::{FindOptions, Samples, cache_dir, fashion, load, locate};

/// Wherever `plusx` finds it.
fn everywhere() -> FindOptions {
    let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let env_dir = value("PLUSX_DATA").map(Into::into);
    FindOptions { env_dir, cache_dir: cache_dir(value), ..FindOptions::default() }
}

#[test]
fn the_sample_is_the_first_of_each_class() {
    let options = everywhere();
    let Some(folder) = locate(fashion::NAME, &options) else {
        eprintln!(
            "SKIPPED: no full Fashion-MNIST (apt-get install dataset-fashion-mnist, plusx data get fashion-mnist)"
        );
        return;
    };
    assert_eq!(fashion::verify(&folder).unwrap().len(), 4);
    let full = load(fashion::NAME, &options).unwrap();
    assert_eq!((full.train.len(), full.val.len()), (60_000, 10_000));
    let mini = load("fashion-mnist-mini", &options).unwrap();
    same(&*mini.train, &*full.train, 600);
    same(&*mini.val, &*full.val, 100);
}

/// Whether `cut` holds the first `count` images of each class of `full`.
fn same(cut: &dyn Samples, full: &dyn Samples, count: usize) {
    let expected = fashion::first_of_each_class(full, count).unwrap();
    assert_eq!(cut.labels(), expected.labels);
    let mut buffer = Vec::new();
    for index in 0..cut.len() {
        assert_eq!(cut.read(index, &mut buffer).unwrap().bytes, expected.image(index).unwrap());
    }
}
