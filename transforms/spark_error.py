"""Reduce an error of Spark, with pages of Java and Python stack traces, to the line that tells what to fix."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JNetworkError
from pyspark.errors import PythonException

from catalog.aws_reason import refusal_in
from catalog.errors import FruitlakeError, RunError

JAVA_ENDED = (
    "Spark's Java process has ended: it was killed, or ran out of memory. Everything published before is kept, and the "
    "next run continues from there; if it ends again, give it more memory (FRUITLAKE_DRIVER_MEMORY=4g) or less to do "
    "at once (FRUITLAKE_MASTER=local[1])"
)


@contextmanager
def failing_as(what: str) -> Iterator[None]:
    """Raise an unexpected error as RunError: what failed, and the reason. The project's own errors pass unchanged."""
    try:
        yield
    except FruitlakeError:
        raise
    except Exception as error:
        raise RunError(f"{what} failed: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """One line: our own message, AWS' refusal, Java's innermost cause, a Python worker's error, or the first line."""
    if isinstance(error, FruitlakeError):
        return str(error)
    if isinstance(error, (ConnectionError, Py4JNetworkError)):
        return JAVA_ENDED
    if refused := refusal_in(str(error)):
        return refused
    lines = [line for line in str(error).splitlines() if line.strip()]
    causes = [said for line in lines if (said := line.strip()).startswith("Caused by: ")]
    if causes:  # a full disk, a worker that was killed
        return causes[-1].removeprefix("Caused by: ")[:300]
    if isinstance(error, PythonException) or "Traceback (most recent call last):" in str(error):
        frames = [number for number, line in enumerate(lines) if line.startswith("  File ")]
        below = lines[frames[-1] + 1 :] if frames else lines
        raised = next((line for line in below if not line.startswith(" ")), "no message").strip()[:300]
        return re.sub(r"^catalog\.errors\.\w+: ", "", raised)  # our own errors explain themselves
    return f"{type(error).__name__}: {lines[0].strip()[:300] if lines else 'no message'}"
