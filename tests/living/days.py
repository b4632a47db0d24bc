"""What happens to eight people in fourteen days. Everything that is drawn comes from the seed."""

import json
import os
import shutil
import time

from holds import STAY_DAYS, Fact, Model, Word
from kith import RpcError
from village import DAY, HOUR

NAMES = ["Wren", "Alder", "Moss", "Fern", "Rowan", "Heath", "Sorrel", "Teal", "Linnet"]
DAYS = 14
FIRST = 5       # who is there on the first evening
IN_HAND = {"busy", "disk_full", "rate_limited", "clock_off", "unreachable", "too_late"}


class Story:
    def __init__(self, village, rng):
        self.village, self.rng, self.model = village, rng, Model(village.clock)
        self.people, self.group, self.count, self.day = {}, None, 0, 0
        self.away, self.backup, self.restored, self.full = {}, None, set(), None
        self.names = list(NAMES)
        rng.shuffle(self.names)
        self.small = self.names[-2]      # the second to come

    def tell(self, what):
        print(f"  day {self.day}: {what}", flush=True)

    # Who is there.

    def new(self, name):
        self.people[name] = self.village.person(name, small=name == self.small)
        return self.people[name]

    def members(self):
        return [one for name, one in self.people.items() if name in self.model.joined and name not in self.model.left]

    def present(self, cable=None):
        return [one for one in self.members() if one.awake and cable in (None, one.cable)]

    def pick(self, among=None, but=()):
        among = [one for one in (self.present() if among is None else among) if one not in but]
        return self.rng.choice(among) if among else None

    # What they say.

    def word(self, who, size=0):
        self.count += 1
        text = f"w{self.count} by {who.name} on day {self.day}" + (" " + "la " * (size // 3) if size else "")
        return self.count, text

    def before(self, who):
        """To whom someone speaks, whether anyone is there, and when."""
        return who.listed(self.group), bool(who.linked(self.group)), self.village.clock.now()

    def spoken(self, who, n, text, before, message, perhaps):
        """A word was acknowledged, or may have been written all the same; `perhaps`: who else may read it."""
        audience, linked, begun = before
        fact = Fact("text", {who.name}, text, sure=message is not None)
        times = (begun, self.village.clock.now())
        if who.name in self.restored and not linked:
            # What others hold of the chain may name newcomers, and a view never shrinks.
            perhaps = self.model.joined
        word = Word(n, who.name, times, audience, fact, bool(who.skew), not linked, perhaps)
        word.id = message
        self.model.words.append(word)

    def say(self, who, size=0):
        n, text = self.word(who, size)
        try:
            before = self.before(who)
            message = who.ask("message.send", space=self.group, text=text)["id"]
            self.spoken(who, n, text, before, message, who.listed(self.group))
        except RpcError as error:
            if error.name not in IN_HAND:
                self.model.surprise(f"{who.name} may not speak: {error}")
            return error.name
        return None

    def change(self, who):
        """Something else instead of own words, or nothing."""
        since = self.village.clock.now() - (STAY_DAYS - 1) * DAY
        mine = [word for word in self.model.words if word.author == who.name and word.times[0] > since]
        mine = [word for word in mine if word.facts[0].sure and who.name in word.facts[0].held]
        mine = [word for word in mine if not any(fact.kind == "gone" for fact in word.facts)]
        if not mine:
            return
        word = self.rng.choice(mine)
        shown = {m["text"].split()[0]: m["id"] for m in who.timeline(self.group) if m["state"] == "here"}
        message = shown.get(f"w{word.n}") if who.name in self.restored else word.id
        if message is None:
            return
        try:
            if self.rng.random() < 0.5:
                text = f"w{word.n} by {who.name}, changed on day {self.day} the {len(word.facts)}."
                who.ask("message.edit", space=self.group, id=message, text=text)
                word.facts.append(Fact("edit", {who.name}, text))
            else:
                who.ask("message.take_back", space=self.group, id=message)
                word.facts.append(Fact("gone", {who.name}))
        except RpcError as error:
            if error.name not in IN_HAND:
                self.model.surprise(f"{who.name} may not change word {word.n}: {error}")

    def talk(self, rounds=2):
        for _round in range(rounds):
            for who in self.present():
                if self.rng.random() < 0.6:
                    self.say(who, size=self.rng.choice([0, 0, 0, 0, 3000, 20000]))
                if self.rng.random() < 0.15:
                    self.change(who)

    def settle(self, what):
        for cable in ("cable", "other"):
            self.model.settle(self.group, self.present(cable), f"{what}, on the {cable}" if cable == "other" else what)

    # Coming and going.

    def found(self):
        first = self.new(self.names.pop())
        self.group = first.ask(
            "group.create", name="Tuesday", reason="We keep each other company.", pseudonym=first.name,
            params={"words_stay_days": STAY_DAYS},
        )["group"]
        self.came(first)
        for _ in range(FIRST - 1):
            self.join()
        self.settle("the first evening")

    def came(self, who):
        who.meet(self.group)
        self.model.joined[who.name] = self.village.clock.now()
        self.model.comings.append(Fact("came", {who.name}, who.name))

    def join(self, cable="cable"):
        """Someone new is let in; sometimes whoever invited them has gone to bed."""
        among = [one for one in self.present(cable) if not one.skew]
        if not self.names or not among:
            return
        inviter, who = self.rng.choice(among), self.new(self.names.pop())
        who.cable = cable
        self.village.lan.plug(who.at, cable)
        try:
            link = inviter.ask("invite.create", group=self.group)["link"]
        except RpcError as error:
            self.model.surprise(f"{inviter.name} may not invite: {error}")
            return
        sleeps = len(among) > 2 and self.rng.random() < 0.4 and inviter.linked(self.group)
        if sleeps:
            time.sleep(2)
            inviter.close_lid()
        self.tell(f"{inviter.name} invites {who.name}" + (" and closes the lid" if sleeps else ""))
        try:
            who.ask("invite.accept", link=link, pseudonym=who.name, timeout_s=90, _timeout=120)
            self.came(who)
        except RpcError as error:
            self.model.surprise(f"{who.name} cannot join with {inviter.name}'s invitation: {error}")
        if sleeps:
            inviter.open_lid()

    def leave(self):
        who = self.pick(but=[one for one in self.members() if one.skew or one.name == self.small])
        if who is None or not who.linked(self.group):
            return
        self.settle("before someone leaves")
        self.tell(f"{who.name} leaves")
        who.ask("group.leave", group=self.group)
        self.model.left[who.name] = self.village.clock.now()
        who.last = {m["id"] for m in who.timeline(self.group)}
        near = {one.name for one in self.present(who.cable)}
        self.model.comings.append(Fact("left", near, who.name))
        self.talk(1)
        self.settle("after someone left")
        self.check_left()

    def check_left(self):
        """Who left reads nothing that was said since."""
        for name in self.model.left:
            who = self.people[name]
            if who.awake and not {m["id"] for m in who.timeline(self.group)} <= who.last:
                self.model.surprise(f"{name} reads what was said after they left")

    # What goes wrong.

    def mid_word(self):
        """A lid is closed while someone's words are on their way to the program."""
        who = self.pick()
        if who is None:
            return
        hours = self.rng.choice([0.5, 3, 9])
        self.tell(f"{who.name} closes the lid mid-word, for {hours} h")
        n, text = self.word(who)
        before = self.before(who)
        self.post(who, text)
        time.sleep(self.rng.choice([0, 0, 0.002, 0.01]))
        who.close_lid()
        self.village.skip(hours * HOUR)
        who.open_lid()
        try:
            message = who.reply(who.ids, "message.send")["id"]
            self.spoken(who, n, text, before, message, who.listed(self.group))
        except RpcError as error:
            self.model.surprise(f"{who.name} woke up and was told {error}")
            return
        # What one does on waking up: finish the sentence, and ask someone along.
        refused = self.say(who)
        if refused:
            self.model.surprise(f"{who.name} woke up and may not speak: {refused}")
        if not who.skew:
            try:
                who.ask("invite.create", group=self.group)
            except RpcError as error:
                self.model.surprise(f"{who.name} woke up and may not invite: {error}")

    def post(self, who, text):
        who.ids += 1
        params = {"space": self.group, "text": text}
        request = {"jsonrpc": "2.0", "id": who.ids, "method": "message.send", "params": params}
        who.send_raw((json.dumps(request) + "\n").encode())

    def power(self):
        """The cord is pulled while someone speaks; what was acknowledged is there afterwards."""
        for who in self.rng.sample(self.present(), min(3, len(self.present()))):
            self.tell(f"{who.name} loses power mid-word")
            n, text = self.word(who)
            before = self.before(who)
            self.post(who, text)
            time.sleep(self.rng.choice([0, 0.001, 0.003, 0.01, 0.03]))
            who.kill()
            who.reader.join(10)
            message = who.replies.get(who.ids, {}).get("result", {}).get("id")
            self.spoken(who, n, text, before, message, self.model.joined)
            who.wake()
            self.say(who)

    def absence(self):
        """Three days away, the program ended or the lid closed."""
        free = [one for one in self.present() if one.name not in self.away and not one.skew]
        if len(free) < 4:
            return
        who = self.rng.choice(free)
        self.away[who.name] = self.day + 3
        lid = self.rng.random() < 0.5
        self.tell(f"{who.name} goes away for three days, {'the lid closed' if lid else 'the program ended'}")
        if lid:
            who.close_lid()
        else:
            who.close()

    def split(self):
        """An evening in two halves, each of which talks; someone joins in one of them."""
        half = self.rng.sample(self.present(), len(self.present()) // 2)
        self.tell(f"the house is split: {', '.join(one.name for one in half)} are apart")
        for one in half:
            one.cable = "other"
            self.village.lan.plug(one.at, "other")
        self.talk(1)
        # Until both halves have noticed: a link is given up after a minute of silence.
        time.sleep(self.rng.choice([0, 70]))
        self.talk(1)
        if self.rng.random() < 0.7:
            self.join(self.rng.choice(["cable", "other"]))
        self.talk(1)
        self.settle("in halves")
        for one in self.people.values():
            if one.cable == "other":
                one.cable = "cable"
                self.village.lan.plug(one.at, "cable")

    def back_up(self):
        who = self.pick(but=[one for one in self.members() if one.name == self.small])
        if who is None:
            return
        self.settle("before a backup")
        who.close()
        self.backup = (who, self.village.folder / "backup", self.model.snapshot())
        shutil.copytree(who.home, self.backup[1], symlinks=True)
        self.tell(f"{who.name} makes a backup")
        who.wake()

    def restore(self):
        if self.backup is None or self.backup[0] not in self.present() or len(self.present()) < 3:
            return
        who, folder, before = self.backup
        self.settle("before a disk dies")
        self.tell(f"{who.name}'s disk dies; the backup is put back")
        who.kill()
        shutil.rmtree(who.home)
        shutil.copytree(folder, who.home, symlinks=True)
        self.model.forgets(who.name, before)
        self.restored.add(who.name)
        who.cursor = None
        who.wake()
        self.say(who)
        self.talk(1)
        self.settle("after the backup was put back")

    def wrong_clock(self, skew, alone, what):
        """Someone's clock is wrong for a while; `alone`: they start with it, and hear from nobody at first."""
        who = self.pick(but=[one for one in self.members() if one.name in self.away])
        if who is None:
            return
        self.tell(f"{who.name}'s clock is {what}" + (", and nobody is there" if alone else ""))
        if alone:
            who.close()
            self.village.lan.plug(who.at, "other")
            who.cable = "other"
        who.skew = skew
        who.wake()
        who.set_clock()
        self.say(who)
        if alone:
            who.cable = "cable"
            self.village.lan.plug(who.at, "cable")
            time.sleep(3)
        self.talk(1)
        time.sleep(5)
        self.talk(1)
        who.skew = 0
        who.set_clock()
        self.tell(f"{who.name}'s clock is put right")
        self.village.skip(max(0, skew))
        self.talk(1)

    def fill_disk(self):
        """One disk is full for a while. What is refused is said clearly, and what was acknowledged stays."""
        who = self.people.get(self.small)
        if who is None or who not in self.present():
            return
        self.tell(f"{who.name}'s disk is full")
        ballast = who.disk / "film"
        with open(ballast, "wb") as film:
            try:
                while True:
                    film.write(b"x" * 65536)
                    film.flush()
            except OSError:
                pass
        refused = None
        for _ in range(300):
            refused = self.say(who, size=20000)
            if refused:
                break
        self.tell(f"{who.name} is refused: {refused}")
        if refused != "disk_full":
            self.model.surprise(f"a full disk is called {refused}")
        self.talk(1)
        os.unlink(ballast)
        end = time.monotonic() + 60
        while self.say(who) and time.monotonic() < end:
            time.sleep(1)
        if time.monotonic() >= end:
            self.model.surprise(f"{who.name} has room again and still may not speak: {self.say(who)}")
            who.close()
            who.wake()
        self.settle("after the disk was full")

    def new_address(self):
        who = self.pick()
        if who is not None:
            self.tell(f"{who.name} gets another address")
            self.village.lan.move_on(who.at)

    # Days and nights.

    def plan(self):
        """What goes wrong on which day."""
        rng = self.rng
        wrong = [
            self.mid_word, self.mid_word, self.mid_word, self.power, self.power, self.absence, self.split,
            self.fill_disk, self.leave, self.new_address, self.join, self.join,
            lambda: self.wrong_clock(3 * HOUR, False, "3 h ahead"),
            lambda: self.wrong_clock(3 * HOUR, True, "3 h ahead"),
            lambda: self.wrong_clock(-2 * DAY, True, "2 days behind"),
            lambda: self.wrong_clock(1577836800 - self.village.clock.now(), True, "at the first of January 2020"),
        ]
        rng.shuffle(wrong)
        days = {day: [] for day in range(1, DAYS)}
        for at, one in enumerate(wrong):
            days[1 + at % (DAYS - 3)].append(one)
        backed_up = rng.randrange(2, DAYS - 4)
        days[backed_up].append(self.back_up)
        days[backed_up + rng.choice([1, 2])].append(self.restore)
        days[DAYS - 3].append(self.join)
        return days

    def morning(self):
        rest = [one for one in self.members() if not one.awake and self.away.get(one.name, 0) <= self.day]
        self.rng.shuffle(rest)
        for one in rest:
            if self.day == DAYS - 1 or self.rng.random() < 0.85:
                one.wake()
                self.away.pop(one.name, None)
        for name in self.model.left:
            if self.rng.random() < 0.5:
                self.people[name].wake()

    def night(self):
        for one in [one for one in self.people.values() if one.awake]:
            how = self.rng.random()
            if how < 0.3:
                one.close()
            elif how < 0.5:
                one.kill()
        morning = (int(self.village.clock.now() // DAY) + 1) * DAY + 8 * HOUR
        self.village.skip(morning - self.village.clock.now())

    def live(self):
        self.found()
        self.talk()
        self.settle("the end of day 0")
        plan = self.plan()
        for day in range(1, DAYS):
            self.night()
            self.day = day
            self.morning()
            self.talk()
            for incident in plan[day]:
                incident()
            self.village.skip(self.rng.choice([1, 4]) * HOUR)
            self.talk()
            self.settle(f"the end of day {day}")
            self.check_left()
        self.everyone()

    def everyone(self):
        """All are there, twice: as they are, and once more after every program was started again."""
        self.settle("everyone")
        for one in self.members():
            one.close()
            one.wake()
        self.settle("everyone, after a restart")
        for one in self.members():
            checked = one.ask("store.check", _timeout=120)
            if not checked["ok"]:
                self.model.surprise(f"{one.name}'s store says {checked}")
            if one.name in self.restored:
                continue
            told = self.model.notified(one)
            for message in one.timeline(self.group):
                if message["state"] == "here" and int(message["text"].split()[0][1:]) not in told:
                    self.model.surprise(f"{one.name} was never told of {message['text'][:20]!r}")
