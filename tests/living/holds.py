"""What was said and who came, as it really was; and whether everyone sees it so."""

import datetime
import time

from kith import RpcError
from village import DAY, HOUR

STAY_DAYS = 5
MARGIN = 4 * HOUR       # around the end of a word, and for a clock that was wrong by less
MEMORY_MIB = 400
PATIENCE = 150


class Fact:
    """Something that spreads: words, an edit, a taking back, a coming, a going. `held`: by whom, for sure."""

    def __init__(self, kind, held, text=None, sure=True):
        self.kind, self.held, self.text, self.sure = kind, set(held), text, sure


class Word:
    """One message and what became of it. `audience`: who was a member as far as its author had heard."""

    def __init__(self, n, author, times, audience, fact, odd_clock=False, waits=False, perhaps=()):
        self.n, self.author, self.times, self.audience = n, author, times, set(audience) | {author}
        self.perhaps = set(perhaps)
        self.facts, self.odd_clock, self.waits, self.lost = [fact], odd_clock, waits, False
        # A word of a clock that fell back is dated to the newest card of others, which may be a day old.
        self.margin = 36 * HOUR if odd_clock else MARGIN

    def known(self, people):
        return [fact for fact in self.facts if fact.held & people and fact.sure]

    def texts(self, people):
        """What may be read of it, and whether it must be there: as far as some of these people hold it for sure."""
        known = self.known(people)
        if any(fact.kind == "gone" for fact in known):
            return set(), False
        texts, last = [], 0
        for fact in self.facts:
            if fact.text is not None:
                texts.append(fact.text)
                if fact in known:
                    last = len(texts) - 1
        unsure = any(fact.kind == "gone" for fact in self.facts)
        return set(texts[last:]), self.facts[0] in known and not unsure


class Model:
    """What must hold; what does not is a surprise, and is told once."""

    def __init__(self, clock):
        self.clock, self.words, self.comings, self.joined, self.left = clock, [], [], {}, {}
        self.surprises, self.slowest, self.largest, self.missing = [], 0.0, 0.0, None

    def surprise(self, what):
        if what not in self.surprises:
            self.surprises.append(what)
            print(f"    SURPRISE: {what}", flush=True)

    def members(self, people):
        """Who is surely a member as these people know it, and who may be."""
        sure, may = set(), set()
        for fact in self.comings:
            known = bool(fact.held & people) and fact.sure
            if fact.kind == "came":
                may.add(fact.text)
                if known:
                    sure.add(fact.text)
            elif known:
                sure.discard(fact.text)
                may.discard(fact.text)
            else:
                sure.discard(fact.text)
        return sure, may

    def forgets(self, name, since):
        """A device is as it was when its backup was made."""
        for fact, held in since:
            if name not in held:
                fact.held.discard(name)
        before = {id(fact) for fact, _held in since}
        for fact in self.facts():
            if id(fact) not in before:
                fact.held.discard(name)

    def facts(self):
        return [fact for word in self.words for fact in word.facts] + self.comings

    def snapshot(self):
        return [(fact, set(fact.held)) for fact in self.facts()]

    def wrong_words(self, who, shown, people):
        """The first thing that is not as it must be on this device."""
        now, seen, stay = self.clock.now() + who.skew, {}, STAY_DAYS * DAY
        for message in shown:
            if message["state"] == "here":
                n = int(message["text"].split()[0][1:])
                if n in seen:
                    return f"{who.name} sees word {n} twice"
                seen[n] = message
        for word in self.words:
            message = seen.get(word.n)
            texts, must = word.texts(people)
            oldest, newest = word.times
            age = now - oldest
            if message is None:
                if must and who.name in word.audience and now - oldest < stay - word.margin and not word.lost:
                    self.missing = word
                    return f"{who.name} does not see word {word.n} of {word.author}, {(now - newest) / HOUR:.1f} h old"
                continue
            if who.name not in word.audience | word.perhaps:
                kind = "was written before they came" if word.waits else "they were no reader of"
                self.surprise(f"{who.name} sees word {word.n} of {word.author}, which {kind}")
            if now - newest > stay + MARGIN and not word.odd_clock:
                return f"{who.name} sees word {word.n}, {age / HOUR:.1f} h old, after its end"
            if message["text"] not in texts:
                wanted = sorted(text[:30] for text in texts)
                return f"{who.name} sees {message['text'][:30]!r} as word {word.n}, not one of {wanted}"
            if message["pseudonym"] != word.author:
                return f"{who.name} sees word {word.n} as of {message['pseudonym']}, not {word.author}"
            sent = datetime.datetime.fromisoformat(message["sent_at"].replace("Z", "+00:00")).timestamp()
            if not word.odd_clock and not oldest - 120 <= sent <= newest + 120:
                off = (sent - newest) / HOUR
                self.surprise(f"word {word.n} of {word.author} is dated {off:+.1f} h from when it was written")
        return None

    def wrong_here(self, who, group, people):
        sure, may = self.members(people)
        listed = who.listed(group)
        if not sure <= listed <= may:
            return f"{who.name} lists {sorted(listed)}, and should {sorted(sure)} (perhaps {sorted(may - sure)})"
        shown = who.timeline(group)
        wrong = self.wrong_words(who, shown, people)
        if wrong:
            return wrong
        whole = who.ask("completeness", space=group)
        if not whole["complete"] or whole["waiting"]:
            return f"{who.name} is not complete: {str(whole)[:200]}"
        return [message["id"] for message in shown]

    def wrong(self, group, present):
        self.missing = None
        people, orders = {one.name for one in present}, {}
        for who in present:
            try:
                found = self.wrong_here(who, group, people)
            except RpcError as error:
                found = f"{who.name} answers {error}"
            if isinstance(found, str):
                return found
            orders[who.name] = found
        for one in present[1:]:
            ours, theirs = orders[present[0].name], orders[one.name]
            both = set(ours) & set(theirs)
            if [i for i in ours if i in both] != [i for i in theirs if i in both]:
                return f"{present[0].name} and {one.name} see another order"
        return None

    def settle(self, group, present, what):
        """Waits until these people, who reach each other, see what they must."""
        if not present:
            return
        begun, last = time.monotonic(), None
        while True:
            wrong = self.wrong(group, present)
            took = time.monotonic() - begun
            if wrong is None:
                break
            if took > PATIENCE:
                self.surprise(f"{what}: after {took:.0f} s, {wrong}")
                # Told once; then it is looked whether all else is as it must be.
                if self.missing is None or self.missing is last:
                    return
                last = self.missing
                last.lost = True
            time.sleep(0.3)
        self.slowest = max(self.slowest, took)
        people = {one.name for one in present}
        sure, _may = self.members(people)
        for fact in self.comings:
            if fact.held & people:
                fact.held |= people
        for word in self.words:
            for fact in word.facts:
                if fact.held & people:
                    fact.held |= people & word.audience & sure
        for one in present:
            mib = one.memory()
            self.largest = max(self.largest, mib)
            if mib > MEMORY_MIB:
                self.surprise(f"{one.name} takes {mib:.0f} MiB")
        print(f"    {what}: {', '.join(sorted(people))} see the same after {took:.1f} s", flush=True)

    def notified(self, who):
        """Nobody is told of a word twice, and everyone is told of each that they see."""
        who.take_notes()
        counts = {}
        for text, times in who.heard.items():
            if text:
                n = int(text.split()[0][1:])
                counts[n] = counts.get(n, 0) + times
        for n, times in counts.items():
            if times > 1:
                self.surprise(f"{who.name} was told {times} times of word {n}")
        return set(counts)
