"""What a data set's card holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

READERS = "pointtrack.datasets"
Use = Literal["benchmark", "training"]


@dataclass(frozen=True)
class DatasetCard:
    """One data set that pointtrack reads.

    Attributes
    ----------
    name
        What `open_dataset` and the command line take.
    title
        Its own name.
    summary
        One line on what it shows.
    use
        ``"benchmark"`` or ``"training"``: what the field uses it for.
    clips, frames
        How much there is, in words.
    download
        Size of what is downloaded, ``"unknown"`` where its pages do not say.
    licence
        Of the data.
    commercial
        Whether commercial use is allowed; None: not clear, see the source.
    source
        Where to get it.
    layout
        What `open_dataset` expects, in one line; the reader's module tells all.
    paper
        Authors, title, venue and year.
    reader
        ``"module:name"`` of what opens a path; imported when it is needed.
    expected
        How many clips a complete copy has; None where copies differ.
    query_mode, protocol
        How the field asks for its points, as in `evaluation.Protocol.named`.
    """

    name: str
    title: str
    summary: str
    use: Use
    clips: str
    frames: str
    download: str
    licence: str
    commercial: bool | None
    source: str
    layout: str
    paper: str
    reader: str
    expected: int | None = None
    query_mode: str = "first"
    protocol: str = "tapvid"

    def to_dict(self) -> dict[str, Any]:
        """The card as plain values, for JSON."""
        return asdict(self)
