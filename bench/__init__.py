"""`make bench`: the budgets of the project, each measured beside its peers in one run.

`rounds` interleaves the measurements and prints the table; `objects` measures what happens inside one process,
`programs` what happens to programs under `ws2spi run`; `net.c` is the client and the server that those use.

Never: assertions. A missed budget is printed as missed.
"""
