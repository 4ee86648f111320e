"""Options that several commands share, and the lines that commands print."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from bootstrap.settings import Settings, load

console = Console()
stderr = Console(stderr=True)

# The settings that are options: what is read from the command line, before pydantic checks it, and how help shows it.
_SETTINGS: dict[str, tuple[Any, str | None]] = {
    "images": (str, "URI"),
    "include": (list[str], "GLOB"),
    "exclude": (list[str], "GLOB"),
    "lake": (str, "URI"),
    "weights": (str, "NAME|FILE"),
    "variance": (float, "SHARE"),
    "refit": (bool, None),
    "engine": (str, "onnx|tensorflow"),
    "precision": (str, "fp32|int8"),
    "device": (str, "cpu|cuda"),
    "commit_every": (int, "PHOTOS"),
    "purpose": (str, "TEXT"),
    "legal_basis": (str, "BASIS"),
    "max_quarantine_share": (float, "SHARE"),
    "database_prefix": (str, "PREFIX"),
    "workgroup": (str, "NAME"),
    "output_location": (str, "S3URI"),
}


def takes(names: str, **helps: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options for these settings in place of its parameter `settings`, which receives all settings.

    Args:
        names: the settings, separated by spaces. A wrong value raises SettingsError.
        helps: more of them, with a help other than the setting's description.
    """
    options = [_option(name, helps.get(name)) for name in (*helps, *names.split())]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            command(settings=load(**{option.name: given.pop(option.name) for option in options}), **given)

        shape = signature(command, eval_str=True)
        parameters: list[Parameter] = []
        for own in shape.parameters.values():
            parameters += options if own.name == "settings" else [own.replace(kind=Parameter.KEYWORD_ONLY)]
        run.__signature__ = shape.replace(parameters=parameters)  # type: ignore[attr-defined]  # Typer reads it
        return run

    return decorate


def _option(name: str, described: str | None) -> Parameter:
    field, (kind, metavar) = Settings.model_fields[name], _SETTINGS[name]
    if described is None:
        unset = field.default_factory or field.default in (None, False, ())
        described = f"{escape(str(field.description))}{'' if unset else f' [dim](default: {field.default})[/]'}"
    option = typer.Option(None, f"--{name.replace('_', '-')}", metavar=metavar, help=described)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=option, annotation=kind | None)


def say(text: str) -> None:
    """Print a line as it is: no markup, no colours, no line breaks."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
