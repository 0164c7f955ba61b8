"""A TCP proxy whose connections can be dropped on command; run as a program by proxy.py.

Arguments: the port to listen on, host and port to connect to. Each line of standard input is a command, answered by
a line with the number of connections it dropped. Ends with its standard input.
"""

import asyncio
import contextlib
import socket
import struct
import sys

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """Joins each connection that comes in with one of its own to the server."""

    def __init__(self, port: int, server: tuple[str, int]) -> None:
        self._port = port
        self._server = server
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def resume(self) -> int:
        """Accept connections and pass on what comes."""
        self._flowing.set()
        if self._listener is None:
            self._listener = await asyncio.start_server(self._join, "127.0.0.1", self._port)
        return 0

    async def refuse(self) -> int:
        """Drop all connections and refuse new ones."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        return await self.cut()

    async def cut(self) -> int:
        """Drop all connections, as a firewall does: with a reset. New ones are accepted."""
        dropped = len(self._writers) // 2
        for writer in list(self._writers):
            _reset(writer)
        self._writers.clear()
        return dropped

    async def freeze(self) -> int:
        """Pass nothing on any more, with all connections left open, as a lost network does."""
        self._flowing.clear()
        return 0

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._server)
        except OSError:
            _reset(writer)
            return
        both = {writer, server_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._pass_on(reader, server_writer), self._pass_on(server_reader, writer))
        except OSError:
            for one in both:
                _reset(one)
        finally:
            self._writers -= both
            for one in both:
                one.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    endpoint = writer.get_extra_info("socket")
    if endpoint is not None and endpoint.fileno() >= 0:
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


async def serve(port: int, server: tuple[str, int]) -> None:
    """Obey the commands on standard input until it ends."""
    proxy = Proxy(port, server)
    commands = {"cut": proxy.cut, "refuse": proxy.refuse, "resume": proxy.resume, "freeze": proxy.freeze}
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().strip():
        print(await commands[line](), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), (sys.argv[2], int(sys.argv[3]))))
