"""Starts the program under test, ends it, and asks what it finds (tests/examples/store_child/main.rs)."""
import atexit
import dataclasses
import os
import re
import subprocess
import threading

# Longest that a child may take over anything, in seconds.
PATIENCE = 120
# What was acknowledged: nothing, not even that the profile is open.
NOTHING = -2
OPEN = -1

# What `verify` may say, and what else may become of it.
OUTCOMES = ["ok", "lost", "partial", "wrong", "panic", "open", "read", "write", "died", "hangs"]


@dataclasses.dataclass
class Found:
    """What `verify` found."""

    outcome: str
    line: str
    newest: int = NOTHING
    open_ms: int = 0


class Child:
    """The program under test."""

    def __init__(self, program):
        self.program = program

    def run(self, home, acked, **environment):
        """Starts it, to go on after the batch that was acknowledged last."""
        first = max(acked + 1, 0)
        command = [self.program, "run", home, str(first)]
        return Running(command, acked, {**os.environ, **environment})

    def verify(self, home, acked):
        """What is there after all that happened to it; writes one batch more if all is well."""
        command = [self.program, "verify", home, str(acked)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return Found("hangs", f"no answer in {PATIENCE} s")
        lines = [line for line in done.stdout.splitlines() if line.startswith("VERIFY ")]
        if not lines:
            return Found("died", f"exit status {done.returncode}: {done.stderr[-300:]}")
        line = lines[-1]
        told = {name: int(number) for name, number in re.findall(r"(newest|open_ms)=(-?\d+)", line)}
        outcome = "ok" if line.startswith("VERIFY ok ") else line.split()[2].lower()
        return Found(outcome if outcome in OUTCOMES else "died", line, **told)


class Running:
    """A child that commits batches until it is killed."""

    def __init__(self, command, acked, environment):
        self.acked = acked
        self.begun = threading.Event()
        self.opened = threading.Event()
        self.stopped = ""
        self.wanted = None
        self.reached = threading.Event()
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        # It would go on for ever if whoever started it failed.
        atexit.register(self.process.kill)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            line = line.strip()
            if line == "BEGIN":
                self.begun.set()
            elif line == "OPEN":
                self.acked = max(self.acked, OPEN)
                self.opened.set()
            elif line.isdigit():
                self.acked = int(line)
                if self.wanted is not None and self.acked >= self.wanted:
                    self.reached.set()
            elif line:
                self.stopped = line
        # It ended: nobody needs to wait any longer.
        for event in (self.begun, self.opened, self.reached):
            event.set()

    def wait_acked(self, number):
        """Waits until this batch is acknowledged, or the child ended."""
        self.wanted = number
        if self.acked < number:
            self.reached.wait(PATIENCE)

    def wait_ended(self):
        """Waits until it ends by itself, and says what it said then."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
        self.reader.join()
        return self.stopped

    def kill(self):
        """kill -9; returns the batch that was acknowledged last."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        return self.acked
