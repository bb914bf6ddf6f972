"""The layers we ship, one file each, and the registry that makes a layer from what a user typed.

`registry` finds and builds layers, `options` holds the types of their options, `terminal` says when to use colours;
every other module is one layer. A layer's options are the keyword parameters of its `__init__`, their help is the
"Options:" section of its class docstring.

Never: one layer importing another; I/O on the path of a connection's bytes; a sleep that is not awaited.
"""
