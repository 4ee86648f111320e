"""Settings from options and variables: a wrong value raises a SettingsError that names its origin."""

import json
import os
import re
from unittest.mock import patch

import pytest

from bootstrap.settings import load
from catalog.errors import SettingsError


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"variance": "lots"}, "--variance cannot be 'lots'"),
        ({"variance": float("nan")}, "--variance cannot be 'nan'"),
        ({"max_quarantine_share": -0.1}, "--max-quarantine-share cannot be '-0.1'"),
        ({"database_prefix": "Fruits!"}, "--database-prefix cannot be 'Fruits!'"),
        ({"legal_basis": "because"}, "--legal-basis cannot be 'because'"),
        ({"lake": ""}, "empty path"),
        ({"nonsense": 1}, "--nonsense cannot be '1'"),
        (
            {"device": "cuda", "precision": "int8"},
            "--device cannot be 'cuda' (only with --engine onnx and --precision fp32)",
        ),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(named)):
        load(**options)


def test_a_wrong_variable_is_refused_by_name() -> None:
    with patch.dict(os.environ, FRUITLAKE_PHOTOS_DAYS="soon"), pytest.raises(SettingsError) as refused:
        load()
    assert str(refused.value).startswith("FRUITLAKE_PHOTOS_DAYS cannot be 'soon'")


def test_another_catalog_is_named_by_json() -> None:
    given = {"type": "rest", "uri": "http://localhost:8181", "warehouse": "fruits"}
    with patch.dict(os.environ, FRUITLAKE_CATALOG=json.dumps(given)):
        assert load().catalog == given
    with patch.dict(os.environ, FRUITLAKE_CATALOG="rest"), pytest.raises(SettingsError) as refused:
        load()
    assert str(refused.value).startswith("FRUITLAKE_CATALOG cannot be 'rest' (expecting value")
    assert '{"type": "rest", "uri": "https://…"}' in str(refused.value)


def test_globs_in_a_variable_are_separated_by_commas() -> None:
    with patch.dict(os.environ, FRUITLAKE_EXCLUDE="*thumb*, drafts/*"):
        assert load().exclude == ("*thumb*", "drafts/*")
        assert load(exclude=["a,b"]).exclude == ("a,b",)
