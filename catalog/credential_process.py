"""Pass botocore's credentials to Java's AWS SDK, which does not support `aws configure sso` with a session.

Java's SDK ──credential_process of its profile──▶ python -m catalog.credential_process ──▶ credentials for some minutes

Keys in variables take precedence in both. On a cluster, Java uses its instance role and does not need this.
"""

import json
import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

# botocore renews credentials ten minutes before they expire, so these are valid for longer than nine
_VALID = timedelta(minutes=9)
_PROFILE = "fruitlake"


def java_options(folder: str) -> str:
    """JVM options that make Java's SDK call this module, through an AWS profile written to the folder."""
    config = Path(folder) / "aws-config"
    command = f"{shlex.quote(sys.executable)} -m {__spec__.name}"
    config.write_text(f"[profile {_PROFILE}]\ncredential_process = {command}\n")
    return f"-Daws.configFile={config} -Daws.profile={_PROFILE}"


def _answer() -> str:
    from catalog import aws  # imported here: only the process that Java starts needs boto3

    key = aws.credentials()
    answer = {"Version": 1, "AccessKeyId": key.access_key, "SecretAccessKey": key.secret_key}
    if key.token:
        answer |= {"SessionToken": key.token, "Expiration": (datetime.now(UTC) + _VALID).isoformat()}
    return json.dumps(answer)


if __name__ == "__main__":
    print(_answer())
