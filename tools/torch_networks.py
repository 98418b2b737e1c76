"""Residual networks in PyTorch: small ones of torchvision's class, and the chapter's.

Requirements: torch 1.13; for the small ones torchvision 0.14, or newer.
"""

from torch import nn, relu


def small(stages, classes):
    """An instance of torchvision's class for small images: a stem of 3x3 without pooling, and for each stage a list of
    (channels before, channels, stride), one for each block."""
    from torchvision.models.resnet import BasicBlock, ResNet

    def block(before, after, stride):
        projection = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        return BasicBlock(before, after, stride, projection if stride > 1 else None)

    net = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=classes)
    width = stages[0][0][0]
    net.conv1, net.bn1, net.maxpool = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.Identity()
    for number in range(4):
        blocks = stages[number] if number < len(stages) else []
        setattr(net, f"layer{number + 1}", nn.Sequential(*(block(*sizes) for sizes in blocks)))
    net.fc = nn.Linear(stages[-1][-1][1], classes)
    return net


class ChapterBlock(nn.Module):
    """Biases on all convolutions, no batch norm on the shortcut."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, stride=stride)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.conv3 = nn.Conv2d(before, after, 1, stride=stride) if stride > 1 else None
        self.bn1 = nn.BatchNorm2d(after)
        self.bn2 = nn.BatchNorm2d(after)

    def forward(self, x):
        y = self.bn2(self.conv2(relu(self.bn1(self.conv1(x)))))
        return relu(y + (x if self.conv3 is None else self.conv3(x)))


def chapter(channels, widths, classes):
    """Stem, stages of two blocks, and the layers of the head, as a list."""
    stem = nn.Sequential(nn.Conv2d(channels, widths[0], 7, 2, 3), nn.BatchNorm2d(widths[0]), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    parts, before = [stem], widths[0]
    for number, after in enumerate(widths):
        stride = 2 if number > 0 else 1
        parts.append(nn.Sequential(ChapterBlock(before, after, stride), ChapterBlock(after, after, 1)))
        before = after
    return [*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes)]
