"""Background services: started once, known by more than a pid, ended with all they started."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest

from sgob_tasks.errors import PermanentError
from sgob_tasks.sandbox.processes import Service, answers, free_port, group_alive, start_time

SLEEPER = [sys.executable, "-c", "import subprocess, time; subprocess.Popen(['sleep', '600']); time.sleep(600)"]


def test_service_is_started_once_and_stopped_with_its_children(tmp_path: Path) -> None:
    service = Service("sleeper", SLEEPER, tmp_path)
    pid = service.start()
    try:
        assert service.start() == pid == service.pid()
    finally:
        assert service.stop()
    assert service.pid() is None
    assert not group_alive(pid)
    assert not service.stop()


def test_pid_of_another_program_is_not_believed(tmp_path: Path) -> None:
    service = Service("stale", SLEEPER, tmp_path)
    service.pid_file.write_text(f"{os.getpid()} 1\n")  # alive, but not started when the file says
    assert start_time(os.getpid()) != "1"
    assert service.pid() is None


def test_service_that_ends_is_reported_with_its_log(tmp_path: Path) -> None:
    service = Service("broken", [sys.executable, "-c", "raise SystemExit('no such collection')"], tmp_path)
    service.start()
    began = time.monotonic()
    with pytest.raises(PermanentError, match=r"broken ended(.|\n)*no such collection"):
        service.wait_healthy(lambda: False, timeout_s=30)
    assert time.monotonic() - began < 25


def test_service_that_never_gets_healthy_is_reported(tmp_path: Path) -> None:
    service = Service("slow", SLEEPER, tmp_path)
    service.start()
    try:
        with pytest.raises(PermanentError, match="slow was not healthy after 0 s"):
            service.wait_healthy(lambda: False, timeout_s=0.3)
    finally:
        service.stop()


def test_taken_port_is_not_chosen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
        assert answers(port)
    assert not answers(port)
