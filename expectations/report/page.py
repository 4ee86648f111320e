"""Contents to HTML. Python computes numbers, the templates hold all markup, and jinja2 escapes every text.

The page's security policy allows nothing from outside and only its own script, named by its hash: even text
that got past the escaping could not run or load anything.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from expectations.report import curve as curve_module
from expectations.report.contents import Contents
from expectations.report.fruit_map import fruit_map
from expectations.report.palette import styles

FEW_LABELS = 24  # up to which bars are shown one below the other right away


def render(contents: Contents, root: str = "", earlier: tuple[str, ...] = (), data_docs: bool = False) -> str:
    """The page. root leads from it to reports/ (empty or `../`), earlier are ids of runs that have a page."""
    labels = sorted({x.name for x in contents.labels} | {p.label for p in contents.points})
    script = _text("map.js")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            c=contents,
            root=root,
            earlier=earlier,
            data_docs=data_docs,
            state=state(contents),
            colours=dict(zip(labels, styles(len(labels)), strict=True)),
            map=fruit_map(contents, labels),
            curve=curve_module.curve(contents.variance) if contents.variance else None,
            few=len(contents.labels) <= FEW_LABELS,
            largest=max((x.photos for x in contents.labels), default=0) or 1,
            by_size=sorted(contents.labels, key=lambda x: (-x.photos, x.name)),
            photo_of=_photo_of(contents),
            style=Markup(_text("style.css")),  # our own file
            script=Markup(script),  # our own file
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def state(contents: Contents) -> str:
    """One word for the whole page: stopped, failed, warned or passed; audited where nothing was audited: ended."""
    results = {a.result for a in contents.audits}
    if contents.run.failure:
        return "stopped"
    return next((r for r in ("failed", "warned", "passed") if r in results), "ended")


def _photo_of(contents: Contents) -> dict[str, str]:
    """One thumbnail a label, as a data URI."""
    found: dict[str, str] = {}
    for point in contents.points:
        jpeg = contents.thumbnails.get(point.image_id)
        if jpeg is not None and point.label not in found:
            found[point.label] = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return found


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("expectations.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "share": _share, "moment": _moment, "size": _size}
    return environment


def _text(name: str) -> str:
    return (files("expectations.report") / "templates" / name).read_text(encoding="utf-8")


def _number(value: int | float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _moment(iso: str) -> str:
    """`22 Nov 2026, 19:32 UTC`, or the text itself if it is no moment."""
    try:
        return f"{datetime.fromisoformat(iso):%-d %b %Y, %H:%M} UTC"
    except ValueError:
        return iso


def _size(count: int | None) -> str:
    if count is None:
        return "not known"
    for unit, scale in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count} B"
