from ws2spi import Layer


class Upper(Layer):
    """Upper-case everything the program sends."""

    async def send(self, conn, data):
        await conn.below.send(data.upper())
