"""`python -m hil.person_hand VERB LINE`: asks the person at the bench to move a contact, and waits for Enter."""

from __future__ import annotations

import sys

ASKED = {
    "press": "Press {line} and keep it pressed.",
    "release": "Let go of {line}.",
    "cut": "Pull the plug of {line}, so that all of its wires are open.",
    "crush": "Join all wires of {line} to its common wire.",
    "mend": "Wire {line} as it should be, not pressed.",
}


def main(words: list[str]) -> int:
    """Exit status 0 when it was done, 1 when the person cannot ("n"), 2 for a move that is not known."""
    if len(words) != 2 or words[0] not in ASKED:
        print(f"usage: python -m hil.person_hand {'|'.join(ASKED)} LINE", file=sys.stderr)
        return 2
    # The terminal by its name: pytest has taken standard input and output.
    with open("/dev/tty", "w", encoding="utf-8") as screen, open("/dev/tty", encoding="utf-8") as keys:
        print(f"\n>>> {ASKED[words[0]].format(line=words[1])} Then Enter (n: cannot be done). ", end="", file=screen,
              flush=True)
        return 1 if keys.readline().strip().lower() == "n" else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
