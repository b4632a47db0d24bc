"""Hosts on one cable: a network namespace for each, and a bridge in one more. For the scripts of this folder; needs
root and iproute2. Nothing leaves the namespaces, and all of them go with `close`."""
import os
import pathlib
import shutil
import subprocess


def why_not():
    """Why there can be no cable here; nothing if there can."""
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    if shutil.which("ip") is None:
        return "needs the ip command of iproute2"
    return ""


def ip(*words, check=True):
    subprocess.run(["ip", *words], check=check, stderr=None if check else subprocess.DEVNULL)


class Cable:
    """So many hosts on a cable, each with `eth0`; and a second cable, for when they are split."""

    def __init__(self, name, hosts):
        name = f"kith-{name}-{os.getpid()}"
        self.hub, self.hosts = f"{name}-hub", [f"{name}-{at}" for at in range(hosts)]
        self.made = []

    def open(self):
        for space in [self.hub, *self.hosts]:
            ip("netns", "add", space)
            self.made.append(space)
            ip("-n", space, "link", "set", "lo", "up")
        for cable in ("cable", "other"):
            ip("-n", self.hub, "link", "add", cable, "type", "bridge", "mcast_snooping", "0")
            ip("-n", self.hub, "link", "set", cable, "up")
        for at, host in enumerate(self.hosts):
            port = f"port{at}"
            ip("-n", self.hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("-n", self.hub, "link", "set", port, "master", "cable", "up")
            ip("-n", host, "addr", "add", f"10.77.0.{at + 1}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "route", "add", "default", "dev", "eth0")
        return self

    def plug(self, host, cable):
        """Into the first cable, or into the `other`."""
        ip("-n", self.hub, "link", "set", f"port{host}", "master", cable, "up")

    def move(self, host, address):
        """A host gets another address, as from another router."""
        ip("-n", self.hosts[host], "addr", "flush", "dev", "eth0", "scope", "global")
        ip("-n", self.hosts[host], "addr", "add", address, "dev", "eth0")

    def sent(self, host):
        """The bytes that a host has put on the cable so far, headers and all."""
        counter = pathlib.Path("/sys/class/net/eth0/statistics/tx_bytes")
        shown = subprocess.run(["ip", "netns", "exec", self.hosts[host], "cat", counter], check=True, capture_output=True)
        return int(shown.stdout)

    def close(self):
        for space in self.made:
            ip("netns", "del", space, check=False)
