# SPDX-License-Identifier: Apache-2.0
"""Deadlines instead of sleeps."""

import os
import time

# Sanitizers cost two to four times the CPU; machines that run tests are busy.
FACTOR = float(os.environ.get("SLUICE_TEST_TIME_FACTOR") or
               (3 if "asan" in os.environ.get("SLUICE_BINARY", "") else 1.5))


def until(condition, seconds, what):
    """Polls until @condition gives something true, and returns that. AssertionError with @what (text, or a function
    that tells the state of things) after @seconds."""
    deadline = time.monotonic() + seconds * FACTOR
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds * FACTOR:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.05)


def holds(condition, seconds, what):
    """The opposite: @condition must stay true all that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), what() if callable(what) else what
        time.sleep(0.05)
