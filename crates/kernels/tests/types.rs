//! Maps of either type, in any mix: what a kernel stores as bf16 is what it would store as `f32`, rounded once, and what it reads
//! as bf16 it takes for the same numbers. Every operation, every entry of its table.

mod support;

use plusx_kernels::args::{Gate, MapSource, Sink, Sums};
use plusx_kernels::maps::{MapRef, MapRowsMut};
use plusx_kernels::pooling::{avg_pool2d, global_avg_pool2d, max_pool2d};
use plusx_kernels::rows::RowsMut;
use plusx_kernels::shape::{ConcatShape, MapShape, PoolShape, SubsampleShape};
use plusx_kernels::{concat, elementwise, multiply, norm, pitch, sigmoid, subsample};
use support::Random;
use support::types::{Both, IMAGES, SinkMaps, Types, check, source};

/// Source, gradient and sink of a map: what operations of one pixel, or of a map, need.
struct Maps {
    shape: MapShape,
    main: Both,
    add: Both,
    g: Both,
    numbers: Both,
    vectors: [Vec<f32>; 2],
    sink: SinkMaps,
}

impl Maps {
    fn new(random: &mut Random, c: usize, pixels: usize) -> Self {
        Self {
            shape: MapShape { c, pitch: pitch(c), pixels },
            main: Both::new(random, pixels, c),
            add: Both::new(random, pixels, c),
            g: Both::new(random, pixels, c),
            numbers: Both::new(random, 1, c),
            vectors: [random.map(1, c, false), random.map(1, c, false)],
            sink: SinkMaps::new(random, pixels, c),
        }
    }

    fn source(&self, types: Types) -> MapSource<'_> {
        source(self.main.get(types.half(0)), self.add.get(types.half(1)), &self.vectors)
    }
}

/// Channels and pixels: part of a vector, several, and more than one run of pixels.
const SIZES: [(usize, usize); 3] = [(6, 5), (17, 81), (48, 9)];

#[test]
fn elementwise_steps() {
    let mut random = Random(101);
    for (c, pixels) in SIZES {
        let maps = Maps::new(&mut random, c, pixels);
        let (shape, images, pitch) = (&maps.shape, IMAGES, maps.shape.pitch);
        check(elementwise::EVALUATE, shape, 2, |run, types| {
            maps.g.stored(types.written, pitch, |dst| {
                run(elementwise::EvaluateArgs { shape, images, src: maps.source(types), dst });
            })
        });
        check(elementwise::SINK, shape, 2, |run, types| {
            let g = Some(maps.g.get(types.half(0)));
            maps.sink.fill(types, 1, |sink| run(elementwise::SinkArgs { shape, images, g, sink }))
        });
        check(elementwise::SINK, shape, 1, |run, types| {
            maps.sink.held.stored(types.written, pitch, |dst| {
                let gate = Gate::Stored(maps.main.get(types.half(0)));
                let sink = Sink { dst, accumulate: true, gate, sums: None };
                run(elementwise::SinkArgs { shape, images, g: None, sink });
            })
        });
        check(sigmoid::FORWARD, shape, 2, |run, types| {
            maps.g.stored(types.written, pitch, |dst| {
                run(sigmoid::SigmoidForwardArgs { shape, images, src: maps.source(types), dst });
            })
        });
        check(sigmoid::BACKWARD, shape, 3, |run, types| {
            let (g, y) = (maps.g.get(types.half(0)), maps.main.get(types.half(1)));
            maps.sink.fill(types, 2, |sink| run(sigmoid::SigmoidBackwardArgs { shape, images, g, y, sink }))
        });
        check(multiply::FORWARD, shape, 3, |run, types| {
            let scale = MapSource::plain(maps.numbers.get(types.half(2)));
            maps.g.stored(types.written, pitch, |dst| {
                run(multiply::MultiplyForwardArgs { shape, images, src: maps.source(types), scale, dst });
            })
        });
        check(multiply::BACKWARD_MAP, shape, 3, |run, types| {
            let (g, scale) = (maps.g.get(types.half(0)), MapSource::plain(maps.numbers.get(types.half(1))));
            maps.sink.fill(types, 2, |sink| {
                run(multiply::MultiplyBackwardMapArgs { shape, images, g, scale, sink });
            })
        });
        check(multiply::BACKWARD_SCALE, shape, 3, |run, types| {
            let g = maps.g.get(types.half(2));
            maps.numbers.stored(types.written, pitch, |dst| {
                let sink = Sink { dst, accumulate: true, gate: Gate::Open, sums: None };
                run(multiply::MultiplyBackwardScaleArgs { shape, images, g, src: maps.source(types), sink });
            })
        });
    }
}

/// The sums of a sink are those of what it stored.
#[test]
fn sums_are_of_what_was_stored() {
    let mut random = Random(102);
    for (c, pixels) in SIZES {
        let maps = Maps::new(&mut random, c, pixels);
        let (shape, images, pitch) = (&maps.shape, IMAGES, maps.shape.pitch);
        let bits = |sums: Vec<f64>| -> Vec<u64> { sums.iter().map(|sum| sum.to_bits()).collect() };
        for entry in elementwise::SINK.iter().filter(|entry| entry.level.supported()) {
            let run = |g: Option<MapRef<'_>>, dst: MapRowsMut<'_>, gate: Gate<'_>, y: MapRef<'_>| {
                let mut sums = vec![f64::NAN; 2 * images * pitch];
                let out = RowsMut::new(&mut sums, pitch, 0, pitch);
                let sums_of = Some((y, Sums { shift: &maps.vectors[0], out }));
                let sink = Sink { dst, accumulate: true, gate, sums: sums_of };
                (entry.run)(elementwise::SinkArgs { shape, images, g, sink });
                sums
            };
            let mut fused = Vec::new();
            let map = maps.sink.held.stored(true, pitch, |dst| {
                let gate = Gate::Stored(maps.main.get(true));
                fused = run(Some(maps.g.get(true)), dst, gate, maps.add.get(true));
            });
            let mut again = map.clone();
            let dst = RowsMut::new(&mut again, pitch, 0, pitch).into();
            assert_eq!(bits(fused), bits(run(None, dst, Gate::Open, maps.add.get(false))), "{}", entry.name);
            assert_eq!(map, again, "{}", entry.name);
        }
        for entry in norm::STATS.iter().filter(|entry| entry.level.supported()) {
            let run = |data| {
                let mut sums = vec![f64::NAN; 2 * images * pitch];
                let out = RowsMut::new(&mut sums, pitch, 0, pitch);
                let sums_of = Sums { shift: &maps.vectors[0], out };
                (entry.run)(norm::StatsArgs { shape, images, data, sums: sums_of });
                bits(sums)
            };
            assert_eq!(run(maps.main.get(true)), run(maps.main.get(false)), "{}", entry.name);
        }
    }
}

#[test]
fn poolings() {
    let mut random = Random(103);
    for c in [6, 17, 48] {
        let (maps, images, pitch) = (Maps::new(&mut random, c, 81), IMAGES, pitch(c));
        let shape =
            PoolShape { c, h: 9, w: 9, oh: 5, ow: 5, kernel: [3; 2], stride: [2; 2], padding: [1; 2] };
        let pooled = Both::new(&mut random, 25, c);
        check(avg_pool2d::FORWARD, &shape, 2, |run, types| {
            pooled.stored(types.written, pitch, |dst| {
                let src = maps.source(types);
                run(avg_pool2d::AvgPool2dForwardArgs { shape: &shape, images, src, dst });
            })
        });
        check(avg_pool2d::BACKWARD, &shape, 2, |run, types| {
            let g = pooled.get(types.half(0));
            maps.sink.fill(types, 1, |sink| {
                run(avg_pool2d::AvgPool2dBackwardArgs { shape: &shape, images, g, sink });
            })
        });
        let mut winners = vec![0; pooled.full.len()];
        check(max_pool2d::FORWARD, &shape, 2, |run, types| {
            let mut own = vec![0; pooled.full.len()];
            let map = pooled.stored(types.written, pitch, |dst| {
                let (src, rows) = (maps.source(types), 0..5);
                let winner = Some(RowsMut::new(&mut own, pitch, 0, pitch));
                run(max_pool2d::MaxPool2dForwardArgs { shape: &shape, images, src, rows, dst, winner });
            });
            map.into_iter().chain(own.into_iter().map(f32::from)).collect()
        });
        (max_pool2d::FORWARD[max_pool2d::FORWARD.len() - 1].run)(max_pool2d::MaxPool2dForwardArgs {
            shape: &shape,
            images,
            src: MapSource::plain(maps.main.get(true)),
            rows: 0..5,
            dst: RowsMut::new(&mut pooled.full.clone(), pitch, 0, pitch).into(),
            winner: Some(RowsMut::new(&mut winners, pitch, 0, pitch)),
        });
        check(max_pool2d::BACKWARD, &shape, 2, |run, types| {
            let (g, winner) = (pooled.get(types.half(0)), &winners[..]);
            maps.sink.fill(types, 1, |sink| {
                run(max_pool2d::MaxPool2dBackwardArgs { shape: &shape, images, g, winner, sink });
            })
        });
        let shape = &maps.shape;
        check(global_avg_pool2d::FORWARD, shape, 2, |run, types| {
            maps.numbers.stored(types.written, pitch, |dst| {
                let src = maps.source(types);
                run(global_avg_pool2d::GlobalAvgPool2dForwardArgs { shape, images, src, dst });
            })
        });
        check(global_avg_pool2d::BACKWARD, shape, 2, |run, types| {
            let g = maps.numbers.get(types.half(0));
            maps.sink.fill(types, 1, |sink| {
                run(global_avg_pool2d::GlobalAvgPool2dBackwardArgs { shape, images, g, sink });
            })
        });
    }
}

#[test]
fn maps_that_change_channels() {
    let mut random = Random(104);
    for (c, before, after) in [(6, 0, 4), (17, 3, 0), (48, 16, 16)] {
        let (maps, images) = (Maps::new(&mut random, c, 81), IMAGES);
        let shape = SubsampleShape { c, h: 9, w: 9, oh: 5, ow: 5, stride: [2; 2], before, after };
        let k_pitch = shape.k_pitch();
        let small = Both::new(&mut random, 25, before + c + after);
        check(subsample::FORWARD, &shape, 2, |run, types| {
            small.stored(types.written, k_pitch, |dst| {
                let src = maps.source(types);
                run(subsample::SubsampleForwardArgs { shape: &shape, images, src, dst });
            })
        });
        check(subsample::BACKWARD, &shape, 2, |run, types| {
            let g = small.get(types.half(0));
            maps.sink.fill(types, 1, |sink| {
                run(subsample::SubsampleBackwardArgs { shape: &shape, images, g, sink });
            })
        });
        let shape = ConcatShape { c, pixels: 81, before, after };
        let wide = Both::new(&mut random, 81, before + c + after);
        check(concat::FORWARD, &shape, 2, |run, types| {
            wide.stored(types.written, k_pitch, |dst| {
                let src = maps.source(types);
                run(concat::ConcatForwardArgs { shape: &shape, images, src, dst });
            })
        });
        check(concat::BACKWARD, &shape, 2, |run, types| {
            let g = wide.get(types.half(0));
            maps.sink.fill(types, 1, |sink| {
                run(concat::ConcatBackwardArgs { shape: &shape, images, g, sink });
            })
        });
    }
}
