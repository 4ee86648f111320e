"""What a person can act on in an error of Spark: it comes as a page of Java's and Python's traces."""

from __future__ import annotations

from pyspark.errors import PythonException


def reason_of(error: Exception) -> str:
    """One line, at most 300 characters: Java's innermost cause, what a Python worker raised, or the first line."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    causes = [said for line in lines if (said := line.strip()).startswith("Caused by: ")]
    if causes:  # a full disk, a worker that was killed
        return causes[-1].removeprefix("Caused by: ")[:300]
    if isinstance(error, PythonException):
        frames = [number for number, line in enumerate(lines) if line.startswith("  File ")]
        below = lines[frames[-1] + 1 :] if frames else lines
        return next((line for line in below if not line.startswith(" ")), "no message").strip()[:300]
    return f"{type(error).__name__}: {lines[0].strip()[:300] if lines else 'no message'}"
