"""``pointtrack evaluate``: one tracker on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pointtrack.cli.shared import (
    JsonOption,
    ModelOption,
    QuietOption,
    messages,
    parse_options,
    progress_bar,
    show,
)
from pointtrack.datasets import FORMATS
from pointtrack.evaluation import PROTOCOLS, QUERY_MODES, Contender
from pointtrack.evaluation.evaluate import evaluate as run
from pointtrack.evaluation.own_sets import OWN_SETS
from pointtrack.evaluation.predictions import file_digest, make_folder
from pointtrack.evaluation.report import (
    dump,
    remarks,
    to_dict,
    video_table,
    write_csv,
    write_json,
)
from pointtrack.evaluation.sets import OFFICIAL, official_for, open_set, protocol_for
from pointtrack.trackers import DEFAULT_MODEL, load
from pointtrack.trackers.registry import card_of

DataArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA...",
        show_default=False,
        help="A benchmark's name and the path of your copy (tapvid-davis PATH; `pointtrack data` "
        f"lists them); one of our own sets ({', '.join(OWN_SETS)}); a TAP-Vid pickle or a folder "
        "of them; or a video, or a folder of videos or of folders of pictures, with a track file "
        "beside each (clip.mp4 and clip.csv).",
    ),
]
ProtocolOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        show_default=False,
        help=f"{', '.join(PROTOCOLS)}, {OFFICIAL}. tapvid resizes videos to 256x256 as published "
        "numbers do; cotracker also takes points at 255 as CoTracker's do; practical gives the "
        "tracker the video as it is; official is what the model's own numbers were taken with "
        "(`pointtrack models NAME`), its options included. All are judged at 256x256. Default: "
        "the benchmark's, else tapvid.",
    ),
]
QueryModeOption = Annotated[
    str | None,
    typer.Option(
        "--query-mode",
        show_default=False,
        help=f"{', '.join(QUERY_MODES)}. first asks where a point is first visible and judges "
        "the frames after; strided asks every 5 frames and judges before and after; given asks "
        "where the data set says. Default: the benchmark's, else first.",
    ),
]
SingleOption = Annotated[
    bool,
    typer.Option(
        "--single",
        help="Ask for one point at a time, for trackers whose points help each other. Slow.",
    ),
]
DataFormatOption = Annotated[
    str | None,
    typer.Option(
        "--data-format", help=f"{', '.join(FORMATS)}; default: by what is there.", metavar="NAME"
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="A folder for results and every video's tracks. Videos already there are not "
        "tracked again.",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]


def evaluate(
    data: DataArgument,
    model: ModelOption = DEFAULT_MODEL,
    weights: Annotated[
        str | None, typer.Option("--weights", help="For models that learn: a file or a name.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="An option of the model, name=value; may be repeated."),
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
    """Measure a tracker on videos with known tracks.

    Prints TAP-Vid's numbers for every video and their mean: average Jaccard (AJ), position
    accuracy (δ avg) and occlusion accuracy (OA), in percent, and the time a frame takes; for
    benchmarks that have them, their own numbers come first. A video that cannot be read or
    tracked is named, the others go on, and the exit status is 1.

    With --out, results.json, results.csv and every video's tracks are written, and a run that
    was interrupted goes on where it stopped.

    Examples:

    - `pointtrack evaluate tapvid-davis ~/data/tapvid_davis --model klt`
    - `pointtrack evaluate procedural-val --model mft --query-mode strided --out results`
    - `pointtrack evaluate my_clips/ --model klt --option window=31 --protocol practical --json`
    - `pointtrack evaluate tapvid-davis ~/davis -m tapir --weights official --protocol official`
    """
    dataset = open_set(data, data_format)
    options = parse_options(option or [])
    if protocol == OFFICIAL:
        rules, usual = official_for(dataset, card_of(model), query_mode, single=single)
        options = {**usual, **options}
    else:
        rules = protocol_for(dataset, protocol, query_mode, single=single)
    contender = ready(model, weights, device, options)
    with progress_bar(f"{contender.label} on {dataset.name}", quiet) as report:
        found = run(contender, dataset, rules, out=out, progress=report)
    if out is not None:
        make_folder(out)
        write_json(to_dict(found), out / "results.json")
        write_csv([found], out / "results.csv")
    if json:
        typer.echo(dump(to_dict(found)))
    else:
        show(video_table(found))
    conclude(remarks(found), failed=bool(found.failures))


def ready(
    model: str, weights: str | None, device: str, options: dict[str, Any], label: str = ""
) -> Contender:
    """Load a tracker; its weights count among the options that stored answers depend on."""
    tracker = load(model, weights, device, **options)
    known = dict(options)
    if weights is not None:
        known["weights"] = weights
        if Path(weights).is_file():  # a file that training goes on writing keeps its name
            known["weights_sha256"] = file_digest(Path(weights))
    return Contender(tracker, label or model, known)


def conclude(lines: list[str], failed: bool) -> None:
    """Print remarks beside the results, and end with status 1 when a video failed."""
    for line in lines:
        messages.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)
