"""The command line: one module per group of commands; options.py has the options that several commands share."""

from bootstrap.cli.app import main

__all__ = ["main"]
