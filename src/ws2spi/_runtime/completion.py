"""How the end of an overlapped operation reaches the client: status block, then event, port or completion routine.

Rules:
1. The status block is final before anybody is told, InternalHigh before Internal (`_executive.overlapped`).
2. A routine, if there is one, is the only way the client is told, and it runs in an alertable wait of the thread that
   started the operation. A thread that has ended is told nothing.
3. Otherwise the event is set, if there is one, and a packet goes to the port that the socket has at that moment, unless
   the low bit of hEvent was set. Both happen when both are there.
4. A start that is refused tells nobody. A receive that was cut short (WSAEMSGSIZE) is no refusal: it ended.
5. The client's memory is kept until it has been handed back: in the record while pending, then in the packet or in the
   routine's argument.
"""

import ctypes
from _thread import allocate_lock
from collections.abc import Callable
from typing import Any

from ws2spi._abi.addresses import Address
from ws2spi._abi.constants import STATUS_PENDING
from ws2spi._abi.errors import ProviderContractError, WinsockError, WSAError, status_from_wsa, wsa_from_status
from ws2spi._abi.memory import address_of, deref
from ws2spi._abi.types import OVERLAPPED, WSATHREADID
from ws2spi._executive.handles import handles
from ws2spi._executive.overlapped import Overlapped, pending_at
from ws2spi._executive.ports import Packet
from ws2spi._executive.threads import Thread, current
from ws2spi._executive.waits import wait as wait_for
from ws2spi._runtime import threads
from ws2spi._runtime.arguments import AddressOut, as_routine, routine_argument
from ws2spi._runtime.sockets import SocketEntry


class Completion:
    """One overlapped call, from its start to the moment the client is told. Providers keep it while it is pending.

    `overlapped` is its record, `thread` where its routine will run, `issuer` the thread that started it (whom CancelIo
    and the end of a thread mean), `address_out` where recv_from stores the sender, `output_out` where a control
    code's output goes.
    """

    __slots__ = (
        "_abandoned",
        "_claim",
        "_keep",
        "_offer",
        "_operations",
        "address_out",
        "entry",
        "issuer",
        "output_out",
        "overlapped",
        "routine",
        "thread",
        "told",
    )

    def __init__(
        self,
        entry: SocketEntry,
        overlapped: Overlapped,
        routine: Any = None,
        thread: Thread | None = None,
        *,
        keep: object = None,
    ) -> None:
        own = threads.own()
        self.entry = entry
        self.overlapped = overlapped
        self.routine = routine
        self.issuer = own.thread
        self.thread = thread or own.thread
        self.address_out: AddressOut | None = None
        self.output_out: Callable[[bytes], object] | None = None
        self.told = False
        self._abandoned = False
        self._claim = allocate_lock()  # taken once, by whoever ends the operation first
        self._keep = keep
        self._operations = own.operations
        self._offer = True

    def __repr__(self) -> str:
        return f"<Completion socket={self.entry.number} {self.overlapped!r}{' told' if self.told else ''}>"

    @property
    def offered(self) -> "Completion | None":
        """What the provider gets: None on a socket without WSA_FLAG_OVERLAPPED, where the call just takes its time."""
        return self if self._offer else None

    def start(self) -> None:
        """Make the record pending: Internal says so and the event is reset."""
        self._operations[self] = None
        self.overlapped.start()

    def complete(self, code: int, transferred: int, flags: int = 0, *, immediate: bool = False) -> None:
        """The operation has ended: tell the client, once, by the way it chose.

        Parameters:
            code: 0, or the WSA code.
            transferred: bytes; they count also with a code (a cut receive, a send that was cancelled half-way).
            flags: what the client finds as the flags of a receive.
            immediate: the starting call itself returns success, so FILE_SKIP_COMPLETION_PORT_ON_SUCCESS applies.
        """
        if self._abandoned:
            return
        self._end()
        record = self.overlapped
        structure = record.structure
        if structure is not None:
            structure.Offset, structure.OffsetHigh = flags, code
        if self.routine is None:
            skip = immediate and not code and self.entry.skip_on_success
            _announce(self.entry, record, code, transferred, skip)
            return
        record.store(status_from_wsa(code), transferred)
        # The pattern of WPUQueueApc's page: a block with all that the routine needs, and a procedure of ours that
        # unpacks it in the right thread. False means that the thread has ended; then nobody is left to be told.
        block = (self.routine, code, 0 if code else transferred, record, flags)
        self.thread.queue_apc(_deliver, block)

    def abandon(self, code: int = WSAError.WSA_OPERATION_ABORTED) -> None:
        """The process cleans up: the status block says so, and nobody is told, whatever ends the operation later."""
        self._abandoned = True  # before the claim: who loses it to us must see why
        if not self._claim.acquire(False):
            return  # it has just ended by itself
        self.told = True
        self._operations.pop(self, None)
        self._keep = None
        self.overlapped.store(status_from_wsa(code), 0)

    def set_address(self, address: Address) -> None:
        """Store the sender where the client wants it, if it does."""
        if self.address_out is not None:
            self.address_out(address)

    def finished(self, transferred: int, flags: int = 0) -> None:
        """For who made the call: the provider returned a result, so the operation has ended. Told at most once."""
        if not self.told:
            self.complete(0, transferred, flags, immediate=True)

    def refused(self) -> None:
        """For who made the call: the provider raised. Unless it has told the client of an end, nothing was started."""
        if not self.told:
            self._end()
            self.overlapped.refuse()

    def issuer_ended(self) -> None:
        """The thread that started it has ended: cancel it, unless a port alone is waiting for it."""
        entry, record = self.entry, self.overlapped
        if entry.port is None or record.event is not None or self.routine is not None:
            entry.provider.cancel(entry, None, record)

    def _end(self) -> None:
        if not self._claim.acquire(False):
            raise ProviderContractError(repr(self.entry.provider), "an operation ends once")
        self.told = True
        self._operations.pop(self, None)
        self._keep = None

    @classmethod
    def pure(cls, entry: SocketEntry, overlapped: Overlapped, routine: Any = None) -> "Completion":
        """Start an operation of a Python caller: `overlapped` is its own record, without a structure."""
        completion = cls(entry, overlapped, routine)
        completion.start()
        return completion


def begin(entry: SocketEntry, pointer: Any, routine: Any, identity_pointer: Any, keep: object) -> Completion:
    """Start the record of an overlapped call; from here on its structure says "in progress".

    Parameters:
        keep: kept alive with the operation: the client's buffers.
    Errors:
        WSA_INVALID_HANDLE: hEvent is no event.
        WSAEINVAL: the OVERLAPPED is in use; or a routine on a socket with a port, which leaves it "in progress".
        WSAEFAULT: a routine, and `identity_pointer` names no thread.
    """
    routine = as_routine(routine) if entry.overlapped else None
    record = Overlapped.from_argument(pointer, handles, with_event=routine is None)
    in_use = pending_at(record.address)
    if in_use is not None:
        raise WinsockError(WSAError.WSAEINVAL, f"the OVERLAPPED of {in_use!r} is in use")
    thread = _starting_thread(identity_pointer) if routine is not None else None
    completion = Completion(entry, record, routine, thread, keep=keep)
    completion._offer = entry.overlapped
    completion.start()
    if routine is not None and entry.port is not None:
        completion.refused()
        raise WinsockError(WSAError.WSAEINVAL, "a completion routine on a socket with a completion port")
    return completion


def _starting_thread(identity_pointer: Any) -> Thread:
    identity = deref(identity_pointer, WSATHREADID)
    if identity is None or identity is threads.own_structure():
        return current()
    thread = threads.resolve(identity)
    if thread is None:
        raise WinsockError(WSAError.WSAEFAULT, "identity_pointer")
    return thread


def _deliver(block: tuple[Any, int, int, Overlapped, int]) -> None:
    """The intermediate procedure: runs as an APC and calls the client's routine."""
    routine, code, transferred, record, flags = block
    structure = record.structure
    routine(code, transferred, record if structure is None else routine_argument(routine, structure), flags)


# Operations that are not a client's. A caller inside this process passes down an OVERLAPPED of its own and wants a call
# when its end is announced, whoever announces it.


class Expected:
    """An OVERLAPPED of ours that is on its way through a provider."""

    __slots__ = ("ended", "keep", "structure")

    def __init__(self, structure: OVERLAPPED, ended: Callable[[int, int], None], keep: object) -> None:
        self.structure = structure
        self.ended = ended
        self.keep = keep

    def forget(self) -> None:
        """The start failed: nothing will be announced."""
        _expected.pop(ctypes.addressof(self.structure), None)


_expected: dict[int, Expected] = {}  # {address of our OVERLAPPED: who waits for it}


def expect(structure: OVERLAPPED, ended: Callable[[int, int], None], keep: object) -> Expected:
    """Ask for `ended(code, transferred)` when the end of the operation with `structure` is announced."""
    expected = _expected[ctypes.addressof(structure)] = Expected(structure, ended, keep)
    return expected


def announce(entry: SocketEntry, pointer: Any, code: int, transferred: int) -> None:
    """Announce the end of an operation that its provider has kept by itself; the event is the one hEvent names now."""
    record = pending_at(address_of(pointer))
    if record is None:
        try:
            record = Overlapped.from_argument(pointer, handles)
        except WinsockError:  # the client closed its event: there is still a port to be told
            record = Overlapped.from_argument(pointer, handles, with_event=False)
    _announce(entry, record, code, transferred, False)


def _announce(entry: SocketEntry, record: Overlapped, code: int, transferred: int, skip_packet: bool) -> None:
    if _expected:
        expected = _expected.pop(record.address, None)
        if expected is not None:
            record.store(status_from_wsa(code), transferred)
            expected.ended(code, transferred)
            return
    status = status_from_wsa(code)
    # Before the client is told: a port that it associates after that is not told of what was over by then.
    port, key = entry.port, entry.key
    record.complete(status, transferred)
    if port is not None and record.packet and not skip_packet:
        told = record if record.structure is None else record.structure
        port.post(Packet(key, transferred, told, status))


# Results


def overlapped_of(pointer: Any) -> Overlapped:
    """Return the record of an OVERLAPPED argument: the pending one, else one that says what the structure says.

    Errors:
        WSAEFAULT: NULL.
    """
    pending = pending_at(address_of(pointer))
    if pending is not None:
        return pending
    structure = deref(pointer, OVERLAPPED)
    if structure is None:
        raise WinsockError(WSAError.WSAEFAULT, "lpOverlapped is NULL")
    record = Overlapped(structure)
    record.status = structure.Internal or 0
    record.transferred = structure.InternalHigh or 0
    return record


def result_of(record: Overlapped, wait: bool) -> tuple[int, int]:
    """Return `(bytes, flags)` of an operation, waiting for this very operation when `wait`; not alertable.

    Only the structure counts once the operation is over: it may be asked again and again.

    Errors:
        WSA_IO_INCOMPLETE: it runs, and `wait` is False (or there is nothing to wait for).
        The operation's own code.
    """
    if record.pending and wait:
        wait_for((record,))
    if record.pending or record.status == STATUS_PENDING:
        raise WinsockError(WSAError.WSA_IO_INCOMPLETE)
    if record.status:
        raise WinsockError(wsa_from_status(record.status))
    structure = record.structure
    return record.transferred, 0 if structure is None else structure.Offset
