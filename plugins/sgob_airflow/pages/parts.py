"""What the pages share: settings and store as FastAPI's dependencies, and the headers of every answer."""

from __future__ import annotations

import functools
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends

from sgob_tasks.config import Settings, load_settings
from sgob_tasks.store.engine import open_store

NOTHING = "default-src 'none'"
"""Policy of what is no page."""


@functools.cache
def settings() -> Settings:
    """Return the installation's settings, read once for each process."""
    return load_settings()


def store(configured: Annotated[Settings, Depends(settings)]) -> sa.Engine:
    """Return the store's engine."""
    return open_store(configured)


Store = Annotated[sa.Engine, Depends(store)]
Configured = Annotated[Settings, Depends(settings)]


def headers(policy: str) -> dict[str, str]:
    """Return the headers of a page.

    Args:
        policy: its content security policy.
    """
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'self'",
        "Cache-Control": "private, no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
