"""A real Chromium without a window, driven over its DevTools protocol through two pipes: no driver, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "google-chrome-stable", "google-chrome")
MISSING = (
    "the browser tests need Chromium or Chrome, and none that starts was found: on Debian `apt install chromium`; "
    "Ubuntu's package of that name is a snap, so install Google Chrome's .deb there"
)
# No background traffic, no first-run pages; a fresh profile for each run. Autoplay: nobody is there to press play.
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required", "--window-size=1400,1500",
    "--remote-debugging-pipe",
)


class BrowserFault(AssertionError):
    """The browser or the page in it did not do what was asked."""


def find_chromium() -> str:
    """Its path. Raises BrowserFault: a machine without it fails these tests, it does not skip them."""
    for name in NAMES:
        path = shutil.which(name)
        if path and "/snap" not in path + str(Path(path).resolve()):
            return path
    raise BrowserFault(MISSING)


class Browser:
    """One browser with one page. `log` keeps what the page's console and security log said, `requests` each address
    that the page asked for."""

    def __init__(self, profile: Path) -> None:
        to_child_r, to_child_w = os.pipe()
        from_child_r, from_child_w = os.pipe()
        self._write, self._read = to_child_w, from_child_r
        with (profile.parent / "browser.log").open("wb") as log:
            # The protocol's pipes are the descriptors 3 and 4 of the browser.
            self._process = subprocess.Popen(
                ["bash", "-c", f'exec 3<&{to_child_r} 4>&{from_child_w}; exec "$0" "$@"', find_chromium(), *FLAGS,
                 f"--user-data-dir={profile}", "about:blank"],
                pass_fds=(to_child_r, from_child_w), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )
        os.close(to_child_r)
        os.close(from_child_w)
        self._pending = b""
        self._count = 0
        self._session: str | None = None
        self.log: list[str] = []
        self.requests: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, timeout_s: float = 30.0, **params: Any) -> dict[str, Any]:
        """One command of the protocol and its result. Raises BrowserFault."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout_s
        while True:
            told = self._next(deadline, method)
            if told.get("id") == self._count:
                if "error" in told:
                    raise BrowserFault(f"{method}: {told['error']['message']}")
                return dict(told["result"])

    def open(self, page: Path) -> None:
        """Load a page from a file, with no log and no request kept of what was before."""
        self.log.clear()
        self.requests.clear()
        self.call("Page.navigate", url=page.as_uri())
        self.until("document.readyState === 'complete'", "the page")

    def do(self, script: str, timeout_s: float = 30.0) -> Any:
        """The value of a JavaScript expression, awaited. Raises BrowserFault with the page's error."""
        told = self.call("Runtime.evaluate", timeout_s, expression=script, awaitPromise=True, returnByValue=True,
                         userGesture=True)
        if "exceptionDetails" in told:
            raise BrowserFault(told["exceptionDetails"].get("exception", {}).get("description", str(told)))
        return told["result"].get("value")

    def until(self, script: str, what: str, timeout_s: float = 30.0) -> Any:
        """Ask again until the expression is true."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            value = self.do(script)
            if value:
                return value
            time.sleep(0.02)
        raise BrowserFault(f"{what} did not come within {timeout_s:g} s")

    def choose_files(self, selector: str, *paths: Path) -> None:
        """Give files to a file input, as a person would."""
        node = self.call("DOM.querySelector", nodeId=self.call("DOM.getDocument")["root"]["nodeId"], selector=selector)
        self.call("DOM.setFileInputFiles", nodeId=node["nodeId"], files=[str(path) for path in paths])

    def drop_files(self, *paths: Path) -> None:
        """Drag files from outside onto the page and drop them."""
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=200, y=200, data=data)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def close(self) -> None:
        """End it, whatever state it is in."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        os.close(self._write)
        os.close(self._read)

    def _next(self, deadline: float, waiting_for: str) -> dict[str, Any]:
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            piece = os.read(self._read, 1 << 20) if ready else b""
            if not piece:
                raise BrowserFault(f"no answer to {waiting_for}: " + ("the browser ended" if ready else "time is up"))
            self._pending += piece
        line, self._pending = self._pending.split(b"\0", 1)
        told: dict[str, Any] = json.loads(line)
        self._note(told)
        return told

    def _note(self, told: dict[str, Any]) -> None:
        params = told.get("params", {})
        noted: dict[str, Callable[[], None]] = {
            "Log.entryAdded": lambda: self.log.append(params["entry"]["text"]),
            "Runtime.exceptionThrown": lambda: self.log.append(str(params["exceptionDetails"])),
            "Runtime.consoleAPICalled": lambda: self.log.append(str(params["args"])),
            "Network.requestWillBeSent": lambda: self.requests.append(params["request"]["url"]),
        }
        noted.get(told.get("method", ""), lambda: None)()
