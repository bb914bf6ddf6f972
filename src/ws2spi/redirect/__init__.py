"""Programs that know nothing of us: the launcher, the seccomp supervisor and the relay.

A program runs under a filter that turns its socket calls into notifications (`filters`, `seccomp`). One supervisor
answers them (`supervisor`), reaching into the asking thread for arguments and sockets (`process`), leading each
connection through the layers (`attempt`) and, where a layer looks at bytes, relaying them (`relay`). `launch` starts
all this; `doctor` says what a machine lacks for it.

Never: Winsock contracts. What a WSP function promises is the business of `_runtime` and `providers`.
"""
