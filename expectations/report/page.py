"""Render the contents as HTML. Python computes the numbers, the templates hold all markup, Jinja escapes all text.

The page's content security policy allows only its own script, by hash, and no external resources: even text that
got past the escaping could not run or load anything.
"""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from rich.filesize import decimal

from expectations.check_result import in_words
from expectations.report.contents import Contents
from expectations.report.curve import curve
from expectations.report.fruit_map import fruit_map

FEW_LABELS = 24  # up to this many labels, all bars are shown without a click
_FEW_COLOURS = 12
_GOLDEN_ANGLE = 137.508  # degrees; any number of steps are spread over the whole circle
_START = 20.0  # degrees; red
_DEPTHS = ((0.0, 1.0), (-0.12, 0.9), (0.1, 0.75))  # added to the lightness, times the chroma


def render(contents: Contents, root: str = "", earlier: tuple[str, ...] = (), data_docs: bool = False) -> str:
    """Render the page. root: relative path to reports/, empty or `../`; earlier: ids of earlier runs with a page."""
    labels = sorted({x.name for x in contents.labels} | {p.label for p in contents.points})
    photo_of: dict[str, bytes] = {}
    for point in contents.points:
        if jpeg := contents.thumbnails.get(point.image_id):
            photo_of.setdefault(point.label, jpeg)
    clouds, map_data = fruit_map(contents, labels)
    script = _text("map.js")
    audits = {audit.result for audit in contents.audits}
    state = next((result for result in ("warned", "passed") if result in audits), "ended")
    page = _environment().get_template("page.html.j2")
    return page.render(
        c=contents,
        root=root,
        earlier=earlier,
        data_docs=data_docs,
        state="stopped" if contents.run.failure else state,
        colours=dict(zip(labels, styles(len(labels)), strict=True)),
        clouds=clouds,
        map_data=map_data,
        curve=curve(contents.pca) if contents.pca else None,
        few=len(contents.labels) <= FEW_LABELS,
        largest=max((x.photos for x in contents.labels), default=0) or 1,
        by_size=sorted(contents.labels, key=lambda x: (-x.photos, x.name)),
        photo_of=photo_of,
        style=Markup(_text("style.css")),  # our own file
        script=Markup(script),  # our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def styles(count: int) -> list[str]:
    """Colours of this many labels, as CSS variables `--h:…;--l:…;--c:…`: hue, lightness and chroma.

    A few are spaced evenly on the colour circle. With more, similar hues differ in lightness and chroma, and
    alphabetical neighbours (often varieties of the same fruit) are far apart.
    """
    few = count <= _FEW_COLOURS
    found = []
    for index in range(count):
        hue = _START + (360 / count if few else _GOLDEN_ANGLE) * index
        lighter, purer = _DEPTHS[0 if few else index % len(_DEPTHS)]
        found.append(f"--h:{hue % 360:.0f};--l:{lighter:g};--c:{purer:g}")
    return found


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("expectations.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "number": lambda value: f"{value:,}" if isinstance(value, int) else f"{value:,.3g}",
        "share": lambda value: f"{100 * value:.1f} %",
        "moment": _moment,
        "size": lambda count: "not known" if count is None else decimal(count),
        "jpeg": lambda data: f"data:image/jpeg;base64,{base64.b64encode(data).decode()}",
        "in_words": in_words,
    }
    environment.filters |= filters
    return environment


def _text(name: str) -> str:
    return (files("expectations.report") / "templates" / name).read_text(encoding="utf-8")


def _moment(iso: str) -> str:
    """Format an ISO 8601 time as `22 Nov 2026, 19:32 UTC`; other text is returned as is."""
    try:
        return f"{datetime.fromisoformat(iso):%-d %b %Y, %H:%M} UTC"
    except ValueError:
        return iso
