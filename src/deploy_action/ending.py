"""The end of the process, without taking the interpreter apart where nothing is lost by that."""

from __future__ import annotations

import os
import sys
import threading

__all__ = ["end"]


def end(code: int) -> int:
    """End the process with this exit code; only an entry point calls it, and as the last thing.

    To take modules and threads apart takes the interpreter longer than Docker needs for a call, and
    is of no use: connections, tunnels and files are closed where they were opened.

    Returns:
        The code, where there is something left to do: a stream that cannot be written, of which the
        interpreter says what it always says, a thread that has to be waited for, or a debugger or
        profiler that wants to see the end.
    """
    watched = sys.gettrace() is not None or sys.getprofile() is not None
    here = threading.current_thread()
    busy = any(not thread.daemon for thread in threading.enumerate() if thread is not here)
    if watched or busy:
        return code
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return code
    os._exit(code)
