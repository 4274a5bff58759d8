"""The command line: one verb a job, one file a verb."""

from pointtrack.cli.program import main, run

__all__ = ["main", "run"]
