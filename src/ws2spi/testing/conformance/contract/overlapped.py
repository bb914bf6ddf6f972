"""Overlapped calls: what the start answers, how the end is told, cancelling; each by event, routine and port."""

import ctypes

from ws2spi import kernel32, ws2_32
from ws2spi._abi import constants as c
from ws2spi._abi.errors import WSAError
from ws2spi.testing.conformance.client import (
    NOTHING,
    PENDING,
    ROUTINE,
    Net,
    Operation,
    Port,
    Routine,
    Started,
    an_event,
    byref,
    ensure,
    expect,
    is_set,
    last,
    wait_set,
)
from ws2spi.testing.conformance.rules import clause


@clause("executive 6.2, witness F7")
def pending_start_touches_nothing(net: Net) -> None:
    """A receive without data is WSA_IO_PENDING: event reset, Internal 0x103, the count untouched."""
    client, server = net.pair()
    with an_event() as event:
        kernel32.SetEvent(event)
        operation = Operation(server, 10, event=event).must_pend("an overlapped receive without data")
        ensure(not is_set(event), "the event was not reset by the start of a pending operation")
        ensure(operation.pending, "Internal of a pending operation is not 0x103")
        ensure(operation.count == NOTHING, "a start that pends stored a count")
        expect(operation.result()[0], WSAError.WSA_IO_INCOMPLETE, "WSAGetOverlappedResult while pending")
        net.sent(client, b"now")
        wait_set(event, "a pending receive")


@clause("executive 6.1, witness G1")
def event_tells_the_end(net: Net) -> None:
    """The event is set when the result is final, not before."""
    client, server = net.pair()
    with an_event() as event:
        operation = Operation(server, 10, event=event).must_pend("an overlapped receive without data")
        net.sent(client, b"0123456789")
        wait_set(event, "a receive with an event")
        ensure(not operation.pending, "the event was set while Internal was still 0x103")
        code, size = operation.result()
        expect(code, 0, "WSAGetOverlappedResult after the event")
        ensure(1 <= size <= 10, f"{size} bytes told of 10")
        net.arrives_rest(server, b"0123456789", operation.data(size))


@clause("executive 6.2")
def data_that_is_there_ends_an_overlapped_receive(net: Net) -> None:
    """A receive whose data has come ends, at once or soon, and is told in the same way."""
    client, server = net.pair()
    net.sent(client, b"early")
    net.wait_readable(server)
    with an_event() as event:
        operation = Operation(server, 10, event=event).started("an overlapped receive with data")
        if operation.code == 0:
            ensure(is_set(event), "a receive that ended at once did not set its event")
            ensure(operation.count != NOTHING, "a receive that ended at once stored no count")
        wait_set(event, "a receive with an event")
        code, size = operation.result()
        expect(code, 0, "WSAGetOverlappedResult")
        net.arrives_rest(server, b"early", operation.data(size))


@clause("executive 6.1")
def sends_are_told_too(net: Net) -> None:
    """An overlapped send tells all its bytes by its event, and they arrive."""
    client, server = net.pair()
    data = bytes(range(256)) * 40
    with an_event() as event:
        operation = Operation(client, data, event=event).started("an overlapped send")
        net.arrives(server, data)
        wait_set(event, "an overlapped send")
        operation.ended_with(0, len(data), "an overlapped send")


@clause("WSPRecv, WPUQueueApc")
def routine_runs_once_in_the_starting_thread(net: Net) -> None:
    """The completion routine runs once, in an alertable wait of the thread that started the call, and nowhere else."""
    client, server = net.pair()
    routine = Routine()
    operation = Operation(server, 10, routine=ROUTINE(routine)).must_pend("a receive with a routine")
    net.beside(net.sent, client, b"apc").result()  # a blocking call of this thread would be an alertable wait
    kernel32.Sleep(5)
    ensure(not routine.calls, "a completion routine ran outside an alertable wait")
    routine.wait(1, "a receive with a routine")
    kernel32.SleepEx(0, True)
    ensure(len(routine.calls) == 1, f"a completion routine ran {len(routine.calls)} times")
    error, size, address, _ = routine.calls[0]
    expect(error, 0, "a completion routine's error")
    ensure(address == operation.address, "a completion routine got another structure than its client's")
    ensure(not operation.pending, "a completion routine ran before its status was final")
    net.arrives_rest(server, b"apc", operation.data(size))


@clause("overlapped-i-o-2")
def routine_may_start_the_next_call(net: Net) -> None:
    """A completion routine may start the next receive on its socket."""
    client, server = net.pair()
    got: list[bytes] = []
    started: list[Operation] = []

    def again() -> None:
        size = routine.calls[-1][1]
        got.append(started[-1].data(size))
        if sum(map(len, got)) < 3:
            started.append(Operation(server, 1, routine=pointer).started("a receive out of a routine"))

    routine = Routine(again)
    pointer = ROUTINE(routine)
    started.append(Operation(server, 1, routine=pointer).must_pend("a receive with a routine"))
    net.sent(client, b"abc")
    while sum(map(len, got)) < 3:
        routine.wait(len(routine.calls) + 1, "a receive started by a routine")
    ensure(b"".join(got) == net.through(b"abc"), f"{got} arrived")


@clause("executive 6.1, witness F8")
def event_is_ignored_beside_a_routine(net: Net) -> None:
    """With a completion routine hEvent belongs to the client: it is not touched."""
    client, server = net.pair()
    routine = Routine()
    with an_event() as event:
        operation = Operation(server, 10, event=event, routine=ROUTINE(routine)).must_pend("a receive with a routine")
        net.sent(client, b"x")
        routine.wait(1, "a receive with a routine")
        ensure(not is_set(event), "the event beside a routine was set")
        ensure(operation.overlapped.hEvent == event, "hEvent was changed")


@clause("WPUCompleteOverlappedRequest, witness G3")
def port_gets_one_packet(net: Net) -> None:
    """A socket with a port gets one packet per operation: its key, bytes and structure."""
    client, server = net.pair()
    with Port() as port:
        port.add(server, 77)
        operation = Operation(server, 10).must_pend("a receive on a socket with a port")
        net.sent(client, b"packet")
        packet = port.packet()
        ensure(packet is not None, "no packet came")
        assert packet is not None
        success, size, key, address = packet
        ensure(success and key == 77 and address == operation.address, f"the packet was {packet}")
        operation.ended_with(0, size, "a receive whose packet has come")
        ensure(port.packet(5) is None, "a second packet came")
        net.arrives_rest(server, b"packet", operation.data(size))


@clause("executive 8.4, witness F4")
def low_bit_of_the_event_suppresses_the_packet(net: Net) -> None:
    """A valid hEvent with its low bit set: the event is set, no packet is queued."""
    client, server = net.pair()
    with Port() as port, an_event() as event:
        port.add(server, 1)
        Operation(server, 10, event=event | 1).must_pend("a receive with the low bit of hEvent")
        net.sent(client, b"quiet")
        wait_set(event, "a receive with the low bit of hEvent")
        ensure(port.packet(0) is None, "a packet came though the low bit of hEvent was set")


@clause("executive 6.1, witness F3")
def event_and_port_are_both_told(net: Net) -> None:
    """An operation with an event on a socket with a port is told by both."""
    client, server = net.pair()
    with Port() as port, an_event() as event:
        port.add(server, 1)
        operation = Operation(server, 10, event=event).must_pend("a receive with an event and a port")
        net.sent(client, b"both")
        packet = port.packet()
        ensure(packet is not None and packet[3] == operation.address, f"the packet was {packet}")
        wait_set(event, "a receive with an event and a port")


@clause("WSPRecv, witness H1")
def receives_are_served_in_their_order(net: Net) -> None:
    """Several pending receives are filled in the order in which they were started."""
    client, server = net.pair()
    with Port() as port:
        port.add(server, 5)
        operations = [Operation(server, 4).must_pend("one of three receives") for _ in range(3)]
        data = b"aaaabbbbccccdddd"
        net.sent(client, data)
        sizes: dict[int, int] = {}
        for _ in operations:
            packet = port.packet()
            ensure(packet is not None, "one of three receives was never told")
            assert packet is not None
            sizes[packet[3]] = packet[1]
    got = b"".join(operation.data(sizes[operation.address]) for operation in operations)
    net.arrives_rest(server, data, got)


@clause("WSPSend")
def sends_leave_in_their_order(net: Net) -> None:
    """Several overlapped sends arrive in the order in which they were started."""
    client, server = net.pair()
    pieces = [bytes([number]) * 30_000 for number in range(1, 8)]
    operations = [Operation(client, piece).started("one of seven sends") for piece in pieces]
    net.arrives(server, b"".join(pieces))
    for operation in operations:
        operation.wait()
        operation.ended_with(0, 30_000, "one of seven sends")


@clause("WSPRecv, witness F16")
def array_of_buffers_is_captured(net: Net) -> None:
    """The array of WSABUF may be overwritten as soon as the start has returned."""
    client, server = net.pair()
    with an_event() as event:
        operation = Operation(server, 10, event=event, sizes=(4, 6)).must_pend("a receive into two buffers")
        for buffer in operation.buffers:
            buffer.len, buffer.buf = 0, 0
        net.sent(client, b"0123456789")
        wait_set(event, "a receive into two buffers")
        code, size = operation.result()
        expect(code, 0, "a receive whose array of buffers was overwritten")
        ensure(1 <= size <= 10, f"{size} bytes were received into an array of buffers that was overwritten")
        net.arrives_rest(server, b"0123456789", operation.data(size))


@clause("WSPSend")
def memory_is_the_clients_after_a_send(net: Net) -> None:
    """A blocking send has read the memory when it returns."""
    client, server = net.pair()
    memory = ctypes.create_string_buffer(b"keep this", 9)
    count = ws2_32.send(client, memory, 9, 0)
    ensure(count == 9, f"send returned {count}")
    ctypes.memset(memory, 0x21, 9)
    net.arrives(server, b"keep this")


@clause("executive 9, witness H1")
def cancelled_receive_loses_nothing(net: Net) -> None:
    """A cancelled receive ends with WSA_OPERATION_ABORTED, and its bytes go to the next one."""
    client, server = net.pair()
    with an_event() as event:
        operation = Operation(server, 10, event=event).must_pend("a receive that is cancelled")
        if not kernel32.CancelIoEx(server, byref(operation.overlapped)):
            # A handle of WPUCreateSocketHandle need not support it: then close is the only way, as documented.
            expect(kernel32.GetLastError(), 1168, "CancelIoEx")
            net.sent(client, b"x")
            wait_set(event, "a receive that could not be cancelled")
            return
        wait_set(event, "a cancelled receive")
        operation.ended_with(WSAError.WSA_OPERATION_ABORTED, None, "a cancelled receive")
    net.sent(client, b"after the cancel")
    net.arrives(server, b"after the cancel")


@clause("executive 9")
def cancelling_one_leaves_the_others(net: Net) -> None:
    """Cancelling one of three receives leaves the other two in their order."""
    client, server = net.pair()
    operations = [Operation(server, 3).must_pend("one of three receives") for _ in range(3)]
    if not kernel32.CancelIoEx(server, byref(operations[1].overlapped)):
        expect(kernel32.GetLastError(), 1168, "CancelIoEx")
        return
    net.sent(client, b"abcdefgh")
    net.ioctl(server, c.FIONBIO, 0)
    for number in (0, 2):
        operations[number].wait()
    expect(operations[1].result()[0], WSAError.WSA_OPERATION_ABORTED, "the cancelled receive")
    got = b"".join(operations[number].data(operations[number].result()[1]) for number in (0, 2))
    net.arrives_rest(server, b"abcdefgh", got)


@clause("executive 6.2")
def blocking_mode_does_not_matter(net: Net) -> None:
    """An overlapped receive pends on a non-blocking socket as on a blocking one."""
    client, server = net.pair()
    net.nonblocking(server)
    with an_event() as event:
        operation = Operation(server, 10, event=event).must_pend("an overlapped receive on a non-blocking socket")
        net.sent(client, b"mode")
        wait_set(event, "an overlapped receive on a non-blocking socket")
        _, size = operation.result()
        net.ioctl(server, c.FIONBIO, 0)
        net.arrives_rest(server, b"mode", operation.data(size))


@clause("WSPRecv")
def end_of_stream_completes_with_nothing(net: Net) -> None:
    """A pending receive ends with success and 0 bytes when the peer ends the stream."""
    client, server = net.pair()
    with an_event() as event:
        operation = Operation(server, 10, event=event).must_pend("a receive before the end")
        net.done(ws2_32.shutdown(client, c.SD_SEND), "shutdown")
        wait_set(event, "a receive at the end of the stream")
        operation.ended_with(0, 0, "a receive at the end of the stream")


@clause("WSPRecv")
def reset_completes_with_an_error(net: Net) -> None:
    """A pending receive ends with WSAECONNRESET or WSAECONNABORTED when the peer resets."""
    client, server = net.pair()
    linger = ws2_32.LINGER(1, 0)
    ws2_32.setsockopt(client, c.SOL_SOCKET, c.SO_LINGER, byref(linger), 4)
    with an_event() as event:
        operation = Operation(server, 10, event=event).must_pend("a receive before a reset")
        net.close(client)
        wait_set(event, "a receive at a reset")
        code, _ = operation.result()
        ensure(code in (WSAError.WSAECONNRESET, WSAError.WSAECONNABORTED), f"a reset ended a receive with {code}")


@clause("executive 6.2, witness F10")
def failed_start_tells_nothing(net: Net) -> None:
    """A start that fails is told by its return alone: no event, no packet, no routine."""
    s = net.socket()
    routine = Routine()
    with an_event() as event, Port() as port:
        port.add(s, 3)
        operation = Operation(s, 10, event=event)
        expect(operation.code, WSAError.WSAENOTCONN, "an overlapped receive without a connection")
        ensure(not is_set(event), "a start that failed set the event")
        ensure(port.packet(0) is None, "a start that failed queued a packet")
    other = net.socket()
    failed = Operation(other, 10, routine=ROUTINE(routine))
    expect(failed.code, WSAError.WSAENOTCONN, "an overlapped receive without a connection")
    kernel32.SleepEx(0, True)
    ensure(not routine.calls, "a start that failed ran the routine")


@clause("WSPRecv")
def peek_does_not_overlap(net: Net) -> None:
    """MSG_PEEK is for receives that do not overlap; an overlapped one is refused or gives the bytes without taking."""
    client, server = net.pair()
    net.sent(client, b"both times")
    net.wait_readable(server)
    with an_event() as event:
        operation = Operation(server, 4, event=event, flags=c.MSG_PEEK)
        if operation.code in (0, PENDING):
            wait_set(event, "an overlapped receive with MSG_PEEK")
    net.arrives(server, b"both times", "what came after an overlapped MSG_PEEK")


@clause("executive 7")
def foreign_socket_has_no_result(net: Net) -> None:
    """WSAGetOverlappedResult on a closed handle is WSAENOTSOCK."""
    s = net.socket()
    net.close(s)
    count, flags = ctypes.c_uint32(), ctypes.c_uint32()
    overlapped = ws2_32.WSAOVERLAPPED()
    result = ws2_32.WSAGetOverlappedResult(s, byref(overlapped), byref(count), False, byref(flags))
    expect(0 if result else last(), WSAError.WSAENOTSOCK, "WSAGetOverlappedResult on a closed handle")


@clause("WSPGetOverlappedResult")
def result_is_incomplete_or_waited_for(net: Net) -> None:
    """The result of a pending call is WSA_IO_INCOMPLETE, and nothing is stored; with fWait the end is waited for."""
    client, server = net.pair()
    with an_event() as event:
        operation = Operation(server, 10, event=event).must_pend("a receive without data")
        code, count = operation.result()
        expect(code, WSAError.WSA_IO_INCOMPLETE, "WSAGetOverlappedResult of a pending receive")
        ensure(count == NOTHING, f"WSAGetOverlappedResult of a pending receive stored {count} bytes")
        waiting = net.beside(operation.result, True)
        net.sent(client, b"now")
        code, count = waiting.result()
        expect(code, 0, "WSAGetOverlappedResult with fWait")
        net.arrives_rest(server, b"now", operation.data(count))


@clause("executive 6.1")
def structure_alone_tells_the_end(net: Net) -> None:
    """Without event, routine and port the structure tells: Internal is 0x103 until the end, then there is a result."""
    client, server = net.pair()
    operation = Operation(server, 10).must_pend("a receive without data")
    ensure(operation.pending, "Internal of a pending receive is not 0x103")
    net.sent(client, b"poll")
    operation.ends_with(0, None, "a receive that nobody announces")
    _, count = operation.result()
    ensure(operation.overlapped.InternalHigh == count, "InternalHigh and WSAGetOverlappedResult tell different numbers")
    net.arrives_rest(server, b"poll", operation.data(count))


@clause("executive 6")
def structure_serves_again(net: Net) -> None:
    """A structure whose call has ended serves for the next one on the same socket."""
    client, server = net.pair()
    with an_event() as event:
        first = Operation(server, 1, event=event).must_pend("a receive without data")
        net.sent(client, b"a")
        wait_set(event, "a receive")
        first.ended_with(0, 1, "a receive")
        again = Operation(server, 1, event=event, structure=first.overlapped)
        again.must_pend("a receive with a used structure")
        ensure(not is_set(event), "the start of a receive with a used structure left its event set")
        net.sent(client, b"b")
        wait_set(event, "a receive with a used structure")
        again.ended_with(0, 1, "a receive with a used structure")
        ensure(again.data(1) == net.through(b"b"), f"it received {again.data(1)!r}")


@clause("WSPRecv, provider-functions 9")
def empty_receive_waits_for_data(net: Net) -> None:
    """A receive of 0 bytes pends until there is data, and leaves it to the next receive."""
    client, server = net.pair()
    operation = Operation(server, 0).must_pend("a receive of 0 bytes without data")
    net.sent(client, b"data")
    operation.ends_with(0, 0, "a receive of 0 bytes")
    net.arrives(server, b"data")


@clause("WSPIoctl, SIO_ADDRESS_LIST_CHANGE", "any")
def control_code_pends_and_is_aborted(net: Net) -> None:
    """An overlapped SIO_ADDRESS_LIST_CHANGE pends; closesocket ends it with an error, which is told."""
    s = net.socket()
    with an_event() as event, Port() as port:
        port.add(s, 3)
        waiting = Started(s, event)
        places = byref(waiting.count_variable), byref(waiting.overlapped)
        result = ws2_32.WSAIoctl(s, c.SIO_ADDRESS_LIST_CHANGE, None, 0, None, 0, *places, None)
        waiting.code = last() if result else 0
        waiting.must_pend("SIO_ADDRESS_LIST_CHANGE")
        ensure(waiting.pending and not is_set(event), "SIO_ADDRESS_LIST_CHANGE told an end")
        net.close(s)
        wait_set(event, "SIO_ADDRESS_LIST_CHANGE on a closed socket")
        packet = port.packet()
        ensure(packet and not packet[0] and packet[2:] == (3, waiting.address), f"its packet is {packet}")
