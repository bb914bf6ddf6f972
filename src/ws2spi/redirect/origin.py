"""Who asked for a connection, as layers are told (`conn.origin`)."""

from ws2spi.redirect.process import command_of, process_of


class Origin:
    """The thread that called connect. What costs a look into /proc is looked up when it is first asked for."""

    __slots__ = ("_command", "_pid", "tid")

    def __init__(self, tid: int) -> None:
        self.tid = tid
        self._pid = 0
        self._command: str | None = None

    @property
    def pid(self) -> int:
        """The process; the thread's own id when it has died before we asked."""
        if not self._pid:
            try:
                self._pid = process_of(self.tid)
            except OSError:
                self._pid = self.tid
        return self._pid

    @property
    def command(self) -> str:
        if self._command is None:
            self._command = command_of(self.tid)
        return self._command

    def __str__(self) -> str:
        return f"{self.command}[{self.pid}]"
