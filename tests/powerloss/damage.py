"""One damage to one file of a closed profile, at any place.

A damaged disk may cost what stood there, and the program may say so. It must not come to other words,
to a panic or to a program that does not answer.
"""
import pathlib
import random
import shutil

KINDS = ["flip", "zero", "cut", "garbage"]
BLOCK = 4096
# What is fine: nothing was noticed or all is mended, or an error says what cannot be had. "lost" is
# that something is gone or as it was before, and no error said so.
FINE = ["ok", "open", "read", "write", "lost"]


def damages(program, base, acked, folder, count, seed):
    """Damages so many copies of a profile; yields what was found in each."""
    rng = random.Random(f"{seed} damage")
    for n in range(count):
        kind = KINDS[n % len(KINDS)]
        home = pathlib.Path(folder) / f"damage{n}"
        shutil.copytree(base, home)
        file, at = pick(home, rng)
        damage(file, at, kind, rng)
        found = program.verify(str(home), acked)
        yield kind, f"{kind} {file.relative_to(home)} at {at}", found, str(home)
        shutil.rmtree(home, ignore_errors=True)


def pick(home, rng):
    """A place: half of the times any byte, half of the times any file, so that small ones count too."""
    files = sorted(path for path in home.rglob("*") if path.is_file() and path.stat().st_size > 0)
    if rng.random() < 0.5:
        file = rng.choice(files)
        return file, rng.randrange(file.stat().st_size)
    at = rng.randrange(sum(file.stat().st_size for file in files))
    for file in files:
        if at < file.stat().st_size:
            break
        at -= file.stat().st_size
    return file, at


def damage(file, at, kind, rng):
    content = bytearray(file.read_bytes())
    block = at // BLOCK * BLOCK
    length = min(BLOCK, len(content) - block)
    if kind == "flip":
        content[at] ^= 1 << rng.randrange(8)
    elif kind == "zero":
        content[block : block + length] = bytes(length)
    elif kind == "garbage":
        content[block : block + length] = rng.randbytes(length)
    else:
        del content[at:]
    file.write_bytes(content)
