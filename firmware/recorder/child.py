"""Runs a command that dies with its parent: `python -I -S child.py PARENT_PID COMMAND...`. Imports nothing of ours.

A pipeline or agent left behind by a killed recorder would hold the camera, so the kernel is asked to kill it. Ctrl-C
in a terminal reaches the whole process group: it is for the parent, which ends its children in order.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel, check that the parent did not die before that, and become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit("the kernel does not tie processes together (prctl PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # outlives execv, unless the command takes it up itself
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
