"""`python -m firmware.fleet --config FILE`: the agent process, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from firmware import log
from firmware.config_file import load
from firmware.errors import ConfigError, ScrubcamError
from firmware.fleet.agent import Agent
from firmware.hardening import harden


def main(arguments: list[str] | None = None) -> int:
    """The process's exit status: 0 after a stop, else that of the named fault."""
    parser = argparse.ArgumentParser(prog="python -m firmware.fleet", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="the unit's scrubcam.toml")
    parser.add_argument("--wanted", action="store_true", help="only say, by the exit status, whether there is anybody "
                        "to speak to (0), or nobody (1): for systemd's ExecCondition")
    given = parser.parse_args(arguments)
    log.setup("agent")
    harden(lock_memory=False)
    try:
        config = load(given.config)
        if given.wanted:
            return 0 if config.agent_wanted else 1
        if not config.agent_wanted:
            raise ConfigError(f"{given.config}: mqtt.host, timestamps.url and audit.host are empty",
                              meaning="There is nobody to speak to", todo="set one, or do not start the agent")
        agent = Agent(config)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: agent.stop())
        agent.run()
    except ScrubcamError as error:
        print(f"scrubcam agent: {error.code}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
