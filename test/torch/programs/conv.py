"""Convolutional networks, as they are written in the papers' repositories."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.export import Dim

from .registry import case, program, randn


def images(high=32):
    return ({0: Dim("batch", min=1, max=high)},)


def sizes(low=8, high=64):
    return ({0: Dim("batch", min=1, max=32), 2: Dim("height", min=low, max=high), 3: Dim("width", min=low, max=high)},)


class Basic(nn.Module):
    def __init__(self, i, o, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(o)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(o, o, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(o)
        self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o)) if stride > 1 or i != o else None

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Basic(8, 8), Basic(8, 8))
        self.layer2 = nn.Sequential(Basic(8, 16, 2), Basic(16, 16))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


@program("conv-resnet")
def _():
    return case(ResNet(), randn(2, 3, 32, 32), dynamic=images(), others=[(randn(5, 3, 32, 32),)], strict=True)


@program("conv-resnet-sizes")
def _():
    return case(ResNet(), randn(2, 3, 32, 32), dynamic=({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},), others=[(randn(1, 3, 40, 24),), (randn(3, 3, 33, 47),)])


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(8 + 4 * i), nn.ReLU(inplace=True), nn.Conv2d(8 + 4 * i, 16, 1, bias=False),
                          nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.Conv2d(16, 4, 3, padding=1, bias=False)) for i in range(4))
        self.transition = nn.Sequential(nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 12, 1), nn.AvgPool2d(2, 2))
        self.classifier = nn.Linear(12, 5)

    def forward(self, x):
        features = [self.stem(x)]
        for block in self.blocks:
            features.append(block(torch.cat(features, 1)))
        x = self.transition(torch.cat(features, dim=1))
        return self.classifier(F.adaptive_avg_pool2d(F.relu(x, inplace=True), 1).flatten(1))


@program("conv-densenet")
def _():
    return case(DenseNet(), randn(2, 3, 12, 12), dynamic=images(), others=[(randn(3, 3, 12, 12),)])


class InvertedResidual(nn.Module):
    def __init__(self, i, o, stride, expand, k=3, se=False, act=nn.ReLU6):
        super().__init__()
        hidden = i * expand
        self.use = stride == 1 and i == o
        self.expand = nn.Sequential(nn.Conv2d(i, hidden, 1, bias=False), nn.BatchNorm2d(hidden, eps=1e-3, momentum=0.01), act())
        self.depthwise = nn.Sequential(nn.Conv2d(hidden, hidden, k, stride, k // 2, groups=hidden, bias=False), nn.BatchNorm2d(hidden), act())
        self.se = SqueezeExcite(hidden) if se else nn.Identity()
        self.project = nn.Sequential(nn.Conv2d(hidden, o, 1, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.project(self.se(self.depthwise(self.expand(x))))
        return x + y if self.use else y


class SqueezeExcite(nn.Module):
    def __init__(self, c, act=F.relu, gate=F.hardsigmoid):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(c, max(2, c // 4), 1), nn.Conv2d(max(2, c // 4), c, 1)
        self.act, self.gate = act, gate

    def forward(self, x):
        s = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.fc2(self.act(self.fc1(s))))


@program("conv-mobilenet-v2")
def _():
    net = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.ReLU6(inplace=True), InvertedResidual(6, 6, 1, 3),
                        InvertedResidual(6, 10, 2, 4), InvertedResidual(10, 10, 1, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2),
                        nn.Linear(10, 4))
    return case(net, randn(2, 3, 24, 24), dynamic=sizes(), others=[(randn(1, 3, 17, 30),)])


@program("conv-mobilenet-v3")
def _():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish(inplace=True),
                        InvertedResidual(8, 8, 1, 2, 5, True, nn.Hardswish), InvertedResidual(8, 12, 2, 3, 3, True, nn.ReLU),
                        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 16), nn.Hardswish(), nn.Linear(16, 4))
    return case(net, randn(2, 3, 16, 16), dynamic=images(), others=[(randn(4, 3, 16, 16),)])


class EfficientNet(nn.Module):
    """With stochastic depth, which in eval mode is nothing."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.SiLU())
        self.blocks = nn.ModuleList([InvertedResidual(8, 8, 1, 1, 3, True, nn.SiLU), InvertedResidual(8, 12, 2, 6, 5, True, nn.SiLU)])
        self.head = nn.Sequential(nn.Conv2d(12, 20, 1, bias=False), nn.BatchNorm2d(20), nn.SiLU())
        self.fc = nn.Linear(20, 6)

    def forward(self, x):
        x = F.pad(x, (0, 1, 0, 1))
        x = self.stem(x)
        for block in self.blocks:
            x = F.dropout(block(x), 0.1, self.training)
        return self.fc(self.head(x).mean([2, 3]))


@program("conv-efficientnet")
def _():
    return case(EfficientNet(), randn(2, 3, 16, 16), dynamic=images(), others=[(randn(1, 3, 16, 16),)])


class Double(nn.Sequential):
    def __init__(self, i, o, norm=nn.BatchNorm2d):
        super().__init__(nn.Conv2d(i, o, 3, padding=1, bias=False), norm(o), nn.ReLU(inplace=True),
                         nn.Conv2d(o, o, 3, padding=1), norm(o), nn.LeakyReLU(0.1, inplace=True))


class UNet(nn.Module):
    def __init__(self, mode):
        super().__init__()
        self.enc1, self.enc2, self.mid = Double(2, 4), Double(4, 8), Double(8, 12)
        self.pool = nn.MaxPool2d(2)
        if mode == "transposed":
            self.up2, self.up1 = nn.ConvTranspose2d(12, 12, 2, stride=2), nn.ConvTranspose2d(8, 8, 4, 2, 1, bias=False)
        else:
            make = lambda: nn.Upsample(scale_factor=2, mode=mode, **({} if mode == "nearest" else {"align_corners": mode == "bilinear"}))  # noqa: E731
            self.up2, self.up1 = make(), make()
        self.dec2, self.dec1 = Double(20, 8), Double(12, 4)
        self.out = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        e1 = self.enc1(x)
        e2 = self.enc2(self.pool(e1))
        m = self.mid(self.pool(e2))
        d2 = self.dec2(torch.cat([self.up2(m), e2], 1))
        d1 = self.dec1(torch.cat([self.up1(d2), e1], 1))
        return F.softmax(self.out(d1), dim=1)


for mode in ["transposed", "nearest", "bilinear"]:
    @program(f"conv-unet-{mode}")
    def _(mode=mode):
        return case(UNet(mode), randn(2, 2, 16, 16), dynamic=images(), others=[(randn(3, 2, 16, 16),)])


class UNetPadded(UNet):
    """Sizes that do not halve evenly: the upsampled map is padded, or interpolated to the skip's size."""

    def forward(self, x):
        e1 = self.enc1(x)
        e2 = self.enc2(self.pool(e1))
        m = self.mid(self.pool(e2))
        u2 = self.up2(m)
        dy, dx = e2.size(2) - u2.size(2), e2.size(3) - u2.size(3)
        u2 = F.pad(u2, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        d2 = self.dec2(torch.cat([u2, e2], 1))
        u1 = F.interpolate(self.up1(d2), size=e1.shape[-2:], mode="bilinear", align_corners=False)
        return self.out(self.dec1(torch.cat([u1, e1], 1)))


@program("conv-unet-odd")
def _():
    return case(UNetPadded("transposed"), randn(2, 2, 19, 23), dynamic=({0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO},), others=[(randn(3, 2, 26, 21),)])


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        c = lambda i, o, k, **a: nn.Sequential(nn.Conv2d(i, o, k, **a), nn.BatchNorm2d(o, affine=False), nn.ReLU())  # noqa: E731
        self.b1 = c(4, 3, 1)
        self.b2 = nn.Sequential(c(4, 3, 1), c(3, 4, (1, 7), padding=(0, 3)), c(4, 5, (7, 1), padding=(3, 0)))
        self.b3 = nn.Sequential(c(4, 2, 1), c(2, 3, 5, padding=2))
        self.proj = c(4, 2, 1)
        self.tail = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False, ceil_mode=True)

    def forward(self, x):
        pooled = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
        x = torch.cat([self.b1(x), self.b2(x), self.b3(x), self.proj(pooled)], 1)
        return self.tail(x), F.max_pool2d(x, 3, 2, 1, ceil_mode=True), F.lp_pool2d(x.abs() + 0.1, 2.0, 3, stride=2)


@program("conv-inception")
def _():
    return case(Inception(), randn(2, 4, 12, 12), dynamic=images(), others=[(randn(3, 4, 12, 12),)])


class Shuffle(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(6, 6, 1, groups=3), nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.ReLU())
        self.native = nn.ChannelShuffle(4)

    def shuffle(self, x, groups):
        b, c, h, w = x.size()
        return x.view(b, groups, c // groups, h, w).transpose(1, 2).contiguous().view(b, -1, h, w)

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        x = self.shuffle(torch.cat((a, self.branch(b)), 1), 3)
        return self.native(x)


@program("conv-shufflenet")
def _():
    return case(Shuffle(), randn(2, 12, 6, 6), dynamic=sizes(4), others=[(randn(1, 12, 9, 5),)])


class Fire(nn.Module):
    def __init__(self, i, s, e):
        super().__init__()
        self.squeeze, self.e1, self.e3 = nn.Conv2d(i, s, 1), nn.Conv2d(s, e, 1), nn.Conv2d(s, e, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.e1(x)), F.relu(self.e3(x))], 1)


@program("conv-squeezenet")
def _():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(True), nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True), Fire(8, 3, 6),
                        Fire(12, 4, 6), nn.Conv2d(12, 5, 1), nn.ReLU(True), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())
    return case(net, randn(2, 3, 30, 30), dynamic=images(), others=[(randn(1, 3, 30, 30),)])


class ConvNeXtBlock(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.dw = nn.Conv2d(d, d, 7, padding=3, groups=d)
        self.norm = nn.LayerNorm(d, eps=1e-6)
        self.pw1, self.pw2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.gamma = nn.Parameter(1e-1 * torch.ones(d))

    def forward(self, x):
        y = self.dw(x).permute(0, 2, 3, 1)
        y = self.gamma * self.pw2(F.gelu(self.pw1(self.norm(y))))
        return x + y.permute(0, 3, 1, 2)


class LayerNorm2d(nn.Module):
    """The channels-first norm of ConvNeXt, written out."""

    def __init__(self, d, eps=1e-6):
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d)), eps

    def forward(self, x):
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        return self.weight[:, None, None] * ((x - u) / torch.sqrt(s + self.eps)) + self.bias[:, None, None]


class Grn(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.zeros(1, d, 1, 1)), nn.Parameter(torch.zeros(1, d, 1, 1))

    def forward(self, x):
        g = torch.norm(x, p=2, dim=(2, 3), keepdim=True)
        return self.gamma * (x * (g / (g.mean(dim=1, keepdim=True) + 1e-6))) + self.beta + x


@program("conv-convnext")
def _():
    net = nn.Sequential(nn.Conv2d(3, 8, 4, 4), LayerNorm2d(8), ConvNeXtBlock(8), nn.Sequential(LayerNorm2d(8), nn.Conv2d(8, 12, 2, 2)),
                        ConvNeXtBlock(12), Grn(12), nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.LayerNorm(12), nn.Linear(12, 3))
    return case(net, randn(2, 3, 32, 32), dynamic=images(), others=[(randn(3, 3, 32, 32),)])


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.gn, self.inst = nn.GroupNorm(3, 6), nn.InstanceNorm2d(6, affine=True)
        self.plain, self.tracked = nn.InstanceNorm2d(6), nn.InstanceNorm2d(6, track_running_stats=True)
        self.lrn, self.one = nn.LocalResponseNorm(3, alpha=0.3, beta=0.6, k=1.2), nn.GroupNorm(1, 6, affine=False)
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.rms = nn.RMSNorm(7)
        self.ln = nn.LayerNorm((6, 5, 7), bias=False)

    def forward(self, x):
        x = self.conv(x)
        y = self.gn(x) + self.inst(x) * self.plain(x) + self.tracked(x) + self.lrn(x) - self.one(x)
        return self.rms(y) + self.ln(x), F.layer_norm(x, (7,))


@program("conv-norms")
def _():
    return case(Norms(), randn(2, 6, 5, 7), dynamic=images(), others=[(randn(4, 6, 5, 7),)])


class Adaptive(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.fc = nn.Linear(4 * 9 + 4 * 4 + 4 * 6, 3)

    def forward(self, x):
        x = self.conv(x)
        a, b, c = F.adaptive_avg_pool2d(x, 3), F.adaptive_max_pool2d(x, (2, 2)), F.adaptive_avg_pool2d(x, (3, 2))
        values, where = F.max_pool2d(x, 2, return_indices=True)
        return self.fc(torch.cat([t.flatten(1) for t in (a, b, c)], -1)), F.max_unpool2d(values, where, 2), F.adaptive_avg_pool2d(x, (None, 1))


@program("conv-adaptive-pools")
def _():
    return case(Adaptive(), randn(2, 2, 10, 12), dynamic=images(), others=[(randn(3, 2, 10, 12),)])


class Kinds(nn.Module):
    """Dilated, grouped, strided, transposed, of one and three dimensions."""

    def __init__(self):
        super().__init__()
        self.same = nn.Conv2d(4, 6, (3, 4), padding="same", dilation=2)
        self.valid = nn.Conv2d(6, 4, 3, padding="valid", stride=(1, 2))
        self.grouped = nn.Conv2d(4, 8, 3, groups=2, dilation=(2, 1), padding=(2, 1))
        self.tr = nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=1)
        self.one = nn.Conv1d(6, 5, 5, stride=2, padding=2)
        self.tr1 = nn.ConvTranspose1d(5, 3, 4, stride=3, padding=2, bias=False)
        self.three = nn.Conv3d(1, 2, (2, 3, 3), padding=(0, 1, 1))
        self.tr3 = nn.ConvTranspose3d(2, 1, 2, stride=2)

    def forward(self, x):
        x = self.tr(self.grouped(self.valid(self.same(x))))
        y = self.tr1(self.one(x.flatten(2)))
        return x, y, self.tr3(F.max_pool3d(self.three(x.unsqueeze(1)), (1, 2, 2))), F.avg_pool1d(y, 3, 2, padding=1), F.max_pool1d(y, 3, 1, 1)


@program("conv-kinds")
def _():
    return case(Kinds(), randn(2, 4, 9, 10), dynamic=images(), others=[(randn(1, 4, 9, 10),)])


class Pads(nn.Module):
    def __init__(self):
        super().__init__()
        self.circular = nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular")
        self.reflect = nn.Conv2d(3, 3, 5, padding=(2, 1), padding_mode="reflect")
        self.replicate = nn.Conv1d(3, 2, 3, padding=1, padding_mode="replicate")
        self.pad = nn.Sequential(nn.ReflectionPad2d((1, 2, 0, 1)), nn.ReplicationPad2d(1), nn.ZeroPad2d((1, 0, 2, 0)), nn.ConstantPad2d(1, 0.7))

    def forward(self, x):
        x = self.reflect(self.circular(x))
        y = self.replicate(x.flatten(2))
        return F.pad(self.pad(x), (1, 1), mode="circular") if False else self.pad(x), F.pad(y, (-1, 2)), F.pad(x, (1, 1, -1, -1), value=2.0), F.pad(
            y, (2, 1), mode="reflect")


@program("conv-pads")
def _():
    return case(Pads(), randn(2, 2, 7, 8), dynamic=images(), others=[(randn(3, 2, 7, 8),)])


class Upsamplers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.shuffle, self.unshuffle = nn.PixelShuffle(2), nn.PixelUnshuffle(2)

    def forward(self, x):
        y = self.conv(x)
        one = y.flatten(2)
        return (self.shuffle(y), self.unshuffle(y), F.interpolate(y, scale_factor=1.7, mode="nearest"), F.interpolate(y, size=(9, 5), mode="nearest-exact"),
                F.interpolate(y, scale_factor=2, mode="bicubic"), F.interpolate(y, size=(3, 4), mode="bilinear"),
                F.interpolate(y, scale_factor=(0.5, 1.5), mode="bilinear", align_corners=False, recompute_scale_factor=True),
                F.interpolate(one, scale_factor=2.0, mode="linear"), F.interpolate(one, size=7, mode="linear", align_corners=True),
                F.interpolate(y.unsqueeze(1), scale_factor=(1, 2, 2), mode="trilinear"), F.interpolate(y, size=(12, 16), mode="bicubic", align_corners=True),
                F.interpolate(y, size=(3, 4), mode="area"), F.interpolate(y, size=(4, 3), mode="bilinear", antialias=True))


@program("conv-upsamplers")
def _():
    return case(Upsamplers(), randn(2, 2, 6, 8), dynamic=images(), others=[(randn(1, 2, 6, 8),)])


class Stn(nn.Module):
    """A spatial transformer."""

    def __init__(self):
        super().__init__()
        self.loc = nn.Sequential(nn.Conv2d(1, 4, 5), nn.MaxPool2d(2, stride=2), nn.ReLU(True), nn.Flatten(), nn.Linear(4 * 25, 6))
        self.conv = nn.Conv2d(1, 3, 3)

    def forward(self, x):
        theta = self.loc(x).view(-1, 2, 3) * 0.1 + torch.tensor([[1.0, 0, 0], [0, 1, 0]])
        grid = F.affine_grid(theta, list(x.size()), align_corners=False)
        y = F.grid_sample(x, grid, align_corners=False)
        z = F.grid_sample(x, grid, mode="nearest", padding_mode="border", align_corners=True)
        w = F.grid_sample(x, grid * 1.4, mode="bilinear", padding_mode="reflection", align_corners=True)
        return self.conv(y), z, w


@program("conv-stn")
def _():
    return case(Stn(), randn(2, 1, 14, 14), dynamic=images(), others=[(randn(3, 1, 14, 14),)])


class Folds(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(2 * 9, 2 * 9)
        self.weight = nn.Parameter(torch.randn(3, 18))

    def forward(self, x):
        cols = F.unfold(x, 3, padding=1, stride=2)
        local = torch.einsum("ok,bkl->bol", self.weight, cols)
        y = F.fold(self.mix(cols.transpose(1, 2)).transpose(1, 2), (8, 10), 3, padding=1, stride=2)
        windows = x.unfold(2, 4, 2).unfold(3, 4, 3)
        return local, y, windows.mean((-1, -2)), windows.contiguous().flatten(-2).amax(-1)


@program("conv-folds")
def _():
    return case(Folds(), randn(2, 2, 8, 10))


class Deformable(nn.Module):
    """Offsets of a kernel's points, read bilinearly by gathers."""

    def __init__(self):
        super().__init__()
        self.offset = nn.Conv2d(2, 8, 3, padding=1)
        self.mask = nn.Conv2d(2, 4, 3, padding=1)
        self.mix = nn.Linear(8, 3)

    def forward(self, x):
        b, c, h, w = x.shape
        off = self.offset(x).view(b, 4, 2, h, w)
        mask = self.mask(x).sigmoid().view(b, 4, 1, h * w)
        ys, xs = torch.meshgrid(torch.arange(h, dtype=x.dtype, device=x.device), torch.arange(w, dtype=x.dtype), indexing="ij")
        py, px = (ys + off[:, :, 0]).clamp(0, h - 1.001), (xs + off[:, :, 1]).clamp(0, w - 1.001)
        y0, x0 = py.floor().long(), px.floor().long()
        wy, wx = py - y0, px - x0
        flat = x.flatten(2).unsqueeze(1).expand(-1, 4, -1, -1)

        def at(i, j):
            return flat.gather(3, (i * w + j).flatten(2).unsqueeze(2).expand(-1, -1, c, -1))

        wy, wx = wy.flatten(2).unsqueeze(2), wx.flatten(2).unsqueeze(2)
        v = at(y0, x0) * (1 - wy) * (1 - wx) + at(y0 + 1, x0) * wy * (1 - wx) + at(y0, x0 + 1) * (1 - wy) * wx + at(y0 + 1, x0 + 1) * wy * wx
        return self.mix((v * mask).flatten(1, 2).transpose(1, 2)).transpose(1, 2).unflatten(2, (h, w))


@program("conv-deformable")
def _():
    return case(Deformable(), randn(2, 2, 6, 7), dynamic=({0: Dim("n"), 2: Dim("h", min=3, max=40), 3: Dim("w", min=3, max=40)},), others=[(randn(1, 2, 9, 4),)])


class Tcn(nn.Module):
    """Causal dilated convolutions with chomps, and a gated WaveNet block."""

    def __init__(self, c=6):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(c, c, 3, padding=2 * 2**i, dilation=2**i) for i in range(3))
        self.gates = nn.ModuleList(nn.Conv1d(c, 2 * c, 2, dilation=2**i) for i in range(2))
        self.skips = nn.ModuleList(nn.Conv1d(c, 4, 1) for _ in range(2))

    def forward(self, x):
        for i, conv in enumerate(self.convs):
            x = x + F.relu(conv(x)[:, :, : -2 * 2**i])
        total = 0
        for i, (gate, skip) in enumerate(zip(self.gates, self.skips)):
            a, b = gate(F.pad(x, (2**i, 0))).chunk(2, 1)
            z = a.tanh() * b.sigmoid()
            total = total + skip(z)
            x = x + z
        return total[..., -1], x


@program("conv-tcn")
def _():
    return case(Tcn(), randn(2, 6, 20), dynamic=({0: Dim("n"), 2: Dim("time", min=4, max=200)},), others=[(randn(3, 6, 33),)])


class VideoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.spatial = nn.Conv3d(2, 5, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.temporal = nn.Conv3d(5, 6, (3, 1, 1), padding=(1, 0, 0), groups=1)
        self.bn = nn.BatchNorm3d(6)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = F.relu(self.bn(self.temporal(self.spatial(x))))
        x = F.avg_pool3d(x, (2, 1, 1), ceil_mode=True)
        return self.head(F.adaptive_avg_pool3d(x, 1).flatten(1)), F.adaptive_max_pool3d(x, (1, 2, 2))


@program("conv-video")
def _():
    return case(VideoNet(), randn(2, 2, 5, 8, 8), dynamic=images(), others=[(randn(1, 2, 5, 8, 8),)])


class Edsr(nn.Module):
    """Super-resolution by sub-pixel convolution."""

    def __init__(self, c=6, scale=3):
        super().__init__()
        self.mean = nn.Parameter(torch.rand(1, 3, 1, 1), requires_grad=False)
        self.head, self.tail = nn.Conv2d(3, c, 3, padding=1), nn.Sequential(nn.Conv2d(c, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
        self.body = nn.ModuleList(nn.Sequential(nn.Conv2d(c, c, 3, padding=1), nn.PReLU(c), nn.Conv2d(c, c, 3, padding=1)) for _ in range(2))

    def forward(self, x):
        x = self.head(x - self.mean)
        y = x
        for block in self.body:
            y = y + block(y).mul(0.1)
        return self.tail(x + y) + self.mean


@program("conv-edsr")
def _():
    return case(Edsr(), torch.rand(2, 3, 7, 9), dynamic=sizes(4), others=[(torch.rand(1, 3, 12, 5),)])


class BatchNormTrain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4, momentum=0.2)
        self.bn1 = nn.BatchNorm1d(4, affine=False)

    def forward(self, x):
        return self.bn1(F.relu(self.bn(self.conv(x))).mean((2, 3)))


@program("conv-batchnorm-train")
def _():
    return case(BatchNormTrain(), randn(4, 2, 5, 5), train=True)


class Cbam(nn.Module):
    """Attention over channels and places."""

    def __init__(self, c=8):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(c, 3), nn.ReLU(), nn.Linear(3, c))
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.eca = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x):
        b, c, _, _ = x.shape
        a = self.mlp(F.adaptive_avg_pool2d(x, 1).view(b, c)) + self.mlp(F.adaptive_max_pool2d(x, 1).view(b, c))
        x = x * a.sigmoid().view(b, c, 1, 1)
        s = torch.cat([x.mean(1, keepdim=True), torch.max(x, 1, keepdim=True)[0]], 1)
        x = x * self.spatial(s).sigmoid()
        y = self.eca(x.mean((2, 3)).unsqueeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * y.sigmoid().expand_as(x)


@program("conv-cbam")
def _():
    return case(Cbam(), randn(2, 8, 6, 6), dynamic=images(), others=[(randn(5, 8, 6, 6),)])
