#!/usr/bin/env bash
# timm's schedule "multistep" decays one epoch before the epoch that it is given.
#
# timm 1.0.31 (PyPI) beside PyTorch 1.13.1 (Debian 12), seen 2026-12-01 on Linux. With milestones 3 and 6, PyTorch's MultiStepLR
# trains epochs 0, 1 and 2 at the first rate. timm's MultiStepLRScheduler, with decay_t [3, 6], trains epochs 0 and 1 at it: it
# counts the milestones up to and including t + 1. timm's own StepLRScheduler with decay_t 3 decays after three epochs, as
# PyTorch's StepLR does. `--decay-milestones` of timm's train.py is passed on as it is.
#
# Why it matters here: a recipe of PyTorch, torchvision or a paper that is moved to timm with the same milestones has one epoch
# less at the first rate, and so has one that is moved back one more. Neither prints a warning.
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
import warnings

import timm
import torch
from timm.scheduler import MultiStepLRScheduler, StepLRScheduler

# PyTorch wants an optimiser step before a scheduler step; the rates do not depend on it
warnings.simplefilter("ignore")
print("timm", timm.__version__, "torch", torch.__version__)
EPOCHS = 8


def optimiser():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def by_torch(make):
    of = optimiser()
    schedule, rates = make(of), []
    for _ in range(EPOCHS):
        rates.append(round(of.param_groups[0]["lr"], 6))
        schedule.step()
    return rates


def by_timm(make):
    of = optimiser()
    schedule, rates = make(of), []
    for epoch in range(EPOCHS):
        # as timm's train.py: step(epoch + 1) when an epoch is done
        rates.append(round(of.param_groups[0]["lr"], 6))
        schedule.step(epoch + 1)
    return rates


torch_multi = by_torch(lambda of: torch.optim.lr_scheduler.MultiStepLR(of, [3, 6]))
timm_multi = by_timm(lambda of: MultiStepLRScheduler(of, decay_t=[3, 6], decay_rate=0.1))
torch_step = by_torch(lambda of: torch.optim.lr_scheduler.StepLR(of, 3))
timm_step = by_timm(lambda of: StepLRScheduler(of, decay_t=3, decay_rate=0.1))
for name, rates in [("torch multistep", torch_multi), ("timm multistep ", timm_multi), ("torch step     ", torch_step),
                    ("timm step      ", timm_step)]:
    print(name, rates)
assert torch_multi == [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01]
assert timm_multi == [1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01]
assert torch_step == timm_step == [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01]
PY
echo "as described"
