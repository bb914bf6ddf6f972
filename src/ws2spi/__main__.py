"""`python3 -m ws2spi`: the command `ws2spi`."""

import sys

from ws2spi.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
