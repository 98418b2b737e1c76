"""Golden data of learning-rate schedules: writes crates/train/tests/golden/schedules.json.
`cargo xtask golden` runs it.

Each case names the options of a run and holds the learning rate of every epoch or step as f64, as the program gave it that
the case is of:

* `timm`: `create_scheduler_v2` as timm's train.py drives it, by epochs or by updates;
* `torchvision`: the schedulers that its references/classification/train.py makes: `StepLR(30, .1)` or `CosineAnnealingLR`,
  behind a `LinearLR` through `SequentialLR` if there is a warm-up;
* `torch`: schedulers of torch.optim.lr_scheduler;
* `plateau` has the losses of the epochs beside the rates of the epochs after them.

`cosines` holds Python's cosines of i pi / 997, which the tests compare `libm`'s with.

Requirements: Python 3.10 or newer, torch 1.13 or newer, timm 1.0.31.
"""

import json
import math
import pathlib

import timm
import torch
from timm.scheduler import create_scheduler_v2
from torch.optim import lr_scheduler

OUT = pathlib.Path(__file__).parent.parent / "crates/train/tests/golden/schedules.json"


def optimiser(lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def rate(opt):
    return float(opt.param_groups[0]["lr"])


def of_timm(options, steps=None):
    """The rates of the epochs; with `steps` an epoch, of every step."""
    opt = optimiser(options["lr"])
    scheduler, epochs = create_scheduler_v2(
        opt,
        sched=options["sched"],
        num_epochs=options["epochs"],
        decay_epochs=options.get("decay_epochs", 30),
        decay_rate=options.get("decay_rate", 0.1),
        min_lr=options.get("min_lr", 0.0),
        warmup_lr=options.get("warmup_lr", 1e-5),
        warmup_epochs=options.get("warmup_epochs", 0),
        cooldown_epochs=options.get("cooldown_epochs", 0),
        step_on_epochs=steps is None,
        updates_per_epoch=steps or 0,
    )
    # a cool-down adds epochs to the schedules that end
    ends = options["sched"] in ("cosine", "poly", "tanh")
    assert epochs == options["epochs"] + (options.get("cooldown_epochs", 0) if ends else 0)
    rates = []
    for t in range(epochs * (steps or 1)):
        rates.append(rate(opt))
        if steps is None:
            scheduler.step(t + 1)
        else:
            scheduler.step_update(t + 1)
    return rates


def driven(opt, scheduler, count):
    rates = []
    for _ in range(count):
        rates.append(rate(opt))
        opt.step()
        scheduler.step()
    return rates


def of_torchvision(options):
    opt = optimiser(options["lr"])
    warmup = options.get("warmup_epochs", 0)
    if options["sched"] == "step":
        main = lr_scheduler.StepLR(opt, options.get("decay_epochs", 30), options.get("decay_rate", 0.1))
    else:
        main = lr_scheduler.CosineAnnealingLR(opt, options["epochs"] - warmup, options.get("min_lr", 0.0))
    if warmup:
        factor = options["warmup_lr"] / options["lr"]
        first = lr_scheduler.LinearLR(opt, start_factor=factor, total_iters=warmup)
        main = lr_scheduler.SequentialLR(opt, [first, main], milestones=[warmup])
    return driven(opt, main, options["epochs"])


def of_torch(options, steps):
    opt = optimiser(options["lr"])
    if options["sched"] == "onecycle":
        total = options["epochs"] * steps
        scheduler = lr_scheduler.OneCycleLR(opt, options["lr"], total_steps=total, cycle_momentum=False)
        # it refuses the step after the last
        rates = driven(opt, scheduler, total - 1)
        return rates + [rate(opt)]
    scheduler = lr_scheduler.MultiStepLR(opt, options["milestones"], options.get("decay_rate", 0.1))
    return driven(opt, scheduler, options["epochs"])


def plateau():
    options = {"sched": "plateau", "lr": 0.1, "epochs": 60, "patience_epochs": 3, "decay_rate": 0.5, "min_lr": 0.004}
    opt = optimiser(options["lr"])
    scheduler = lr_scheduler.ReduceLROnPlateau(
        opt, factor=options["decay_rate"], patience=options["patience_epochs"], min_lr=options["min_lr"]
    )
    losses, rates = [], []
    for epoch in range(options["epochs"]):
        rates.append(rate(opt))
        # falls, stands still within the threshold, falls again, rises
        loss = 1.0 / (1 + min(epoch, 9)) - 1e-6 * epoch - (0.02 if epoch > 25 else 0.0) + 0.01 * (epoch % 7 == 3)
        losses.append(loss)
        scheduler.step(loss)
    return {"program": "torch", "options": options, "losses": losses, "rates": rates}


def main():
    cosine = {"sched": "cosine", "lr": 0.1, "epochs": 100, "warmup_epochs": 5}
    cases = [
        {"program": "timm", "options": options, "rates": of_timm(options)}
        for options in [
            cosine,
            {**cosine, "lr": 0.05, "min_lr": 1e-4, "warmup_epochs": 0, "epochs": 30},
            {"sched": "step", "lr": 0.1, "epochs": 90, "warmup_epochs": 3},
            {"sched": "constant", "lr": 0.02, "epochs": 8, "warmup_epochs": 4},
            {**cosine, "epochs": 20, "min_lr": 0.001, "cooldown_epochs": 4},
            {"sched": "step", "lr": 0.1, "epochs": 8, "decay_epochs": 3, "cooldown_epochs": 4},
            {"sched": "poly", "lr": 0.1, "epochs": 20, "warmup_epochs": 3, "cooldown_epochs": 2},
            {"sched": "poly", "lr": 0.1, "epochs": 9, "decay_rate": 2.0, "min_lr": 0.002},
            {"sched": "tanh", "lr": 0.1, "epochs": 20, "warmup_epochs": 3, "cooldown_epochs": 2},
            {"sched": "tanh", "lr": 0.3, "epochs": 12, "min_lr": 0.002},
        ]
    ]
    short = {"sched": "cosine", "lr": 0.3, "epochs": 6, "warmup_epochs": 2, "warmup_lr": 0.001, "min_lr": 1e-5}
    for sched in ["cosine", "poly", "tanh"]:
        updates = {**short, "sched": sched, "cooldown_epochs": 0 if sched == "cosine" else 1}
        cases.append({"program": "timm", "options": updates, "steps": 7, "rates": of_timm(updates, 7)})
    cases += [
        {"program": "torchvision", "options": options, "rates": of_torchvision(options)}
        for options in [
            {"sched": "step", "lr": 0.1, "epochs": 90},
            {"sched": "step", "lr": 0.1, "epochs": 20, "decay_epochs": 6, "decay_rate": 0.3, "warmup_epochs": 4,
             "warmup_lr": 0.001},
            {"sched": "cosine", "lr": 0.5, "epochs": 600, "warmup_epochs": 5, "warmup_lr": 0.005},
            {"sched": "cosine", "lr": 0.5, "epochs": 40, "min_lr": 0.001},
        ]
    ]
    cycle = {"sched": "onecycle", "lr": 0.1, "epochs": 5}
    many = {"sched": "multistep", "lr": 0.1, "epochs": 50, "milestones": [20, 21, 40], "decay_rate": 0.2}
    cases.append({"program": "torch", "options": cycle, "steps": 13, "rates": of_torch(cycle, 13)})
    cases.append({"program": "torch", "options": many, "rates": of_torch(many, None)})
    golden = {
        "made_by": "python tools/golden_schedules.py",
        "timm": timm.__version__,
        "torch": torch.__version__.split("+")[0],
        "cosines": [math.cos(math.pi * i / 997) for i in range(998)],
        "plateau": plateau(),
        "cases": cases,
    }
    OUT.parent.mkdir(exist_ok=True)
    lines = json.dumps(golden, separators=(",", ":")).replace('{"program"', '\n{"program"')
    OUT.write_text(lines + "\n")


if __name__ == "__main__":
    main()
