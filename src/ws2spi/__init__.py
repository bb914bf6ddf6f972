"""ws2spi: layers written in Python between any program and the network."""
