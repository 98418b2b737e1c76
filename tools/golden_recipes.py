"""Golden data of the recipes that bear another program's name: writes crates/train/tests/golden/recipes.json.
`cargo xtask golden` runs it.

For each recipe it holds what the program itself makes of its numbers:

* `rates`: the learning rate of every epoch, as f64;
* `decays` and `stays`: the parameters of resnet18 that decay and those that do not, by the optimiser's groups;
* `zeros`: the parameters of resnet18 that begin at 0 alone, biases of norms aside;
* `optimiser`: momentum, weight decay and whether momentum is Nesterov's, as the optimiser has them;
* `deviations`: the standard deviation of each filter of resnet18 at the beginning, and of its classifier.

The numbers come from the programs' own command lines. torchvision's references/classification/train.py: its defaults for `tv`; for
`tv2` the command that its second weights of resnet50 were trained by (pytorch/vision issue 3995), on one process instead of
eight, so with an eighth of its learning rate. timm's train.py: its defaults.

Requirements: Python 3.10 or newer, torch and torchvision 0.13 or newer, timm 1.0.31.
"""

import json
import pathlib
import types

import timm
import torch
import torchvision
from golden_schedules import driven, rate
from timm.optim import create_optimizer_v2, optimizer_kwargs
from timm.scheduler import create_scheduler_v2, scheduler_kwargs
from torch.optim import lr_scheduler
from torchvision.ops._utils import split_normalization_params

OUT = pathlib.Path(__file__).parent.parent / "crates/train/tests/golden/recipes.json"

TV = {"lr": 0.1, "batch_size": 32, "epochs": 90, "weight_decay": 1e-4, "step": 30, "warmup": 0, "norm_weight_decay": None}
# for 8 processes of 128 images: 0.5
TV2 = {"lr": 0.5 / 8, "batch_size": 128, "epochs": 600, "weight_decay": 2e-5, "step": None, "warmup": 5, "norm_weight_decay": 0.0}
# model_ema_decay and model_ema_steps; the script adapts the decay to batch and epochs
EMA = {"decay": 0.99998, "steps": 32}
TIMM = types.SimpleNamespace(
    opt="sgd", opt_eps=None, opt_betas=None, momentum=0.9, weight_decay=2e-5, layer_decay=None, opt_kwargs={},
    sched="cosine", sched_on_updates=False, lr_base=0.1, lr_base_size=256, batch_size=128, epochs=300,
    warmup_lr=1e-5, min_lr=0, decay_epochs=90, decay_milestones=[90, 180, 270], warmup_epochs=5, warmup_prefix=False,
    cooldown_epochs=0, patience_epochs=10, decay_rate=0.1, lr_noise=None, lr_k_decay=1.0, lr_cycle_mul=1.0,
    lr_cycle_decay=0.5, lr_cycle_limit=1, seed=42, eval_metric="top1",
)


def described(name, model, opt, rates, more):
    groups = {True: [], False: []}
    names = {id(param): name for name, param in model.named_parameters()}
    for group in opt.param_groups:
        groups[group["weight_decay"] > 0].extend(names[id(param)] for param in group["params"])
    assert len(groups[True]) + len(groups[False]) == len(names)
    usual = max(opt.param_groups, key=lambda group: group["weight_decay"])
    named = list(model.named_parameters())
    norms = {f"{name}.bias" for name, module in model.named_modules() if isinstance(module, torch.nn.BatchNorm2d)}
    return {
        "recipe": name,
        "optimiser": {key: usual[key] for key in ["momentum", "nesterov", "weight_decay"]},
        "decays": sorted(groups[True]),
        "stays": sorted(groups[False]),
        "zeros": sorted(name for name, param in named if name not in norms and not param.any()),
        "deviations": {name: round(float(param.detach().std()), 6) for name, param in named if param.dim() > 1},
        **more,
        "rates": rates,
    }


def of_torchvision(name, args):
    torch.manual_seed(1)
    model = torchvision.models.resnet18(num_classes=1000)
    if args["norm_weight_decay"] is None:
        params = model.parameters()
    else:
        decays = [args["norm_weight_decay"], args["weight_decay"]]
        split = zip(split_normalization_params(model), decays)
        params = [{"params": params, "weight_decay": decay} for params, decay in split if params]
    opt = torch.optim.SGD(params, lr=args["lr"], momentum=0.9, weight_decay=args["weight_decay"], nesterov=False)
    if args["step"]:
        main = lr_scheduler.StepLR(opt, step_size=args["step"], gamma=0.1)
    else:
        main = lr_scheduler.CosineAnnealingLR(opt, T_max=args["epochs"] - args["warmup"], eta_min=0.0)
    if args["warmup"]:
        first = lr_scheduler.LinearLR(opt, start_factor=0.01, total_iters=args["warmup"])
        main = lr_scheduler.SequentialLR(opt, [first, main], milestones=[args["warmup"]])
    adapted = min(1.0, (1.0 - EMA["decay"]) * args["batch_size"] * EMA["steps"] / args["epochs"])
    # as much in each of the 32 steps as in one of every 32
    more = {"ema": (1.0 - adapted) ** (1 / EMA["steps"])} if name == "tv2" else {}
    return described(name, model, opt, driven(opt, main, args["epochs"]), more)


def of_timm(name, args):
    torch.manual_seed(1)
    model = timm.create_model("resnet18", pretrained=False)
    args.lr = args.lr_base * (args.batch_size / args.lr_base_size)
    opt = create_optimizer_v2(model, **optimizer_kwargs(cfg=args))
    scheduler, epochs = create_scheduler_v2(opt, **scheduler_kwargs(args), updates_per_epoch=7)
    rates = []
    for epoch in range(epochs):
        rates.append(rate(opt))
        scheduler.step(epoch + 1)
    pictures = timm.data.resolve_data_config({}, model=model)
    return described(name, model, opt, rates, {"crop_pct": pictures["crop_pct"], "interpolation": pictures["interpolation"]})


def main():
    golden = {
        "made_by": "python tools/golden_recipes.py",
        "timm": timm.__version__,
        "torch": torch.__version__.split("+")[0],
        "torchvision": torchvision.__version__.split("+")[0],
        "recipes": [of_torchvision("tv", TV), of_torchvision("tv2", TV2), of_timm("timm", TIMM)],
    }
    text = json.dumps(golden, separators=(",", ":")).replace('{"recipe"', '\n{"recipe"')
    OUT.write_text(text + "\n")


if __name__ == "__main__":
    main()
