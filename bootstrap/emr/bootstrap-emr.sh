#!/usr/bin/env bash
# Bootstrap action that installs Python, and the agent that `fruitlake emr tunnel` uses, on every node of a cluster, if
# they are missing. Both are packages of Amazon Linux, whose repository is reached through the S3 endpoint. The project
# and its packages are shipped with each job, not copied here.
set -euo pipefail

as_root() { if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi; }

# EMR includes Python 3.11, but bootstrap actions run before applications are installed. Whether it is there by then, and
# the repository can be reached, is not confirmed (docs/aws.md, 4).
command -v python3.11 >/dev/null || as_root dnf install -y -q python3.11
rpm -q amazon-ssm-agent >/dev/null || as_root dnf install -y -q amazon-ssm-agent
as_root systemctl enable --now amazon-ssm-agent
