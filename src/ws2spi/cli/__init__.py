"""The command `ws2spi`: one file for each subcommand, `main` to choose among them.

Every subcommand is imported when it is called: `ws2spi run` must start a program within a few tens of milliseconds.

Never: logic that is worth a unit test elsewhere.
"""
