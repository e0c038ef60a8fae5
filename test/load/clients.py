# SPDX-License-Identifier: BSL-1.0
#
# The job server's clients: those that behave, and check every answer, and those that do not. See
# job_server.py, which sets them on a server.
#
# Each client is a coroutine that has one encounter with the server after the other. What it finds
# wrong it reports as a Problem. That the server closes a connection is Gone; whether that is wrong
# depends on who meets it. Nothing is expected within a time that a slow machine could miss: what
# never comes is missed after MOST_SECONDS.

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import json
import random
import re
import socket
import struct

MOST_SECONDS = 60


class Problem(Exception):
    """Something that must not happen."""


class Gone(Exception):
    """The connection has ended, in whatever way."""


# --- One connection -------------------------------------------------------------------------------


class Wire:
    """A connection, without the buffers of asyncio: what came before a reset is not forgotten."""

    def __init__(self, port, receive_buffer=0):
        self.port = port
        self.loop = asyncio.get_running_loop()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.read = b""

    async def __aenter__(self):
        try:
            await self.loop.sock_connect(self.socket, ("127.0.0.1", self.port))
        except OSError as problem:
            raise Gone(f"no connection: {problem}") from None
        finally:
            if self.socket.fileno() >= 0 and not self.is_connected():
                self.socket.close()
        return self

    def is_connected(self):
        try:
            return bool(self.socket.getpeername())
        except OSError:
            return False

    async def __aexit__(self, *_):
        self.socket.close()

    async def send(self, data):
        try:
            await self.loop.sock_sendall(self.socket, data)
        except OSError as problem:
            raise Gone(f"sending failed: {problem}") from None

    async def receive(self, most=65536):
        """What has come; nothing at the end."""
        try:
            return await self.loop.sock_recv(self.socket, most)
        except OSError:
            return b""

    async def read_more(self):
        more = await self.receive()
        if not more and self.read:
            raise Problem(f"an answer broke off: {self.read[:200]!r}")
        if not more:
            raise Gone("the connection ended instead of an answer")
        self.read += more

    async def read_answer(self):
        while (end := self.read.find(b"\r\n\r\n")) < 0:
            await self.read_more()
        head = self.read[:end].decode("latin-1")
        length = int(re.search(r"(?im)^content-length: *(\d+)\r?$", head)[1])
        while len(self.read) < end + 4 + length:
            await self.read_more()
        body = self.read[end + 4 : end + 4 + length]
        self.read = self.read[end + 4 + length :]
        return Answer(int(head.split(" ", 2)[1]), head, body)

    async def read_to_end(self):
        while more := await self.receive():
            self.read += more
        return self.read

    def say_no_more(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side was first

    def hang_up(self, rudely):
        """Rudely: by a reset instead of a farewell."""
        if rudely:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@contextlib.asynccontextmanager
async def meanwhile(what):
    """Does something at the same time as the block. It has ended when the block is left: what still
    waits for a socket that is closed would be confused with the next one of its number."""
    task = asyncio.create_task(what)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Answer(collections.namedtuple("Answer", "status head body")):
    def goes_on(self):
        return not re.search(r"(?im)^connection: *close\r?$", self.head)


# --- Jobs and their answers -----------------------------------------------------------------------


class Job:
    """A text, and the answer that is right."""

    def __init__(self, text):
        self.text = text
        self.fails = b"\0" in text
        words = re.findall(r"[a-z]+", text.decode().lower())
        ranking = sorted(collections.Counter(words).items(), key=lambda row: (-row[1], row[0]))
        report = {
            "words": len(words),
            "distinct_words": len(ranking),
            "most_frequent": [{"word": word, "count": count} for word, count in ranking[:10]],
        }
        self.report = (json.dumps(report, separators=(",", ":")) + "\n").encode()

    def request(self, chance):
        """The job in one of several forms."""
        head = b"POST /jobs HTTP/1.1\r\nHost: h\r\n"
        if chance.random() < 0.7:
            return head + b"Content-Length: %d\r\n\r\n%s" % (len(self.text), self.text)
        body, at = b"", 0
        while at < len(self.text):
            piece = self.text[at : at + chance.randint(1, 20000)]
            body += b"%x;name=value\r\n%s\r\n" % (len(piece), piece)
            at += len(piece)
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + body + b"0\r\nSome: trailer\r\n\r\n"

    def check(self, answer, ledger):
        if answer.status == 200 and not self.fails and answer.body == self.report:
            ledger.done += 1
        elif answer.status == 500 and self.fails and answer.body == b'{"error":"the job failed"}\n':
            ledger.failed += 1
        elif answer.status == 503 and "Retry-After: 1" in answer.head:
            ledger.refused += 1
        else:
            raise Problem(f"a text of {len(self.text)} bytes was answered with {answer}")


def some_jobs():
    chance = random.Random(1)
    words = [bytes(chance.choices(b"abcdefgh", k=chance.randint(1, 3))) for _ in range(300)]
    texts = [b"", b"one two two"]
    texts += [b" ".join(chance.choices(words, k=count)) for count in (10, 100, 1000, 10000)]
    texts += [b"no\0text", b"long " * 5000 + b"\0"]
    return [Job(text) for text in texts]


JOBS = some_jobs()


@dataclasses.dataclass
class Ledger:
    """What clients know of their jobs."""

    done: int = 0
    failed: int = 0
    refused: int = 0
    unknown: int = 0  # their clients did not stay for the answer; they may not have arrived at all


class Load:
    """What all clients of one server share."""

    def __init__(self, port):
        self.port = port
        self.ledger = Ledger()
        self.encounters = collections.Counter()
        self.leaving = False  # the clients are to go
        self.stopping = False  # the server is

    def connect(self, **how):
        return Wire(self.port, **how)


# --- Clients that behave --------------------------------------------------------------------------


async def post_jobs(load, chance):
    """Posts jobs, some of them in one go, and reads all answers."""
    async with load.connect() as wire:
        for _ in range(chance.randint(1, 50)):
            jobs = chance.choices(JOBS, k=chance.choice((1, 1, 1, 5)))
            requests = b"".join(job.request(chance) for job in jobs)
            async with meanwhile(wire.send(requests)) as sending:
                for job in jobs:
                    answer = await wire.read_answer()
                    job.check(answer, load.ledger)
                    if load.stopping and not answer.goes_on():
                        return
                await sending
            if load.leaving:
                return


async def read_pages(load, chance):
    async with load.connect() as wire:
        for _ in range(chance.randint(1, 20)):
            path, begin = chance.choice(((b"/", b"<!doctype html>"), (b"/stats", b'{"depth":')))
            await wire.send(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path)
            answer = await wire.read_answer()
            if answer.status != 200 or not answer.body.startswith(begin):
                raise Problem(f"{path} was answered with {answer}")
            if load.leaving or not answer.goes_on():
                return
            await asyncio.sleep(chance.random() * 0.1)


class Listener:
    """Listens to the events until they end, and counts them."""

    def __init__(self, load):
        self.load = load
        self.greeted = asyncio.Event()
        self.received = 0
        self.missed = 0

    async def listen(self):
        # Events that are not in chunks are easier to read.
        async with self.load.connect() as wire:
            await wire.send(b"GET /events HTTP/1.0\r\n\r\n")
            while b"event: hello" not in wire.read:
                await wire.read_more()
            self.greeted.set()
            rest = wire.read[wire.read.find(b"event: hello") :]
            while more := await wire.receive(1 << 20):
                rest = self.count(rest + more)
            if rest:
                raise Problem(f"the last event broke off: {rest!r}")
        # Neither of them tells of a job.
        self.received -= 1

    def count(self, text):
        end = text.rfind(b"\n\n") + 2
        if end < 2:
            return text
        events = text[:end]
        gaps = re.findall(rb'event: missed\ndata: {"missed":(\d+)}\n\n', events)
        self.missed += sum(map(int, gaps))
        self.received += events.count(b"\n\n") - len(gaps)
        return text[end:]


# --- Clients that do not --------------------------------------------------------------------------

HALF_A_JOB = b"POST /jobs HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\nhalf a job, and "
CHUNKED = b"POST /jobs HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
LISTEN = b"GET /events HTTP/1.1\r\nHost: h\r\n\r\n"


async def come_to_the_door(load):
    """Waits until the server has let in all who came before.

    Who leaves without having heard of the server could come faster than it can open, and at the
    door nobody is refused: the line would become longer and longer.
    """
    async with load.connect() as wire:
        await wire.send(b"GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        await wire.read_answer()


async def drip(load, chance, text):
    """Sends byte by byte, without an end, until the server has enough."""

    async def send_slowly(wire):
        try:
            begun = chance.randint(0, len(text))
            await wire.send(text[:begun])
            for byte in itertools.chain(text[begun:], itertools.repeat(ord("x"))):
                await asyncio.sleep(chance.random() * 0.3)
                await wire.send(bytes([byte]))
        except Gone:
            pass

    async with load.connect() as wire:
        async with meanwhile(send_slowly(wire)):
            if answer := await wire.read_to_end():
                raise Problem(f"half a request was answered with {answer!r}")


async def say_nothing(load, _):
    async with load.connect() as wire:
        if answer := await wire.read_to_end():
            raise Problem(f"nothing was answered with {answer!r}")


async def never_end_the_header(load, chance):
    await drip(load, chance, b"POST /jobs HTTP/1.1\r\nHost: h\r\nCookie: ")


async def never_end_the_body(load, chance):
    await drip(load, chance, HALF_A_JOB)


async def leave_while_sending(load, chance):
    async with load.connect() as wire:
        await wire.send(HALF_A_JOB[: chance.randint(0, len(HALF_A_JOB))])
        await asyncio.sleep(chance.choice((0, 0, 0.01)))
        wire.hang_up(rudely=chance.random() < 0.5)
    await come_to_the_door(load)


async def say_no_more_while_sending(load, chance):
    async with load.connect() as wire:
        await wire.send(HALF_A_JOB[: chance.randint(0, len(HALF_A_JOB))])
        wire.say_no_more()
        if answer := await wire.read_to_end():
            raise Problem(f"half a request was answered with {answer!r}")


async def leave_before_the_answer(load, chance):
    async with load.connect() as wire:
        load.ledger.unknown += 1
        await wire.send(chance.choice(JOBS).request(chance))
        await asyncio.sleep(chance.choice((0, 0, 0.001, 0.01)))
        if chance.random() < 0.3:
            wire.say_no_more()
            await wire.read_to_end()
        else:
            wire.hang_up(rudely=chance.random() < 0.5)
    await come_to_the_door(load)


async def leave_during_the_answer(load, chance):
    async with load.connect(receive_buffer=2048) as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await wire.receive(chance.randint(1, 4000))
        wire.hang_up(rudely=chance.random() < 0.5)


async def leave_among_events(load, chance):
    async with load.connect() as wire:
        await wire.send(LISTEN)
        for _ in range(chance.randint(0, 20)):
            await wire.receive(chance.randint(1, 4000))
        if chance.random() < 0.3:
            wire.say_no_more()
            await wire.read_to_end()
        else:
            wire.hang_up(rudely=chance.random() < 0.5)
    await come_to_the_door(load)


async def read_events_slowly(load, chance):
    """So slowly that most events are missed, and at times that the server has enough."""
    async with load.connect(receive_buffer=2048) as wire:
        await wire.send(LISTEN)
        pause = chance.choice((0.02, 0.2, 1))
        enough = wire.loop.time() + chance.random() * 20
        while wire.loop.time() < enough:
            if not await wire.receive(2000):
                return
            await asyncio.sleep(pause)


async def read_no_answers(load, chance):
    """Asks for much more than it reads."""
    async with load.connect(receive_buffer=2048) as wire:
        await wire.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * chance.randint(10, 5000))
        await asyncio.sleep(chance.random() * 10)
        wire.hang_up(rudely=chance.random() < 0.5)


async def send_rubbish(load, chance):
    rubbish = chance.randbytes(chance.choice((1, 10, 1000, 20000)))
    await send_what_is_refused(load, rubbish + chance.choice((b"", b"\r\n\r\n")), (400, 431, 505))


async def send_what_is_refused(load, request, statuses):
    """The server may also close without a word, as far as the client can see."""
    async with load.connect() as wire:
        try:
            await wire.send(request)
        except Gone:
            pass
        wire.say_no_more()
        answers = await wire.read_to_end()
        if answers and int(answers.split(b" ", 2)[1]) not in statuses:
            raise Problem(f"{request[:200]!r} was answered with {answers[:300]!r}")


async def send_a_broken_request(load, chance):
    await send_what_is_refused(load, *chance.choice(BROKEN))


def broken_job(field, *statuses, body=b"abc"):
    return b"POST /jobs HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n\r\n" + body, statuses


def broken_chunks(chunks, *statuses):
    return CHUNKED + chunks, statuses


BROKEN = [
    broken_job(b"Content-Length: -1", 400),
    broken_job(b"Content-Length: 3x", 400),
    broken_job(b"Content-Length: 18446744073709551616", 400),
    broken_job(b"Content-Length: 18446744073709551615", 413),
    broken_job(b"Content-Length: 3\r\nContent-Length: 4", 400),
    broken_job(b"Content-Length: 3\r\nTransfer-Encoding: chunked", 400),
    broken_job(b"Content-Length: 65537", 413),
    broken_job(b"Content-Length: 200000", 413, body=b"x" * 200000),
    broken_job(b"Transfer-Encoding: gzip", 501),
    broken_job(b"Connection: close", 411),
    broken_job(b"Content-Length: 3\r\nCookie: " + b"x" * 9000, 431),
    broken_job(b"Content-Length: 3\r\nbad field", 400),
    broken_chunks(b"ffffffffffffffffff\r\nx", 400),
    broken_chunks(b"ffffffffffffffff\r\nx", 413),
    broken_chunks(b"-1\r\nx", 400),
    broken_chunks(b"3\r\nabcdef\r\n0\r\n\r\n", 400),
    broken_chunks(b"3;=\r\nabc\r\n0\r\n\r\n", 400),
    broken_chunks(b"10001\r\n" + b"x" * 65537 + b"\r\n0\r\n\r\n", 413),
    broken_chunks(b"8000\r\n" + b"x" * 32768 + b"\r\n8001\r\n" + b"x" * 32769, 413),
    broken_chunks(b"0\r\nno trailer\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", (400,)),
    (b"GET / HTTP/9.9\r\nHost: h\r\n\r\n", (505,)),
    (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", (431,)),
    (b"\r\n" * 5000, (400, 431)),
    (b"\0" * 100, (400,)),
    (b"GET / HTTP/1.1\r\nHost: h\r\nA", ()),
]


async def send_without_end(load, chance):
    """Sends what no request has so much of, until the server says no or closes."""
    begin, more = chance.choice(
        (
            (b"GET /", b"x" * 65536),
            (b"GET / HTTP/1.1\r\nHost: h\r\n", b"Some: field\r\n" * 5000),
            (HALF_A_JOB.replace(b"60000", b"999999999"), b"x" * 65536),
            (CHUNKED, b"1000\r\n%s\r\n" % (b"x" * 4096) * 16),
            (CHUNKED + b"5;", b"extension" * 7000),
            (CHUNKED + b"0\r\n", b"Some: trailer\r\n" * 4500),
        )
    )

    async def send_all(wire):
        try:
            await wire.send(begin)
            while True:
                await wire.send(more)
                await asyncio.sleep(0)
        except Gone:
            pass

    async with load.connect() as wire:
        async with meanwhile(send_all(wire)):
            while b"\r\n\r\n" not in wire.read and (data := await wire.receive()):
                wire.read += data
        if wire.read and int(wire.read.split(b" ", 2)[1]) not in (413, 431):
            raise Problem(f"{begin!r} without an end was answered with {wire.read!r}")
        wire.hang_up(rudely=True)


# So many of each at once.
ALWAYS = {
    say_nothing: 4,
    never_end_the_header: 8,
    never_end_the_body: 8,
    leave_while_sending: 4,
    say_no_more_while_sending: 2,
    leave_during_the_answer: 4,
    leave_among_events: 4,
    read_events_slowly: 8,
    read_no_answers: 4,
    send_rubbish: 4,
    send_a_broken_request: 6,
    send_without_end: 2,
}
# Whoever leaves these makes it unknown what has become of a job.
UNKNOWABLE = {leave_before_the_answer: 8}


async def meet(load, client, chance):
    """Encounters of one kind, until it is time to leave or the server has gone."""
    while not load.leaving:
        load.encounters[client.__name__] += 1
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await client(load, chance)
        except TimeoutError:
            raise Problem(f"{client.__name__} has waited in vain") from None
        except Gone as reason:
            if load.stopping:
                return
            if client in (post_jobs, read_pages):
                raise Problem(f"{client.__name__}: {reason}") from None
        await asyncio.sleep(chance.random() * 0.05)
