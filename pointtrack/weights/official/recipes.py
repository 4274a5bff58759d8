"""Where each tensor of one of our networks comes from in an official checkpoint."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Recipe:
    """One of our tensors, from one or several official ones.

    Attributes
    ----------
    names
        The official names.
    make
        Makes ours of those tensors, in that order; default: the only one as it is.
    """

    names: tuple[str, ...]
    make: Callable[..., Tensor] = field(default=lambda tensor: tensor)


@dataclass(frozen=True)
class Recipes:
    """All tensors of a network.

    Attributes
    ----------
    tensors
        Our name to its recipe; every name of the network's ``state_dict`` is there.
    ignored
        Patterns (regular expressions, matched whole) of official names that may be there and
        are not needed: what a network computes itself, or what nothing reads.
    elsewhere
        What all official names of a part begin with that others made and publish: a checkpoint
        may leave it out as a whole. Empty: there is none.
    where
        Where that part is to be had, for the error.
    """

    tensors: Mapping[str, Recipe]
    ignored: Sequence[str] = ()
    elsewhere: str = ""
    where: str = ""

    def without(self) -> Recipes:
        """All but the part from elsewhere."""
        tensors = {
            ours: recipe
            for ours, recipe in self.tensors.items()
            if not recipe.names[0].startswith(self.elsewhere)
        }
        return Recipes(tensors, self.ignored)


def renamed(network: nn.Module, rules: Sequence[tuple[str, Any]] = ()) -> dict[str, Recipe]:
    """Recipes for tensors that differ in their names only.

    Parameters
    ----------
    network
        Whose ``state_dict`` names are ours.
    rules
        Pairs for `re.sub`, applied one after the other to our name to get the official one.
    """
    recipes = {}
    for ours in network.state_dict():
        official = ours
        for pattern, replacement in rules:
            official = re.sub(pattern, replacement, official)
        recipes[ours] = Recipe((official,))
    return recipes
