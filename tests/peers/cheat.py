#!/usr/bin/env python3
"""Three members talk while a client cheats. Prints what each attack cost them.

    cargo build --release --manifest-path tests/peers/Cargo.toml --no-default-features --features cheat --bin cheat
    KITH_BIN=target/release/kith tests/peers/cheat.py [--seconds N] [--all] [ATTACK ...]

Each attack has a group of its own: real `kith rpc` processes on loopback. Strangers attack all three, a member the
first (with --all everyone); all three talk before it, during it and after it, and in the middle of it someone is invited by the first
and joins. KITH_CHEAT names another client than tests/peers/target/release/cheat.
"""
import argparse, json, os, pathlib, subprocess, sys, threading, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "accept"))
import kith  # noqa: E402

CLIENT = os.environ.get("KITH_CHEAT", str(HERE / "target/release/cheat"))
# How long they talk before and after.
BESIDE_S = 4

# name: (how it is run, how many at once, over which transport)
ATTACKS = {
    "silent": ("sockets", 1000, "tcp"),
    "multistream": ("sockets", 1000, "tcp"),
    "noise": ("sockets", 1000, "tcp"),
    "noise-garbage": ("sockets", 200, "tcp"),
    "garbage-sockets": ("sockets", 200, "tcp"),
    "unread": ("sockets", 1000, "tcp"),
    "byte-a-second": ("sockets", 1000, "tcp"),
    "junk": ("datagrams", 200, "udp"),
    "idle": ("connections", 300, "tcp"),
    "idle-quic": ("connections", 60, "udp"),
    "hints": ("connections", 20, "tcp"),
    "hints-long": ("connections", 20, "tcp"),
    "hints-slow": ("connections", 200, "tcp"),
    "join-silent": ("connections", 60, "tcp"),
    "join-garbage": ("connections", 20, "tcp"),
    "streams": ("connections", 20, "tcp"),
    "streams-quic": ("connections", 20, "udp"),
    "filled": ("raw", 60, "tcp"),
    "filled-quic": ("raw", 20, "udp"),
}
MEMBER = (
    "half-handshakes garbage-raw garbage-plain garbage garbage-tags mutated huge-length prunes pings empty-entries empty-ops "
    "empty-haves frontiers frontiers-unread frontiers-partial frontiers-held absurd wants wants-unread wants-slow five-wants "
    "ops-wants-unread fat-ops orphan-ops early-ops old-ops cards keys slow-writer words words-large same-words "
    "same-word-alone forks gaps absurd-entries early-entries stripped withheld link-and-leave"
).split()
ATTACKS.update({name: ("member", 1, "tcp") for name in MEMBER})


class Heard(list):
    """Notes when each message was notified, and keeps nothing else."""

    def __init__(self):
        super().__init__()
        self.at = {}

    def append(self, note):
        if note.get("kind") == "message":
            self.at.setdefault(note["message"]["text"], time.monotonic())


class Talker(kith.Kith):
    @staticmethod
    def _read(process, replies, _notes, orphans, lock):
        kith.Kith._read(process, replies, process.heard, orphans, lock)

    @property
    def heard(self):
        return self.process.heard.at


class Process(subprocess.Popen):
    def __init__(self, *args, **how):
        self.heard = Heard()
        super().__init__(*args, **how)


kith.subprocess.Popen = Process


class World(kith.World):
    def member(self, name, **how):
        place = f"m{len(self.members)}"
        port = kith.free_port()
        listen = ["--listen", f"/ip4/127.0.0.1/tcp/{port}", "--listen", f"/ip4/127.0.0.1/udp/{port}/quic-v1"]
        member = Talker(name, home=self.folder / place, log=self.folder / f"{place}.log", args=listen, port=port)
        self.members.append(member)
        return member.create()


def status(pid, field):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(field):
            return int(line.split()[1]) // 1024
    return 0


def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch(threading.Thread):
    """The greatest memory of each process, phase by phase."""

    def __init__(self, members):
        super().__init__(daemon=True)
        self.pids = [m.process.pid for m in members]
        self.peak, self.now, self.over = [0] * len(self.pids), [0] * len(self.pids), False

    def run(self):
        while not self.over:
            for nth, pid in enumerate(self.pids):
                try:
                    self.now[nth] = status(pid, "VmRSS:")
                except OSError:
                    continue
                self.peak[nth] = max(self.peak[nth], self.now[nth])
            time.sleep(0.1)

    def begin(self):
        self.peak = list(self.now)


def talk(group, members, said, phase, seconds):
    """Everyone says something four times a second in turn."""
    end, nth = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        who = nth % len(members)
        text = f"{phase} {nth}"
        began = time.monotonic()
        try:
            members[who].ask("message.send", _timeout=10, space=group, text=text)
            said[text] = (who, began, time.monotonic() - began)
        except kith.RpcError as error:
            said[text] = (who, None, error.name)
        except (AssertionError, OSError):
            said[text] = (who, None, "no answer")
        nth += 1
        time.sleep(max(0, began + 0.25 - time.monotonic()))


def wait_for(members, said, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        words = [text for text, (_, began, _) in said.items() if began is not None]
        if all(text in m.heard for m in members for text in words):
            return True
        time.sleep(0.1)
    return False


def latencies(members, said, phase, to):
    """Milliseconds from saying to being notified: to the first member, or between the others."""
    found = []
    for text, (who, began, _) in said.items():
        if not text.startswith(phase) or began is None:
            continue
        for nth, m in enumerate(members):
            if nth != who and (nth == 0 or who == 0) == to:
                found.append((m.heard[text] - began) * 1000 if text in m.heard else float("inf"))
    found.sort()
    return (found[len(found) // 2], found[-1]) if found else (0, 0)


def address(member, how):
    listen = member.ask("net.status")["listen"]
    return next(a for a in listen if f"/{how}/" in a)


def newcomer(world, first, group, name, result):
    try:
        began = time.monotonic()
        member = world.member(name)
        link = first.ask("invite.create", group=group)["link"]
        began = time.monotonic()
        member.ask("invite.accept", link=link, pseudonym=name, timeout_s=60, _timeout=90)
        result["join"] = round(time.monotonic() - began, 1)
        kith.until("linked", lambda: any(m["linked"] for m in member.ask("member.list", group=group)), 60)
        result["linked"] = round(time.monotonic() - began, 1)
    except Exception as error:
        result["join"] = str(error)[:60]


def attack(name, seconds, everyone):
    kind, count, transport = ATTACKS[name]
    with World() as world:
        names = ["Ash", "Birch", "Cedar"]
        group, members = world.group(*names)
        folder = world.folder
        who = str(folder / "cheat")
        if kind == "member":
            link = members[0].ask("invite.create", group=group)["link"]
            subprocess.run([CLIENT, "join", link, address(members[0], "tcp"), who], check=True, timeout=60)
        # So that there is something to ask for.
        for nth in range(40):
            members[0].ask("message.send", space=group, text=f"{nth} " + "long ago " * 6000)
        watch, said, came = Watch(members), {}, {}
        watch.start()
        time.sleep(2)
        talk(group, members, said, "before", BESIDE_S)
        before = list(watch.now)
        watch.begin()
        used = [cpu(pid) for pid in watch.pids]
        cheats = []
        for nth, member in enumerate(members if everyone or kind != "member" else members[:1]):
            line = [CLIENT, kind, name, address(member, transport), str(seconds)]
            line += [who] if kind == "member" else [str(count)]
            with open(folder / f"cheat{nth}.log", "wb") as log:
                cheats.append(subprocess.Popen(["nice", "-n", "19"] + line, stdout=subprocess.PIPE, stderr=log))
        inviting = threading.Thread(target=lambda: (time.sleep(seconds / 4), newcomer(world, members[0], group, "Dill", came)))
        inviting.start()
        talk(group, members, said, "during", seconds)
        used = [cpu(pid) - was for pid, was in zip(watch.pids, used)]
        during = list(watch.peak)
        did = []
        for cheat in cheats:
            try:
                out, _ = cheat.communicate(timeout=30)
                did.append(json.loads(out or b"{}"))
            except subprocess.TimeoutExpired:
                cheat.kill()
                did.append({"killed": True})
        inviting.join()
        talk(group, members, said, "after", BESIDE_S)
        whole = wait_for(members, said, 60)
        watch.over = True
        ended = [m.name for m in members if m.process.poll() is not None]
        panics = sum("panicked" in path.read_text(errors="replace") for path in folder.glob("m*.log"))
        try:
            texts = [[t for t in m.texts(group) if t in said] for m in members]
        except (AssertionError, OSError):
            texts = []
        same = bool(texts) and all(t == texts[0] for t in texts) and len(texts[0]) >= sum(b is not None for _, b, _ in said.values())
        row = {
            "attack": name, "count": count if kind != "member" else len(cheats), "did": did,
            "rss": {"before": before, "during": during, "after": list(watch.now)},
            "cpu": [round(u / seconds * 100) for u in used],
            "before": [latencies(members, said, "before", to) for to in (True, False)],
            "during": [latencies(members, said, "during", to) for to in (True, False)],
            "after": [latencies(members, said, "after", to) for to in (True, False)],
            "send": max((t for _, b, t in said.values() if b), default=0),
            "refused": [t for _, b, t in said.values() if b is None],
            "newcomer": came, "whole": whole, "same": same, "ended": ended, "panics": panics, "words": len(said),
        }
        return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--all", action="store_true", help="attack everyone, not only the first")
    parser.add_argument("--json", help="append rows to this file")
    parser.add_argument("attacks", nargs="*")
    args = parser.parse_args()
    for name in args.attacks or ATTACKS:
        began = time.monotonic()
        try:
            row = attack(name, args.seconds, args.all)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            continue
        if args.json:
            with open(args.json, "a") as out:
                out.write(json.dumps(row) + "\n")
        show(row, time.monotonic() - began)


def show(row, took):
    rss = row["rss"]
    pair = lambda two: f"{two[0]:.0f}/{two[1]:.0f}"
    print(
        f"{row['attack']:18} RSS {rss['before'][0]}->{rss['during'][0]}->{rss['after'][0]} (others {max(rss['during'][1:])}) "
        f"CPU {row['cpu'][0]}% (others {max(row['cpu'][1:])}%) "
        f"to it {pair(row['before'][0])} > {pair(row['during'][0])} > {pair(row['after'][0])} ms, "
        f"others {pair(row['before'][1])} > {pair(row['during'][1])} ms, newcomer {row['newcomer']}, "
        f"{'all words' if row['whole'] and row['same'] else 'WORDS MISSING'}"
        f"{', ENDED ' + str(row['ended']) if row['ended'] else ''}{', PANICKED' if row['panics'] else ''}"
        f"{', refused ' + str(row['refused'][:3]) if row['refused'] else ''} {json.dumps(row['did'])} [{took:.0f} s]",
        flush=True,
    )


if __name__ == "__main__":
    main()
