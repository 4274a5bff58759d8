"""DINOv2's backbones. They track nothing by themselves: features for what does."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile

_PLACE = "https://dl.fbaipublicfiles.com/dinov2/"
_PAPER = (
    "Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, TMLR 2024 "
    "(arXiv 2304.07193)"
)
_REGISTERS = f"{_PAPER}; Darcet et al., Vision Transformers Need Registers, ICLR 2024"

# With a mask token each, which only training needs.
_SIZES = {
    "vits14": (22_056_576, 4 * 384),
    "vitb14": (86_580_480, 4 * 768),
    "vitl14": (304_368_640, 4 * 1024),
    "vitg14": (1_136_480_768, 4 * 1536),
}


def _card(size: str, parameters: int, registers: bool) -> ModelCard:
    file = f"dinov2_{size}{'_reg4' if registers else ''}_pretrain.pth"
    name = f"dinov2_{size}{'_reg' if registers else ''}"
    return ModelCard(
        name=name,
        family="DINOv2",
        summary="features of pictures, alike where things are alike"
        + (", with registers" if registers else ""),
        paper=_REGISTERS if registers else _PAPER,
        task="dense",
        parameters=parameters,
        weights_licence="Apache-2.0",
        network=name,
        resolution=(518, 518),
        files=(OfficialFile(file, f"{_PLACE}dinov2_{size}/{file}"),),
    )


DINOV2 = tuple(
    _card(size, parameters + (more if registers else 0), registers)
    for size, (parameters, more) in _SIZES.items()
    for registers in (False, True)
)
