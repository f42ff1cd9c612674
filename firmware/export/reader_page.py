"""The reader for who has nothing installed: one HTML page, put together from reader/, that can make no connection."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

# In the order in which they use each other.
SCRIPTS = (
    "bytes.js", "format.js", "scrypt.js", "keccak.js", "curve.js", "hpke.js", "keyfile.js", "verify.js", "timeline.js",
    "mp4.js", "player.js", "words.js", "session.js", "page.js",
)


def make_reader_page() -> str:
    """The whole page. Its policy lets in its own script and style by their hash, films and one worker it makes itself
    (blob:), and nothing else: no address can be fetched, no form sent, no frame loaded."""
    parts = files("firmware.export").joinpath("reader")
    read = {name: parts.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "style.css", *SCRIPTS)}
    style = read["style.css"]
    script = '"use strict";\n' + "\n".join(read[name] for name in SCRIPTS)
    policy = "; ".join([
        "default-src 'none'", f"script-src {_hash(script)}", f"style-src {_hash(style)}", "img-src data:",
        "media-src blob:", "worker-src blob:", "connect-src 'none'", "form-action 'none'", "base-uri 'none'",
    ])
    page = read["page.html"].replace("{{policy}}", policy).replace("{{style}}", style)
    return page.replace("{{script}}", script)


def _hash(text: str) -> str:
    """A source expression of Content Security Policy Level 3 for an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
