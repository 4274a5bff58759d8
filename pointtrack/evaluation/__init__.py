"""Run trackers over data sets, and tell their numbers apart.

>>> from pointtrack.evaluation import Protocol, evaluate
>>> rules = Protocol.named("tapvid", "strided")
>>> found = evaluate("klt", "tapvid_davis.pkl", rules)  # doctest: +SKIP
>>> found.mean["average_jaccard"], found.interval("average_jaccard")  # doctest: +SKIP
"""

from pointtrack.evaluation.compare import Comparison, Difference, compare
from pointtrack.evaluation.evaluate import Contender, evaluate, evaluate_all
from pointtrack.evaluation.protocol import PROTOCOLS, QUERY_MODES, Protocol
from pointtrack.evaluation.results import Evaluation, Failure, VideoResult
from pointtrack.evaluation.scoring import CURVE, Breakdown
from pointtrack.evaluation.sets import open_set, protocol_for

__all__ = [
    "CURVE",
    "PROTOCOLS",
    "QUERY_MODES",
    "Breakdown",
    "Comparison",
    "Contender",
    "Difference",
    "Evaluation",
    "Failure",
    "Protocol",
    "VideoResult",
    "compare",
    "evaluate",
    "evaluate_all",
    "open_set",
    "protocol_for",
]
