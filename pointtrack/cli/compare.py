"""``pointtrack compare``: several trackers on one data set."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from pointtrack.cli.evaluate import (
    DataArgument,
    DataFormatOption,
    DeviceOption,
    OutOption,
    ProtocolOption,
    QueryModeOption,
    SingleOption,
    conclude,
    ready,
)
from pointtrack.cli.shared import (
    JsonOption,
    QuietOption,
    messages,
    parse_options,
    progress_bar,
    show,
)
from pointtrack.errors import PointtrackError
from pointtrack.evaluation import Contender
from pointtrack.evaluation.compare import compare as run
from pointtrack.evaluation.compare import (
    comparison_table,
    comparison_to_dict,
    save,
)
from pointtrack.evaluation.report import dump, remarks
from pointtrack.evaluation.sets import OFFICIAL, open_set, protocol_for


def compare(
    data: DataArgument,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            show_default=False,
            help="A tracker, repeated for each; options follow its name after commas: "
            "klt,window=31 or tapir,weights=tapir.pth.",
        ),
    ] = None,
    protocol: ProtocolOption = None,
    query_mode: QueryModeOption = None,
    single: SingleOption = False,
    data_format: DataFormatOption = None,
    device: DeviceOption = "auto",
    out: OutOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure several trackers on the same videos and set them side by side.

    The table holds TAP-Vid's numbers over the videos that every tracker could do, in percent,
    the time a frame takes, and each tracker's distance to the best one with its 95 % interval:
    when that leaves out 0, the difference is more than chance.

    With --out, results.json, results.csv, every video's tracks and five plots are written:
    accuracy over threshold, over time and over occlusion, and speed against accuracy.

    Examples:

    - `pointtrack compare tapvid-davis ~/data/tapvid_davis --model klt --model mft --out results`
    - `pointtrack compare my_clips/ -m klt -m klt,window=31 --protocol practical`
    """
    if not model:
        raise PointtrackError("name at least one tracker with --model")
    if protocol == OFFICIAL:
        raise PointtrackError(
            "the official protocol differs from model to model; compare needs one for all of them"
        )
    dataset = open_set(data, data_format)
    rules = protocol_for(dataset, protocol, query_mode, single=single)
    contenders = [read_model(text, device) for text in model]
    with progress_bar(f"{len(contenders)} models on {dataset.name}", quiet) as report:
        found = run(contenders, dataset, rules, out=out, progress=report)
    if out is not None:
        written = save(found, out)
    if json:
        typer.echo(dump(comparison_to_dict(found)))
    else:
        show(comparison_table(found))
        if out is not None:
            names = ", ".join(path.name for path in written)
            messages.print(f"{out}: {names}", markup=False, highlight=False, soft_wrap=True)
    lines = [line for evaluation in found.evaluations for line in remarks(evaluation)]
    conclude(lines, failed=any(evaluation.failures for evaluation in found.evaluations))


def read_model(text: str, device: str = "auto") -> Contender:
    """A contender from ``name`` or ``name,option=value,...``, labelled with this text."""
    # A comma inside brackets belongs to a value: mft,deltas=(1, 2, 4).
    name, *rest = re.split(r",(?![^(\[]*[)\]])", text)
    options = parse_options(rest)
    weights = options.pop("weights", None)
    return ready(name.strip(), None if weights is None else str(weights), device, options, text)
