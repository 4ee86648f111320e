"""Options that several commands share. The help of an option that is a setting is the setting's own description."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from bootstrap.settings import Settings, load

console = Console()
stderr = Console(stderr=True)


class Layer(StrEnum):
    """Layers that `run` and `emr submit` can build."""

    bronze = "bronze"
    silver = "silver"
    gold = "gold"
    all = "all"


def setting(name: str, metavar: str | None = None) -> Any:
    """A typer option for the setting of that name, with its description and default as help."""
    field = Settings.model_fields[name]
    default = (
        "" if field.default_factory or field.default in (None, False, ()) else f" [dim](default: {field.default})[/]"
    )
    return typer.Option(f"--{name.replace('_', '-')}", metavar=metavar, help=f"{field.description}{default}")


def settings_of(context: typer.Context, **fixed: object) -> Settings:
    """The settings among the command's options, overridden by `fixed`. Raises SettingsError for a wrong value."""
    given = {name: value for name, value in context.params.items() if name in Settings.model_fields and value != ()}
    return load(**given | fixed)


def say(text: str) -> None:
    """Print a line as it is: no markup, no colours, no line breaks."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a line that begins with `warning:`."""
    console.print("[yellow]warning:[/]", end=" ")
    say(text)


LakeOption = Annotated[str | None, setting("lake", "URI")]
ImagesOption = Annotated[str | None, setting("images", "URI")]
IncludeOption = Annotated[list[str] | None, setting("include", "GLOB")]
ExcludeOption = Annotated[list[str] | None, setting("exclude", "GLOB")]
WeightsOption = Annotated[str | None, setting("weights", "NAME|FILE")]
VarianceOption = Annotated[float | None, setting("variance", "SHARE")]
RefitOption = Annotated[bool | None, typer.Option("--refit", help=Settings.model_fields["refit"].description)]
EngineOption = Annotated[str | None, setting("engine", "onnx|tensorflow")]
PrecisionOption = Annotated[str | None, setting("precision", "fp32|int8")]
DeviceOption = Annotated[str | None, setting("device", "cpu|cuda")]
CommitOption = Annotated[int | None, setting("commit_every", "PHOTOS")]
PurposeOption = Annotated[str | None, setting("purpose", "TEXT")]
BasisOption = Annotated[str | None, setting("legal_basis", "BASIS")]
QuarantineOption = Annotated[float | None, setting("max_quarantine_share", "SHARE")]
PrefixOption = Annotated[str | None, setting("database_prefix", "PREFIX")]
WorkgroupOption = Annotated[str | None, setting("workgroup", "NAME")]
OutputLocationOption = Annotated[str | None, setting("output_location", "S3URI")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="show what would be done, and change nothing")]
