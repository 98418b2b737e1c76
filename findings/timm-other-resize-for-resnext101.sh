#!/usr/bin/env bash
# timm says another resize for `resnext101_64x4d.tv_in1k` than torchvision, whose weights these are.
#
# timm 1.0.31 (PyPI) beside torchvision 0.14.1 and PyTorch 1.13.1 (Debian 12), seen 2026-11-30 on Linux. In timm,
# `.tv_in1k` stands for weights that come from torchvision. For resnext101_64x4d these are
# ResNeXt101_64X4D_Weights.IMAGENET1K_V1, which torchvision evaluates after a resize of the short side to 232, then a
# centre crop of 224. timm's entry has crop_pct 0.875, so a resize to 256. Neither prints a warning.
#
# Why it matters here: who takes the preprocessing of these weights from timm gets other inputs, hence other answers and
# another accuracy, than those that torchvision publishes for them.
#
# Needs: /usr/bin/python3 with python3-torch and python3-torchvision. No weights are downloaded.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
/usr/bin/python3 -m venv --system-site-packages env
env/bin/pip install --quiet --no-deps timm==1.0.31 huggingface_hub==0.36.0 safetensors==0.6.2 \
    filelock==3.20.0 fsspec==2025.9.0 packaging==25.0 PyYAML==6.0.3 requests==2.32.5 tqdm==4.67.1 \
    typing_extensions==4.15.0

HF_HUB_OFFLINE=1 env/bin/python - <<'PY'
import timm
import torch
import torchvision
from timm.data import resolve_data_config
from timm.data.transforms_factory import create_transform
from timm.models import get_pretrained_cfg
from torchvision.models import ResNeXt101_64X4D_Weights

print("timm", timm.__version__, "torch", torch.__version__, "torchvision", torchvision.__version__)
entry = get_pretrained_cfg("resnext101_64x4d.tv_in1k")
data = resolve_data_config(pretrained_cfg=entry.to_dict())
by_timm = create_transform(**data).transforms[0].size
print("timm: weights of", entry.url or entry.hf_hub_id, "crop_pct", entry.crop_pct, "so a resize to", by_timm)
weights = ResNeXt101_64X4D_Weights.IMAGENET1K_V1
says = weights.transforms()
print("torchvision: weights of", weights.url, "resize", says.resize_size, "crop", says.crop_size)
assert entry.url == weights.url
assert (entry.crop_pct, data["input_size"], by_timm) == (0.875, (3, 224, 224), 256)
assert (says.resize_size, says.crop_size) == ([232], [224])
PY
echo "as described"
