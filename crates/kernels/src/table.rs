//! The rows of an operation whose kernel is written once, generic over [`crate::simd::Isa`].

/// A table: the kernel at each level where the shape `fits`, then the reference loops for any shape.
macro_rules! table {
    ($name:literal, $fits:expr, $kernel:path, $reference:path) => {
        &[
            $crate::KernelEntry {
                name: concat!($name, "/avx512"),
                level: $crate::Level::Avx512,
                fits: $fits,
                run: |args| $crate::simd::dispatch_avx512($kernel(args)),
            },
            $crate::KernelEntry {
                name: concat!($name, "/avx2"),
                level: $crate::Level::Avx2,
                fits: $fits,
                run: |args| $crate::simd::dispatch_avx2($kernel(args)),
            },
            $crate::KernelEntry {
                name: concat!($name, "/portable"),
                level: $crate::Level::Portable,
                fits: $fits,
                run: |args| $crate::simd::dispatch_portable($kernel(args)),
            },
            $crate::KernelEntry {
                name: concat!($name, "/reference"),
                level: $crate::Level::Portable,
                fits: |_| true,
                run: $reference,
            },
        ]
    };
}

pub(crate) use table;
