"""Fibers for gdb, in processes and in cores.

    gdb -x weir-gdb.py PROGRAM CORE

`weir fibers` lists those of the selected thread's worker, `weir stack N` shows where one of them waits:
the thread's innermost function stays, its callers are the fiber's, and can be selected and looked at;
`weir stack` alone ends that. Nothing is changed, memory is read alone: a fiber that waits has its
registers on its stack, where weir__switch has put them.
"""
import gdb
import gdb.unwinder

STATES = ("free", "ready", "running", "waiting")
SAVED = 16  # bytes into weir__switch, where all is saved and the stack is the other one


def fibers():
    worker = gdb.parse_and_eval("weir__self")
    if not worker:
        raise gdb.GdbError("this thread is no worker: `info threads`, then `thread N`")
    kind = gdb.lookup_type("struct weir__fiber")
    offset = next(f.bitpos for f in kind.fields() if f.name == "in_all") // 8
    node = worker["fibers"]["next"]
    while node != worker["fibers"].address:
        yield gdb.Value(int(node) - offset).cast(kind.pointer())
        node = node["next"]


def text(pointer):
    return pointer.string() if pointer else ""


def packed_frames(fiber):
    """Return addresses of a fiber that hibernates, by the frame pointers in the copy of its stack."""
    word = gdb.lookup_type("unsigned long").pointer()
    sp, hi = int(fiber["sp"]), int(fiber["stack_hi"])
    shift = int(fiber["frozen"]) - sp

    def read(at):
        return int(gdb.Value(at + shift).cast(word).dereference())

    yield read(sp + 48)
    at, before = read(sp + 40), sp
    while before < at < hi - 8:
        yield read(at + 8)
        at, before = read(at), at


def described(pc):
    block, line = gdb.block_for_pc(pc - 1), gdb.find_pc_line(pc - 1)
    while block is not None and block.function is None:
        block = block.superblock
    name = block.function.name if block is not None else gdb.execute(f"info symbol {pc - 1}", to_string=True).strip()
    return f"{name} at {line.symtab.filename}:{line.line}" if line.symtab else name


class OfFiber(gdb.unwinder.Unwinder):
    """While a fiber is chosen, it is what has called the thread's innermost function."""

    def __init__(self):
        super().__init__("weir")
        self.fiber = self.innermost = None

    def choose(self, fiber):
        self.fiber = None
        gdb.invalidate_cached_frames()
        self.innermost = gdb.newest_frame().read_register("rsp")
        self.fiber = fiber
        gdb.invalidate_cached_frames()

    def __call__(self, frame):
        if self.fiber is None or frame.read_register("rsp") != self.innermost:
            return None
        sp = self.fiber["sp"].cast(gdb.lookup_type("unsigned long"))
        switch = gdb.parse_and_eval("(unsigned long) weir__switch") + SAVED
        # As if on the fiber's stack: gdb does not go on to a frame that lies further in.
        caller = frame.create_unwind_info(FrameId(sp, frame.read_register("rip")))
        caller.add_saved_register("rsp", sp)
        caller.add_saved_register("rip", switch)
        return caller


class FrameId:
    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


OF_FIBER = OfFiber()
gdb.unwinder.register_unwinder(None, OF_FIBER, replace=True)


class Weir(gdb.Command):
    """What Weir's runtime has."""

    def __init__(self):
        super().__init__("weir", gdb.COMMAND_STACK, prefix=True)


class Fibers(gdb.Command):
    """Lists the fibers of the selected thread's worker."""

    def __init__(self):
        super().__init__("weir fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for f in fibers():
            has_origin = f["ctx"] and f["ctx"]["origin"]
            route = text(f["ctx"]["origin"]["route"]) if has_origin else ""
            print(f"fiber {int(f['id'])} {text(f['name'])}, {STATES[int(f['state'])]}  {route}")


class Stack(gdb.Command):
    """Shows where a fiber waits; without its number, the thread's own frames again."""

    def __init__(self):
        super().__init__("weir stack", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        fiber = self.chosen(int(argument)) if argument else None
        if fiber is not None and fiber["frozen"] and not fiber["is_shown"]:
            print("it hibernates, and has no variables")
            for number, pc in enumerate(packed_frames(fiber)):
                print(f"#{number}  {described(pc)}")
            return
        OF_FIBER.choose(fiber)
        gdb.execute("backtrace")

    def chosen(self, number):
        for f in fibers():
            if int(f["id"]) == number:
                if STATES[int(f["state"])] == "running":
                    raise gdb.GdbError("it runs: its frames are the thread's")
                return f
        raise gdb.GdbError("no such fiber on this worker; `weir fibers` lists them")


Weir()
Fibers()
Stack()
