"""`python -m firmware.pipeline --fd N`: the pipeline process on an inherited socket."""

from __future__ import annotations

import argparse

from firmware.pipeline.process import run_and_exit

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="firmware.pipeline", description="Started by the recorder, not by hand.")
    parser.add_argument("--fd", type=int, required=True, help="the inherited socket to the recorder")
    run_and_exit(parser.parse_args().fd)
