// The twin of every operation of swapmodel/machine/, one function each: effect(cpu, ...arguments as lowering.py wrote them).
// Returns the operation's value, or BLOCKED and nothing has changed; fails with a Violation.

const BLOCKED = Symbol("blocked");
const ATOMIC = 0x1, RCU = 0x100, SLEEPLESS = 0xffff, KERNEL = 0x10000;

class Violation extends Error {
  constructor(kind, message, address = null) {
    super(message);
    this.kind = kind;
    this.address = address; // a row of the document's addresses
  }
}

// What operations see: the words, and the thread `me` that takes the step. Stores are collected; `words` stay as they are.
class Cpu {
  constructor(doc, words, me) {
    this.doc = doc;
    this.words = words;
    this.me = me;
    this.writes = new Map();
  }

  raw(word) {
    return this.writes.has(word) ? this.writes.get(word) : this.words[word];
  }

  set(word, value) {
    this.writes.set(word, value);
  }

  load(p) {
    const address = this.live(p), [, , , guard, flags] = address;
    if (guard >= 0 && !(flags & 1)) this.checkHeld(address, "read");
    return this.raw(address[0]);
  }

  store(p, value) {
    const address = this.live(p), [word, , , guard, flags] = address;
    if (flags & 2) throw new Violation("lock misuse", `${nameOfAddress(this.doc, address)} never changes once the device is in use, but is written`, address);
    if (guard >= 0) this.checkHeld(address, "written");
    this.set(word, value);
  }

  checkHeld(address, verb) {
    const [word, , , guard] = address;
    if (word < 0 || guard < 0) return;
    const lock = this.doc.addresses[guard];
    if (this.raw(lock[0]) === this.me + 1) return;
    throw new Violation("lock misuse", `${nameOfAddress(this.doc, address)} is ${verb} without ${nameOfAddress(this.doc, lock)}`, address);
  }

  live(p) {
    const address = this.doc.addresses[p], [word, life, birth] = address;
    if (word < 0) throw new Violation(address[2], `${address[1]} is touched`, address);
    if (life >= 0 && this.raw(life) !== birth) throw new Violation("use after free", `${nameOfAddress(this.doc, address)} is touched after it was freed`, address);
    return address;
  }

  word(p) {
    return this.doc.addresses[p][0];
  }

  name(p) {
    return nameOfAddress(this.doc, this.doc.addresses[p]);
  }

  fail(kind, message, p) {
    throw new Violation(kind, message, p === undefined ? null : this.doc.addresses[p]);
  }

  // ---- contexts: atomic sections, RCU readers, quiescent states

  context(t = this.me) {
    return this.raw(this.doc.context[t]);
  }

  enter(bits) {
    this.set(this.doc.context[this.me], this.context() + bits);
  }

  leave(bits) {
    const before = this.context();
    if ((before & 0xff) < (bits & 0xff) || ((before >> 8) & 0xff) < ((bits >> 8) & 0xff)) this.fail("lock misuse", "an atomic or RCU section ends that never began");
    this.set(this.doc.context[this.me], before - bits);
    if (before >= RCU && before - bits < RCU) this.quiescentState();
  }

  mightSleep(name) {
    if (this.context() & SLEEPLESS) this.fail("sleeping while atomic", `${name}() may sleep inside an atomic section`);
  }

  readers() {
    return this.doc.context.reduce((mask, word, t) => (t !== this.me && this.raw(word) >= RCU ? mask | (1 << t) : mask), 0);
  }

  quiescentState() {
    const mine = 1 << this.me;
    let waited = false;
    for (const gp of this.doc.grace) {
      if (!(this.raw(gp) & mine)) continue;
      this.set(gp, this.raw(gp) & ~mine);
      waited = true;
    }
    for (const [ref, done] of this.doc.refs) {
      if (!(this.raw(ref + 2) & mine)) continue;
      this.set(ref + 2, this.raw(ref + 2) & ~mine);
      this.releaseIfIdle(ref, done);
      waited = true;
    }
    return waited;
  }

  releaseIfIdle(ref, done) {
    if (this.raw(ref + 1) && !this.raw(ref + 2) && !this.raw(ref)) this.set(done, this.raw(done) + 1);
  }

  completion(word) {
    return this.doc.refs.find(([ref]) => ref === word)[1];
  }

  bear(object) {
    const [name, life, reused, first, , zeroed] = this.doc.objects[object];
    const birth = reused ? 1 : -this.raw(life) + 1;
    this.set(life, birth);
    zeroed.forEach((zero, i) => this.set(first + i, zero));
    return `*${name}#${birth}`;
  }
}

const nameOfAddress = (doc, address) => (address[0] < 0 ? address[1] : doc.words[address[0]][0]);

// ---- locks -----------------------------------------------------------------------------------------------------------

function take(cpu, lock) {
  const holder = cpu.load(lock);
  if (holder === cpu.me + 1) cpu.fail("lock misuse", `${cpu.name(lock)} is taken by the thread that holds it: it waits for itself`, lock);
  if (holder) return BLOCKED;
  cpu.set(cpu.word(lock), cpu.me + 1);
  return null;
}

function drop(cpu, lock) {
  if (cpu.load(lock) !== cpu.me + 1) cpu.fail("lock misuse", `${cpu.name(lock)} is released by a thread that does not hold it`, lock);
  cpu.set(cpu.word(lock), 0);
}

const locks = (bits) => (cpu, lock) => (take(cpu, lock) === BLOCKED ? BLOCKED : (cpu.enter(bits), null));
const unlocks = (bits) => (cpu, lock) => (drop(cpu, lock), cpu.leave(bits), null);
const tries = (bits) => (cpu, lock) => {
  if (cpu.load(lock)) return false;
  cpu.set(cpu.word(lock), cpu.me + 1);
  cpu.enter(bits);
  return true;
};

// ---- counts ----------------------------------------------------------------------------------------------------------

function subtract(cpu, n, p) {
  const left = cpu.load(p) - n;
  if (left < 0) cpu.fail("reference count underflow", `${cpu.name(p)} drops below zero`, p);
  cpu.store(p, left);
  return left === 0;
}

function free(cpu, object, birth, name) {
  if (object === undefined) return null; // NULL
  const life = cpu.doc.objects[object][1];
  if (life < 0) cpu.fail("double free", `${name} is freed, but it is static`);
  if (cpu.raw(life) !== birth) cpu.fail("double free", `${name} is freed twice`);
  cpu.set(life, -birth);
  return null;
}

const nothing = () => null;

const EFFECTS = {
  // access.py
  READ_ONCE: (cpu, p) => cpu.load(p),
  WRITE_ONCE: (cpu, p, value) => (cpu.store(p, value), null),
  read: (cpu, p) => (cpu.checkHeld(cpu.doc.addresses[p], "read"), cpu.load(p)),
  write: (cpu, p, value) => (cpu.store(p, value), null),
  init_store: (cpu, p, value) => (cpu.live(p), cpu.set(cpu.word(p), value), null),
  memcpy: (cpu, to, values) => (to.forEach((p, i) => cpu.store(p, values[i])), null),
  memset: (cpu, to, value) => (to.forEach((p) => cpu.store(p, value)), null),
  user_load: (cpu, p, i) => cpu.load(p)[i],
  user_store: (cpu, p, i, value) => (cpu.store(p, cpu.load(p).map((old, n) => (n === i ? value : old))), null),
  xchg: (cpu, p, value) => {
    const old = cpu.load(p);
    cpu.store(p, value);
    return old;
  },
  cmpxchg: (cpu, p, old, value) => {
    const found = cpu.load(p);
    if (equal(found, old)) cpu.store(p, value);
    return found;
  },
  atomic_add: (cpu, n, p) => (cpu.store(p, cpu.load(p) + n), null),
  atomic_dec_and_test: (cpu, p) => subtract(cpu, 1, p),
  atomic_sub_and_test: (cpu, n, p) => subtract(cpu, n, p),
  atomic_inc_not_zero: (cpu, p) => {
    const found = cpu.load(p);
    if (found) cpu.store(p, found + 1);
    return Boolean(found);
  },
  folio_ref_freeze: (cpu, p, expected) => {
    if (cpu.load(p) !== expected) return false;
    cpu.store(p, 0);
    return true;
  },
  BUG: (cpu, why) => cpu.fail("kernel BUG", text({}, why)),
  WARN: (cpu, why) => cpu.fail("kernel WARNING", text({}, why)),
  // alloc.py
  kfree: free,
  vfree: free,
  kvfree: free,
  free_unref_folio: free,
  kvzalloc: (cpu, object, birth, name) => {
    if (cpu.raw(cpu.doc.objects[object][1]) > 0) cpu.fail("double free", `${name} is allocated while it lives`);
    return cpu.bear(object);
  },
  alloc_page: (cpu, pool) => {
    const object = pool.find((each) => cpu.raw(cpu.doc.objects[each][1]) <= 0);
    return object === undefined ? NULL : cpu.bear(object);
  },
  // locks.py
  spin_lock: locks(ATOMIC + RCU),
  spin_trylock: tries(ATOMIC + RCU),
  spin_unlock: unlocks(ATOMIC + RCU),
  spin_lock_irq: locks(2 * (ATOMIC + RCU)),
  spin_unlock_irq: unlocks(2 * (ATOMIC + RCU)),
  spin_lock_not_rcu: locks(ATOMIC),
  spin_trylock_not_rcu: tries(ATOMIC),
  spin_unlock_not_rcu: unlocks(ATOMIC),
  spin_lock_irq_not_rcu: locks(2 * ATOMIC),
  spin_unlock_irq_not_rcu: unlocks(2 * ATOMIC),
  local_irq_disable: (cpu) => (cpu.enter(ATOMIC + RCU), null),
  local_irq_enable: (cpu) => (cpu.leave(ATOMIC + RCU), null),
  mutex_lock: take,
  mutex_unlock: (cpu, lock) => (drop(cpu, lock), null),
  down_read: (cpu, sem) => {
    const value = cpu.load(sem);
    if (value < 0) return BLOCKED;
    if (value & (1 << cpu.me)) cpu.fail("lock misuse", `${cpu.name(sem)} is taken for reading twice`, sem);
    cpu.set(cpu.word(sem), value | (1 << cpu.me));
    return null;
  },
  down_write: (cpu, sem) => {
    const value = cpu.load(sem);
    if (value === -(cpu.me + 1) || (value > 0 && value & (1 << cpu.me))) {
      cpu.fail("lock misuse", `${cpu.name(sem)} is taken by the thread that holds it: it waits for itself`, sem);
    }
    if (value) return BLOCKED;
    cpu.set(cpu.word(sem), -(cpu.me + 1));
    return null;
  },
  up_read: (cpu, sem) => {
    const value = cpu.load(sem);
    if (value <= 0 || !(value & (1 << cpu.me))) cpu.fail("lock misuse", `${cpu.name(sem)} is released by a thread that does not hold it`, sem);
    cpu.set(cpu.word(sem), value & ~(1 << cpu.me));
    return null;
  },
  up_write: (cpu, sem) => {
    if (cpu.load(sem) !== -(cpu.me + 1)) cpu.fail("lock misuse", `${cpu.name(sem)} is released by a thread that does not hold it`, sem);
    cpu.set(cpu.word(sem), 0);
    return null;
  },
  downgrade_write: (cpu, sem) => {
    if (cpu.load(sem) !== -(cpu.me + 1)) cpu.fail("lock misuse", `${cpu.name(sem)} is downgraded by a thread that does not hold it`, sem);
    cpu.set(cpu.word(sem), 1 << cpu.me);
    return null;
  },
  folio_lock: take,
  folio_trylock: (cpu, lock) => {
    if (cpu.load(lock)) return false;
    cpu.set(cpu.word(lock), cpu.me + 1);
    return true;
  },
  folio_unlock: (cpu, lock, folio) => {
    if (!cpu.load(lock)) cpu.fail("lock misuse", `${folio} is unlocked while it is not locked`, lock);
    cpu.set(cpu.word(lock), 0);
    return null;
  },
  // rcu.py
  rcu_read_lock: (cpu) => (cpu.enter(RCU), null),
  rcu_read_unlock: (cpu) => (cpu.leave(RCU), null),
  start_poll_synchronize_rcu: (cpu) => {
    cpu.quiescentState();
    cpu.set(cpu.doc.grace[cpu.me], cpu.readers());
    return null;
  },
  cond_synchronize_rcu: (cpu) => (cpu.raw(cpu.doc.grace[cpu.me]) ? BLOCKED : null),
  percpu_ref_tryget_live: (cpu, ref) => {
    const count = cpu.load(ref), word = cpu.word(ref);
    if (cpu.raw(word + 1)) return false;
    cpu.set(word, count + 1);
    return true;
  },
  percpu_ref_put: (cpu, ref) => {
    const count = cpu.load(ref) - 1, word = cpu.word(ref);
    if (count < 0) cpu.fail("reference count underflow", `${cpu.name(ref)} drops below zero`, ref);
    cpu.set(word, count);
    cpu.releaseIfIdle(word, cpu.completion(word));
    return null;
  },
  percpu_ref_kill: (cpu, ref) => {
    cpu.load(ref);
    const word = cpu.word(ref);
    if (cpu.raw(word + 1)) cpu.fail("kernel WARNING", `${cpu.name(ref)} is killed twice`, ref);
    cpu.set(word + 1, 1);
    cpu.set(word + 2, cpu.readers() | (cpu.context() >= RCU ? 1 << cpu.me : 0));
    cpu.releaseIfIdle(word, cpu.completion(word));
    return null;
  },
  percpu_ref_resurrect: (cpu, ref) => (cpu.load(ref), cpu.set(cpu.word(ref) + 1, 0), null),
  percpu_ref_init_dead: (cpu, ref) => (cpu.load(ref), cpu.set(cpu.word(ref) + 1, 1), null),
  wait_for_completion: (cpu, done) => {
    const count = cpu.load(done);
    if (!count) return BLOCKED;
    cpu.set(cpu.word(done), count - 1);
    return null;
  },
  complete: (cpu, done) => (cpu.store(done, cpu.load(done) + 1), null),
  // sched.py
  schedule_timeout_uninterruptible: (cpu) => (cpu.quiescentState(), null),
  wait_var_event: (cpu, p, value) => (equal(cpu.load(p), value) ? null : BLOCKED),
  schedule_point: (cpu) => (cpu.quiescentState(), null),
  enter_from_user_mode: (cpu) => (cpu.enter(KERNEL), null),
  exit_to_user_mode: (cpu) => {
    cpu.set(cpu.doc.context[cpu.me], cpu.context() - KERNEL);
    cpu.quiescentState();
    return null;
  },
  raw_cpu_ptr: (cpu, mine) => mine,
  might_sleep: nothing,
  lockdep_sys_exit: (cpu) => {
    if (cpu.context() & SLEEPLESS) cpu.fail("lock misuse", "a system call ends inside an atomic or RCU section");
    for (const [word, isSemaphore, name] of cpu.doc.locks) {
      if (holds(cpu.raw(word), cpu.me, isSemaphore)) throw new Violation("lock misuse", `${name} is still held at the end of a system call`, addressOf(word));
    }
    return null;
  },
};

const holds = (value, t, isSemaphore) => (isSemaphore ? value === -(t + 1) || (value > 0 && (value & (1 << t)) !== 0) : value === t + 1);

const MAY_SLEEP = new Set(["mutex_lock", "down_read", "down_write", "folio_lock", "start_poll_synchronize_rcu", "cond_synchronize_rcu"]);
for (const name of ["wait_for_completion", "vfree", "kvfree", "kvzalloc", "schedule_timeout_uninterruptible", "wait_var_event"]) MAY_SLEEP.add(name);
for (const name of ["schedule_point", "might_sleep"]) MAY_SLEEP.add(name);

// By which argument people call what an operation is about, where that is not the address it begins with.
const SUBJECT = { folio_lock: 1, folio_trylock: 1, folio_unlock: 1, kfree: 2, vfree: 2, kvfree: 2, free_unref_folio: 2, kvzalloc: 2 };
Object.assign(SUBJECT, { memcpy: 2, memset: 2, raw_cpu_ptr: 1 });
const COUNTED = new Set(["atomic_add", "atomic_sub_and_test"]); // a number first, then the address
const BARE = new Set(["BUG", "WARN", "alloc_page", "schedule_timeout_uninterruptible"]); // no address at all
