# SPDX-License-Identifier: BSL-1.0
"""Pretty-printers for gdb: what is in a channel, and who waits for it.

    (gdb) source /usr/local/share/sluice/gdb/sluice.py
    (gdb) print tx
    $1 = sluice::sender: size 2, capacity 8, senders 1, receivers 1 = {1, 2}

Handles are shown with all that is known of the state which they belong to, and so are the states
themselves. What is zero is left out, except for sizes and counts of handles:

    waiting sends, waiting reservations, waiting receives
                    operations that wait: for a place, or for a value
    promised        receives that were woken, and have not run on their executors yet
    in hands        values of batches that have not been passed on; they count in the size
    reserved        places that permits hold
    waiting for the end
                    operations that wait until nobody can receive any more
    locked          a thread is in the middle of an operation, so the rest may not fit together

Behind the figures there are the values. Nothing is called in the program, so a core file will do.
"""

import gdb
import gdb.printing


# --- Reading what the headers declare -------------------------------------------------------------


def number(value):
    """The number in an integer, a std::atomic, or an `observable`."""
    kind = value.type.strip_typedefs()
    if kind.code != gdb.TYPE_CODE_STRUCT:
        return int(value)
    # An observable holds one variable, of one type or another, and nothing else.
    kind = kind.template_argument(1 if "observable<" in kind.name else 0)
    return int(at(value.address, kind))


def at(address, kind):
    """The object of a type that lies at an address."""
    return address.cast(kind.pointer()).dereference()


def owned(smart_pointer, kind):
    """What a std::unique_ptr or a std::shared_ptr points to: either begins with the pointer."""
    return at(smart_pointer.address, kind.pointer())


def chain(first):
    """The elements of a list that are linked by `next`."""
    while first:
        yield first.dereference()
        first = first["next"]


def waiters(queue):
    return chain(queue["first_"])


def length(queue):
    return sum(1 for _ in waiters(queue))


def plain(kind):
    return kind.strip_typedefs().unqualified()


def argument(kind, index):
    return plain(kind).template_argument(index)


def state_of(handle):
    """The state that a handle belongs to, or None."""
    pointer = handle["state_"]["state_"]
    return pointer.dereference() if pointer else None


def error_text(error):
    """An error_code as category:value, or an empty text if there is no error."""
    has_category = int(error["lc_flags_"]) > 1
    value = int(error["d1_"]["val_"])
    if not has_category or value == 0:
        return f"error {value}" if value else ""
    category = error["d1_"]["cat_"]
    # A category says its name only if it is asked; its type has one as well.
    name = str(category.dynamic_type.target().unqualified()).split("::")[-1]
    return f"{name}:{value}"


# --- States ---------------------------------------------------------------------------------------


class Figures:
    """A line of figures: `size 2, capacity 8`."""

    def __init__(self):
        self.words = []

    def add(self, name, value):
        self.words.append(f"{name} {value}")

    def add_if(self, name, value):
        if value:
            self.add(name, value)

    def say(self, words, holds=True):
        if holds:
            self.words.append(words)

    def __str__(self):
        return ", ".join(self.words)


class State:
    """What there is to see in a state; each kind of state is a class below."""

    def __init__(self, state):
        self.state = state

    def __getitem__(self, field):
        return self.state[field]

    def number(self, field):
        return number(self.state[field])

    def locked(self):
        mutex = self.state["mutex_"]
        return plain(mutex.type).name.endswith("::short_mutex") and number(mutex["held_"]) != 0

    def figures(self):
        figures = Figures()
        self.describe(figures)
        figures.say("locked", self.locked())
        return figures


class Channel(State):
    name = "channel"
    unlimited = (1 << 64) - 1

    def describe(self, figures):
        figures.add("size", self.size())
        capacity = self.number("capacity_")
        figures.say("unbounded", capacity == self.unlimited)
        if capacity != self.unlimited:
            figures.add("capacity", capacity)
        figures.add("senders", self.number("sender_count_"))
        figures.add("receivers", self.number("receiver_count_"))
        figures.add_if("waiting sends", length(self["senders_"]))
        figures.add_if("waiting reservations", length(self["reservers_"]))
        figures.add_if("waiting receives", length(self["receivers_"]))
        figures.add_if("promised", self.number_promised())
        figures.add_if("in hands", self.in_hands())
        figures.add_if("reserved", self.number("permits_"))
        figures.add_if("waiting for the end", length(self["closers_"]))
        if self.number("closed_"):
            reason = error_text(self["reason_"])
            figures.say(f"closed by {reason}" if reason else "closed")
        self.describe_metrics(figures)

    def describe_metrics(self, figures):
        """What a channel has counted if it is measured."""
        if "::measured<" not in plain(argument(self.state.type, 1)).name:
            return
        accepted, displaced, destroyed = (
            self.number(field) for field in ("accepted_", "displaced_", "destroyed_")
        )
        figures.add("accepted", accepted)
        figures.add("received", accepted - displaced - destroyed - self.size())
        figures.add_if("displaced", displaced)
        figures.add_if("destroyed", destroyed)
        figures.add("at most", self.number("most_buffered_"))

    def number_promised(self):
        return int(self["woken_"]["size_"])

    def in_hands(self):
        """What batches have not passed on, to the last value."""
        claimed = int(self["claimed_"])
        batch = gdb.lookup_type("sluice::detail::core::batch_waiter")
        for waiter in waiters(self["batches_"]):
            tally = waiter.cast(batch)["in_hand"]
            if tally:
                claimed -= max(0, int(tally["claimed"]) - number(tally["left_"]))
        return claimed

    def size(self):
        return self.number("buffered_") + self.in_hands()

    def values(self):
        """The values in the buffer; those in the hands of batches are not among them."""
        stored = argument(self["values_"].type, 0)
        for value in self.stored_values(stored):
            is_timed = (stored.name or "").startswith("sluice::detail::core::timed<")
            yield value["value"] if is_timed else value

    def stored_values(self, stored):
        batch = argument(self["returned_"]["first_"].type, 0)
        pointer = owned(self["returned_"]["first_"], batch)
        while pointer:
            returned = pointer.dereference()
            slots = returned["memory_"].address.cast(stored.pointer())
            for i in range(int(returned["first_"]), int(returned["last_"])):
                yield slots[i]
            pointer = owned(returned["next"], batch)
        queue = self["values_"]
        first, last = int(queue["first_"]), int(queue["last_"])
        for block in chain(queue["head_"]):
            # The slots come behind the block, at the first place that is aligned for them.
            offset = -(-block.type.sizeof // stored.alignof) * stored.alignof
            slots = block.address.cast(gdb.lookup_type("char").pointer()) + offset
            slots = slots.cast(stored.pointer())
            end = last if block.address == queue["tail_"] else int(block["slots"])
            for i in range(first, end):
                yield slots[i]
            first = 0


class Oneshot(State):
    name = "oneshot"

    def describe(self, figures):
        if self.number("full_"):
            figures.say("the value is there")
        else:
            figures.say("it was received or destroyed" if self.number("sent_") else "nothing sent")
        figures.say("the sender has gone", not self.number("sender_here_"))
        receiver_here = self.number("receiver_here_")
        figures.say("the receiver has gone", not receiver_here)
        figures.say("closed", receiver_here and self.number("closed_"))
        figures.add_if("waiting receives", length(self["receivers_"]))
        figures.add_if("promised", int(self["woken_"]["size_"]))
        figures.add_if("waiting for the end", length(self["closers_"]))

    def values(self):
        if self.number("full_"):
            yield self["value_"]


class Broadcast(State):
    name = "broadcast"

    def subscribers(self):
        for waiting in ("waiting_", "idle_"):
            yield from chain(self[waiting]["first_"])

    def describe(self, figures):
        figures.add("size", int(self["tail_position_"]) - int(self["head_position_"]))
        figures.add("capacity", self.number("capacity_"))
        figures.add("senders", self.number("sender_count_"))
        figures.add("receivers", self.number("receiver_count_"))
        figures.say("nothing is missed", bool(self["lossless_"]))
        figures.add_if("waiting sends", length(self["senders_"]))
        figures.add_if("waiting receives", sum(length(s["waiting"]) for s in self.subscribers()))
        figures.add_if("promised", sum(int(s["woken"]["size_"]) for s in self.subscribers()))
        figures.add_if("waiting for the end", length(self["closers_"]))
        if self.number("closed_"):
            reason = error_text(self["reason_"])
            figures.say(f"closed by {reason}" if reason else "closed")

    def values(self):
        yield from self.values_from(self["head_"])

    def values_from(self, place):
        value = argument(self.state.type, 0)
        node = gdb.lookup_type(f"{plain(self.state.type).name}::node").pointer()
        while place != self["tail_"]:
            yield at(place.cast(node)["storage"].address, value)
            place = place["next"]


class Watch(State):
    name = "watch"

    def describe(self, figures):
        figures.add("version", self.number("version_"))
        figures.add("senders", self.number("sender_count_"))
        figures.add("receivers", self.number("receiver_count_"))
        figures.add_if("waiting receives", length(self["waiting_"]))
        figures.add_if("woken", int(self["woken_"]["size_"]))
        figures.add_if("waiting for the end", length(self["closers_"]))
        figures.say("closed", self.number("closed_"))

    def values(self):
        yield owned(self["value_"], argument(self["value_"].type, 0)).dereference()


STATES = {
    "channel_state": Channel,
    "oneshot_state": Oneshot,
    "broadcast_state": Broadcast,
    "watch_state": Watch,
}


def view_of(state):
    """The view of a state of any kind."""
    return STATES[plain(state.type).name.partition("<")[0].rpartition("::")[2]](state)


# --- Printers -------------------------------------------------------------------------------------


class Printer:
    """Shows a line of text, and values. A printer says what to show in show()."""

    def __init__(self, value):
        if value.type.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
            value = value.referenced_value()
        self.name = plain(value.type).name.partition("<")[0]
        # All is read here, so that something that cannot be read is an error, and not half a line.
        self.text, self.shown = self.show(value)
        self.shown = list(self.shown)

    def to_string(self):
        return f"{self.name}{self.text}"

    def children(self):
        return ((f"[{i}]", value) for i, value in enumerate(self.shown))

    def display_hint(self):
        return "array"


class HandlePrinter(Printer):
    """A handle whose `state_` leads to a state."""

    def show(self, handle):
        state = state_of(handle)
        if state is None:
            return ": empty", []
        view = view_of(state)
        return f": {view.figures()}", view.values()


class StatePrinter(Printer):
    def show(self, state):
        view = view_of(state)
        self.name = view.name
        return f": {view.figures()}", view.values()


class SyncPrinter(Printer):
    """A blocking end, which holds one of the others."""

    def show(self, handle):
        inner = HandlePrinter(handle["end_"])
        return inner.text, inner.shown


class PermitPrinter(Printer):
    def show(self, permit):
        places = int(permit["places_"])
        if places == 0:
            return ": empty", []
        view = view_of(state_of(permit))
        return f": {places} places of a channel: {view.figures()}", view.values()


class SubscriberPrinter(Printer):
    """A receiver of a broadcast, with what it has not received yet."""

    def show(self, handle):
        subscription = state_of(handle)
        if subscription is None:
            return ": empty", []
        view = view_of(state_of(subscription))
        head, tail = int(view["head_position_"]), int(view["tail_position_"])
        position = int(subscription["position"])
        figures = Figures()
        figures.add("unread", tail - max(position, head))
        figures.add_if("overtaken by", max(0, head - position))
        figures.add_if("missed before", int(subscription["missed"]))
        figures.add_if("waiting receives", length(subscription["waiting"]))
        figures.add_if("promised", int(subscription["woken"]["size_"]))
        place = view["head_"] if position < head else subscription["at"]
        return f": {figures}; broadcast: {view.figures()}", view.values_from(place)


class WatchReceiverPrinter(Printer):
    def show(self, handle):
        state = state_of(handle)
        if state is None:
            return ": empty", []
        view = view_of(state)
        seen = number(handle["cursor_"]["state_"]["seen"])
        return f": seen {seen}, {view.figures()}", view.values()


class SelectPrinter(Printer):
    def show(self, select):
        return "", [select["cases_"]]


class CasePrinter(Printer):
    """A case of a select that has a handle."""

    NAMES = {
        "receiving": "on_receive",
        "changing": "on_changed",
        "closing": "on_closed",
        "reserving": "on_reserve",
    }

    def show(self, case):
        if self.name.endswith("::send_case"):
            self.name = "on_send"
        else:
            attempt = plain(argument(case.type, 0)).name.partition("<")[0].rpartition("::")[2]
            self.name = self.NAMES[attempt]
        state = case["subject_"]["state_"]
        if not state:
            return " at an empty handle", []
        state = state.dereference()
        if plain(state.type).name.startswith("sluice::detail::core::subscription<"):
            state = state_of(state)
        view = view_of(state)
        return f" at a {view.name}: {view.figures()}", []


def build():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("sluice")

    def add(names, printer):
        printers.add_printer(printer.__name__, f"^sluice::({names})(<.*>)?$", printer)

    add("sender|receiver|weak_sender", HandlePrinter)
    add("oneshot_sender|oneshot_receiver", HandlePrinter)
    add("broadcast_sender|weak_broadcast_sender", HandlePrinter)
    add("watch_sender|weak_watch_sender", HandlePrinter)
    add("broadcast_receiver", SubscriberPrinter)
    add("watch_receiver", WatchReceiverPrinter)
    add("sync_sender|sync_receiver", SyncPrinter)
    add("permit", PermitPrinter)
    add("basic_select|basic_select_receive", SelectPrinter)
    add("detail::handle_case|detail::send_case", CasePrinter)
    add("|".join(f"detail::core::{name}" for name in STATES), StatePrinter)
    return printers


gdb.printing.register_pretty_printer(None, build(), replace=True)
