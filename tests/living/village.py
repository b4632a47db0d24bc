"""The village: a network of namespaces, clocks that can be set, and the people with their programs."""

import os
import pathlib
import signal
import subprocess
import time

import cable
import kith

HOUR = 3600
DAY = 24 * HOUR
SMALL_MIB = 64
FAKETIME = next(iter(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


def why_not():
    """Why this cannot be tried here; nothing if it can."""
    if why := cable.why_not():
        return why
    if FAKETIME is None:
        return "needs Debian's package faketime"
    return ""


class Lan(cable.Cable):
    """Everyone's cable; and addresses that were never used before."""

    def __init__(self, hosts):
        super().__init__("living", hosts)
        self.moves = 0

    def move_on(self, host):
        self.moves += 1
        self.move(host, f"10.77.0.{100 + self.moves}/24")


class Clock:
    """What time it is in the village, in seconds since 1970: the real time, and what was skipped."""

    def __init__(self):
        self.skipped = 0.0

    def now(self):
        return time.time() + self.skipped


class Person(kith.Kith):
    """One person and their device. `skew`: by how many seconds its clock is wrong."""

    def __init__(self, name, at, village, small):
        self.at, self.village, self.small = at, village, small
        self.skew, self.cable, self.asleep, self.cursor = 0, "cable", False, None
        self.heard, self.replays = {}, False
        self.host, self.stamp = village.lan.hosts[at], village.folder / f"clock{at}"
        self.disk = village.folder / f"disk{at}"
        self.disk.mkdir()
        if small:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_MIB}m", "tmpfs", self.disk], check=True)
        self.set_clock()
        super().__init__(name, home=self.disk / "home", log=village.folder / f"m{at}.log")

    def command(self):
        fake = [
            f"LD_PRELOAD={FAKETIME}", f"FAKETIME_TIMESTAMP_FILE={self.stamp}", "FAKETIME_NO_CACHE=1",
            "DONT_FAKE_MONOTONIC=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_DISABLE_SHM=1", "NO_FAKE_STAT=1",
            f"RUST_LOG={os.environ.get('RUST_LOG', 'net=info,store=info')}",
        ]
        return ["ip", "netns", "exec", self.host, "env", *fake, kith.binary(), "rpc", "--home", str(self.home)]

    def now(self):
        """What the device's own clock shows."""
        return self.village.clock.now() + self.skew

    def set_clock(self):
        fresh = self.stamp.with_suffix(".new")
        fresh.write_text(f"{self.village.clock.skipped + self.skew:+.3f}\n")
        fresh.replace(self.stamp)

    @property
    def runs(self):
        return self.process.poll() is None

    @property
    def awake(self):
        return self.runs and not self.asleep

    def close_lid(self):
        os.kill(self.process.pid, signal.SIGSTOP)
        self.asleep = True

    def open_lid(self):
        self.set_clock()
        os.kill(self.process.pid, signal.SIGCONT)
        self.asleep = False

    def close(self):
        self.take_notes()
        super().close()

    def kill(self):
        self.take_notes()
        super().kill()
        self.asleep = False

    def wake(self):
        """However the device was left, it is in use again."""
        if self.awake:
            return self
        if self.asleep:
            self.open_lid()
            return self
        self.set_clock()
        self.start()
        self.unlock()
        if self.cursor is not None:
            self.ask("rpc.since", cursor=self.cursor)
        return self

    def take_notes(self):
        """Each notification once: what a reader that goes by the cursor sees."""
        with self.lock:
            notes, self.notes[:] = list(self.notes), []
        for note in notes:
            if self.cursor is not None and note.get("cursor", 0) <= self.cursor:
                continue
            self.cursor = note.get("cursor", self.cursor)
            if note.get("kind") == "message":
                text = note["message"]["text"]
                self.heard[text] = self.heard.get(text, 0) + 1

    def meet(self, group):
        """From now on everyone knows by which id this one goes: a name comes later, with a card."""
        me = next(member for member in self.ask("member.list", group=group) if member["me"])
        self.village.ids[me["member"]] = self.name

    def listed(self, group):
        ids = self.village.ids
        return {ids.get(m["member"], m["pseudonym"]) for m in self.ask("member.list", group=group)}

    def linked(self, group):
        return [m["member"] for m in self.ask("member.list", group=group) if m["linked"] and not m["me"]]

    def timeline(self, group):
        found, before = [], None
        while True:
            page = self.ask("message.list", space=group, limit=500, **({"before": before} if before else {}))
            found = page["messages"] + found
            if not page["more"]:
                return found
            before = page["messages"][0]["id"]

    def memory(self):
        """Resident, in MiB."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def start(self):
        super().start()
        self.village.started.append(self.process.pid)
        return self

    def bury(self):
        if self.runs and self.asleep:
            os.kill(self.process.pid, signal.SIGCONT)
        super().kill()
        if self.small:
            subprocess.run(["umount", "-l", self.disk], check=False)


class Village:
    """Everything that is made, and that goes when it ends."""

    def __init__(self, folder, hosts):
        self.folder, self.clock, self.lan, self.people = folder, Clock(), Lan(hosts), []
        self.started, self.ids = [], {}

    def person(self, name, small=False):
        one = Person(name, len(self.people), self, small)
        self.people.append(one)
        one.create()
        return one

    def skip(self, seconds, sleepers=None):
        """Time passes with every lid closed that is open now; then those are opened again."""
        awake = [one for one in self.people if one.awake]
        for one in awake:
            one.close_lid()
        self.clock.skipped += seconds
        for one in self.people:
            one.set_clock()
        for one in awake if sleepers is None else [one for one in awake if one not in sleepers]:
            one.open_lid()

    def close(self):
        for one in self.people:
            one.bury()
        self.lan.close()
        for pid in self.started:
            # libfaketime leaves these behind when its process is killed.
            for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
                pathlib.Path("/dev/shm", name).unlink(missing_ok=True)
