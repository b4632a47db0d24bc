"""The disk after a power cut at any instant, made from what plog.c recorded.

What was synced is there. Of everything else, by mode:

    drop      nothing is there
    subset    each 4 KiB block, each change of a length and all changes of names together are there with
              a probability of one half, independently of each other and of the order in which they came

As on ext4, a sync of any file or folder makes all earlier changes of names durable. sync_file_range is
no sync. It is a model: no disk was unplugged.
"""
import os
import pathlib
import random
import shutil
import struct

import child

MODES = ["drop", "subset"]
BLOCK = 4096
# How near to a change of names an instant is that was drawn for one, in records.
NEAR = 3


class Record:
    """One record of the log; plog.c says what there is."""

    head = struct.Struct("<ciQI")

    def __init__(self, kind, file, number, data):
        self.kind = kind
        self.file = file
        self.number = number
        self.data = data


def read_log(path):
    """All whole records: the last one may have been cut when the child was killed."""
    log = pathlib.Path(path).read_bytes()
    records = []
    at = 0
    while at + Record.head.size <= len(log):
        kind, file, number, length = Record.head.unpack_from(log, at)
        at += Record.head.size
        if at + length > len(log):
            break
        records.append(Record(kind.decode(), file, number, log[at : at + length]))
        at += length
    return records


def acked_at(records, acked):
    """By instant, the batch that was acknowledged last; before all of them it was `acked`."""
    by_instant = [acked]
    line = b""
    for record in records:
        if record.kind == "A":
            line += record.data
            *lines, line = line.split(b"\n")
            for said in lines:
                if said == b"OPEN":
                    acked = max(acked, child.OPEN)
                elif said.isdigit():
                    acked = int(said)
        by_instant.append(acked)
    return by_instant


def instants(records, count, rng):
    """So many instants, as numbers of records that came before. Half of them are near to where a name
    or a length changes: there is least time there, and most can go wrong."""
    turns = [n for n, record in enumerate(records) if record.kind in "ODMNUTX"]
    drawn = []
    for n in range(count):
        if n % 2 == 0 and turns:
            instant = rng.choice(turns) + rng.randint(0, NEAR)
        else:
            instant = rng.randint(0, len(records))
        drawn.append(min(instant, len(records)))
    return sorted(drawn)


class File:
    """A file, whatever its name."""

    def __init__(self, durable=b""):
        self.durable = bytearray(durable)
        # What was done since the last sync, in order.
        self.pending = []

    def sync(self):
        for change in self.pending:
            apply(self.durable, change)
        self.pending = []

    def after_a_cut(self, mode, rng):
        content = bytearray(self.durable)
        if mode == "subset":
            for change in self.pending:
                for part in blocks(change):
                    if rng.random() < 0.5:
                        apply(content, part)
        return content


def apply(content, change):
    """Does to the bytes of a file what a record says."""
    kind, number, data = change
    if kind == "W":
        content.extend(bytes(max(0, number - len(content))))
        content[number : number + len(data)] = data
    elif kind == "T":
        del content[number:]
        content.extend(bytes(number - len(content)))
    elif kind == "X":
        content.extend(bytes(max(0, number - len(content))))


def blocks(change):
    """A write as writes of one block each; anything else as it is."""
    kind, number, data = change
    if kind != "W":
        yield change
        return
    at = 0
    while at < len(data):
        end = min(len(data), ((number + at) // BLOCK + 1) * BLOCK - number)
        yield kind, number + at, data[at:end]
        at = end


class Disk:
    """Everything below the folder, as it is and as it is durable."""

    def __init__(self, base=None):
        # By path below the folder: a file, or None for a folder.
        self.names = {}
        # By the number of a record's file.
        self.files = {}
        if base:
            for path in sorted(pathlib.Path(base).rglob("*")):
                name = "/" + str(path.relative_to(base))
                self.names[name] = None if path.is_dir() else File(path.read_bytes())
        self.durable_names = dict(self.names)

    def take(self, record):
        """One thing happens."""
        kind = record.kind
        if kind == "O":
            self.open(record)
        elif kind in "WTX":
            change = (kind, record.number, record.data)
            self.files[record.file].pending.append(change)
        elif kind == "S":
            self.files[record.file].sync()
            self.durable_names = dict(self.names)
        elif kind == "D":
            self.durable_names = dict(self.names)
        elif kind == "M":
            self.names[record.data.decode()] = None
        elif kind == "U":
            self.names.pop(record.data.decode(), None)
        elif kind == "N":
            old, new = record.data.decode().split("\0")
            self.rename(old, new)

    def open(self, record):
        path = record.data.decode()
        file = self.names.get(path)
        if file is None:
            file = File()
            self.names[path] = file
        elif record.number & os.O_TRUNC:
            file.pending.append(("T", 0, b""))
        self.files[record.file] = file

    def rename(self, old, new):
        """A file, or a folder with all that is in it."""
        for path in [p for p in self.names if p == old or p.startswith(old + "/")]:
            self.names[new + path[len(old) :]] = self.names.pop(path)

    def write(self, target, mode, rng):
        """Makes the folder as it is when the power comes back."""
        current = mode == "subset" and rng.random() < 0.5
        names = self.names if current else self.durable_names
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target)
        for path, file in sorted(names.items()):
            place = target + path
            if file is None:
                os.makedirs(place, mode=0o700, exist_ok=True)
            else:
                os.makedirs(os.path.dirname(place), exist_ok=True)
                pathlib.Path(place).write_bytes(file.after_a_cut(mode, rng))


class Recording:
    """A run of the child, with all that it did to its files."""

    def __init__(self, log, acked, base=None, until_open=False):
        self.base = base
        records = read_log(log)
        by_instant = acked_at(records, acked)
        if until_open:
            said = [n for n, record in enumerate(records) if record.data.startswith(b"OPEN")]
            del records[(said or [len(records)])[0] + 1 :]
        self.records = records
        self.acked = by_instant

    def states(self, count, mode, seed):
        """So many power cuts: where to find the disk then is for the caller to say, with `write`."""
        rng = random.Random(f"{seed} {mode}")
        disk = Disk(self.base)
        done = 0
        for instant in instants(self.records, count, rng):
            for record in self.records[done:instant]:
                disk.take(record)
            done = instant
            yield instant, self.acked[instant], lambda target: disk.write(target, mode, rng)
