"""Find labels that look the same to a person: they differ only in Unicode form, case or spaces."""

import unicodedata
from collections.abc import Iterable


def look_alikes(labels: Iterable[str]) -> list[list[str]]:
    """Sorted groups of labels that look alike, such as `Pêche` in NFC and NFD, or `Kiwi` and `kiwi `."""
    groups: dict[str, set[str]] = {}
    for label in labels:
        # NFKC also maps all kinds of spaces to one. It is applied again because case folding may decompose characters.
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
        groups.setdefault(" ".join(folded.split()), set()).add(label)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def shown(label: str) -> str:
    """The label in quotes, with invisible differences escaped: combining accents, unusual spaces."""
    seen = [c.isprintable() and not unicodedata.combining(c) for c in label]
    escaped = [c if is_seen else c.encode("unicode_escape").decode() for c, is_seen in zip(label, seen, strict=True)]
    return f"'{''.join(escaped)}'"
