"""Notices of cloud providers that a spot or preemptible machine is about to be taken away.

Each announces it at an address that only the machine itself can reach; the askers name the pages that say so.
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

Ask = Callable[[], str | None]

LINK_LOCAL = "http://169.254.169.254"
TIMEOUT, PATIENCE = 2.0, 3  # seconds; failures in a row before the one warning
_direct = build_opener(ProxyHandler({}))  # a proxy would answer for its own machine


def notice_source(source: str) -> Ask:
    """Return a function that asks a source once whether this machine is about to be taken.

    Parameters
    ----------
    source : str
        ``aws``, ``gcp``, ``azure``, or ``file:PATH``: a file that somebody writes when the time has come.

    Returns
    -------
    callable
        Called without arguments it returns a short reason, or None where nothing is announced; it raises OSError
        (with the address in its message) where the source cannot be asked.

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
    """While entered, asks a source at once and then at intervals, and tells the first notice once.

    Parameters
    ----------
    source : str
        As in `notice_source`; ValueError if it is unknown.
    tell : callable
        Called with the reason, in the thread of the watch.
    every : float
        Seconds between two questions; AWS recommends 5. Google and Azure announce 30 seconds ahead, AWS two minutes.

    Warns
    -----
    ArignoteWarning
        Once, if the source could not be asked three times in a row; the watch goes on.
    """

    def __init__(self, source: str, tell: Callable[[str], None], every: float = 5.0) -> None:
        self.source, self._ask, self._tell, self._every = source, notice_source(source), tell, every
        self._left = threading.Event()

    def _watch(self) -> None:
        failures, warned = 0, False
        while True:
            try:
                reason = self._ask()
                failures = 0
            except OSError as fault:
                reason, failures = None, failures + 1
                if failures == PATIENCE and not warned:
                    warned = True
                    message = f"preemption={self.source!r} cannot be asked yet; training goes on: {fault}"
                    warn(message)
            if reason is not None:
                return self._tell(reason)
            if self._left.wait(self._every):
                return None

    def __enter__(self) -> Watch:
        self._left.clear()
        self._thread = threading.Thread(target=self._watch, name=f"arignote-notices-{self.source}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, tb: TracebackType | None) -> None:
        self._left.set()
        self._thread.join()  # waits at most for the question under way


def _aws() -> Ask:
    """Ask as in "Spot Instance interruption notices" and "Use IMDSv2" of the Amazon EC2 User Guide."""
    base = _base("AWS_EC2_METADATA_SERVICE_ENDPOINT", LINK_LOCAL)
    token = ""

    def ask() -> str | None:
        nonlocal token
        url, status, text = f"{base}/latest/meta-data/spot/instance-action", 401, ""
        if token:
            status, text = _fetch(url, {"X-aws-ec2-metadata-token": token}, also=(401, 404))
        if status == 401:  # no token yet, or it has expired
            lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
            token = _fetch(f"{base}/latest/api/token", lifetime, method="PUT")[1].strip()
            status, text = _fetch(url, {"X-aws-ec2-metadata-token": token}, also=(404,))
        notice = _object(url, text) if status == 200 else {}
        return f"aws: spot instance-action {notice.get('action')} at {notice.get('time')}" if notice else None

    return ask


def _gcp() -> Ask:
    """Ask as in "Create and use Spot VMs" (detect preemption) of the Compute Engine documentation."""
    base = _base("GCE_METADATA_HOST", "metadata.google.internal", scheme="http://")

    def ask() -> str | None:
        _, text = _fetch(f"{base}/computeMetadata/v1/instance/preempted", {"Metadata-Flavor": "Google"})
        return "gcp: instance preempted" if text.strip() == "TRUE" else None

    return ask


def _azure() -> Ask:
    """Ask as in "Scheduled Events for Linux VMs" of the Azure Virtual Machines documentation.

    The members of a scale set see each other's events: one that names other machines only is none of ours. The own
    name is that of "Azure Instance Metadata Service"; where it cannot be had, every event counts.
    """
    base = _base("AZURE_POD_IDENTITY_AUTHORITY_HOST", LINK_LOCAL)
    header = {"Metadata": "true"}

    def ours(machines: Collection[str]) -> bool:
        url = f"{base}/metadata/instance/compute/name?api-version=2021-02-01&format=text"
        try:
            return not machines or _fetch(url, header)[1].strip().lower() in {name.lower() for name in machines}
        except OSError:
            return True

    def ask() -> str | None:
        url = f"{base}/metadata/scheduledevents?api-version=2020-07-01"
        for event in _object(url, _fetch(url, header)[1]).get("Events", []):
            if event.get("EventType") in ("Preempt", "Terminate") and ours(event.get("Resources", [])):
                return f"azure: scheduled event {event['EventType']} at {event.get('NotBefore') or 'once'}"
        return None

    return ask


def _file(path: str) -> Ask:
    def ask() -> str | None:
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as file:
            return file.readline(200).strip() or f"file:{path} is there"
        return None

    return ask


def _base(variable: str, default: str, scheme: str = "") -> str:
    return scheme + (os.environ.get(variable) or default).rstrip("/")


def _fetch(url: str, headers: dict[str, str], method: str = "GET", also: Collection[int] = ()) -> tuple[int, str]:
    """Return status and text of an answer; whatever is neither 200 nor in `also` is an OSError that names the URL."""
    try:
        with _direct.open(Request(url, headers=headers, method=method), timeout=TIMEOUT) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as fault:
        with fault:
            if fault.code in also:
                return fault.code, ""
        raise OSError(f"{url}: {fault}") from None
    except (OSError, HTTPException, ValueError) as fault:  # not there; not HTTP; no URL or no text
        raise OSError(f"{url}: {fault}") from fault


def _object(url: str, text: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        if isinstance(found := json.loads(text), dict):
            return found
    raise OSError(f"{url}: no JSON object: {text[:80]!r}")
