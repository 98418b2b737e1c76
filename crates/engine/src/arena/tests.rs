//! Lending, refusing and cutting.

use super::lender::Arena;
use super::memory::{ALIGN, Floats};
use super::windows::WindowSize;

fn arena(len: usize) -> Arena {
    let mut arena = Arena::empty();
    assert!(arena.reserve(len));
    arena
}

#[test]
fn lends_disjoint_ranges() {
    let mut arena = arena(4096);
    let mut lender = arena.lend(0);
    let a = lender.write::<f32>(0, 16);
    let b = lender.write::<f64>(64, 8);
    a[15] = 1.0;
    b[0] = 2.0;
    assert_eq!(lender.read::<u8>(128, 1), &[0]);
    let mut lender = arena.lend(0);
    assert_eq!(lender.read::<f32>(0, 16)[15], 1.0);
    assert_eq!(lender.read::<f64>(64, 8)[0], 2.0);
}

#[test]
#[should_panic(expected = "lent already")]
fn refuses_overlap() {
    let mut arena = arena(4096);
    let mut lender = arena.lend(0);
    let _ = lender.read::<f32>(0, 17);
    let _ = lender.write::<f32>(64, 4);
}

#[test]
fn large_blocks_are_aligned_and_zero() {
    let mut floats = Floats::zeros(3 << 20).unwrap();
    assert_eq!(floats.as_ptr().addr() % ALIGN, 0);
    assert!(floats.iter().all(|value| *value == 0.0));
    floats[(3 << 20) - 1] = 1.0;
    assert!(Floats::empty().is_empty());
}

#[test]
fn windows_cover_everything_once() {
    let mut data = vec![0u8; 7 * 5];
    let mut arena = Arena::empty();
    // marks of an earlier step do not matter
    arena.lend(1).windows(&mut data, 5, WindowSize { rows: 3, columns: 2 }).take(0, 0);
    let windows = arena.lend(1).windows(&mut data, 5, WindowSize { rows: 3, columns: 2 });
    for row in 0..3 {
        for column in 0..3 {
            let mut window = windows.take(row, column);
            for row in 0..window.rows() {
                window.row(row).iter_mut().for_each(|value| *value += 1);
            }
        }
    }
    assert_eq!(data, vec![1; 35]);
}

#[test]
fn windows_are_taken_together() {
    let mut data = vec![0u8; 7 * 5];
    let mut arena = Arena::empty();
    let windows = arena.lend(1).windows(&mut data, 5, WindowSize { rows: 2, columns: 3 });
    let mut window = windows.take_rows(1..4, 1);
    assert_eq!((window.rows(), window.width()), (5, 2));
    (0..5).for_each(|row| window.row(row).fill(1));
    assert_eq!(data.iter().filter(|value| **value == 1).count(), 10);
    assert_eq!((data[2 * 5 + 2], data[2 * 5 + 3], data[34]), (0, 1, 1));
}

#[test]
#[should_panic(expected = "window 1, 0 was taken already")]
fn windows_taken_together_are_taken_once() {
    let mut data = vec![0u8; 6];
    let mut arena = Arena::empty();
    let windows = arena.lend(1).windows(&mut data, 2, WindowSize { rows: 1, columns: 2 });
    let _ = windows.take_rows(0..2, 0);
    let _ = windows.take_rows(1..3, 0);
}

#[test]
#[should_panic(expected = "taken already")]
fn a_window_is_taken_once() {
    let mut data = vec![0u8; 4];
    let mut arena = Arena::empty();
    let windows = arena.lend(1).chunks(&mut data, 2);
    let _ = windows.take_slice(0, 1);
    let _ = windows.take_slice(0, 1);
}
