#!/usr/bin/env bash
# Packages for notebooks, on every node of a cluster, as a bootstrap action of EMR:
#
#   bootstrap-emr.sh s3://BUCKET/artifacts/environment-HASH.tar.gz s3://BUCKET/artifacts/fruitlake-HASH.zip
#
# Both archives are named by their content and stand for exact versions; no package index is asked, since the network
# has no way out. Running it again with the same archives does nothing. The cluster's spark-defaults make
# /opt/fruitlake/environment/bin/python the Python of its notebooks.
set -euo pipefail

readonly environment=${1:?first argument: the S3 URI of the environment archive}
readonly project=${2:?second argument: the S3 URI of the project archive}
readonly root=${FRUITLAKE_ROOT:-/opt/fruitlake}

as_root() { if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi; }

# unpack URI NAME: the archive's content as $root/NAME, whole or not at all
unpack() {
  local uri=$1 name=$2 work
  if [[ "$(cat "$root/$name.archive" 2>/dev/null)" == "$uri" ]]; then
    echo "$name: $uri is there"
    return
  fi
  work=$(mktemp -d)
  aws s3 cp --only-show-errors "$uri" "$work/archive"
  mkdir "$work/content"
  case $uri in
    *.tar.gz) tar -xzf "$work/archive" -C "$work/content" ;;
    *.zip) python3 -m zipfile -e "$work/archive" "$work/content" ;;
    *) echo "$uri is neither a .tar.gz nor a .zip" >&2 && return 1 ;;
  esac
  chmod -R a+rX "$work"
  as_root mkdir -p "$root"
  as_root rm -rf "${root:?}/$name" "$root/$name.archive"
  as_root mv "$work/content" "$root/$name"
  echo "$uri" | as_root tee "$root/$name.archive" >/dev/null # last: what says that it is whole
  rm -rf "$work"
  echo "$name: $uri unpacked to $root/$name"
}

# EMR has it, but bootstrap actions run before applications are installed, and whether it is there by then is not
# confirmed: else it comes from Amazon Linux's own repository, which the network's way to S3 reaches.
command -v python3.11 >/dev/null || as_root dnf install -y -q python3.11

unpack "$environment" environment
unpack "$project" fruitlake
"$root/environment/bin/python" -c 'import numpy, onnxruntime, pyarrow' # the node can run them, or the cluster fails now

# `fruitlake emr tunnel` goes through this agent; Amazon Linux brings it.
if systemctl list-unit-files amazon-ssm-agent.service >/dev/null 2>&1; then
  as_root systemctl enable --now amazon-ssm-agent
else
  echo "amazon-ssm-agent is not installed: fruitlake emr tunnel will not reach this node" >&2
fi
