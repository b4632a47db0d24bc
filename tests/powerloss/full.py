#!/usr/bin/env python3
"""A disk that becomes full while a child commits: a small tmpfs in a mount namespace of its own.

Called by `run` under unshare, as full.py PROGRAM FOLDER; prints one JSON object.
"""
import json
import os
import subprocess
import sys

import child

SMALL_MIB = 24
LARGE_MIB = 96


def why_not():
    """Why this cannot be tried here; nothing if it can."""
    if os.geteuid() != 0:
        return "needs root, to mount a small disk"
    try:
        subprocess.run(
            ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        return "needs unshare and mount"
    except subprocess.CalledProcessError as error:
        return f"may not mount: {error.stderr.decode().strip()}"
    return ""


def fill(program, folder):
    """What holds while the disk is full, and when there is room again."""
    mounted = ["-t", "tmpfs", "-o", f"size={SMALL_MIB}m", "tmpfs", folder]
    subprocess.run(["mount", *mounted], check=True)
    home = os.path.join(folder, "home")
    running = program.run(home, child.NOTHING)
    stopped = running.wait_ended()
    while_full = program.verify(home, running.acked)
    subprocess.run(["mount", "-o", f"remount,size={LARGE_MIB}m", folder], check=True)
    # If it could be written even though the disk was full, there is one batch more.
    acked = max(running.acked, while_full.newest)
    with_room = program.verify(home, acked)
    return {
        "stopped": stopped,
        "while full": [while_full.outcome, while_full.line],
        "with room": [with_room.outcome, with_room.line],
    }


def main():
    program, folder = sys.argv[1:]
    print(json.dumps(fill(child.Child(program), folder)))


if __name__ == "__main__":
    main()
