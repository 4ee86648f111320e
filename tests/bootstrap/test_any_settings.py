"""Whatever stands in an option or a variable: settings, or one SettingsError that names the option."""

from __future__ import annotations

import os
from unittest.mock import patch

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bootstrap.settings import Settings, load
from catalog.errors import SettingsError

NAMES = sorted(Settings.model_fields)
ANYTHING = st.text(max_size=30) | st.integers() | st.floats() | st.booleans() | st.none() | st.binary(max_size=8)


@hypothesis_settings(max_examples=500, deadline=None, database=None)
@given(st.dictionaries(st.sampled_from([*NAMES, "nonsense"]), ANYTHING, max_size=4))
def test_any_option_is_taken_or_refused_by_name(options: dict[str, object]) -> None:
    try:
        taken = load(**options)
    except SettingsError as refused:
        assert len(str(refused).splitlines()) >= 1
    else:
        assert "nonsense" not in options or options["nonsense"] is None
        assert 0 < taken.variance <= 1
        assert 0 <= taken.max_quarantine_share <= 1


@hypothesis_settings(max_examples=300, deadline=None, database=None)
@given(st.sampled_from(NAMES), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_any_variable_is_taken_or_refused(name: str, value: str) -> None:
    with patch.dict(os.environ, {f"FRUITLAKE_{name.upper()}": value}):
        try:
            load()
        except SettingsError as refused:
            assert str(refused)
