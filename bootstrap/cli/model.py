"""`fruitlake model`: compare the precisions of the model on the lake's own photos."""

from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from bootstrap.cli.options import console, say, takes
from bootstrap.settings import Settings
from catalog.errors import RunError

app = typer.Typer(no_args_is_help=True, help="The network that makes features: compare int8 with fp32.")


@app.callback()
def _group() -> None:
    """Keeps `compare` a subcommand while it is the only one."""


@app.command()
@takes("lake weights variance database_prefix")
def compare(
    settings: Settings,
    photos: Annotated[
        int, typer.Option(min=20, max=10_000, metavar="N", help="how many photos of bronze to compare on")
    ] = 2000,
) -> None:
    """Compare int8 with fp32 on photos of the lake: speed, accuracy, similarity of the features.

    The lake only needs bronze. If it has no int8 model yet, one is calibrated on 64 of its photos. The results are
    stored next to the model as JSON; tables do not change. `fruitlake run --precision int8` uses the model.

    Example: fruitlake model compare --lake lake/ --weights imagenet
    """
    from bootstrap.pipeline import open_run
    from transforms.model_card import compare, write_card
    from transforms.quantization import quantized
    from transforms.weights import prepare

    with open_run(settings, console) as run:
        images = run.table("bronze.images")
        if images is None:
            raise RunError("bronze has no photo yet: run `fruitlake run bronze --images …` first")
        with console.status("quantizing and comparing"):
            fp32 = prepare(settings.weights, "onnx", settings.cache, run.lake.uri)
            int8 = quantized(fp32, run.lake.uri, images, run.snapshots["bronze.images"].rows)
            card = compare(images, fp32, int8, settings.variance, photos)
    title = f"{card.photos:,} photos that int8 was not calibrated on"
    table = Table("", "fp32", "int8", title=title, title_justify="left", box=SIMPLE)
    both = card.fp32, card.int8
    table.add_row("model", *(f.model_id for f in both))
    table.add_row("photos per second", *(f"{f.photos_per_second:,.0f}" for f in both))
    table.add_row(f"components for {card.variance:.0%} of the variance", *(str(f.components) for f in both))
    table.add_row("nearest of 5 known photos per label is right", *(_share(f.five_shot) for f in both))
    table.add_row("cosine to fp32, mean (lowest)", "", f"{card.cosine_mean:.4f} ({card.cosine_min:.4f})")
    table.add_row("same nearest photo as fp32", "", _share(card.same_nearest))
    console.print(table)
    say(f"stored: {write_card(card, int8)}")


def _share(share: float | None) -> str:
    return "not enough labels" if share is None else f"{share:.1%}"
