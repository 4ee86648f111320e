"""Start `fruitlake run` in its own processes, and kill them one by one: the driver, the JVM, a Python worker.

start ──▶ fruitlake run ──▶ processes: driver, JVM, daemon and workers ──kill one──▶ wait_until_gone
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

Victim = Literal["driver", "jvm", "worker"]
VICTIMS: tuple[Victim, ...] = ("driver", "jvm", "worker")
RUN_AT_MOST = 600  # seconds; a run takes minutes on a busy machine
_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # starts faster, for a JVM that only lives for seconds


def start(*arguments: str, what: str = "run", **variables: str) -> subprocess.Popen[str]:
    """Start `fruitlake run`, or another command, in its own session, by which all its processes can be found."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FRUITLAKE_")}
    environment |= {"COLUMNS": "200", "JAVA_TOOL_OPTIONS": _JVM} | variables
    command = [sys.executable, "-c", "from bootstrap.cli import main; main()", what, *arguments]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def processes(run: subprocess.Popen[str]) -> dict[int, str]:
    """Command lines of the run's live processes, by pid. They keep their session even if their parents die."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state, _, _, session = (folder / "stat").read_text().rsplit(") ", 1)[1].split()[:4]
            if int(session) == run.pid and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):  # it has ended in the meantime
            continue
    return found


def kill(run: subprocess.Popen[str], victim: Victim) -> bool:
    """Kill one of the run's processes; False if there is none of this kind."""
    marks = {"driver": "bootstrap.cli", "jvm": "java", "worker": "daemon"}
    candidates = [pid for pid, command in processes(run).items() if marks[victim] in command.split(" -cp ")[0]]
    if victim == "worker":
        candidates = sorted(candidates)[1:]  # the first is the daemon that forks the others
    for pid in candidates[-1:]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True
    return False


def wait_until_gone(run: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait until all of the run's processes have ended; returns stdout and stderr."""
    said = run.communicate(timeout=RUN_AT_MOST)
    deadline = time.monotonic() + 30
    while processes(run) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = processes(run)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, f"still alive 30 s after their run: {left}"
    return said


def race(runs: list[subprocess.Popen[str]]) -> None:
    """Wait for concurrent runs on the same lake.

    Raises AssertionError unless one succeeded, and each of the others either did, too, or failed with a message that
    another run was faster and that one should run again.
    """
    ended = [(" ".join(wait_until_gone(run)[1].split()), run.returncode) for run in runs]
    assert any(code == 0 for _, code in ended), ended
    for errors, code in ended:
        assert "Traceback" not in errors, errors
        assert code == 0 or (code == 1 and "another run" in errors and "run again" in errors), errors
