"""python -m firmware.selftest_child: the self-test for the recorder. Configuration in, a JSON line a finding out."""

from __future__ import annotations

import json
import sys

import msgspec

from firmware import log
from firmware.config import Config
from firmware.hardening import harden
from firmware.selftest import findings


def main() -> int:
    """0 when every check was made, whatever it found."""
    log.setup("selftest")
    harden(lock_memory=False)
    cfg = msgspec.json.decode(sys.stdin.buffer.read(), type=Config)
    for one in findings(cfg, configured=True):
        told = {"name": one.name, "held": one.held, "told": one.told[:400], "privacy": one.privacy}
        print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
