"""What tests share besides fixtures: finding tools, a server that runs as a process of its own.

Never: assertions about ws2spi.
"""
