"""Labels that look alike are found, however they differ, and shown in a way that reveals the difference."""

import unicodedata
from itertools import permutations

import pytest

from ingestion.labels import look_alikes, shown

NFC, NFD = unicodedata.normalize("NFC", "Pêche d'été"), unicodedata.normalize("NFD", "Pêche d'été")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (NFC, NFD),
        ("Kiwi", "kiwi"),
        ("Kiwi", "Kiwi "),
        ("Kiwi", " Kiwi"),
        ("Apple Red 1", "Apple  Red 1"),
        ("Apple Red", "Apple\u00a0Red"),
        ("STRASSE", "straße"),
        (NFC.upper(), NFD + " "),
    ],
)
def test_labels_that_look_alike_are_one_group(one: str, other: str) -> None:
    assert look_alikes([one, "Banana", other, one]) == [sorted([one, other])]


@pytest.mark.parametrize(("one", "other"), [*permutations(("Peche", "Pêche", "Apple 1", "Apple1", "Apple 10", ""), 2)])
def test_labels_that_can_be_told_apart_are_none(one: str, other: str) -> None:
    assert look_alikes([one, other, one]) == []


def test_every_group_is_named_once() -> None:
    assert look_alikes(["b", "A", "a", "B", "a ", "c"]) == [["A", "a", "a "], ["B", "b"]]


def test_the_difference_is_seen() -> None:
    assert shown(NFC) == f"'{NFC}'"
    assert shown(NFD) == r"'Pe\u0302che d'e\u0301te\u0301'"
    assert shown("Apple\u00a0Red ") == r"'Apple\xa0Red '"
