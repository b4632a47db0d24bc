"""kill -9 at any moment, a third of the times while the profile is being opened."""
import os
import random
import shutil
import time

import child

# How long a child commits before it is killed, in seconds.
RUNS = (0.005, 0.3)
# After so many batches a new profile is begun, so that looking through it stays cheap.
BATCHES = 250


def kills(program, folder, count, seed):
    """Kills so many children of one profile after the other; yields what was found after each."""
    rng = random.Random(f"{seed} kill")
    home = os.path.join(folder, "home")
    acked = child.NOTHING
    # How long opening takes, in seconds.
    open_secs = 0.2
    for n in range(count):
        running = program.run(home, acked)
        running.begun.wait(child.PATIENCE)
        if n % 3 == 2:
            where = "open"
            time.sleep(rng.random() * 1.1 * open_secs)
        else:
            where = "running"
            running.opened.wait(child.PATIENCE)
            time.sleep(rng.uniform(*RUNS))
        acked = running.kill()
        found = program.verify(home, acked)
        yield where, f"kill {n}, acknowledged {acked}", found, home
        if found.outcome == "ok":
            open_secs = found.open_ms / 1000
        if found.outcome != "ok" or found.newest > BATCHES:
            shutil.rmtree(home, ignore_errors=True)
            acked = child.NOTHING
        else:
            acked = found.newest
