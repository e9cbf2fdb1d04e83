"""Answers made smaller on their way out, and how long a browser may keep what it was sent."""

from __future__ import annotations

import gzip
import hashlib

from flask import Flask, Response, request

from dashboards.kept import Kept

__all__ = ["wire"]

# Below that the headers weigh more than what is saved.
_LEAST = 1_000
_TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml")
# A page is made smaller for one reader, a bundle once for all.
_QUICK, _SMALL = 1, 6
_FILES = 60
_FOREVER = "public, max-age=31536000, immutable"
# Most addresses of scripts and styles change with their content; plotly's is asked whether it is still the same.
_BUNDLES, _ASSETS = "/_dash-component-suites/", "/assets/"


def wire(server: Flask) -> None:
    """Send text as gzip to who takes it; scripts and styles are packed once."""
    packed = Kept(_FILES)

    def pack(response: Response) -> Response:
        if response.status_code != 200:
            return response
        if _versioned(response):
            response.headers["Cache-Control"] = _FOREVER
        if not (response.mimetype or "").startswith(_TEXT):
            return response
        # A tag of the whole bytes stands for the packed ones, too: the two are kept apart by this.
        response.vary.add("Accept-Encoding")
        if "Content-Encoding" in response.headers or not request.accept_encodings["gzip"]:
            return response
        response.direct_passthrough = False
        content = response.get_data()
        if len(content) < _LEAST:
            return response
        if request.path.startswith((_BUNDLES, _ASSETS)):
            # By what it holds: anybody can make up an address that leads to it.
            held = hashlib.sha256(content).digest()
            smaller: bytes = packed.once(held, lambda: gzip.compress(content, _SMALL, mtime=0))
        else:
            smaller = gzip.compress(content, _QUICK, mtime=0)
        response.set_data(smaller)
        response.headers["Content-Encoding"] = "gzip"
        return response

    server.after_request(pack)


def _versioned(response: Response) -> bool:
    """Whether this address will never answer anything else: it names the version of what it holds."""
    named = request.path.startswith(_BUNDLES) and "max-age=31536000" in response.headers.get("Cache-Control", "")
    return named or (request.path.startswith(_ASSETS) and "m" in request.args)
