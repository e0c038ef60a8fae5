# SPDX-License-Identifier: BSL-1.0
#
# The programs that broker.py sets on each other: the two sides of example/16_broker, and a real
# Redis server. Each line that a side prints is read when it comes, so that a test can wait for what
# it says; nothing waits for a time to pass. What never comes is missed after MOST_SECONDS.

import os
import re
import signal
import socket
import subprocess
import threading
import time

MOST_SECONDS = 120

# Whoever waits for a line waits here.
news = threading.Condition()


class Problem(Exception):
    """Something that must not happen."""


def wait_until(what, condition):
    """Waits until the condition holds, looking whenever somebody has said something."""
    with news:
        if not news.wait_for(condition, MOST_SECONDS):
            raise Problem(f"waited in vain until {what}")


def look_until(what, condition):
    """The same for what nobody says, and what has to be looked for."""
    end = time.monotonic() + MOST_SECONDS
    while not (result := condition()):
        if time.monotonic() > end:
            raise Problem(f"waited in vain until {what}")
        time.sleep(0.02)
    return result


def start(command, **how):
    # It must not outlive the test, however that ends.
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], **how)


class Program:
    """A process, and what it says."""

    def __init__(self, command, folder, environment=None):
        self.command = command
        self.lines = []
        self.complaints = []
        self.process = start(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.readers = [
            threading.Thread(target=self.read, args=stream, daemon=True)
            for stream in (
                (self.process.stdout, self.lines),
                (self.process.stderr, self.complaints),
            )
        ]
        for reader in self.readers:
            reader.start()

    def read(self, stream, lines):
        for line in stream:
            with news:
                lines.append(line.rstrip("\n"))
                news.notify_all()

    def send_signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Waits for the end, and until everything has been read."""
        try:
            status = self.process.wait(MOST_SECONDS)
        except subprocess.TimeoutExpired:
            raise Problem(f"{self.command} does not end") from None
        for reader in self.readers:
            reader.join()
        return status

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.end()

    def memory(self):
        """The most that it has had, in bytes."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) * 1024


class Side(Program):
    """A publisher or a consumer. It says what it does to which message, one in a line."""

    def told(self, verb):
        """The messages of which it has said so."""
        with news:
            lines = list(self.lines)
        return [line.split(" ", 1)[1] for line in lines if line.split(" ", 1)[0] == verb]

    def wait_for(self, verb, count):
        wait_until(
            f"{self.command[2:]} has {verb} {count}",
            lambda: len(self.told(verb)) >= count or self.process.poll() is not None,
        )
        if len(self.told(verb)) < count:
            self.end()  # the last of it may not have been read
        if len(self.told(verb)) < count:
            raise Problem(f"it has {verb} {len(self.told(verb))} and ended; {self.complaints}")

    def wait_for_complaint(self, count=1):
        wait_until("the server is missed", lambda: len(self.complaints) >= count)

    def freeze(self):
        self.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def thaw(self):
        self.send_signal(signal.SIGCONT)

    def stop(self):
        """As a user does, who wants it to finish what it has begun."""
        self.send_signal(signal.SIGTERM)
        self.expect_end()

    def expect_end(self):
        status = self.end()
        if status != 0:
            raise Problem(f"{self.command} ended with {status}: {self.complaints}")

    def check_complaints(self, allowed):
        """There are no others than that the server is away, and those only if it was."""
        for line in self.complaints:
            if not allowed or not re.fullmatch(r"[^:]+: .*; again in \d+ ms", line):
                raise Problem(f"{self.command} complained: " + "\n".join(self.complaints))


class Server:
    """A Redis server that loses nothing it has confirmed, with all its files in one folder."""

    def __init__(self, folder, tcp=False):
        self.folder = folder
        self.tcp = tcp
        self.process = None
        self.port = 0
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}" if self.tcp else "./server.socket"

    def start(self):
        look_until("the server starts", self.try_to_start)

    def try_to_start(self):
        if self.tcp and not self.port:
            # Somebody else may take it before the server does; then another one is tried.
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "unixsocket": "server.socket",
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "daemonize": "no",
        }
        with open(f"{self.folder}/server.log", "a") as log:
            self.process = start(
                ["redis-server"] + [word for name, value in options.items()
                                    for word in (f"--{name}", str(value))],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        look_until("the server answers", lambda: self.answers() or self.process.poll() is not None)
        if self.process.poll() is None:
            return True
        self.port = 0
        return False

    def answers(self):
        return self.cli("PING", may_fail=True).strip() == "PONG"

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def cli(self, *words, may_fail=False):
        result = subprocess.run(
            ["redis-cli", "-e", "-s", "server.socket", *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
        )
        if result.returncode != 0 and not may_fail:
            raise Problem(f"redis-cli {words}: {result.stderr}{result.stdout}")
        return result.stdout

    def length(self):
        return int(self.cli("XLEN", "messages"))

    def added(self):
        """How many messages have ever been appended."""
        told = self.cli("XINFO", "STREAM", "messages").split("\n")
        return int(told[told.index("entries-added") + 1])

    def pending(self):
        """How many messages are with consumers, and not acknowledged."""
        told = self.cli("XPENDING", "messages", "consumers", may_fail=True)
        return int(told.split("\n", 1)[0] or 0)  # the group comes with the first consumer

    def looks(self):
        """How often it was asked for the length."""
        found = re.search(r"cmdstat_xlen:calls=(\d+)", self.cli("INFO", "commandstats"))
        return int(found[1]) if found else 0

    def memory(self):
        """The most that it has had, in bytes."""
        return int(re.search(r"used_memory_peak:(\d+)", self.cli("INFO", "memory"))[1])
