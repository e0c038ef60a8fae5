#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
#
# Sets many clients on the demo server, example/15_job_server, all at once: wrk posts jobs as fast
# as it can, others check every answer, and more of them do all that a client can do wrong. Those
# are in clients.py; what wrk does is in jobs.lua. The option --help tells the rest.
#
# What has to hold, whatever the clients do:
#   - who behaves gets the right answer to each job, be it that the server is too busy;
#   - the clients' sums are the server's: no job is lost, and none is done twice;
#   - the queue stays within its bounds, and so does the memory;
#   - without clients the server has no sockets but its own;
#   - SIGTERM ends it with status 0 in bounded time, and each job that was accepted is answered
#     first.
#
# It needs Python 3.11, and wrk, which is a package of Debian.

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True  # the sources' folder stays as it is
from clients import (
    ALWAYS,
    JOBS,
    MOST_SECONDS,
    UNKNOWABLE,
    Gone,
    Ledger,
    Listener,
    Load,
    Problem,
    Wire,
    meet,
    post_jobs,
    read_pages,
)

BODY_LIMIT = 65536
MIB = 1 << 20

arguments = None


def say(text):
    print(text, flush=True)


async def wait_for(what, condition):
    deadline = time.monotonic() + MOST_SECONDS
    while not await condition():
        if time.monotonic() > deadline:
            raise Problem(f"waited in vain for {what}")
        await asyncio.sleep(0.05)


# --- The server -----------------------------------------------------------------------------------


class Server:
    """A running server, and what the system and the server itself say of it."""

    def __init__(self, options, descriptors=None):
        self.options = options
        self.most_descriptors = descriptors
        self.errors = tempfile.TemporaryFile(mode="w+")

    async def __aenter__(self):
        def limit_descriptors():
            if self.most_descriptors:
                limits = (self.most_descriptors, self.most_descriptors)
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)

        # With these settings memory that is freed is given back, so that a leak can be seen.
        memory = {"MALLOC_MMAP_THRESHOLD_": "32768", "MALLOC_TRIM_THRESHOLD_": "131072"}
        self.process = await asyncio.create_subprocess_exec(
            arguments.server,
            *("--port", "0", "--body-limit", str(BODY_LIMIT)),
            *self.options,
            stdout=asyncio.subprocess.PIPE,
            stderr=self.errors,
            env=os.environ | memory,
            preexec_fn=limit_descriptors,
        )
        line = (await self.process.stdout.readline()).decode()
        if " listening on " not in line:
            raise Problem(f"the server began with {line!r}; {self.complaints()}")
        self.port = int(line.rsplit(":", 1)[1])
        return self

    async def __aexit__(self, kind, problem, _):
        try:
            if kind is Problem and self.process.returncode is None:
                # What a client finds wrong may be that the server has crashed.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.process.wait(), 5)
            if self.process.returncode is None:
                self.process.kill()
                await self.process.wait()
            elif kind is Problem and self.process.returncode != 0:
                raise Problem(f"{problem}; the server has ended: {self.last_words()}") from None
        finally:
            self.errors.close()

    def complaints(self):
        self.errors.seek(0)
        return self.errors.read()

    def last_words(self):
        return f"status {self.process.returncode}, it said {self.complaints()[-10000:]}"

    async def sockets(self):
        """How many are open. A client has no part in any other descriptor."""
        count = 0
        folder = f"/proc/{self.process.pid}/fd"
        for descriptor in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed in the meantime
                is_socket = os.readlink(f"{folder}/{descriptor}").startswith("socket:")
                count += is_socket and int(descriptor) > 2  # the first three are ours
        return count

    def memory(self, name):
        """VmRSS: now; VmHWM: at most so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s*(\d+) kB", status)[1]) * 1024

    async def figures(self):
        try:
            async with asyncio.timeout(MOST_SECONDS), Wire(self.port) as wire:
                await wire.send(b"GET /stats HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                return json.loads((await wire.read_answer()).body)
        except (Gone, TimeoutError) as reason:
            raise Problem(f"/stats does not answer: {reason!r}") from None

    async def stop(self, expected_complaint=None):
        """Returns its last figures, and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(MOST_SECONDS):
                output = (await self.process.stdout.read()).decode()
                await self.process.wait()
        except TimeoutError:
            raise Problem(f"{MOST_SECONDS} s after SIGTERM the server is still there") from None
        took = time.monotonic() - began
        if self.process.returncode != 0:
            raise Problem(f"the server did not end well: {self.last_words()}")
        report = re.search(
            r"stopped; (?P<accepted>\d+) jobs accepted, (?P<done>\d+) done, "
            r"(?P<failed>\d+) failed, (?P<abandoned>\d+) abandoned, (?P<rejected>\d+) rejected\n$",
            output,
        )
        if not report:
            raise Problem(f"the server ended with {output!r}")
        totals = {name: int(number) for name, number in report.groupdict().items()}
        self.check_complaints(totals["failed"], expected_complaint)
        return totals, took

    def check_complaints(self, failed, expected):
        """There is a line for each job that failed, and no other but what is expected."""
        job = re.compile(r"job_server: job \d+ failed: a text has no zero bytes")
        others = []
        for line in self.complaints().splitlines():
            if job.fullmatch(line):
                failed -= 1
            elif line != expected:
                others.append(line)
        if failed or others:
            raise Problem(f"{failed} failed jobs too few are complained of, but {others[-100:]} is")


# --- wrk ------------------------------------------------------------------------------------------


class Wrk:
    """wrk with the script jobs.lua, until it is told to end."""

    async def start(self, port, connections):
        self.process = await asyncio.create_subprocess_exec(
            "wrk",
            *("--threads", "1", "--connections", str(connections), "--duration", "24h"),
            *("--timeout", "20s", "--script", str(Path(__file__).with_name("jobs.lua"))),
            f"http://127.0.0.1:{port}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def end(self):
        """Returns the numbers that jobs.lua tells."""
        self.process.send_signal(signal.SIGINT)
        output = (await self.process.communicate())[0].decode()
        result = re.search(r"(?m)^RESULT (.*)$", output)
        numbers = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", result[1])}
        if numbers["strange"]:
            raise Problem(f"wrk has got strange answers: {output}")
        return numbers


# --- All clients of a server ----------------------------------------------------------------------


class Clients:
    def __init__(self, load, scene):
        self.load, self.scene = load, scene
        self.wrk = None if arguments.without_wrk else Wrk()
        self.wrk_numbers = None
        self.good, self.bad = [], []

    async def come(self):
        def start(client):
            number = f"{client.__name__} {len(self.good)} {len(self.bad)} {arguments.seed}"
            return asyncio.create_task(meet(self.load, client, random.Random(number)))

        if self.wrk:
            await self.wrk.start(self.load.port, self.scene.connections)
        for client, times in self.scene.clients.items():
            tasks = self.good if client in (post_jobs, read_pages) else self.bad
            for _ in range(times):
                tasks.append(start(client))

    def check(self):
        for task in self.good + self.bad:
            if task.done():
                task.result()
                raise Problem("a client has left early")

    async def go(self):
        """Those that behave finish what they do, the others just leave."""
        self.load.leaving = True
        if self.wrk:
            self.wrk_numbers = await self.wrk.end()
            errors = {name: n for name, n in self.wrk_numbers.items() if "errors" in name and n}
            if errors and not self.load.stopping:
                raise Problem(f"wrk has met errors: {errors}")
        for task in self.bad:
            task.cancel()
        for result in await asyncio.gather(*self.good, *self.bad, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def vanish(self):
        for task in self.good + self.bad:
            task.cancel()
        await asyncio.gather(*self.good, *self.bad, return_exceptions=True)
        if self.wrk and self.wrk.process.returncode is None:
            self.wrk.process.kill()
            await self.wrk.process.wait()

    def ledger(self):
        """What all of them know of their jobs."""
        sums, wrk = self.load.ledger, self.wrk_numbers
        if not wrk:
            return sums
        # If it is wrk that ends first, it does not wait for what it has sent.
        cut_off = 0 if self.load.stopping else self.scene.connections
        return Ledger(
            sums.done + wrk["done_jobs"],
            sums.failed + wrk["failed_jobs"],
            sums.refused + wrk["refused_jobs"],
            sums.unknown + cut_off,
        )


# --- A scene --------------------------------------------------------------------------------------


class Scene:
    """A server, clients that come and go, and what becomes of their jobs."""

    def __init__(self, name, seconds, clients, connections=32, queue=64, delay=0):
        self.name, self.seconds, self.clients = name, seconds, clients
        self.connections = connections
        self.options = f"--threads 2 --workers 2 --legacy-threads 1 --timeout 5 --queue {queue}"
        self.options += f" --job-delay {delay}"
        # A job may be in each place of the queue, and in the hands of each worker.
        self.places = queue + 3
        self.memory, self.sockets = [], []

    async def run(self, stop_under_load=False):
        async with Server(self.options.split()) as server:
            load = Load(server.port)
            listener = Listener(load)
            listening = asyncio.create_task(listener.listen())
            await asyncio.wait_for(listener.greeted.wait(), MOST_SECONDS)
            idle = await server.sockets()
            clients = Clients(load, self)
            try:
                await clients.come()
                await self.watch(server, clients)
                if stop_under_load:
                    load.stopping = True
                    totals, took = await server.stop()
                    await clients.go()
                else:
                    await clients.go()
                    await self.await_idleness(server, idle)
                    totals, took = await server.stop()
            finally:
                await clients.vanish()
            await asyncio.wait_for(listening, MOST_SECONDS)
        self.report(clients, idle, took)
        self.check_sums(clients, totals, listener)
        if not arguments.sanitized:
            self.check_memory()

    async def watch(self, server, clients):
        """Looks at the server from time to time, and says what it sees."""
        began = said = time.monotonic()
        before = await server.figures()
        while (now := time.monotonic()) < began + self.seconds:
            await asyncio.sleep(min(1, began + self.seconds - now))
            clients.check()
            figures = await server.figures()
            if figures["depth"] + figures["running"] > self.places:
                raise Problem(f"more than {self.places} jobs at once: {figures}")
            self.memory.append(server.memory("VmRSS") / MIB)
            self.most_memory = server.memory("VmHWM") / MIB
            self.sockets.append(await server.sockets())
            now = time.monotonic()
            if now - said >= 5:
                accepted, refused = (
                    (figures[name] - before[name]) / (now - said)
                    for name in ("accepted", "rejected")
                )
                say(
                    f"  {self.name}, {now - began:.0f} of {self.seconds:.0f} s: {accepted:,.0f} "
                    f"jobs/s accepted, {refused:,.0f}/s refused; {figures['abandoned']:,} "
                    f"abandoned, {clients.load.encounters.total():,} encounters, "
                    f"{self.sockets[-1]} sockets, {self.memory[-1]:.1f} MiB"
                )
                said, before = now, figures

    async def await_idleness(self, server, idle):
        async def has_no_clients():
            self.last = await server.sockets()
            return self.last == idle

        async def has_no_jobs():
            self.last = await server.figures()
            return self.last["depth"] == self.last["running"] == 0

        try:
            await wait_for("the clients' sockets to be closed", has_no_clients)
            await wait_for("the last job", has_no_jobs)
            await wait_for("the last socket to be closed", has_no_clients)
        except Problem as problem:
            raise Problem(f"{problem}: {self.last}, and at the start {idle} sockets") from None

    def report(self, clients, idle, took):
        say(f"{self.name}, {self.seconds:.0f} s; job_server {self.options}")
        wrk = clients.wrk_numbers
        # Without a server wrk goes on to count its time.
        if wrk and not clients.load.stopping:
            say(
                f"  wrk, {self.connections} connections: "
                f"{wrk['requests'] / (wrk['microseconds'] / 1e6):,.0f} requests/s; latency "
                + ", ".join(f"{n} % {wrk[f'p{n}'] / 1e3:.2f} ms" for n in (50, 90, 99))
                + f", longest {wrk['longest'] / 1e3:.0f} ms"
            )
        warm = self.memory[len(self.memory) // 4]
        say(
            f"  sockets: {idle} idle, {max(self.sockets)} at most; memory: {warm:.1f} MiB warm, "
            f"{self.memory[-1]:.1f} MiB in the end, {self.most_memory:.1f} MiB at most; "
            f"stopped in {took:.2f} s"
        )
        encounters = sorted(clients.load.encounters.items())
        if encounters:
            say("  encounters: " + ", ".join(f"{times:,} {name}" for name, times in encounters))

    def check_sums(self, clients, totals, listener):
        known = clients.ledger()
        accepted, done, failed, abandoned, rejected = (
            totals[name] for name in ("accepted", "done", "failed", "abandoned", "rejected")
        )
        # What the server has and no client knows of can only have been left behind.
        left_behind = [
            done - known.done,
            failed - known.failed,
            rejected - known.refused,
            abandoned,
        ]
        # Each job was accepted, started and brought to an end, or rejected; and then the server
        # stopped. Those that are rejected when the last worker has ended are not told of any more.
        events = 3 * accepted + rejected + 1
        told = listener.received + listener.missed
        untold = rejected if clients.load.stopping else 0
        say(
            f"  clients: {known.done:,} reports, {known.failed:,} failures, {known.refused:,} "
            f"refusals, {known.unknown:,} jobs left behind, of which {sum(left_behind):,} came\n"
            f"  server: {accepted:,} accepted = {done:,} done + {failed:,} failed + {abandoned:,} "
            f"abandoned; {rejected:,} rejected\n"
            f"  events: {told:,} told = {listener.received:,} received + {listener.missed:,} missed"
        )
        if accepted != done + failed + abandoned:
            raise Problem("jobs were accepted that did not come to an end")
        if min(left_behind) < 0 or sum(left_behind) > known.unknown:
            raise Problem(f"the clients' sums are not the server's: {left_behind}")
        if not events - untold <= told <= events:
            raise Problem(f"there were {events:,} events")

    def check_memory(self):
        # A connection has a buffer for what it reads, as large again for the text, and an answer.
        bound = 64 + max(self.sockets) * (2 * BODY_LIMIT + 128 * 1024) / MIB
        if self.most_memory > bound:
            raise Problem(f"{self.most_memory:.0f} MiB at most, where {bound:.0f} should do")
        # The load is the same all the time, so there is no reason to need more and more.
        quarter = len(self.memory) // 4
        early = statistics.median(self.memory[quarter : 2 * quarter + 1])
        late = statistics.median(self.memory[-quarter - 1 :])
        if late > early + 8:
            raise Problem(f"the memory has grown from {early:.0f} to {late:.0f} MiB")


# --- The scenes -----------------------------------------------------------------------------------

GOOD = {post_jobs: 8, read_pages: 2}


async def wrk_alone(seconds):
    if not arguments.without_wrk:
        await Scene("wrk_alone", seconds, {}).run()


async def mixture(seconds):
    await Scene("mixture", seconds, GOOD | ALWAYS | UNKNOWABLE).run()


async def overload(seconds):
    """Each worker has a job for two milliseconds at least, and the queue is short."""
    clients = GOOD | ALWAYS | UNKNOWABLE
    await Scene("overload", seconds, clients, connections=64, queue=16, delay=2).run()


async def stop(seconds):
    """Again and again SIGTERM in the middle of it all. What becomes of each job is known."""
    chance = random.Random(arguments.seed)
    times = max(1, round(seconds / 10))
    for time in range(1, times + 1):
        name = f"stop {time} of {times}"
        scene = Scene(name, chance.uniform(2, 6), GOOD | ALWAYS, delay=time % 3)
        await scene.run(stop_under_load=True)


async def descriptors(_):
    """More clients than descriptors: who comes too late waits, and is served all the same."""
    if arguments.sanitized:
        # To find out whether an address is valid, UndefinedBehaviorSanitizer makes a pipe.
        return
    async with Server(["--timeout", "2"], descriptors=40) as server:
        idle = await server.sockets()
        load = Load(server.port)
        chance = random.Random(arguments.seed)

        async def say_nothing():
            async with load.connect() as wire:
                await wire.read_to_end()

        async def post_one():
            async with load.connect() as wire:
                job = chance.choice(JOBS)
                await wire.send(job.request(chance))
                job.check(await wire.read_answer(), load.ledger)

        async def has_no_clients():
            return await server.sockets() == idle

        clients = [say_nothing() for _ in range(100)] + [post_one() for _ in range(100)]
        try:
            await asyncio.wait_for(asyncio.gather(*clients), MOST_SECONDS)
        except (Gone, TimeoutError) as reason:
            raise Problem(f"a client has not been served: {reason!r}") from None
        await wait_for("the clients' sockets to be closed", has_no_clients)
        known, complaint = load.ledger, "job_server: cannot accept: Too many open files"
        totals, _ = await server.stop(expected_complaint=complaint)
        if complaint not in server.complaints():
            raise Problem("there were enough descriptors")
    figures = (totals["done"], totals["failed"], totals["rejected"], totals["abandoned"])
    if figures != (known.done, known.failed, known.refused, 0) or sum(figures) != 100:
        raise Problem(f"the server says {totals}")
    say("descriptors: 40, for 200 clients: 100 jobs, all of them answered")


# What part of the time each has.
SCENES = {wrk_alone: 0.1, mixture: 0.4, overload: 0.25, stop: 0.25, descriptors: 0}


# --- The whole ------------------------------------------------------------------------------------


def parse_arguments():
    parser = argparse.ArgumentParser(description="Sets many clients on the job server at once.")
    parser.add_argument("--server", required=True, help="the program job_server")
    parser.add_argument(
        "--seconds", type=float, default=180, help="how long, roughly; 180 by default, 20 will do"
    )
    parser.add_argument(
        "--scene",
        action="append",
        choices=[scene.__name__ for scene in SCENES],
        help="only this one; can be given several times",
    )
    parser.add_argument("--seed", type=int, default=1, help="for what is left to chance")
    parser.add_argument(
        "--sanitized", action="store_true", help="do not look at the memory: a sanitizer has it"
    )
    parser.add_argument("--without-wrk", action="store_true", help="only the clients in Python")
    result = parser.parse_args()
    if not result.without_wrk and not shutil.which("wrk"):
        parser.error("wrk is missing; it is a package of Debian. Or use --without-wrk")
    return result


async def main():
    wanted = arguments.scene or [scene.__name__ for scene in SCENES]
    parts = {scene: part for scene, part in SCENES.items() if scene.__name__ in wanted}
    for scene, part in parts.items():
        await scene(arguments.seconds * part / (sum(parts.values()) or 1))


if __name__ == "__main__":
    arguments = parse_arguments()
    began = time.monotonic()
    try:
        asyncio.run(main())
    except Problem as problem:
        sys.exit(f"FAILED: {problem}")
    say(f"all of it was right, in {time.monotonic() - began:.0f} s")
