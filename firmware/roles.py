"""Who may do what: the one table of roles and verbs. Pure; docs/roles.md is made from it.

A role is proven by a login at the recorder's socket, or given by the kernel's word on who is at the other end.
"""

from __future__ import annotations

from typing import Literal, get_args

from firmware.messages import LoginRole, Role, Verb

Action = Literal[
    Verb, "listen", "login", "set-login", "approve-zones", "hand-over", "hold", "release", "timestamps", "read-log",
    "report-collector",
]
"""What can be asked of the recorder: the verbs of commands, and the messages that are not commands."""

EVERYBODY: frozenset[Role] = frozenset(get_args(Role))
IN_THE_ROOM: frozenset[Role] = frozenset({"operator", "surgeon", "fleet"})
STAFF: frozenset[Role] = frozenset({"operator", *get_args(LoginRole)})

MAY: dict[Action, frozenset[Role]] = {
    "status": EVERYBODY,
    "login": EVERYBODY,
    "listen": STAFF | {"fleet"},
    "start": IN_THE_ROOM,
    "stop": IN_THE_ROOM | {"privacy-officer"},
    "bookmark": IN_THE_ROOM,
    "pause": IN_THE_ROOM | {"privacy-officer"},
    "resume": IN_THE_ROOM,
    "consent": IN_THE_ROOM | {"privacy-officer"},
    "enter": IN_THE_ROOM | {"privacy-officer"},
    "leave": IN_THE_ROOM,
    "surgeon": IN_THE_ROOM,
    "erase": frozenset({"privacy-officer"}),
    "selftest": frozenset({"operator", "biomed", "administrator"}),
    "approve-zones": frozenset({"privacy-officer"}),
    "hand-over": frozenset({"operator", "biomed", "administrator"}),
    "hold": frozenset({"privacy-officer", "administrator"}),
    "release": frozenset({"privacy-officer", "administrator"}),
    "set-login": frozenset({"administrator"}),
    "timestamps": frozenset({"operator", "fleet"}),
    "read-log": frozenset({"operator", "biomed", "privacy-officer", "administrator", "fleet"}),
    "report-collector": frozenset({"operator", "fleet"}),
}

ROLE_NOTES: dict[Role, str] = {
    "anyone": "another user of the machine, who has not logged in",
    "operator": "the device's own user (and root) without a login, or a login: the nurse or technician at the device",
    "surgeon": "a login: whose case it is",
    "biomed": "a login: looks after the device, records nobody",
    "privacy-officer": "a login: the hospital's data protection",
    "administrator": "a login: hands out the logins",
    "fleet": "the agent (by its own user of the machine), for what comes over MQTT",
}

ACTION_NOTES: dict[Action, str] = {
    "status": "the state, the light, the fault, whether a recording runs",
    "login": "name and passphrase, with a wait that grows after failures",
    "listen": "events and figures as they come",
    "start": "start a recording; consent and all other conditions still decide",
    "stop": "stop and seal",
    "bookmark": "mark a moment",
    "pause": "privacy pause: fill and mute",
    "resume": "end the privacy pause",
    "consent": "open a case, or change its consent; withdrawn erases what is running (the fleet's word only stops it)",
    "enter": "enter a moment that the site never records",
    "leave": "leave it",
    "surgeon": "choose whose mapping the pedals have until the case ends",
    "erase": "erase a recording: destroy its key, remove it, certify it",
    "selftest": "send a planted scene through the whole path, where nothing is recorded and no case is open",
    "approve-zones": "let the configured field zones, in which faces stay visible, take effect",
    "hand-over": "copy sealed recordings, with their keys, to another disk",
    "hold": "keep a recording on the device whatever retention says",
    "release": "end such a hold",
    "set-login": "make, change or remove a login",
    "timestamps": "ask what waits for a timestamp, and bring the authority's token",
    "read-log": "read the audit log as it is stored; the agent does, for the audit collector",
    "report-collector": "say that the audit collector is away, or back",
}


NOTHING: tuple[Action, ...] = ()

BOARD_COMMANDS = tuple(f"board {word}" for word in (
    "list", "show", "check", "wiring", "press", "release", "unplug", "plug", "cut", "crush", "stick", "mend", "tap",
    "burst", "lights", "log",
))
COMMANDS: dict[str, tuple[Action, ...]] = {
    "ask": get_args(Verb),
    "audit show": ("read-log",),
    "audit export": ("read-log",),
    "audit presses": ("read-log",),
    "erase": ("erase",),
    "handover": ("hand-over",),
    "hold": ("hold", "release"),
    "roles set": ("set-login",),
    "roles remove": ("set-login",),
    "zones approve": ("approve-zones",),
    **dict.fromkeys((
        "run", "provision", "selftest", "demo", *BOARD_COMMANDS, "pedal listen", "record", "recover", "scrub", "info",
        "export", "verify", "privacy-eval", "reader", "recordings", "keys new", "keys device-ca", "keys certify",
        "audit verify", "certificate",
    ), NOTHING),
}
"""What each `scrubcam` command asks of a recorder. NOTHING: it works on files, with the rights of whoever runs it."""


def may(role: Role, action: Action) -> bool:
    """Whether a connection of this role may do this. KeyError for an action without an entry: there is no default."""
    return role in MAY[action]


def refusal(role: Role, action: Action) -> str:
    """Empty when it may; else the sentence for the one who asked."""
    if may(role, action):
        return ""
    return f"role: {action} needs {' or '.join(sorted(MAY[action]))}; this is {role}"


def markdown() -> str:
    """docs/roles.md."""
    roles = get_args(Role)
    lines = [
        "# Roles\n",
        "Made from `firmware/roles.py` by `python -m firmware.config_docs`; change it there.\n",
        "| role | who |\n|---|---|",
        *(f"| {role} | {ROLE_NOTES[role]} |" for role in roles),
        "\n| may | " + " | ".join(roles) + " | |\n|---|" + "---|" * (len(roles) + 1),
        *(f"| **{action}** | " + " | ".join("yes" if may(role, action) else "" for role in roles)
          + f" | {ACTION_NOTES[action]} |" for action in MAY),
        "\n| command | asks for |\n|---|---|",
        *(f"| `scrubcam {command}` | {', '.join(actions)} |" for command, actions in COMMANDS.items() if actions),
        "\nThe other commands ask the recorder for nothing: they work on files, with the rights of who runs them.\n",
        _PROOF,
    ]
    return "\n".join(lines)


_PROOF = """\
The pedal, the buttons and what they do need no role: whoever stands in the room may press them.

## How a role is proven

The recorder's socket is the only way to ask it for anything. Only the device's own user and root can connect; with
`access.group` the members of that group can too. The kernel tells the recorder who is at the other end: its own user
and root are the operator, everybody else is `anyone` until they log in. The agent has a user of its own on an installed
unit (`access.agent_user`), and the fleet's rights by the kernel's word: it never had the operator's. Where it runs as
the device's own user (`scrubcam run` on a PC) it gives up the operator's rights for the fleet's; that is never more.

A login is a name and a passphrase, one for each person, so that the [audit log](audit.md) can say who:

    scrubcam roles set kim --role privacy-officer --config scrubcam.toml    (asks for the passphrase twice)
    scrubcam zones approve --as kim --config scrubcam.toml

The first login must be an administrator's; the device's own user makes it at commissioning. From then on only an
administrator makes, changes and removes logins, and the last administrator cannot be removed. Passphrases have at least
15 characters (NIST SP 800-63B-4, 3.1.1.2) and are kept as scrypt hashes (N = 2^15, r = 8, p = 3) in `logins.json` in
`state_dir`. They cross the local socket only. After three failures for one name the next try waits 1 s, then 2, 4, and
so on up to 60 s. Every login, failure and change is a line of the audit log.

## Handing over

`scrubcam handover` reads the recordings and their wrapped keys, and only the device's own user and root can read those.
So whoever can run it is the operator by the kernel's word, and the recorder need not run. With `--as NAME` the recorder
checks the login, and the audit log names it. [What becomes of recordings then](retention.md).

## The audit log

`scrubcam audit show` and `export` ask the running recorder, which notes who read (`log-read`). Where no recorder runs
they read the journal's file, which only the device's own user and root can; that is noted nowhere. `audit verify` reads
the file too, and shows no line.

## Field zones

`[[zones.field]]` and `zones.profile` take effect only when a privacy officer has approved exactly these values:
`scrubcam zones approve` shows the zones and asks. The approval is signed by the device and holds the hash of the
values; change one number, and a start is refused with `zones: field zones not approved by the privacy officer`.

## Timestamps

The agent asks for what waits and brings the tokens; the operator may, because the agent's rights are never more than
theirs. The recorder keeps a token only when it is over the very value that waits, so nobody can put one recording's
token to another; but it has no list of authorities, so a token of somebody's own making over the right value is kept.
`scrubcam verify --tsa-ca` tells it from the authority's.

## What this does not stop

Whoever is root on the device, or runs programs as the device's own user, can change its files: the logins, the
approval, the device's key. Roles keep people at the device's commands to their part; the disk, the case and the
operating system must keep others out of the rest. What such a person did to the log shows against what the fleet holds.
"""
