"""Learns a classifier on a frozen ResNet-18 with PyTorch and torchvision: the peer of tools/bench_transfer.py.

    python tools/bench_transfer_torch.py FOLDER WEIGHTS --workers 2 [--compile] [--limit N]

FOLDER has a folder for each class, WEIGHTS is a file of plusx with torchvision's names. Times what people do, and prints it as a
JSON object:

    pass: seconds of one pass over all pictures for their features, which are kept in memory
    head: seconds of learning the classifier from these for 20 epochs
    epoch: seconds of one epoch without kept features: the backbone in evaluation mode under no_grad, the classifier learns; then
        the pictures that were held out

Requirements: torch, torchvision, Pillow, safetensors.
"""

import argparse
import json
import random
import time

START = time.perf_counter()

import torch  # noqa: E402: the clock runs already
from safetensors.torch import load_file  # noqa: E402
from torchvision import datasets, models, transforms  # noqa: E402

EPOCHS, BATCH, SIDE = 20, 256, 224
# Pictures that go through the backbone at a time, where nothing learns; plusx takes as many.
AT_A_TIME = 32


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("weights")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, help="only so many pictures, and the first pass only, to try settings out")
    parser.add_argument("--compile", action="store_true", help="torch.compile, default mode")
    return parser.parse_args()


def backbone(args):
    weights = {name: value for name, value in load_file(args.weights).items() if not name.startswith(("fc.", "optimizer", "momentum"))}
    net = models.resnet18()
    known = net.state_dict()
    net.load_state_dict({name: value for name, value in weights.items() if name in known}, strict=False)
    net.fc = torch.nn.Identity()
    net = net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return torch.compile(net) if args.compile else net


def features_of(net, loader):
    """What the backbone gives for all pictures of a loader, and the labels."""
    features, labels = [], []
    with torch.inference_mode():
        for images, of_batch in loader:
            features.append(net(images.to(memory_format=torch.channels_last)))
            labels.append(of_batch)
    return torch.cat(features), torch.cat(labels)


def learn(head, optimiser, features, labels):
    loss = torch.nn.functional.cross_entropy(head(features), labels)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def new_head(width, classes):
    torch.manual_seed(1)
    head = torch.nn.Linear(width, classes)
    return head, torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9)


def main():
    args = options()
    torch.set_num_threads(args.threads)
    net = backbone(args)
    imports = time.perf_counter() - START
    changes = [transforms.Resize((SIDE, SIDE)), transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    data = datasets.ImageFolder(args.folder, transforms.Compose(changes))
    order = random.Random(1).sample(range(len(data)), args.limit or len(data))

    def loader(part, batch, shuffle):
        return torch.utils.data.DataLoader(torch.utils.data.Subset(data, part), batch, shuffle=shuffle, num_workers=args.workers)

    train, val = order[: len(order) * 4 // 5], order[len(order) * 4 // 5 :]
    if args.compile:
        net(torch.zeros(AT_A_TIME, 3, SIDE, SIDE).to(memory_format=torch.channels_last))
    start = time.perf_counter()
    features, labels = features_of(net, loader(order, AT_A_TIME, False))
    found = {"imports": imports, "torch": torch.__version__, "pass": time.perf_counter() - start, "pictures": len(order)}
    if not args.limit:
        # cloned: what inference mode made takes no part in learning
        features, labels, kept = features.clone(), labels.clone(), len(train)
        start = time.perf_counter()
        head, optimiser = new_head(features.shape[1], len(data.classes))
        for _ in range(EPOCHS):
            for rows in torch.randperm(kept).split(BATCH):
                learn(head, optimiser, features[rows], labels[rows])
            with torch.inference_mode():
                right = (head(features[kept:]).argmax(1) == labels[kept:]).sum().item()
        found["head"], found["accuracy"] = time.perf_counter() - start, right / len(val)
        start = time.perf_counter()
        head, optimiser = new_head(features.shape[1], len(data.classes))
        for images, of_batch in loader(train, AT_A_TIME, True):
            with torch.no_grad():
                given = net(images.to(memory_format=torch.channels_last))
            learn(head, optimiser, given, of_batch)
        with torch.inference_mode():
            for images, of_batch in loader(val, AT_A_TIME, False):
                head(net(images.to(memory_format=torch.channels_last))).argmax(1)
        found["epoch"] = time.perf_counter() - start
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
