"""The networks of Nayebi et al. (2018), small, and their feedforward trunks written plainly."""

import re

import torch
import torch.nn.functional as F

from neurorec.models import RecurrentNetwork, Wiring, preset

#: Nodes from the image to the readout.
DEPTH = {"shallow": 6, "intermediate": 11}
#: Layers of the intermediate models that a pool follows.
POOLED = (1, 4, 6, 7, 10)
#: Small even sizes all of whose later maps are odd; the shallow readout needs one of 2 × 2.
SIZES = {"shallow": 66, "intermediate": 34}
# Networks keep them in float32.
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None].double()
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None].double()


def depth(name):
    return DEPTH[name.rsplit("-", 1)[1]]


def size(name):
    return SIZES[name.rsplit("-", 1)[1]]


def reduced(name, **changes):
    """The preset with a 32nd of the channels, for small images."""
    content = preset(name).model_dump()
    for area in content["areas"]:
        for key in ("channels", "drive_channels"):
            area[key] = area[key] and area[key] // 32
        if area["cell"]["kind"] == "rgc_median":
            area["cell"]["memory_channels"] = 3
    return Wiring.model_validate({**content, "input_size": size(name), "classes": 10, **changes})


def running(wiring):
    """A network in which every parameter but the decays is drawn."""
    network = RecurrentNetwork(wiring).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.endswith("decay"):
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter += 0.1 * noise
    return network


def weights(network):
    """Parameters by names in which connections have no delay."""
    return {re.sub(r"_\d+(?=\.|_mod)", "", k): v for k, v in network.state_dict().items()}


def images(network, *shape):
    n = network.wiring.input_size
    generator = torch.Generator().manual_seed(2)
    return torch.rand(*shape, 3, n, n, generator=generator, dtype=torch.float64)


def pooled(x):
    """The maximum over windows of 2 × 2; the odd one at the end."""
    return F.max_pool2d(x, 2, ceil_mode=True)


def convolved(p, x, source, target, **options):
    kernel = p[f"areas.{target}.links.{source}.operator.weight"]
    return F.conv2d(x, kernel, p[f"areas.{target}.bias"].flatten(), **options)


def first_layer(p, image):
    x = F.pad((image - MEAN) / STD, (2, 3, 2, 3))  # TensorFlow's, for an even image
    return F.elu(convolved(p, x, "image", "conv1", stride=2))


def shallow(p, image):
    """Logits of the shallow trunk as a plain feedforward network."""
    x = F.elu(convolved(p, pooled(first_layer(p, image)), "conv1", "conv2", padding=1))
    for n in (3, 4, 5):
        x = convolved(p, pooled(x), f"conv{n - 1}", f"conv{n}", padding=1)
    return convolved(p, pooled(x), "conv5", "readout").mean(dim=(2, 3))[:, :10]


def after(n, x):
    """What leaves layer ``n`` of the intermediate models."""
    return pooled(x) if n in POOLED else x


def intermediate(p, image):
    """Logits of the intermediate trunk as a plain residual network."""
    x = first_layer(p, image)
    for n in range(2, 11):
        before, inner, name = f"conv{n - 1}", f"conv{n}_inner", f"conv{n}"
        u = after(n - 1, x)
        x = F.elu(convolved(p, u, before, inner, padding=1))
        projection = p.get(f"areas.{name}.links.{before}.operator.weight")
        bypass = u if projection is None else F.conv2d(u, projection)
        x = F.elu(convolved(p, x, inner, name, padding=1) + bypass)
    return F.linear(
        after(10, x).mean(dim=(2, 3)), p["decoder.linear.weight"], p["decoder.linear.bias"]
    )


#: Logits of a trunk without cells, from a network's parameters and images.
TRUNKS = {"shallow": shallow, "intermediate": intermediate}
