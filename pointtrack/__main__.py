"""``python -m pointtrack``: the command line."""

from pointtrack.cli import main

main()
