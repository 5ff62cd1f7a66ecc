"""Gauntlet's harness: runs the cases of suites, keeps a run's journal, tells how it went."""

__version__ = "0.1.0"
