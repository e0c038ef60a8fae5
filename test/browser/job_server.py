#!/usr/bin/python3
# SPDX-License-Identifier: BSL-1.0
#
# Drives the page of the demo server, example/15_job_server, in a real Chromium; or takes its
# picture. The option --help tells how.
#
# What a test waits for is looked for in the page, again and again, until it is there or
# MOST_SECONDS are over. Nothing is expected within a time that a slow machine could miss. Each test
# has a server of its own; in the end the server has to stop with status 0 and without a complaint,
# and the browser's console may say nothing but what the test expects.
#
# It needs Debian's packages chromium, chromium-driver and python3-selenium, and so Debian's Python.

import argparse
import contextlib
import http.client
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

MOST_SECONDS = 60

# A job that lasts until its client hangs up.
FOR_EVER = ("--job-delay", "3600000")

server_program = ""
browser = None


def wait_for(what, condition):
    """Returns what the condition gives as soon as that is true."""
    deadline = time.monotonic() + MOST_SECONDS
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.05)


class Server:
    """A running server. Leaving its block stops it, unless that has happened already."""

    def __init__(self, *options, port=0, complaint=""):
        """In the end the server must have complained of this and nothing else."""
        self.complaint = complaint
        self.errors = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [server_program, "--port", str(port), *options],
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        first_line = self.process.stdout.readline()
        if " listening on " not in first_line:
            raise AssertionError(f"the server began with: {first_line!r}; {self.complaints()}")
        self.url = first_line.split()[-1]
        self.port = urllib.parse.urlsplit(self.url).port

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None and self.process.returncode is None:
                self.stop()
                self.await_end()
        finally:
            self.kill()
            self.process.stdout.close()
            self.errors.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)

    def await_end(self):
        status = self.process.wait(MOST_SECONDS)
        if status != 0 or self.complaints() != self.complaint:
            raise AssertionError(f"the server ended with status {status}; {self.complaints()}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def complaints(self):
        self.errors.seek(0)
        return self.errors.read()

    def post(self, times, text="one two two"):
        """Sends jobs one after the other, and reads their answers."""
        with contextlib.closing(self.connect()) as client:
            for _ in range(times):
                client.request("POST", "/jobs", text)
                answer = client.getresponse()
                answer.read()
                if answer.status != 200:
                    raise AssertionError(f"a job was answered with {answer.status}")

    def post_in_vain(self, times):
        """Sends jobs that will be refused, as fast as it can."""
        job = b"POST /jobs HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
        most_at_once = 500
        with socket.create_connection(("127.0.0.1", self.port), MOST_SECONDS) as client:
            answers = client.makefile("rb")
            while times > 0:
                count = min(times, most_at_once)
                client.sendall(job * count)
                for _ in range(count):
                    status = answers.readline()
                    if b" 503 " not in status:
                        raise AssertionError(f"the server answered {status}")
                    while not answers.readline().startswith(b'{"error":'):
                        pass
                times -= count

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=MOST_SECONDS)

    def stats(self):
        with contextlib.closing(self.connect()) as client:
            client.request("GET", "/stats")
            return json.load(client.getresponse())


class Clients:
    """Clients that have sent a job and wait for its answer, until the end of their block."""

    def __init__(self, server, count):
        self.server = server
        self.connections = []
        for _ in range(count):
            self.send_another()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hang_up()

    def send_another(self):
        before = self.server.stats()["accepted"]
        client = socket.create_connection(("127.0.0.1", self.server.port), MOST_SECONDS)
        self.connections.append(client)
        client.sendall(b"POST /jobs HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx")
        wait_for("a job to be accepted", lambda: self.server.stats()["accepted"] == before + 1)

    def hang_up(self):
        while self.connections:
            self.connections.pop().close()


class Page:
    """What can be seen on the page, and done with it. At the end of its block it is left."""

    figures = (
        "depth capacity most running accepted done failed rejected abandoned listeners"
    ).split()

    def __init__(self, server, console=None):
        """The browser's console may say only what matches the pattern `console`."""
        self.console = console
        browser.get_log("browser")  # forgets what was before
        browser.get(server.url + "/")
        self.await_status("live")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        browser.get("about:blank")
        messages = [entry["message"] for entry in browser.get_log("browser")]
        if kind is None:
            for message in messages:
                if not self.console or not re.search(self.console, message):
                    raise AssertionError(f"the browser's console says: {message}")

    def text(self, name):
        return browser.find_element(By.ID, name).text

    def look(self):
        """All figures as they are at one time."""
        texts = browser.execute_script(
            "return arguments[0].map(name => document.getElementById(name).textContent)",
            self.figures,
        )
        return {name: int(text.replace(",", "")) for name, text in zip(self.figures, texts)}

    def await_figures(self, **expected):
        try:
            wait_for(str(expected), lambda: expected.items() <= self.look().items())
        except AssertionError as problem:
            raise AssertionError(f"{problem}; the page shows {self.look()}") from None

    def await_status(self, text):
        wait_for(f"the status '{text}'", lambda: self.text("status") == text)

    def await_answer(self, text):
        try:
            wait_for(f"the answer '{text}'", lambda: self.text("answer") == text)
        except AssertionError as problem:
            raise AssertionError(f"{problem}; there is '{self.text('answer')}'") from None

    def events(self):
        """The rows of recent events, the oldest first, as pairs (kind, detail)."""
        rows = browser.execute_script(
            """return [...document.querySelectorAll("#events li")].map(
                 row => ["b", ".detail"].map(part => row.querySelector(part).textContent))"""
        )
        return [tuple(row) for row in reversed(rows)]

    def number(self, name):
        return float(re.sub(r"[^0-9.]", "", self.text(name)))

    def rate(self):
        return self.number("rate")

    def heights(self, name):
        """How high the line of a diagram is, from left to right: 0 to 1."""
        path = browser.find_element(By.ID, name + "_line").get_attribute("d")
        points = [point.split() for point in path.removeprefix("M").split("L")]
        return [1 - float(y) / 20 for _, y in points]

    def click(self, jobs):
        browser.find_element(By.CSS_SELECTOR, f'button[data-jobs="{jobs}"]').click()

    def type(self, text):
        field = browser.find_element(By.ID, "text")
        field.clear()
        field.send_keys(text)


class JobServerPage(unittest.TestCase):
    def test_events_and_figures_appear_as_jobs_are_done(self):
        with Server("--workers", "1") as server, Page(server) as page:
            page.await_figures(
                depth=0, capacity=64, most=0, running=0, accepted=0, done=0, rejected=0,
                listeners=1,
            )
            self.assertEqual(page.events(), [])
            server.post(2)
            page.await_figures(accepted=2, done=2, running=0, depth=0)
            self.assertEqual(
                page.events(),
                [
                    ("accepted", "job 1"),
                    ("started", "job 1, coroutine 1"),
                    ("done", "job 1"),
                    ("accepted", "job 2"),
                    ("started", "job 2, coroutine 1"),
                    ("done", "job 2"),
                ],
            )
            server.post(1200)
            page.await_figures(accepted=1202, done=1202)
            self.assertEqual(page.text("done"), "1,202")
            self.assertEqual(len(page.events()), 12)
            self.assertEqual(page.events()[-1], ("done", "job 1202"))

    def test_a_page_that_comes_later_shows_what_was_before(self):
        with Server() as server:
            server.post(7)
            with Page(server) as page:
                page.await_figures(accepted=7, done=7, running=0, depth=0)

    def test_jobs_that_wait_are_shown_until_their_clients_hang_up(self):
        workers = ("--workers", "1", "--legacy-threads", "1")
        with Server(*FOR_EVER, *workers, "--queue", "8") as server, Page(server) as page:
            with Clients(server, 6):
                page.await_figures(depth=4, capacity=8, most=4, running=2, accepted=6, done=0)
                wait_for("half of the diagram", lambda: page.heights("depth")[-1] == 0.5)
                started = [detail for kind, detail in page.events() if kind == "started"]
                self.assertEqual(
                    {detail.split(", ")[1] for detail in started}, {"coroutine 1", "thread 1"}
                )
            page.await_figures(depth=0, most=4, running=0, accepted=6, done=0, abandoned=6)
            # The last has waited for others whose clients have hung up later.
            self.assertGreater(page.number("longest_wait"), 0)
            self.assertGreaterEqual(page.number("longest_wait"), page.number("mean_wait"))
            wait_for("the end of the diagram", lambda: page.heights("depth")[-1] == 0)
            self.assertEqual(sum(kind == "abandoned" for kind, _ in page.events()), 6)

    def test_throughput(self):
        with Server() as server, Page(server) as page:
            enough = threading.Event()

            def keep_sending():
                while not enough.is_set():
                    server.post(10)

            client = threading.Thread(target=keep_sending)
            client.start()
            try:
                wait_for("a throughput", lambda: page.rate() > 0)
                wait_for("a diagram of it", lambda: max(page.heights("rate")) == 1)
                self.assertGreater(page.number("highest"), 0)
            finally:
                enough.set()
                client.join()
            wait_for("no throughput", lambda: page.rate() == 0)
            wait_for("the end of the diagram", lambda: page.heights("rate")[-1] == 0)

    def test_the_buttons_send_jobs(self):
        with Server() as server, Page(server) as page:
            page.click(1)
            page.await_answer("5 words, 4 different: the 2, and 1, quick 1, slow 1")
            page.await_figures(accepted=1, done=1)
            page.type("<b>Bold</b> & bold, \N{SNOWMAN}")
            page.click(1)
            page.await_answer("4 words, 2 different: b 2, bold 2")
            page.type("")
            page.click(100)
            page.await_answer("100 of 100 done: 0 words, 0 different")
            page.await_figures(accepted=102, done=102, rejected=0)

    def test_overload(self):
        with (
            Server(*FOR_EVER, "--workers", "1", "--queue", "1") as server,
            Page(server, console=r"/jobs .* status of 503") as page,
            Clients(server, 2),
        ):
            page.click(1)
            page.await_answer("the queue is full, try again later")
            page.await_figures(depth=1, capacity=1, running=1, accepted=2, rejected=1)
            self.assertEqual(page.events()[-1], ("rejected", "job 3"))
            page.click(100)
            page.await_answer("0 of 100 done: the queue is full, try again later")
            page.await_figures(depth=1, running=1, accepted=2, rejected=101)

    def test_a_job_that_fails(self):
        failed = "job_server: job 1 failed: a text has no zero bytes\n"
        with Server("--workers", "1", complaint=failed) as server:
            with Page(server, console=r"/jobs .* status of 500") as page:
                # Whoever types cannot type this.
                browser.execute_script("document.getElementById('text').value = 'no\\0text'")
                page.click(1)
                page.await_answer("the job failed")
                page.await_figures(accepted=1, done=0, failed=1, running=0)
                self.assertEqual(page.events()[-1], ("failed", "job 1"))
                page.type("a text")
                page.click(1)
                page.await_answer("2 words, 2 different: a 1, text 1")
                page.await_figures(accepted=2, done=1, failed=1)

    def test_a_stop_and_another_server(self):
        port = wait_for("a free port", free_port)
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(Server(*FOR_EVER, "--workers", "1", port=port))
            # The stream has an end and is not cut off, which the console would tell. What fails is
            # to connect again.
            page = stack.enter_context(Page(server, console=r"/events .*ERR_CONNECTION_REFUSED"))
            with Clients(server, 2):
                server.stop()
                page.await_status("stopping")
                page.await_figures(depth=1, running=1, accepted=2)
                self.assertEqual(page.events()[-1], ("stopping", "the server finishes what it has"))
            server.await_end()
            page.await_status("not connected, trying again")
            # The last that it heard is that both clients have hung up.
            page.await_figures(depth=0, running=0, accepted=2, abandoned=2)

            another = stack.enter_context(Server(port=port))
            page.await_status("live")
            page.await_figures(accepted=0, abandoned=0, listeners=1)
            page.click(1)
            page.await_answer("5 words, 4 different: the 2, and 1, quick 1, slow 1")
            page.await_figures(accepted=1, done=1)
            self.assertEqual(another.stats()["done"], 1)

    def test_a_server_that_dies(self):
        port = wait_for("a free port", free_port)
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(Server(port=port))
            page = stack.enter_context(Page(server, console=r"/events .*ERR_(INCOMPLETE|CONNECT)"))
            server.post(3)
            page.await_figures(done=3)
            server.kill()
            page.await_status("not connected, trying again")

            another = stack.enter_context(Server(port=port))
            page.await_status("live")
            page.await_figures(accepted=0, done=0)
            another.post(1)
            page.await_figures(accepted=1, done=1)

    def test_an_answer_of_something_else(self):
        port = wait_for("a free port", free_port)
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(Server(port=port))
            page = stack.enter_context(
                Page(server, console=r"/events .*(status of 502|ERR_(INCOMPLETE|CONNECT))")
            )
            server.kill()
            # As a proxy answers while there is no server. After that a browser does not try again
            # by itself.
            with http.server.HTTPServer(("127.0.0.1", port), BadGateway) as proxy:
                proxy.timeout = MOST_SECONDS
                proxy.answers = 0
                while proxy.answers == 0:
                    proxy.handle_request()

            stack.enter_context(Server(port=port))
            page.await_status("live")
            page.await_figures(listeners=1)

    def test_several_pages(self):
        with Server() as server, Page(server) as page:
            first = browser.current_window_handle
            browser.switch_to.new_window("tab")
            second_page = Page(server)
            second_page.await_figures(listeners=2)
            server.post(5)
            second_page.await_figures(done=5)
            browser.close()
            browser.switch_to.window(first)
            wait_for("one listener", lambda: server.stats()["listeners"] == 1)
            server.post(1)
            page.await_figures(accepted=6, done=6, listeners=1)
            self.assertEqual(page.events()[-1], ("done", "job 6"))

    def test_a_page_that_is_too_slow_learns_what_it_missed(self):
        with (
            Server(*FOR_EVER, "--workers", "1", "--queue", "0", "--timeout", "600") as server,
            Page(server) as page,
            Clients(server, 1),
        ):
            page.await_figures(running=1, accepted=1)
            self.assertEqual(page.text("missed"), "")
            # How much is kept between the server and a page that sleeps, the system decides.
            refused = 0
            while not page.text("missed") and refused < 500000:
                more = max(20000, refused)
                with stopped(page_processes()):
                    server.post_in_vain(more)
                refused += more
                # Whatever it has missed, it knows where things stand in the end.
                page.await_figures(running=1, accepted=1, rejected=refused)
            self.assertRegex(page.text("missed"), r"^, [0-9,]+ missed$")
            self.assertIn(page.number("missed"), range(1, refused))

    def test_all_text_can_be_read(self):
        with Server() as server, Page(server) as page:
            server.post(4)
            page.click(1)
            page.await_figures(done=5)
            for scheme in "light", "dark":
                for width in 320, 500, 800, 1600:
                    with self.subTest(scheme=scheme, width=width), window(scheme, width, 800):
                        self.assertEqual(browser.execute_script(POOR_CONTRAST), [])
                        widths = browser.execute_script(
                            "return [document.documentElement.scrollWidth, innerWidth]"
                        )
                        self.assertEqual(widths, [width, width])


class BadGateway(http.server.BaseHTTPRequestHandler):
    timeout = 5  # of a connection through which no request comes

    def do_GET(self):
        self.send_error(502)
        self.server.answers += 1

    def log_message(self, *_):
        pass


def free_port():
    """One that no client gets by itself, so that it stays free for the next server."""
    port = random.randrange(15000, 32000)
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return None
    return port


def page_processes():
    """The processes of our browser that show pages."""
    parents = {}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            process = int(folder.name)
            parents[process] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                found.append(process)

    def is_ours(process):
        while process and process != os.getpid():
            process = parents.get(process)
        return bool(process)

    return [process for process in found if is_ours(process)]


@contextlib.contextmanager
def stopped(processes):
    if not processes:
        raise AssertionError("no process shows a page")
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@contextlib.contextmanager
def window(scheme, width, height, scale=1):
    """Shows the page as in a window of that size."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500},
    )
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# Finds text whose contrast is less than what the guidelines for accessible pages ask for.
POOR_CONTRAST = """
const parts = color => color.match(/[0-9.]+/g).map(Number);
const luminance = color => {
  const [red, green, blue] = parts(color).slice(0, 3).map(value => {
    value /= 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const background = element => {
  const color = getComputedStyle(element).backgroundColor;
  return parts(color)[3] === 0 && element.parentElement ? background(element.parentElement) : color;
};
const poor = [];
for (const element of document.body.querySelectorAll("*")) {
  const text = [...element.childNodes].filter(node => node.nodeType === Node.TEXT_NODE)
    .map(node => node.data.trim()).join("");
  if (!text || !element.checkVisibility()) continue;
  const both = [getComputedStyle(element).color, background(element)].map(luminance);
  const contrast = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  if (contrast < 4.5) poor.push(`${text}: ${contrast.toFixed(2)}`);
}
return poor;
"""


def start_browser():
    # A proxy is not for servers on this machine.
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]
    options = webdriver.ChromeOptions()
    options.binary_location = find_program("chromium")
    options.add_argument("--headless=new")
    options.add_argument("--window-size=1100,900")
    options.add_argument("--hide-scrollbars")
    options.add_argument("--no-proxy-server")
    # In a container this folder is often too small for it.
    options.add_argument("--disable-dev-shm-usage")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service(find_program("chromedriver")), options=options)


def find_program(name):
    found = shutil.which(name)
    if not found:
        sys.exit(f"{name} is missing")
    return found


def take_picture(file):
    """Shows the page after a minute with several clients, more of them at some times."""
    chance = random.Random(1)
    options = ("--workers", "2", "--legacy-threads", "1", "--queue", "16", "--job-delay", "120")
    with Server(*options) as server, Page(server, console=r"/jobs .* 503") as page:
        pauses = [0.5]
        end = threading.Event()

        def send_now_and_then(seed):
            waits = random.Random(seed)
            with contextlib.closing(server.connect()) as client:
                while not end.wait(waits.random() * 2 * pauses[-1]):
                    client.request("POST", "/jobs", "some text")
                    client.getresponse().read()

        clients = [threading.Thread(target=send_now_and_then, args=(seed,)) for seed in range(24)]
        for client in clients:
            client.start()
        for _ in range(31):
            pauses.append(chance.choice([0.2, 0.5, 0.7, 0.9, 3]))
            time.sleep(2)
        pauses.append(0.5)
        page.click(1)
        wait_for("the answer", lambda: "words" in page.text("answer") or page.click(1))
        with window("light", 960, 760, scale=1.5):
            browser.save_screenshot(file)
        end.set()
        for client in clients:
            client.join()


def main():
    global server_program, browser
    parser = argparse.ArgumentParser(
        description="Tries the page of the job server in Chromium.",
        epilog="Other options are those of Python's unittest, for example -k overload.",
    )
    parser.add_argument("--server", required=True, help="the program job_server")
    parser.add_argument("--picture", metavar="FILE", help="only take a picture (PNG) of the page")
    arguments, rest = parser.parse_known_args()
    server_program = arguments.server
    browser = start_browser()
    try:
        if arguments.picture:
            take_picture(arguments.picture)
        else:
            unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
