"""Orphans: processes whose parent has ended and who have become children of ours, as sub-reaper or as process 1.

Rule: only what runs under the program's filter is reaped. Children that a layer has started are the layer's to wait
      for, and the program's own status is the session's.
"""

import os


def reap(program: int) -> None:
    """Reap the orphans that have ended; `program` is never touched."""
    ours = _filters("self")
    for pid in _children():
        if pid != program and _filters(str(pid)) > ours:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def _children() -> list[int]:
    """Our children; of a kernel that does not tell, none."""
    found: list[int] = []
    for tid in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{tid}/children") as file:
                found += map(int, file.read().split())
        except OSError:
            pass
    return found


def _filters(pid: str) -> int:
    """How many seccomp filters a process is under; of a kernel that does not count (before Linux 5.10), one or none."""
    try:
        with open(f"/proc/{pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file if line.startswith("Seccomp"))
    except OSError:
        return 0
    return int(fields.get("Seccomp_filters") or int(fields.get("Seccomp", "0")) // 2)
