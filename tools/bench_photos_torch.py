"""Trains ResNet-18 on a folder of photos from scratch with PyTorch and torchvision: the peer of tools/bench_photos.py.

    python tools/bench_photos_torch.py FOLDER --seed 1 --epochs 20 --side 128 --workers 2 [--compile]

FOLDER has the folders train and val, and in each a folder for each class. Prints a JSON object when all is imported, one for each
epoch, and one at the end. The recipe is that of the call of plusx in tools/bench_photos.py.

Requirements: torch, torchvision, Pillow.
"""

import argparse
import json
import math
import time

START = time.perf_counter()

import torch  # noqa: E402: the clock runs already
from torchvision import datasets, models, transforms  # noqa: E402

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    for name, default in [("seed", 1), ("epochs", 20), ("warmup-epochs", 2), ("side", 128), ("batch-size", 32), ("workers", 0), ("threads", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--lr", type=float, default=0.025)
    parser.add_argument("--limit", type=int, help="learns from so many photos only, to try settings out")
    parser.add_argument("--compile", action="store_true", help="torch.compile, default mode")
    return parser.parse_args()


def tell(**values):
    print(json.dumps(values), flush=True)


def loaders(args):
    numbers = [transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)]
    learning = [transforms.RandomResizedCrop(args.side, scale=(0.35, 1)), transforms.RandomHorizontalFlip()]
    measuring = [transforms.Resize((args.side, args.side))]

    def loader(part, changes, shuffle):
        data = datasets.ImageFolder(f"{args.folder}/{part}", transforms.Compose(changes + numbers))
        if args.limit and shuffle:
            data = torch.utils.data.Subset(data, range(args.limit))
        return torch.utils.data.DataLoader(
            data, args.batch_size, shuffle=shuffle, num_workers=args.workers, persistent_workers=args.workers > 0
        )

    return loader("train", learning, True), loader("val", measuring, False)


def network(args, classes):
    """torchvision's, with the first values that plusx draws: Glorot's uniform weights, no biases."""
    net = models.resnet18(num_classes=classes)
    for weight in net.parameters():
        if weight.dim() > 1:
            torch.nn.init.xavier_uniform_(weight)
    torch.nn.init.zeros_(net.fc.bias)
    return net.to(memory_format=torch.channels_last)


def learner(args, net, steps):
    """Nesterov's momentum, decay on weights alone, a warm-up and a cosine, set at every step."""
    decayed = [parameter for parameter in net.parameters() if parameter.dim() > 1]
    plain = [parameter for parameter in net.parameters() if parameter.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 1e-4}, {"params": plain, "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=args.lr, momentum=0.9, nesterov=True)
    warm, total, first = args.warmup_epochs * steps, args.epochs * steps, 1e-5 / args.lr

    def share(step):
        if step < warm:
            return first + (1 - first) * step / warm
        return (1 + math.cos(math.pi * (step - warm) / (total - warm))) / 2

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, share)


def main():
    imports = time.perf_counter() - START
    args = options()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    train, val = loaders(args)
    net = network(args, len(val.dataset.classes))
    run = torch.compile(net) if args.compile else net
    optimiser, schedule = learner(args, net, len(train))
    loss_of = torch.nn.CrossEntropyLoss()
    tell(imports=imports, torch=torch.__version__)
    best = 0.0
    for epoch in range(args.epochs):
        start = time.perf_counter()
        # sums stay tensors: reading one would wait for the step
        loss_sum, waited = torch.zeros(()), 0.0
        net.train()
        asked = time.perf_counter()
        for images, labels in train:
            waited += time.perf_counter() - asked
            images = images.to(memory_format=torch.channels_last)
            loss = loss_of(run(images), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            loss_sum += loss.detach() * len(labels)
            asked = time.perf_counter()
        middle = time.perf_counter()
        net.eval()
        right = torch.zeros((), dtype=torch.long)
        with torch.inference_mode():
            for images, labels in val:
                # not compiled: another graph, and another for the smaller last batch, would cost more than they save
                right += (net(images.to(memory_format=torch.channels_last)).argmax(1) == labels).sum()
        accuracy = right.item() / len(val.dataset)
        best = max(best, accuracy)
        end = time.perf_counter()
        loss = loss_sum.item() / len(train.dataset)
        tell(epoch=epoch + 1, loss=loss, accuracy=accuracy, seconds=end - start, measuring=end - middle, data_wait=waited)
    tell(best=best)


if __name__ == "__main__":
    main()
