#!/usr/bin/env bash
# Writes wheels.lock anew: every Python package of an installed unit, for all Pythons and processors, with its hashes.
# After a change of a pin in setup.py. Needs uv (pip install uv): it resolves for machines other than this one.
set -euo pipefail
cd "$(dirname "$0")/../.."
lock=deploy/package/wheels.lock
{
  echo "# Made from setup.py by deploy/package/lock.sh; every file that pip may use for these packages, by SHA-256."
  { sed -n 's/^    "\(.*\)",$/\1/p' <(sed -n '/^RUNTIME = \[/,/^\]/p' setup.py)
    grep -o 'Jetson.GPIO==[0-9.]*' setup.py
  } | uv pip compile --universal --python-version 3.10 --generate-hashes --no-annotate --no-header --quiet -
} >"$lock.new"
mv "$lock.new" "$lock"
echo "$lock: $(grep -c == "$lock") pins"
