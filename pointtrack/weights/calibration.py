"""What a network's stated confidence and error radius mean, measured on clips with exact tracks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import WeightsError

Values = NDArray[np.float32]
_KEYS = {  # in a safetensors file's header
    "live": "calibration",
    "whole": "calibration_whole",
    "alone": "calibration_alone",
}


@dataclass(frozen=True)
class Calibration:
    """Two curves through a few knots; straight between them, level beyond the outer ones.

    Attributes
    ----------
    stated, true
        A probability as the network says it, increasing, and how often it is right.
    radius, factor
        An error radius as the network says it, in working pixels, increasing, and what it is
        multiplied by so that half of the errors are below it.
    """

    stated: tuple[float, ...] = (0.0, 1.0)
    true: tuple[float, ...] = (0.0, 1.0)
    radius: tuple[float, ...] = (1.0,)
    factor: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        for x, y in ((self.stated, self.true), (self.radius, self.factor)):
            known = np.array([*x, *y], np.float64)
            if not x or len(x) != len(y) or not np.isfinite(known).all():
                raise WeightsError("a calibration's curves need as many values as knots")
            if not (np.diff(x) > 0).all():
                raise WeightsError("a calibration's knots must increase")
        for name, curve in asdict(self).items():  # lists, where they come from a file
            object.__setattr__(self, name, tuple(map(float, curve)))
        shares = np.array([*self.stated, *self.true])
        if not ((shares >= 0) & (shares <= 1)).all() or min(*self.radius, *self.factor) <= 0:
            raise WeightsError("a calibration holds probabilities, and radii above 0")

    def confidence(self, stated: ArrayLike) -> Values:
        """Probabilities that hold, for those the network says; any shape."""
        return np.interp(np.asarray(stated, np.float64), self.stated, self.true).astype(np.float32)

    def half(self, radius: ArrayLike) -> Values:
        """Radii that half of the errors are below, for those the network says; any shape."""
        given = np.asarray(radius, np.float64)
        return (given * np.interp(given, self.radius, self.factor)).astype(np.float32)


@dataclass(frozen=True)
class Curves:
    """The calibrations of a set of weights.

    Attributes
    ----------
    live
        Of what the network says of a point.
    whole
        Of what a point and those around it agree on in a whole video, after `live`.
    alone
        Of a point that is followed without others around it, as in live streams, after `live`.
    """

    live: Calibration = Calibration()
    whole: Calibration = Calibration()
    alone: Calibration = Calibration()

    def to_header(self) -> dict[str, str]:
        """For the header of a safetensors file."""
        return {key: json.dumps(asdict(getattr(self, name))) for name, key in _KEYS.items()}

    @classmethod
    def from_header(cls, about: Mapping[str, str], name: object) -> Curves:
        """From the header of the file `name`; what is not in it changes nothing.

        Raises
        ------
        WeightsError
            When one cannot be understood.
        """
        held = {field: key for field, key in _KEYS.items() if key in about}
        return cls(**{field: _parsed(about[key], name) for field, key in held.items()})


def _parsed(text: str, name: object) -> Calibration:
    try:
        table: dict[str, Any] = json.loads(text)
        return Calibration(**table)
    except (ValueError, TypeError, AttributeError) as problem:
        raise WeightsError(f"{name} has a calibration that cannot be read: {problem}") from None
    except WeightsError as problem:
        raise WeightsError(f"{name}: {problem}") from None
