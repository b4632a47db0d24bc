#!/usr/bin/env python3
"""One person before one window: a display, a session bus, `kith`, a keyboard and a screen reader's ear.

Started by `run` inside a network namespace and `dbus-run-session`. Reads one JSON object a line and answers
each with one: {"ok": ..} or {"error": "why"}. Controls are found through AT-SPI alone, by role and name; the
mouse and the keyboard are xdotool's.
"""
import json
import os
import subprocess
import sys
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib  # noqa: E402

DISPLAY, BINARY, HOME, WIDTH, HEIGHT = sys.argv[1:6]
OPTIONS = sys.argv[6:]
PATIENCE_SECS = 90
STARTED = []


def start(*command, **options):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **{**quiet, **options})
    STARTED.append(process)
    return process


def until(what, done, secs=PATIENCE_SECS):
    end = time.monotonic() + secs
    while time.monotonic() < end:
        found = done()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError(f"waited in vain for {what}")


def xdo(*words):
    output = subprocess.run(("xdotool",) + words, capture_output=True, text=True, check=False)
    return output.stdout.strip()


def listen():
    """Tells programs that a screen reader is there: AccessKit does nothing before."""
    start("/usr/libexec/at-spi-bus-launcher", "--launch-immediately")

    def ask():
        bus = Gio.bus_get_sync(Gio.BusType.SESSION)
        try:
            value = GLib.Variant("(ssv)", ("org.a11y.Status", "IsEnabled", GLib.Variant("b", True)))
            bus.call_sync("org.a11y.Bus", "/org/a11y/bus", "org.freedesktop.DBus.Properties", "Set",
                          value, None, Gio.DBusCallFlags.NONE, 2000, None)
            return True
        except GLib.Error:
            return False

    until("the accessibility bus", ask)
    Atspi.init()


def nodes():
    """All that a screen reader can reach, with role and name."""
    def walk(node):
        yield node
        for nth in range(node.get_child_count()):
            child = node.get_child_at_index(nth)
            if child is not None:
                yield from walk(child)

    try:
        desktop = Atspi.get_desktop(0)
        for nth in range(desktop.get_child_count()):
            program = desktop.get_child_at_index(nth)
            if program is not None and "kith" in (program.get_name() or "").lower():
                yield from walk(program)
    except GLib.Error:
        return


def find(name, roles=None, part=False):
    for node in nodes():
        try:
            said, role = node.get_name() or "", node.get_role_name()
        except GLib.Error:
            continue
        if (name in said if part else name == said) and (roles is None or role in roles):
            return node
    return None


BUTTONS = ["push button", "button", "menu item", "radio button", "list item"]
FIELDS = ["entry", "text", "password text", "multiline text"]


def place_of(node):
    return node.get_component_iface().get_extents(Atspi.CoordType.WINDOW)


def resting(what, look):
    """Where it is, once it does not move any more."""
    before = None
    while True:
        place = place_of(until(what, look))
        now = (place.x, place.y, place.width, place.height)
        if now == before:
            return place
        before = now
        time.sleep(0.15)


def point(what, look, button="1"):
    """Clicks the middle of it; scrolls until that can be seen."""
    for _ in range(40):
        place = resting(what, look)
        x, y = place.x + place.width // 2, place.y + place.height // 2
        if 4 <= y <= int(HEIGHT) - 4:
            xdo("mousemove", "--window", WINDOW, str(x), str(y))
            time.sleep(0.1)
            return xdo("click", button)
        xdo("mousemove", "--window", WINDOW, str(x), str(int(HEIGHT) // 2))
        xdo("click", "--repeat", "2", "4" if y < 4 else "5")
        time.sleep(0.2)
    raise TimeoutError(f"scrolled in vain to {what}")


def press(name):
    point(f"the button {name!r}", lambda: find(name, BUTTONS))


def press_second(words):
    """The other button, on something in a list."""
    point(f"the words {words!r}", lambda: find(words, ["list item"], part=True), "3")


def write(field, text):
    point(f"the field {field!r}", lambda: find(field, FIELDS))
    time.sleep(0.2)
    xdo("type", "--delay", "12", text)
    time.sleep(0.2)


def rewrite(field, text):
    point(f"the field {field!r}", lambda: find(field, FIELDS))
    time.sleep(0.2)
    xdo("key", "ctrl+a")
    xdo("type", "--delay", "12", text)
    time.sleep(0.2)


def wait(words):
    return until(f"the words {words!r}", lambda: find(words, part=True)).get_name()


def picture(path):
    xdo("mousemove", "--window", WINDOW, "2", str(int(HEIGHT) - 2))
    time.sleep(0.7)
    subprocess.run(["import", "-window", WINDOW, path], check=True)


def names():
    """Every control with its role; one without a name is a mistake."""
    return sorted({f"{node.get_role_name()}: {node.get_name()}" for node in nodes()})


def focused():
    """What has the focus, as a screen reader hears it."""
    has = [node for node in nodes() if node.get_state_set().contains(Atspi.StateType.FOCUSED)]
    return [f"{node.get_role_name()}: {node.get_name()}" for node in has]


DO = {
    "press": press,
    "press_second": press_second,
    "write": write,
    "rewrite": rewrite,
    "wait": wait,
    "key": lambda key: xdo("key", key),
    "picture": picture,
    "names": names,
    "focused": focused,
    "gone": lambda words: until(f"{words!r} to go", lambda: find(words, part=True) is None) and True,
}


def main():
    global WINDOW
    os.environ.update(DISPLAY=DISPLAY, NO_AT_BRIDGE="0", LIBGL_ALWAYS_SOFTWARE="1")
    os.environ.pop("WAYLAND_DISPLAY", None)
    screen = f"{WIDTH}x{HEIGHT}x24"
    start("Xvfb", DISPLAY, "-screen", "0", screen, "-nolisten", "tcp", "-noreset")
    until("the display", lambda: xdo("getdisplaygeometry"))
    listen()
    log = open(os.path.join(os.path.dirname(HOME), f"{os.path.basename(HOME)}.log"), "w")
    program = start(BINARY, "--home", HOME, *OPTIONS, stderr=log)
    search = ("search", "--onlyvisible", "--pid", str(program.pid))
    WINDOW = until("the window", lambda: xdo(*search).split("\n")[-1])
    xdo("windowmove", WINDOW, "0", "0")
    xdo("windowsize", WINDOW, WIDTH, HEIGHT)
    xdo("windowfocus", WINDOW)
    print(json.dumps({"ok": "ready"}), flush=True)
    for line in sys.stdin:
        do, *words = json.loads(line)
        try:
            answer = {"ok": DO[do](*words)}
        except Exception as error:  # the one who asked decides
            answer = {"error": f"{type(error).__name__}: {error}", "sees": names()}
        print(json.dumps(answer), flush=True)


try:
    main()
except Exception as error:
    print(json.dumps({"error": str(error)}), flush=True)
finally:
    for process in reversed(STARTED):
        process.terminate()
