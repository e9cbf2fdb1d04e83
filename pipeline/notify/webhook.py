"""A webhook of the user's: the document of a message as JSON, signed, so that the receiver knows who sent it."""

from __future__ import annotations

import hashlib
import hmac

from pipeline.notify.document import Document

__all__ = ["SIGNATURE", "body", "headers", "signature"]

SIGNATURE = "X-Barograph-Signature"


def body(document: Document) -> bytes:
    """The document as UTF-8 JSON."""
    return document.model_dump_json().encode("utf-8", "replace")


def headers(document: Document, content: bytes, secret: str) -> dict[str, str]:
    """Content type, the message's id (the same in every repeat), and the signature where there is a secret."""
    known = {"Content-Type": "application/json", "Idempotency-Key": document.notification_id}
    return known | ({SIGNATURE: signature(content, secret)} if secret else {})


def signature(content: bytes, secret: str) -> str:
    """`sha256=` and the hex HMAC-SHA256 of the raw body. The receiver computes it over the bytes it got and compares in
    constant time."""
    return "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
