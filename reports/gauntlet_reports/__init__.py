"""Reports that people and programs read, made from the folder of a run and nothing else."""

from gauntlet_reports.outcomes import headline, outcome_of, overall_status, repro_command, totals
from gauntlet_reports.run_data import Result, RunData, load_run
from gauntlet_reports.summary import summary_lines
from gauntlet_reports.write import Format, render, write_reports

__all__ = [
    "Format",
    "Result",
    "RunData",
    "headline",
    "load_run",
    "outcome_of",
    "overall_status",
    "render",
    "repro_command",
    "summary_lines",
    "totals",
    "write_reports",
]
