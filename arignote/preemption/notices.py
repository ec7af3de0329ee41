"""Preemption notices: cloud providers announce that a spot or preemptible machine is about to be stopped.

Each provider announces it at an address that only the machine itself can reach; the functions below cite its
documentation.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Collection
from http.client import HTTPException
from types import TracebackType
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from arignote.errors import did_you_mean, warn

__all__ = ["Watch", "notice_source"]

# Requests the notice once: a short reason, or None if nothing is announced.
NoticeSource = Callable[[], str | None]

LINK_LOCAL = "http://169.254.169.254"
# Seconds for one request.
TIMEOUT = 2.0
# Failed requests in a row before the warning.
MAX_FAILURES = 3
# Without a proxy, which would answer for its own machine.
_direct = build_opener(ProxyHandler({}))


def notice_source(source: str) -> NoticeSource:
    """Return a function that requests once whether this machine is about to be stopped.

    Parameters
    ----------
    source : str
        ``aws``, ``gcp``, ``azure``, or ``file:PATH``: a file that another program writes to announce it.

    Returns
    -------
    callable
        Takes no arguments and returns a short reason, or None if nothing is announced. It raises OSError, with the
        address in its message, if the source does not answer as documented.

    Raises
    ------
    ValueError
        If the source is unknown.
    """
    kind, _, path = source.partition(":")
    if kind == "file" and path:
        return _file(path)
    providers = {"aws": _aws, "gcp": _gcp, "azure": _azure}
    if source in providers:
        return providers[source]()
    known = (*providers, "file:PATH")
    raise ValueError(f"{source!r} must be one of {', '.join(known)}. {did_you_mean(source, known)}")


class Watch:
    """A context in which a thread polls a source for a notice, and reports the first one once.

    Parameters
    ----------
    source : str
        As in `notice_source`.
    on_notice : callable
        Called with the reason, in the thread of the watch.
    every : float
        Seconds between two requests; AWS recommends 5. Google and Azure announce 30 seconds ahead, AWS two minutes.

    Raises
    ------
    ValueError
        If the source is unknown.

    Warns
    -----
    ArignoteWarning
        Once, if the request failed three times in a row; polling continues.
    """

    # 5 s: as the EC2 User Guide recommends. Its notice comes two minutes before the end, that of Google 30 s.
    def __init__(self, source: str, on_notice: Callable[[str], None], every: float = 5.0) -> None:
        self.source, self._request, self._on_notice, self._every = source, notice_source(source), on_notice, every
        self._exited = threading.Event()

    def _poll(self) -> None:
        failures, warned = 0, False
        while True:
            try:
                reason = self._request()
                failures = 0
            except OSError as error:
                reason, failures = None, failures + 1
                if failures == MAX_FAILURES and not warned:
                    warned = True
                    warn(f"preemption={self.source!r} does not answer yet; training continues: {error}")
            if reason is not None:
                return self._on_notice(reason)
            if self._exited.wait(self._every):
                return None

    def __enter__(self) -> Watch:
        self._exited.clear()
        self._thread = threading.Thread(target=self._poll, name=f"arignote-notices-{self.source}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._exited.set()
        self._thread.join()  # waits for a running request at most, which has a timeout


def _aws() -> NoticeSource:
    """Return a source as in "Spot Instance interruption notices" and "Use IMDSv2" of the Amazon EC2 User Guide."""
    base = _base("AWS_EC2_METADATA_SERVICE_ENDPOINT", LINK_LOCAL)
    token = ""

    def request() -> str | None:
        nonlocal token
        url, status, text = f"{base}/latest/meta-data/spot/instance-action", 401, ""
        if token:
            status, text = _fetch(url, {"X-aws-ec2-metadata-token": token}, also=(401, 404))
        if status == 401:  # no token yet, or it has expired
            # Seconds: 6 hours, the longest that the service allows.
            lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
            token = _fetch(f"{base}/latest/api/token", lifetime, method="PUT")[1].strip()
            status, text = _fetch(url, {"X-aws-ec2-metadata-token": token}, also=(404,))
        notice = _object(url, text) if status == 200 else {}
        return f"aws: spot instance-action {notice.get('action')} at {notice.get('time')}" if notice else None

    return request


def _gcp() -> NoticeSource:
    """Return a source as in "Create and use Spot VMs" (detect preemption) of the Compute Engine documentation."""
    base = _base("GCE_METADATA_HOST", "metadata.google.internal", scheme="http://")

    def request() -> str | None:
        _, text = _fetch(f"{base}/computeMetadata/v1/instance/preempted", {"Metadata-Flavor": "Google"})
        return "gcp: instance preempted" if text.strip() == "TRUE" else None

    return request


def _azure() -> NoticeSource:
    """Return a source as in "Scheduled Events for Linux VMs" of the Azure Virtual Machines documentation.

    The members of a scale set see each other's events: an event that names only other machines is ignored. The name of
    this machine is that of "Azure Instance Metadata Service"; if it is not available, no event is ignored.
    """
    base = _base("AZURE_POD_IDENTITY_AUTHORITY_HOST", LINK_LOCAL)
    header = {"Metadata": "true"}

    def is_affected(machines: Collection[str]) -> bool:
        url = f"{base}/metadata/instance/compute/name?api-version=2021-02-01&format=text"
        try:
            return not machines or _fetch(url, header)[1].strip().lower() in {name.lower() for name in machines}
        # Rather stop for the notice of another machine than be stopped without a checkpoint.
        except OSError:
            return True

    def request() -> str | None:
        url = f"{base}/metadata/scheduledevents?api-version=2020-07-01"
        for event in _object(url, _fetch(url, header)[1]).get("Events", []):
            if event.get("EventType") in ("Preempt", "Terminate") and is_affected(event.get("Resources", [])):
                return f"azure: scheduled event {event['EventType']} at {event.get('NotBefore') or 'once'}"
        return None

    return request


def _file(path: str) -> NoticeSource:
    def request() -> str | None:
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as file:
            return file.readline(200).strip() or f"file:{path} exists"
        return None

    return request


def _base(variable: str, default: str, scheme: str = "") -> str:
    return scheme + (os.environ.get(variable) or default).rstrip("/")


def _fetch(url: str, headers: dict[str, str], method: str = "GET", also: Collection[int] = ()) -> tuple[int, str]:
    """Return status and text of an answer; OSError with the URL if the status is neither 200 nor in `also`."""
    try:
        with _direct.open(Request(url, headers=headers, method=method), timeout=TIMEOUT) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            if error.code in also:
                return error.code, ""
        raise OSError(f"{url}: {error}") from None
    except (OSError, HTTPException, ValueError) as error:  # no connection; not HTTP; not a URL, or not text
        raise OSError(f"{url}: {error}") from error


def _object(url: str, text: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        if isinstance(value := json.loads(text), dict):
            return value
    raise OSError(f"{url}: must answer with a JSON object; got {text[:80]!r}")
