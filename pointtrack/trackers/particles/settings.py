"""The numbers of particle video, in one place.

Where the papers leave a number open, or the one remembered is in doubt, the choice made here
is marked "our choice". Grey levels run from 0 to 255, lengths are in pixels of the working
size, times in frames.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from pointtrack.errors import PointtrackError


@dataclass(frozen=True)
class Settings:
    """Everything that can be set; see the comments for where a value comes from.

    Raises
    ------
    PointtrackError
        When a number is not finite or has the wrong sign.
    """

    # Channels. Our choice: a slight blur, so that bilinear sampling between pixels does not
    # change a texture's contrast; gradients in grey levels a pixel and colours cut to a
    # quarter have about the same noise, so that one robust norm fits all (the papers: gradients
    # doubled, which drifts more under rotation).
    blur: float = 0.8
    gradient_weight: float = 1.0
    colour_weight: float = 0.25

    # Flow is trusted where grey levels change by more than this a pixel, and is taken from so
    # far around elsewhere. Our choice.
    flat_gradient: float = 1.0
    flat_reach: float = 12.0

    # Occlusion labelling and the filter at motion boundaries (the papers' values).
    divergence_sigma: float = 0.3
    difference_sigma: float = 20.0
    boundary_gradient: float = 0.5  # 0.25 in one source: reacts to slow boundaries as well
    boundary_reach: int = 5
    filter_sigma: float = 4.0
    filter_motion: float = 1.5
    filter_colour: float = 20.0
    filter_rounds: int = 1  # our choice

    # Objective: weights of flow matching and distortion against the data term.
    flow_weight: float = 0.5
    distortion_weight: float = 2.0
    link_sigma: float = 1.5
    # Psi is about linear beyond these. Our choice: a thousandth of the range for grey levels,
    # as in the authors' code, and a hundredth of a pixel for motion, for the solver's sake.
    grey_epsilon: float = 0.25
    motion_epsilon: float = 0.01

    # Solver. Our choice but for the step and the stop.
    outer_rounds: int = 10
    inner_rounds: int = 3
    solver_rounds: int = 25
    solver_tolerance: float = 0.03
    largest_step: float = 2.0
    still: float = 0.005

    # Memory: a particle's looks are weighted by a Gaussian in time, cut off at three sigma.
    # Our choice: link weights look back as far.
    look_sigma: float = 8.0
    memory: int = 24

    # Persistent links: at most so many times as long as the links around. Our choice.
    link_reach: float = 3.0
    link_least: float = 0.05

    # Pruning. The threshold is in grey levels, summed over the channels.
    prune_energy: float = 40.0  # our choice
    prune_sigma: float = 1.0
    border: float = 2.0
    least_life: int = 3

    # Adding: scales 1.9^0 to 1.9^5, levels of tolerance, and the smoothing of the scale map.
    scale_base: float = 1.9
    scale_count: int = 6
    scale_tolerance: float = 10.0
    scale_sigma: float = 2.0
    spacing: float = 1.5  # our choice: multiplies all scales
    max_particles: int = 3000  # our choice

    def __post_init__(self) -> None:
        may_be_zero = ("blur", "flow_weight", "distortion_weight", "filter_rounds", "border")
        for field in fields(self):
            value = getattr(self, field.name)
            least_met = value >= 0 if field.name in may_be_zero else value > 0
            if not (math.isfinite(value) and least_met):
                wanted = "at least 0" if field.name in may_be_zero else "more than 0"
                raise PointtrackError(f"{field.name} must be {wanted}, found {value}")
