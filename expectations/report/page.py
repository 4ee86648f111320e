"""Render the contents as HTML. Python computes the numbers, the templates hold all markup, Jinja escapes all text.

The page's content security policy allows only its own script, by hash, and no external resources: even text that
got past the escaping could not run or load anything.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from rich.filesize import decimal

from expectations.check_result import in_words
from expectations.report import curve as curve_module
from expectations.report.contents import Contents
from expectations.report.fruit_map import fruit_map
from expectations.report.palette import styles

FEW_LABELS = 24  # up to this many labels, all bars are shown without a click


def render(contents: Contents, root: str = "", earlier: tuple[str, ...] = (), data_docs: bool = False) -> str:
    """Render the page. root: relative path to reports/, empty or `../`; earlier: ids of earlier runs with a page."""
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
    """One word for the whole page: stopped, warned or passed; ended if nothing was audited."""
    results = {a.result for a in contents.audits}
    if contents.run.failure:
        return "stopped"
    return next((r for r in ("warned", "passed") if r in results), "ended")


def _photo_of(contents: Contents) -> dict[str, str]:
    """One thumbnail per label, as a data URI."""
    found: dict[str, str] = {}
    for point in contents.points:
        jpeg = contents.thumbnails.get(point.image_id)
        if jpeg is not None and point.label not in found:
            found[point.label] = _jpeg(jpeg)
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
    environment.filters |= {
        "number": _number,
        "share": _share,
        "moment": _moment,
        "size": _size,
        "jpeg": _jpeg,
        "in_words": in_words,
    }
    return environment


def _jpeg(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _text(name: str) -> str:
    return (files("expectations.report") / "templates" / name).read_text(encoding="utf-8")


def _number(value: int | float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3g}"


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"


def _moment(iso: str) -> str:
    """Format an ISO 8601 time as `22 Nov 2026, 19:32 UTC`; other text is returned as is."""
    try:
        return f"{datetime.fromisoformat(iso):%-d %b %Y, %H:%M} UTC"
    except ValueError:
        return iso


def _size(count: int | None) -> str:
    return "not known" if count is None else decimal(count)
