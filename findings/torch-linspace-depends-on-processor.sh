#!/usr/bin/env bash
# torch.linspace gives other numbers on other processors, and so torchvision's TrivialAugmentWide shifts pictures by another
# number of pixels.
#
# PyTorch 1.13.1 and torchvision 0.14.1 (Debian 12), seen 2026-12-01 on Linux on a processor with AVX-512. The magnitudes of
# TranslateX and TranslateY are torch.linspace(0, 32, 31), of which `int` is taken. With AVX2, and without vectors, number 15 is
# 16.0. With AVX-512 it is 15.999999, so that a shift by 16 pixels becomes one by 15. Other magnitudes differ in their last bit,
# which can change a rounded value of a pixel, as number 20 of RandAugment's 0 to 0.9 does.
#
# Why it matters here: the same seed on two machines gives other pictures, and a golden file of the policies is true for one
# instruction set. Ours is made with AVX2.
#
# Needs: /usr/bin/python3 with python3-torch and python3-torchvision, a processor with AVX-512.
set -eu
grep -q avx512f /proc/cpuinfo || { echo "needs a processor with AVX-512"; exit 1; }
shift_of() {
    ATEN_CPU_CAPABILITY=$1 /usr/bin/python3 - <<'PY'
import torch
from torchvision.transforms import autoaugment

magnitudes, _ = autoaugment.TrivialAugmentWide()._augmentation_space(31)["TranslateX"]
print(int(magnitudes[15].item()))
PY
}
for level in default avx2 avx512; do
    echo "$level: TranslateX of bin 15 shifts by $(shift_of $level) pixels"
done
test "$(shift_of default) $(shift_of avx2) $(shift_of avx512)" = "16 16 15"
echo "as described"
