"""The one family of errors that pointtrack raises on bad input.

A message is one sentence that names the file or argument, what was found and what was
expected. The command line prints it and exits with 2.
"""

from __future__ import annotations

import importlib
from types import ModuleType


class PointtrackError(ValueError):
    """Anything a user can put right: bad input, an unknown name, a missing extra."""


class VideoError(PointtrackError):
    """A video cannot be opened, read or written."""


class QueryError(PointtrackError):
    """A query is malformed, outside the picture or outside the video's time range."""


class WeightsError(PointtrackError):
    """Weights are missing, damaged or do not belong to the network."""


class FormatError(PointtrackError):
    """A track file cannot be read or written."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency.

    Parameters
    ----------
    module
        Module to import, for example ``"pandas"``.
    extra
        The pointtrack extra that installs it, for example ``"table"``.

    Raises
    ------
    PointtrackError
        When the module is not installed; the message holds the install command.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise PointtrackError(
            f"this needs {package}, which is not installed: pip install 'pointtrack[{extra}]'"
        ) from error


class VideoWarning(UserWarning):
    """A video is damaged, and fewer frames can be read than it promises."""
