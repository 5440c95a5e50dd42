"""Shared memory: objects with lifetimes, laid out in words; addresses and pointers to them.

A state of the machine's memory is one flat tuple of immutable values, a *word* each. Kernel functions never see the
tuple: they hold `Pointer`s (values, as in C) and `Address`es, and reach a word only by yielding an operation on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from .layout import Field, Struct


class Violation(Exception):
    """Something that must never happen did: `kind` in a word or two, `message` for people, `address` where."""

    def __init__(self, kind: str, message: str, address: Address | None = None):
        super().__init__(message)
        self.kind, self.message, self.address = kind, message, address


class Address:
    """The address of one word. `life` is the word that tells whether the object still lives as birth number `birth`."""

    __slots__ = (
        "birth",
        "constant",
        "fault",
        "guard",
        "life",
        "lockless",
        "name",
        "object",
        "private",
        "show",
        "word",
        "writer",
    )

    def __init__(
        self,
        name: str,
        word: int,
        life: int = -1,
        birth: int = 0,
        show: Callable[[Any], str] = str,
        object: str = "",
        fault: str = "",
    ):
        self.name, self.word, self.life, self.birth, self.show = name, word, life, birth, show
        self.object, self.fault = object or name, fault
        self.guard: Address | None = None
        self.lockless = True
        self.constant = False
        self.writer = -1  # the only thread that writes it
        self.private = -1  # the only thread whose code names this word; -1: several

    def __repr__(self) -> str:
        return self.name

    def __iter__(self) -> Any:
        raise TypeError(f"{self.name} is an address, not a value: yield READ_ONCE({self.name}) to read it")

    def __bool__(self) -> bool:
        raise TypeError(f"{self.name} is an address, not a value: yield READ_ONCE({self.name}) to read it")


class FaultAddress(Address):
    """An address behind NULL or outside an array: naming it is harmless, touching it is not."""

    __slots__ = ()

    def __init__(self, name: str, fault: str):
        super().__init__(name, -1, fault=fault)

    def __getattr__(self, field: str) -> FaultAddress:
        if field.startswith("__"):
            raise AttributeError(field)
        return fault_address(f"{self.name}.{field}", self.fault)

    def __getitem__(self, index: int) -> FaultAddress:
        return fault_address(f"{self.name}[{index}]", self.fault)


_FAULTS: dict[tuple[str, str], FaultAddress] = {}


def fault_address(
    name: str,
    fault: str,
    known: dict[tuple[str, str], FaultAddress] = _FAULTS,
    make: Callable[[str, str], FaultAddress] = FaultAddress,
) -> FaultAddress:
    """One address for each name and fault: kernel.link() rebuilds this function over names that are not of this file."""
    if (name, fault) not in known:
        known[name, fault] = make(name, fault)
    return known[name, fault]


class NullPointer:
    """NULL. Its members have addresses, as in C; reading one is the oops."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "NULL"

    def __getattr__(self, field: str) -> FaultAddress:
        if field.startswith("__"):
            raise AttributeError(field)
        return fault_address(f"NULL->{field}", "NULL dereference")

    def __getitem__(self, index: int) -> FaultAddress:
        return fault_address(f"NULL[{index}]", "NULL dereference")


NULL = NullPointer()


class Pointer:
    """A pointer to one life of an object: members by attribute, elements by index."""

    __slots__ = ("_fields", "_items", "_name", "_object")

    def __init__(self, name: str, object: Object, fields: dict[str, Any], items: Sequence[Any] = ()):
        self._name, self._object, self._fields, self._items = name, object, fields, items

    def __getattr__(self, field: str) -> Any:
        try:
            return self._fields[field]
        except KeyError:
            known = ", ".join(self._fields) or "none"
            raise AttributeError(f"{self._name} has no member {field} (it has: {known})") from None

    def __getitem__(self, index: int) -> Any:
        if 0 <= index < len(self._items):
            return self._items[index]
        return fault_address(f"{self._name}[{index}]", "out-of-bounds access")

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Any:
        return iter(self._items)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return self._name


class Object:
    """What one allocation returns and one free takes back. Births are numbered from 1; `life` is -n once birth n is freed.

    The births of a `reused` place are not told apart, as those of a struct page are not: whoever still points to it when it
    is allocated again touches the new one."""

    def __init__(self, name: str, life: int, make: Callable[[Object, int], Pointer], reused: bool = False):
        self.name, self.life, self._make, self.reused = name, life, make, reused
        self._births: dict[int, Pointer] = {}
        self.words: tuple[int, ...] = ()
        self.zeroed: tuple[Any, ...] = ()  # what the words hold when the allocator has zeroed them

    def at(self, birth: int) -> Pointer:
        """The pointer that the allocation number `birth` returned."""
        if birth not in self._births:
            self._births[birth] = self._make(self, birth)
        return self._births[birth]


class Word:
    """How people see one word: its name, and its value in kernel words. `hidden` words are the machine's own."""

    __slots__ = ("hidden", "name", "show")

    def __init__(self, name: str, show: Callable[[Any], str], hidden: bool):
        self.name, self.show, self.hidden = name, show, hidden


class Memory:
    """The memory of one scenario while it is laid out: `words` are the initial values.

    `threads` are the names of the threads. `preempt` is "full" (CONFIG_PREEMPT) or "none" (CONFIG_PREEMPT_NONE).
    """

    def __init__(self, threads: Sequence[str], preempt: str = "full"):
        if preempt not in ("full", "none"):
            raise ValueError(f"preempt is 'full' or 'none', not {preempt!r}")
        self.threads, self.preempt = tuple(threads), preempt
        self.words: list[Any] = []
        self.zeros: list[Any] = []  # each word's 0, () or NULL
        self.shown: list[Word] = []
        self.objects: list[Object] = []
        self.symbols: dict[str, Any] = {}
        self.refs: list[tuple[int, int]] = []  # (percpu_ref word, completion word)
        self.sync: set[int] = set()  # the words that are locks or completions
        self.spinlocks: set[str] = set()  # the names of the words that are spinlocks
        self.named: list[tuple[str, Field, Address]] = []  # words that code reaches by this name
        self.watched = set(range(len(self.threads)))  # threads that somebody's grace period may wait for
        self.context = [self._word(f"{t}.context", 0, hidden=True) for t in self.threads]
        self.grace = [self._word(f"{t}.grace_period", 0, hidden=True) for t in self.threads]

    def _word(self, name: str, value: Any, show: Callable[[Any], str] = str, hidden: bool = False, zero: Any = 0) -> int:
        self.words.append(value)
        self.zeros.append(zero)
        self.shown.append(Word(name, show, hidden))
        return len(self.words) - 1

    def _place(self, name: str, struct: type[Struct], values: dict[str, Any]) -> dict[str, tuple[int, Field]]:
        unknown = set(values) - set(struct.fields())
        if unknown:
            raise ValueError(f"struct {struct.__name__} has no member {', '.join(sorted(unknown))}")
        placed = {}
        for field_name, field in struct.fields().items():
            first = len(self.words)
            for i, suffix in enumerate(field.words):
                value = values.get(field_name, field.default) if i == 0 else 0
                self._word(f"{name}.{field_name}{suffix}", value, field.show, zero=field.zero if i == 0 else 0)
            if field.spins:
                self.spinlocks.add(f"{name}.{field_name}")
            if field.sync:
                self.sync.add(first)
            placed[field_name] = (first, field)
        for first, field in placed.values():
            if field.release:
                self.refs.append((first, placed[field.release][0]))
        return placed

    def _members(self, obj: Object, birth: int, name: str, placed: dict[str, tuple[int, Field]]) -> dict[str, Any]:
        members = {
            field_name: Address(f"{name}.{field_name}", first, -1 if field.stable else obj.life, birth, field.show, obj.name)
            for field_name, (first, field) in placed.items()
        }
        for field_name, (_, field) in placed.items():
            members[field_name].constant = field.constant
            self.named.append((field_name, field, members[field_name]))
            if field.guarded_by:
                members[field_name].guard = members[field.guarded_by]
                members[field_name].lockless = field.lockless
        return members

    def _object(
        self, name: str, heap: bool, words: Iterable[int], make: Callable[[Object, int], Pointer], place: str = ""
    ) -> Pointer:
        """`place`: "" is alive; "counted" and "reused" are places where an allocation may put an object (`Object`)."""
        life = self._word(f"{name} (object)", 0 if place else 1, hidden=True) if heap or place else -1
        obj = Object(name, life, make, place == "reused")
        obj.words = tuple(words)
        obj.zeroed = tuple(self.zeros[w] for w in obj.words)
        for word in obj.words if place else ():
            self.words[word] = self.zeros[word]
        self.objects.append(obj)
        return obj.at(1)

    def new(self, struct: type[Struct], name: str, *, heap: bool = False, place: str = "", **values: Any) -> Pointer:
        """Lays out one struct and returns the pointer to it. `heap` objects can be freed; the others are static."""
        start = len(self.words)
        placed = self._place(name, struct, values)

        def make(obj: Object, birth: int) -> Pointer:
            return Pointer(name, obj, self._members(obj, birth, name, placed))

        return self._object(name, heap, range(start, len(self.words)), make, place)

    def structs(
        self,
        struct: type[Struct] | Sequence[type[Struct]],
        name: str,
        values: Sequence[dict[str, Any]],
        *,
        heap: bool = True,
        place: str = "",
    ) -> Pointer:
        """Lays out an array of structs in one allocation: all of one layout, or each of its own."""
        start = len(self.words)
        layouts = [struct] * len(values) if isinstance(struct, type) else struct
        placed = [self._place(f"{name}[{i}]", s, v) for i, (s, v) in enumerate(zip(layouts, values, strict=True))]

        def make(obj: Object, birth: int) -> Pointer:
            items = [Pointer(f"{name}[{i}]", obj, self._members(obj, birth, f"{name}[{i}]", p)) for i, p in enumerate(placed)]
            return Pointer(name, obj, {}, items)

        return self._object(name, heap, range(start, len(self.words)), make, place)

    def array(
        self,
        name: str,
        values: Sequence[Any],
        *,
        heap: bool = True,
        guard: Callable[[int], Address] | None = None,
        show: Callable[[Any], str] = str,
        place: str = "",
        zero: Any = 0,
    ) -> Pointer:
        """Lays out an array of words in one allocation; `guard(i)` is the lock that writes to element i must hold."""
        first = len(self.words)
        for i, value in enumerate(values):
            self._word(f"{name}[{i}]", value, show, zero=zero)

        def make(obj: Object, birth: int) -> Pointer:
            items = [Address(f"{name}[{i}]", first + i, obj.life, birth, show, obj.name) for i in range(len(values))]
            for i, item in enumerate(items):
                item.guard = guard(i) if guard else None
            return Pointer(name, obj, {}, items)

        return self._object(name, heap, range(first, first + len(values)), make, place)

    def embed(self, outer: Pointer, member: str, inner: Pointer | NullPointer) -> None:
        """Makes `inner` reachable as a member of `outer` without a step: memory that lives and dies with it."""
        outer._fields[member] = inner

    def globals(self, declared: dict[str, Global]) -> None:
        """Lays out the global variables that the kernel's files declare."""
        for name in sorted(declared):
            variable = declared[name]
            if variable.count:
                self.symbols[name] = self.array(name, [variable.field.default] * variable.count, heap=False)
                for i in range(variable.count):
                    self.symbols[name][i].constant = variable.field.constant
                    self.named.append((name, variable.field, self.symbols[name][i]))
            else:
                first = self._word(name, variable.field.default, variable.field.show)
                if variable.field.spins:
                    self.spinlocks.add(name)
                if variable.field.sync:
                    self.sync.add(first)
                self.symbols[name] = Address(name, first, show=variable.field.show)
                self.symbols[name].constant = variable.field.constant
                self.named.append((name, variable.field, self.symbols[name]))
        for name, variable in declared.items():
            if variable.field.guarded_by:
                self.symbols[name].guard = self.symbols[variable.field.guarded_by]
                self.symbols[name].lockless = variable.field.lockless

    def own(self, names: Sequence[set[str]], waiters: set[int], stores: dict[str, set[str]], fix: Collection[str] = ()) -> None:
        """Tells the memory what each thread's code names, which threads begin grace periods, which functions of a fix store to
        which members, and what a fix names at all."""
        unnamed = {"locked", *(field.release for _, field, _ in self.named)}  # reached by operations on a folio, a percpu_ref
        for name, field, address in self.named:
            users = [t for t, named in enumerate(names) if name in named]
            writers = {*field.writers, *stores.get(name, ())}
            writing = [t for t, named in enumerate(names) if named & writers]
            if len(users) == 1 and name not in unnamed:
                address.private = users[0]
            if field.writers and len(writing) == 1:
                address.writer = writing[0]
            if field.readers and name not in fix and not any(named & set(field.readers) for named in names):
                address.lockless = False
            if field.writers and not writing:
                address.constant = True
        self.watched = {t for t in range(len(names)) if waiters - {t}}

    def set(self, address: Address, value: Any) -> None:
        """Gives a word its initial value."""
        self.words[address.word] = value


class Global:
    """A kernel global variable, declared in the file that defines it; each scenario lays it out in its own memory."""

    def __init__(self, field: Field, count: int = 0):
        self.field, self.count = field, count

    def __getitem__(self, index: Any) -> Any:
        raise TypeError("a kernel global has no address before the kernel is linked to a memory")
