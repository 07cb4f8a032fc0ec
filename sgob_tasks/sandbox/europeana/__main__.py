"""Command line of the stand-in: ``python -m sgob_tasks.sandbox.europeana``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import uvicorn

from sgob_tasks.sandbox.europeana.app import create_app
from sgob_tasks.sandbox.europeana.config import StandInConfig

KEY, CLIENT_SECRET, PASSWORD = (f"SGOB_STAND_IN_{name}" for name in ("API_KEY", "CLIENT_SECRET", "PASSWORD"))


def parse_arguments(arguments: list[str] | None = None) -> tuple[StandInConfig, str, int]:
    """Return the configuration, host and port that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m sgob_tasks.sandbox.europeana", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--collection", type=Path, help="folder of pictures with their CSV")
    what.add_argument("--synthetic", type=int, metavar="N", help="serve N records without pictures, made on the fly")
    parser.add_argument("--state", type=Path, required=True, help="folder for annotations and changes")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--base-url", help="address that links in answers begin with (default http://HOST:PORT)")
    secret = parser.add_argument_group("secrets (or in the environment: command lines can be read by every user)")
    secret.add_argument("--api-key", default=os.environ.get(KEY), help=f"the one valid API key; else {KEY}")
    secret.add_argument(
        "--client-secret",
        default=os.environ.get(CLIENT_SECRET, StandInConfig.client_secret),
        help=f"else {CLIENT_SECRET}",
    )
    secret.add_argument("--password", default=os.environ.get(PASSWORD, StandInConfig.password), help=f"else {PASSWORD}")
    parser.add_argument("--client-id", default=StandInConfig.client_id)
    parser.add_argument("--username", default=StandInConfig.username)
    parser.add_argument("--token-expires-s", type=int, default=StandInConfig.token_expires_s)
    parser.add_argument("--index-delay-s", type=float, default=StandInConfig.index_delay_s)
    parser.add_argument("--rate-limit", type=int, help="calls in one window (default: no limit)")
    parser.add_argument("--rate-window-s", type=int, default=StandInConfig.rate_window_s)
    given = parser.parse_args(arguments)
    if not given.api_key:
        parser.error(f"an API key is needed: --api-key or {KEY}")
    config = StandInConfig(
        state=given.state,
        base_url=given.base_url or f"http://{given.host}:{given.port}",
        api_key=given.api_key,
        collection=given.collection,
        synthetic=given.synthetic,
        client_id=given.client_id,
        client_secret=given.client_secret,
        username=given.username,
        password=given.password,
        token_expires_s=given.token_expires_s,
        index_delay_s=given.index_delay_s,
        rate_limit=given.rate_limit,
        rate_window_s=given.rate_window_s,
    )
    return config, given.host, given.port


def main() -> None:
    """Serve until interrupted."""
    config, host, port = parse_arguments()
    uvicorn.run(
        create_app(config), host=host, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=3
    )


if __name__ == "__main__":
    main()
