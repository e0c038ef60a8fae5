#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
#
# Tests example/16_broker with a real Redis server: publishers, consumers and the server are ended,
# killed, stopped and started while messages are on their way.
#
# What has to hold, whatever happens:
#   - each message that a publisher has said to be stored is received;
#   - a message comes twice only where something has failed, and not more often than that explains;
#   - who sends waits while nobody receives; the stream, and all memory, keep their limits;
#   - who is told to stop finishes what it has begun, and ends with status 0.
#
# Usage: broker.py --program PATH [--run PATH] [--sanitized] [--seed N] [SCENE...]
#
# It needs Python 3.11, setpriv, redis-server and redis-cli.

import argparse
import collections
import os
import random
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True  # the sources' folder stays as it is
from programs import MOST_SECONDS, Problem, Server, Side, look_until, wait_until

MIB = 1 << 20
HOUR = 3600 * 1000

arguments = None


def check(holds, what):
    if not holds:
        raise Problem(what)


class Stage:
    """A folder with a server, publishers and consumers, all of which end with it."""

    def __init__(self, folder, tcp=False):
        self.folder = folder
        self.sides = []
        self.server = Server(folder, tcp)

    def run_side(self, role, name, options):
        command = [arguments.program, role, "--server", self.server.address, "--name", name]
        # How long something takes is of no concern, except where it is what a scene is about.
        options = {"patience": MOST_SECONDS * 1000, "claim_after": HOUR, **options}
        for option, value in options.items():
            command += ["--" + option.replace("_", "-"), str(value)]
        self.sides.append(Side(command, self.folder))
        self.sides[-1].wait_for("started", 1)  # before that a signal would end it
        return self.sides[-1]

    def publish(self, name, **options):
        return self.run_side("publish", name, options)

    def consume(self, name, **options):
        return self.run_side("consume", name, options)

    def told(self, verb):
        """How often which message was told of, by all sides that there were."""
        return collections.Counter(id for side in self.sides for id in side.told(verb))

    def wait_for_all(self, *publishers):
        """Until all that they have published has been received by somebody."""
        wanted = {id for publisher in publishers for id in publisher.told("stored")}
        wait_until("all is received", lambda: wanted <= self.told("received").keys())

    def check_sums(self, most_twice=0):
        """When all have ended."""
        stored, received = self.told("stored"), self.told("received")
        check(stored, "nothing was stored")
        check(max(stored.values()) == 1, "a message was stored twice, says its publisher")
        lost = stored.keys() - received.keys()
        check(not lost, f"{len(lost)} of {len(stored)} messages are lost: {sorted(lost)[:10]}")
        unknown = received.keys() - self.told("sent").keys()
        check(not unknown, f"these were never sent: {sorted(unknown)[:10]}")
        twice = received.total() - len(received) + self.told("again").total()
        check(twice <= most_twice, f"{twice} messages came again, and not at most {most_twice}")
        print(f"{len(stored)} messages, of which {twice} came again", flush=True)

    def check_nothing_is_left(self):
        check(self.server.length() == 0, f"{self.server.length()} messages are left in the stream")
        check(self.server.pending() == 0, f"{self.server.pending()} messages are left pending")

    def check_complaints(self, allowed=False):
        for side in self.sides:
            side.check_complaints(allowed)

    def end(self):
        for side in self.sides:
            side.kill()
        self.server.kill()


SCENES = {}


def scene(function):
    SCENES[function.__name__] = function
    return function


# --- When nothing fails ---------------------------------------------------------------------------


@scene
def normal(stage):
    """Each message once, and in order."""
    publisher = stage.publish("p", count=3000)
    consumer = stage.consume("c")
    publisher.expect_end()
    stage.wait_for_all(publisher)
    consumer.stop()
    ids = [f"p-{number}" for number in range(1, 3001)]
    check(publisher.told("sent") == ids, "not all was sent")
    check(publisher.told("stored") == ids, "not all was stored")
    check(consumer.told("received") == ids, "not everything came once and in order")
    stage.check_sums()
    stage.check_nothing_is_left()
    stage.check_complaints()


@scene
def shared(stage):
    """Several publishers and consumers, by TCP: each message goes to one of them."""
    publishers = [stage.publish(name, count=1500) for name in ("p", "q")]
    consumers = [stage.consume(name, capacity=capacity) for name, capacity in (("c", 1), ("d", 0))]
    for publisher in publishers:
        publisher.expect_end()
    stage.wait_for_all(*publishers)
    for consumer in consumers:
        consumer.stop()
    stage.check_sums()
    stage.check_nothing_is_left()
    stage.check_complaints()


@scene
def stopped(stage):
    """Who is told to stop finishes what it has begun; others go on where it ended."""
    publisher = stage.publish("p", limit=100)
    # Nobody takes over anything from anybody, so nobody may leave anything behind.
    consumer = stage.consume("c")
    for other in ("d", "e"):
        consumer.wait_for("received", 500)
        consumer.stop()
        check(stage.server.pending() == 0, "who was stopped has left something behind")
        consumer = stage.consume(other)
    consumer.wait_for("received", 500)
    publisher.stop()
    check(publisher.told("sent") == publisher.told("stored"), "what was sent is not stored")
    stage.wait_for_all(publisher)
    consumer.stop()
    stage.check_sums()
    stage.check_nothing_is_left()
    stage.check_complaints()


@scene
def slow(stage):
    """While the consumer stands still the producer waits, and nothing grows."""
    limit, batch, capacity = 40, 8, 8
    publisher = stage.publish("p", limit=limit, batch=batch, capacity=capacity, size=65536)
    consumer = stage.consume("c", batch=4, capacity=4, unacknowledged=8)
    server = stage.server

    def has_looked(times):
        length = server.length()
        check(length <= limit, f"there are {length} messages in the stream")
        return server.looks() >= times

    def stands_still():
        """The publisher has looked several times, and there was no room."""
        added, looks = server.added(), server.looks()
        look_until("the publisher looks again", lambda: has_looked(looks + 5))
        return added if server.added() == added and server.length() > limit - batch else None

    for received in (300, 600, 900, 1200, 1500):
        consumer.wait_for("received", received)
        consumer.freeze()
        added = look_until("the publisher stands still", stands_still)
        # One message at least is on its way, and waits for room; behind it the channel is full.
        publisher.wait_for("sent", added + 1 + capacity)
        consumer.thaw()

    publisher_memory = publisher.memory()
    publisher.stop()
    # What is not sent yet waits: in the lines of the publisher there are never more of the one kind
    # than were in the channel, in one batch under way, and in one of which it has still to tell.
    ahead = most_ahead = 0
    for line in publisher.lines:
        ahead += {"sent": 1, "stored": -1}.get(line.split(" ", 1)[0], 0)
        most_ahead = max(most_ahead, ahead)
    most = capacity + 2 * batch + 1
    check(most_ahead <= most, f"{most_ahead} messages were sent and not stored, not {most}")

    stage.wait_for_all(publisher)
    if not arguments.sanitized:
        passed = len(publisher.told("stored")) * 65536
        check(passed > 90 * MIB, "there was too little to find out about the memory")
        check(publisher_memory < 32 * MIB, f"the publisher had {publisher_memory} bytes")
        check(consumer.memory() < 32 * MIB, f"the consumer had {consumer.memory()} bytes")
        check(server.memory() < 48 * MIB, f"the server had {server.memory()} bytes")
    consumer.stop()
    stage.check_sums()
    stage.check_nothing_is_left()
    stage.check_complaints()


@scene
def impatient(stage):
    """A consumer that always wants to take over everything is given nothing that it has."""
    publisher = stage.publish("p", count=3000)
    consumer = stage.consume("c", claim_after=1)
    publisher.expect_end()
    stage.wait_for_all(publisher)
    consumer.stop()
    stage.check_sums()
    stage.check_nothing_is_left()
    stage.check_complaints()


@scene
def enough(stage):
    """A consumer that has had enough goes, and its side of the broker with it."""
    publisher = stage.publish("p", count=1000)
    for _ in range(3):
        consumer = stage.consume("c", count=300)
        consumer.expect_end()
        check(len(consumer.told("received")) == 300, "it has not had enough")
    consumer = stage.consume("c")
    publisher.expect_end()
    stage.wait_for_all(publisher)
    consumer.stop()
    stage.check_sums()
    stage.check_nothing_is_left()
    stage.check_complaints()


@scene
def crowded(stage):
    """Who cannot keep up is given no more than it may have. The rest is for others."""
    publisher = stage.publish("p", count=500)
    publisher.expect_end()
    consumer = stage.consume("c", delay=HOUR, batch=4, capacity=64, unacknowledged=8)
    look_until("the consumer has what it may have", lambda: stage.server.pending() >= 8)
    other = stage.consume("d")
    look_until(
        "the rest is dealt with",
        lambda: stage.server.length() == stage.server.pending() == 500 - len(other.told("received"))
    )
    # Beyond the limit there is one batch that was read and not delivered.
    most = 8 + 4
    check(stage.server.pending() <= most, f"it has {stage.server.pending()} messages, not {most}")
    consumer.kill()
    consumer = stage.consume("c")
    stage.wait_for_all(publisher)
    for each in (consumer, other):
        each.stop()
    stage.check_sums()
    stage.check_nothing_is_left()
    stage.check_complaints()


@scene
def failing(stage):
    """A delivery that goes without an acknowledgement comes again."""
    publisher = stage.publish("p", count=200)
    consumer = stage.consume("c", fail=7, claim_after=100)
    publisher.expect_end()
    stage.wait_for_all(publisher)
    consumer.stop()
    check(len(consumer.told("failed")) >= 200 // 7, "it has not failed")
    stage.check_sums()
    stage.check_nothing_is_left()
    stage.check_complaints()


# --- When something fails -------------------------------------------------------------------------

# What may be with a consumer without an acknowledgement, and so come again when it is killed: what
# has places, and one batch that is being acknowledged.
SMALL = {"batch": 4, "capacity": 8, "unacknowledged": 20}
MOST_WITH_CONSUMER = 24
# So slow that its channel is full when it is killed.
SLOW = {**SMALL, "delay": 1}


@scene
def consumer_killed(stage):
    """What a dead consumer had in its hands goes to another one."""
    publisher = stage.publish("p", count=3000, limit=100)
    for name in ("c", "d", "e"):
        consumer = stage.consume(name, claim_after=300, **SLOW)
        consumer.wait_for("received", 200)
        consumer.kill()
    consumer = stage.consume("f", claim_after=300, **SMALL)
    publisher.expect_end()
    stage.wait_for_all(publisher)
    look_until("all is acknowledged", lambda: stage.server.length() == 0)
    consumer.stop()
    stage.check_sums(most_twice=3 * MOST_WITH_CONSUMER)
    stage.check_nothing_is_left()
    stage.check_complaints()


@scene
def consumer_back(stage):
    """A consumer that comes back under its name need not wait for what it had in its hands."""
    publisher = stage.publish("p", count=3000, limit=100)
    for _ in range(3):
        consumer = stage.consume("c", **SLOW)
        consumer.wait_for("received", 200)
        consumer.kill()
    consumer = stage.consume("c", **SMALL)
    publisher.expect_end()
    stage.wait_for_all(publisher)
    look_until("all is acknowledged", lambda: stage.server.length() == 0)
    consumer.stop()
    stage.check_sums(most_twice=3 * MOST_WITH_CONSUMER)
    stage.check_nothing_is_left()
    stage.check_complaints()


@scene
def publisher_killed(stage):
    """What a publisher has said to be stored is stored, whatever becomes of the publisher."""
    consumer = stage.consume("c")
    publishers = [stage.publish(name, limit=100) for name in ("p", "q", "r")]
    for publisher in publishers:
        publisher.wait_for("stored", 500)
        publisher.kill()
    stage.wait_for_all(*publishers)
    look_until("all is acknowledged", lambda: stage.server.length() == 0)
    consumer.stop()
    stage.check_sums()
    stage.check_nothing_is_left()
    stage.check_complaints()


@scene
def server_killed(stage):
    """Both sides go on when the server is back. Batches whose answer got lost come twice."""
    batch, times = 16, 4
    publisher = stage.publish("p", count=4000, limit=100, batch=batch)
    consumer = stage.consume("c")
    for time_of_it in range(1, times + 1):
        consumer.wait_for("received", 600 * time_of_it)
        before = [len(side.complaints) for side in stage.sides]
        stage.server.kill()
        for side, complaints in zip(stage.sides, before):
            side.wait_for_complaint(complaints + 1)
        stage.server.start()
    publisher.expect_end()
    stage.wait_for_all(publisher)
    consumer.stop()
    stage.check_sums(most_twice=times * batch)
    stage.check_nothing_is_left()
    stage.check_complaints(allowed=True)


@scene
def server_silent(stage):
    """A server that does not answer is left. What it was asked for it may do later, all of it."""
    publisher = stage.publish("p", count=2000, limit=100, patience=1000)
    consumer = stage.consume("c", patience=1000)
    consumer.wait_for("received", 500)
    stage.server.freeze()
    for side in stage.sides:
        side.wait_for_complaint(2)
    stage.server.thaw()
    publisher.expect_end()
    stage.wait_for_all(publisher)
    look_until("all is acknowledged", lambda: stage.server.length() == 0)
    consumer.stop()
    stage.check_sums(most_twice=2000)
    stage.check_nothing_is_left()
    stage.check_complaints(allowed=True)


@scene
def server_away(stage):
    """Without a server a consumer can be stopped; a publisher keeps what it has."""
    publisher = stage.publish("p", limit=100)
    consumer = stage.consume("c")
    consumer.wait_for("received", 500)
    stage.server.kill()
    for side in stage.sides:
        side.wait_for_complaint()
    # What it has in its hands it cannot acknowledge, and so it does not end. Then it is killed.
    consumer.kill()
    idle = stage.consume("d")
    idle.wait_for_complaint()
    idle.stop()
    stage.server.start()
    consumer = stage.consume("c")
    publisher.wait_for("stored", 1000)
    publisher.stop()
    check(publisher.told("sent") == publisher.told("stored"), "what was sent is not stored")
    stage.wait_for_all(publisher)
    look_until("all is acknowledged", lambda: stage.server.length() == 0)
    consumer.stop()
    stage.check_sums(most_twice=64 + 64 + 16)
    stage.check_nothing_is_left()
    stage.check_complaints(allowed=True)


@scene
def server_emptied(stage):
    """Who empties the server loses what was in it. The rest goes on."""
    consumer = stage.consume("c")
    first = stage.publish("p", count=100)
    consumer.wait_for("received", 50)
    consumer.freeze()
    first.expect_end()
    stage.server.cli("FLUSHALL")
    consumer.thaw()
    second = stage.publish("q", count=500)
    second.expect_end()
    stage.wait_for_all(second)
    look_until("all is acknowledged", lambda: stage.server.length() == 0)
    consumer.stop()
    check(stage.told("received").total() <= 600, "messages came again")
    stage.check_nothing_is_left()
    stage.check_complaints(allowed=True)


@scene
def deleted(stage):
    """Messages that somebody has deleted while they were pending are not pending for ever."""
    publisher = stage.publish("p", count=20)
    consumer = stage.consume("c", fail=1)
    publisher.expect_end()
    consumer.wait_for("failed", 20)
    listed = stage.server.cli("XPENDING", "messages", "consumers", "-", "+", "100").split("\n")
    numbers = [line for line in listed if re.fullmatch(r"\d+-\d+", line)]
    check(len(numbers) == 20, f"{len(numbers)} messages are pending")
    stage.server.cli("XDEL", "messages", *numbers)
    # With a new connection the consumer asks what it has. It is told of messages without fields.
    stage.server.kill()
    consumer.wait_for_complaint()
    stage.server.start()
    look_until("nothing is pending", lambda: stage.server.pending() == 0)
    consumer.stop()
    check(len(consumer.told("failed")) == 20, "what was deleted has come")
    stage.check_nothing_is_left()
    stage.check_complaints(allowed=True)


@scene
def everything(stage):
    """Accidents of all kinds, at random."""
    seed = arguments.seed or int(time.time())
    print(f"--seed {seed}", flush=True)
    chance = random.Random(seed)
    server = stage.server
    numbers = iter(range(1000))
    publishers = [stage.publish(f"p{next(numbers)}", limit=100) for _ in range(2)]
    consumers = [stage.consume(f"c{next(numbers)}", claim_after=500) for _ in range(2)]

    def kill_server():
        server.kill()
        server.start()

    def freeze_server():
        server.freeze()
        server.thaw()

    def replace(sides, role, accident):
        place = chance.randrange(len(sides))
        accident(sides[place])
        # A consumer comes back under its name. The ids of a publisher must not.
        back = role == "consume" and chance.random() < 0.5
        name = sides[place].command[5] if back else f"{role[0]}{next(numbers)}"
        more = {"claim_after": 500} if role == "consume" else {"limit": 100}
        sides[place] = stage.run_side(role, name, more)

    def freeze_consumer():
        consumer = chance.choice(consumers)
        consumer.freeze()
        # Somebody else takes over what it has in its hands, and it does not know.
        count = len(publishers[0].told("stored"))
        publishers[0].wait_for("stored", count + 1)
        consumer.thaw()

    accidents = [
        kill_server,
        freeze_server,
        freeze_consumer,
        lambda: replace(consumers, "consume", Side.kill),
        lambda: replace(consumers, "consume", Side.stop),
        lambda: replace(publishers, "publish", Side.kill),
        lambda: replace(publishers, "publish", Side.stop),
    ]
    for _ in range(20):
        received = stage.told("received").total()
        wait_until("messages come", lambda: stage.told("received").total() > received + 100)
        chance.choice(accidents)()
    for publisher in publishers:
        publisher.stop()
    stage.wait_for_all(*stage.sides)
    look_until("all is acknowledged", lambda: server.length() == 0)
    for consumer in consumers:
        consumer.stop()
    stage.check_sums(most_twice=10**9)
    stage.check_nothing_is_left()
    stage.check_complaints(allowed=True)


# --- The one command ------------------------------------------------------------------------------


def run_script(stage, *options):
    """Its temporary files go to a folder of their own, whose name each of its processes knows."""
    stage.server.kill()
    folder = f"{stage.folder}/script"
    os.mkdir(folder)
    command = ["bash", arguments.run, "--binary", arguments.program, "--delay", "1", *options]
    stage.sides.append(Side(command, stage.folder, {**os.environ, "TMPDIR": folder}))
    return stage.sides[-1]


def check_script(stage, script, count):
    check(script.end() == 0, f"it ended badly: {script.complaints}")
    check(script.lines[-1] == "run: all has been dealt with", "it ended too early")
    # The last lines are from its end; what the victims ended with is told further up.
    for line in script.lines[-3:]:
        check("has ended with status" not in line, f"it says: {line}")
    for number in range(1, count + 1):
        for verb in ("sent", "stored", "received"):
            found = any(line.endswith(f": {verb} order-{number}") for line in script.lines)
            check(found, f"order-{number} was not {verb}")
    folder = f"{stage.folder}/script"
    check(not os.listdir(folder), f"it has left {os.listdir(folder)}")
    for process in Path("/proc").glob("[0-9]*/environ"):
        try:
            left = folder.encode() in process.read_bytes()
        except OSError:
            continue  # it has ended, or is of no concern
        check(not left, f"it has left a process: {process.with_name('cmdline').read_bytes()}")


@scene
def script(stage):
    """The one command ends by itself here, whoever is killed, and takes everything along."""
    started = run_script(stage, "--count", "300")
    for number, victim in ((50, "anna"), (100, "server"), (150, "ben"), (200, "server")):
        text = f": received order-{number}"
        wait_until(text, lambda: any(line.endswith(text) for line in started.lines))
        begin = f"run: {victim} is process "
        says = [line for line in started.lines if line.startswith(begin)]
        os.kill(int(says[-1][len(begin) :].split(";")[0]), signal.SIGKILL)
        count = len(says)
        wait_until(
            f"{victim} is started again",
            lambda: sum(line.startswith(begin) for line in started.lines) > count,
        )
    check_script(stage, started, 300)


@scene
def script_interrupted(stage):
    """Ctrl-C ends it when all that was sent has been dealt with."""
    started = run_script(stage)
    text = ": received order-50"
    wait_until(text, lambda: any(line.endswith(text) for line in started.lines))
    started.send_signal(signal.SIGINT)
    started.end()
    check(not started.complaints, f"it complained: {started.complaints}")
    check_script(stage, started, sum(": sent order-" in line for line in started.lines))


def main():
    global arguments
    parser = argparse.ArgumentParser(description="Tests example/16_broker with a real server.")
    parser.add_argument("--program", required=True, type=os.path.abspath)
    parser.add_argument("--run", type=os.path.abspath, help="the script that starts everything")
    parser.add_argument("--sanitized", action="store_true", help="do not look at the memory")
    parser.add_argument("--seed", type=int, help="repeats the choices of the scene 'everything'")
    parser.add_argument("scene", nargs="*", help=f"by default all: {', '.join(SCENES)}")
    arguments = parser.parse_args()

    for name in arguments.scene or SCENES:
        began = time.monotonic()
        print(f"{name}: {SCENES[name].__doc__}", flush=True)
        with tempfile.TemporaryDirectory(prefix="broker-") as folder:
            stage = Stage(folder, tcp=name == "shared")
            try:
                SCENES[name](stage)
            except Problem as problem:
                for side in stage.sides:
                    print(side.command[1:], *side.complaints[-20:], sep="\n  ")
                print(Path(folder, "server.log").read_text()[-2000:])
                sys.exit(f"FAILED: {name}: {problem}")
            finally:
                stage.end()
        print(f"{name}: as it has to be, after {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
