"""What the scripts of this folder share: two network namespaces on one cable, and people before windows in them."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests"))

import cable  # noqa: E402

LAN = cable.Cable("window", 2)
TOOLS = ["Xvfb", "xdotool", "import", "dbus-run-session"]
PYTHON = "/usr/bin/python3"


def why_not(binary):
    if why := cable.why_not():
        return why
    for tool in TOOLS:
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    atspi = "import gi; gi.require_version('Atspi', '2.0'); from gi.repository import Atspi"
    if subprocess.run([PYTHON, "-c", atspi], capture_output=True, check=False).returncode:
        return "python3-gi or gir1.2-atspi-2.0 is not installed"
    if not os.path.exists("/usr/libexec/at-spi-bus-launcher"):
        return "at-spi2-core is not installed"
    if not os.path.exists(binary):
        return f"{binary} is not built"
    return None


class Person:
    """Someone before a window."""

    def __init__(self, name, nth, folder, binary, size=(1280, 820), looks=None):
        """`looks` is what Kith keeps of how its window looks: {"percent": 200, "dark": true}."""
        self.name = name
        runtime = os.path.join(folder, f"run-{nth}")
        os.makedirs(runtime, mode=0o700)
        environment = {**os.environ, "XDG_RUNTIME_DIR": runtime, "TMPDIR": folder}
        for unwanted in ("DBUS_SESSION_BUS_ADDRESS", "AT_SPI_BUS_ADDRESS", "WAYLAND_DISPLAY"):
            environment.pop(unwanted, None)
        home = os.path.join(folder, f"home-{nth}")
        os.makedirs(home, mode=0o700)
        if looks:
            with open(os.path.join(home, "window.json"), "w") as file:
                json.dump(looks, file)
        command = ["ip", "netns", "exec", LAN.hosts[nth], "dbus-run-session", "--", PYTHON,
                   os.path.join(HERE, "person.py"), f":{170 + nth}", binary, home, *map(str, size)]
        log = open(os.path.join(folder, f"log-{nth}"), "w")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment, stderr=log)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        while line and not line.startswith("{"):
            # The session bus greets some programs on standard output.
            line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}\n  it sees: {answer.get('sees')}")
        return answer["ok"]

    def __getattr__(self, do):
        def ask(*words):
            print(f"  {self.name}: {do} {' '.join(words)[:70]}", flush=True)
            self.process.stdin.write(json.dumps([do, *words]) + "\n")
            self.process.stdin.flush()
            return self.answer()
        return ask

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def first_start(person):
    person.wait("Do you share this computer")
    person.press("Go on")
    person.write("Passphrase", "three old trees")
    person.write("The same again", "three old trees")
    person.press("Set passphrase")
    person.wait("You are not in a group")


def run(what, **options):
    """Lets two people go through `what`, if everything for it is there; the exit status."""
    binary = os.path.abspath(os.environ.get("KITH_BIN", os.path.join(ROOT, "target/debug/kith")))
    reason = why_not(binary)
    if reason:
        print(f"skipped: {reason}")
        return 0
    # Whoever ends this wants it tidy.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    people = []
    folder = tempfile.mkdtemp(prefix="kith-window-")
    try:
        LAN.open()
        for nth, name in enumerate(["Wren", "Alder"]):
            people.append(Person(name, nth, folder, binary, **options))
        what(*people)
        return 0
    except (RuntimeError, AssertionError, subprocess.CalledProcessError) as error:
        print(f"failed: {error}")
        for nth in range(len(people)):
            with open(os.path.join(folder, f"home-{nth}.log"), errors="replace") as log:
                print(f"  what Kith said on error, person {nth}: {log.read()[-2000:]}")
        return 1
    finally:
        for person in people:
            person.end()
        LAN.close()
        shutil.rmtree(folder, ignore_errors=True)
