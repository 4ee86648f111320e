"""Packages that Great Expectations rarely needs are imported when they are used, and then work."""

from pathlib import Path

from tests.commands import python


def test_scipys_statistics_are_imported_when_they_are_used(tmp_path: Path) -> None:
    code = (
        "import sys; from expectations.suites import load; load(); "
        "from great_expectations.expectations.core import expect_column_kl_divergence_to_be_less_than as module; "
        "print('scipy.stats.distributions' in sys.modules, 'altair.vegalite' in sys.modules, "
        "round(float(module.stats.entropy([1, 1], base=2)), 6), 'scipy.stats.distributions' in sys.modules)"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.stdout.split() == ["False", "False", "1.0", "True"], done.stderr
