// A document from its JSON text, with a row for each word.
function parsed(text) {
  const doc = JSON.parse(text);
  doc.words = doc.words.flatMap(([name, show, hidden, count, first]) =>
    Array.from({ length: count || 1 }, (_, i) => [count ? name.replace("[]", `[${first + i}]`) : name, show, hidden]));
  return doc;
}

// One execution of one variant: takes steps as trace.Recorder does, and takes them back.

class Machine {
  constructor(doc, number) {
    this.doc = doc;
    this.number = number;
    this.variant = doc.variants[number];
    this.graphs = this.variant.graphs.map((graph) => doc.graphs[graph]);
    this.reset();
  }

  reset() {
    this.words = this.doc.initial.slice();
    this.at = this.graphs.map(() => 0);
    this.steps = []; // {thread, row, value, changes: [[word, before, after]], fault, slept}
    this.violation = null;
  }

  row(t) {
    return this.graphs[t][this.at[t]];
  }

  // [name, arguments, text?] of the operation that thread t is about to take; null once it has returned.
  operation(t, row = this.row(t)) {
    return row[0] < 0 ? null : this.doc.operations[row[0]];
  }

  returned(t) {
    return this.row(t)[0] < 0;
  }

  // What thread t can do now: "returned", "blocked", "over" (something went wrong), "unknown" (the page does not hold what
  // comes next), or "ready".
  ability(t) {
    if (this.returned(t)) return "returned";
    if (this.violation) return "over";
    const tried = this.attempt(t);
    if (tried.value === BLOCKED) return tried.slept ? "ready" : "blocked";
    return tried.violation || tried.next !== undefined ? "ready" : "unknown";
  }

  // Tries the next step of thread t on a copy of what it would store.
  attempt(t) {
    const row = this.row(t), [name, given] = this.operation(t), operation = this.doc.names[name];
    const cpu = new Cpu(this.doc, this.words, t);
    try {
      if (MAY_SLEEP.has(operation)) cpu.mightSleep(operation);
      const value = EFFECTS[operation](cpu, ...given);
      if (value === BLOCKED) return this.asleep(t, operation);
      return { value, writes: cpu.writes, next: follow(row, value, this.at[t]) };
    } catch (violation) {
      if (!(violation instanceof Violation)) throw violation;
      return { violation, writes: new Map() };
    }
  }

  // A blocked thread that may sleep: under preempt="none" that is a quiescent state, hence a step if somebody waits for it.
  asleep(t, operation) {
    const cpu = new Cpu(this.doc, this.words, t);
    const slept = this.doc.machine.preempt !== "full" && MAY_SLEEP.has(operation) && cpu.quiescentState();
    return { value: BLOCKED, slept, writes: cpu.writes, next: this.at[t] };
  }

  // Thread t takes its next step. False, and nothing changes, when it can't.
  take(t) {
    if (this.returned(t) || this.violation) return false;
    const tried = this.attempt(t), was = this.at[t];
    if (tried.value === BLOCKED && !tried.slept) return false;
    if (!tried.violation && tried.next === undefined) return false;
    const step = { thread: t, row: was, value: tried.value === BLOCKED || tried.violation ? null : tried.value, changes: [] };
    for (const [word, value] of [...tried.writes].sort(([one], [other]) => one - other)) {
      if (!equal(this.words[word], value)) step.changes.push([word, this.words[word], value]);
      this.words[word] = value;
    }
    if (!tried.violation) this.at[t] = tried.next;
    const all = this.graphs.every((_, each) => this.returned(each));
    this.violation = tried.violation || wrong(this.doc, this.variant, this.words, all);
    step.fault = this.violation !== null;
    this.steps.push(step);
    return true;
  }

  // Takes the last step back.
  undo() {
    const step = this.steps.pop();
    for (const [word, before] of step.changes) this.words[word] = before;
    this.at[step.thread] = step.row;
    this.violation = null;
    return step;
  }

  // ---- what people see of it

  name(word) {
    return this.doc.words[word][0];
  }

  show(word, value = this.words[word]) {
    return SHOW[this.doc.words[word][1]](value, this.doc.types);
  }

  // Why thread t can't go on: what it waits for and who holds it; "" if it can. As trace.explain_wait().
  waits(t) {
    if (this.returned(t)) return "";
    const tried = this.attempt(t);
    return tried.value === BLOCKED ? explainWait(this, t, this.operation(t)) : "";
  }
}

// The row that comes after `row`, number `at`, when its operation returned `value`; undefined if the page does not hold it.
function follow(row, value, at) {
  const edges = row[2];
  if (edges === undefined) return value === null ? at + 1 : undefined;
  if (typeof edges === "number") return edges >= 0 && value === null ? edges : undefined;
  const wanted = key(value);
  for (let i = 0; i < edges.length; i += 2) if (key(edges[i]) === wanted) return edges[i + 1];
  return undefined;
}

function explainWait(machine, t, [name, given]) {
  const { doc, words } = machine, operation = doc.names[name];
  if (operation === "cond_synchronize_rcu") {
    return `waits in synchronize_rcu() for ${readersOf(words[doc.grace[t]], machine)}`;
  }
  if (operation === "wait_for_completion") {
    return `waits in wait_for_completion() for ${completionReason(machine, doc.addresses[given[0]][0])}`;
  }
  const lock = doc.addresses[given[0]];
  if (operation === "wait_var_event") return `waits for ${nameOfAddress(doc, lock)} to become ${text(doc.types, given[1])}`;
  return `waits for ${nameOfAddress(doc, lock)}, held by ${holders(doc, words[lock[0]])}`;
}

function readersOf(mask, machine) {
  const readers = machine.doc.threads.map((_, r) => r).filter((r) => mask & (1 << r));
  return readers.map((r) => readerReason(machine, r)).join(" and ");
}

function holders(doc, value) {
  if (typeof value !== "number" || !value) return "nobody";
  if (value < 0) return doc.threads[-value - 1];
  return value <= doc.threads.length ? doc.threads[value - 1] : String(value);
}

function readerReason({ doc, words }, reader) {
  const held = doc.spinlocks.find((word) => words[word] === reader + 1);
  if (held !== undefined) return `${doc.threads[reader]}, which holds the spinlock ${doc.words[held][0]}`;
  if ((words[doc.context[reader]] & 0xffff) >= RCU) return `${doc.threads[reader]}, which is inside rcu_read_lock()`;
  return `${doc.threads[reader]}, which has not passed a schedule point`;
}

function completionReason(machine, done) {
  const { doc, words } = machine, found = doc.refs.find(([, word]) => word === done);
  if (!found) return doc.words[done][0];
  const [ref] = found;
  if (words[ref + 2]) return `the grace period of percpu_ref_kill(), hence for ${readersOf(words[ref + 2], machine)}`;
  return `the ${words[ref]} reference(s) to ${doc.words[ref][0]} that are still held`;
}

// ---- a step in words -------------------------------------------------------------------------------------------------

function textOf(doc, [name, given, text]) {
  if (text !== undefined) return text;
  const operation = doc.names[name];
  const spelled = given.map((value, i) => (isAddressAt(operation, i) ? nameOfAddress(doc, doc.addresses[value]) : repr(doc.types, value)));
  return `${operation}(${spelled.join(", ")})`;
}

const isAddressAt = (operation, i) => (COUNTED.has(operation) ? i === 1 : i === 0 && !BARE.has(operation) && SUBJECT[operation] === undefined);

// What the operation is about: the name of a word or an object, "" for none.
function subjectOf(doc, [name, given]) {
  const operation = doc.names[name], at = SUBJECT[operation];
  if (at !== undefined) return given[at] || "";
  if (COUNTED.has(operation) || BARE.has(operation) || !given.length) return "";
  return nameOfAddress(doc, doc.addresses[given[0]]);
}

// The frames of a call stack, outermost first: [function, line, text of the line], with the function's own row.
function framesOf(doc, stack) {
  const frames = [];
  for (let number = stack; number >= 0; number = doc.stacks[number][0]) {
    const [at, line, text] = doc.frames[doc.stacks[number][1]], [name, file, kernelFile, version, shown] = doc.functions[at];
    frames.unshift({ name, file, kernelFile, version, line, text, shown: Boolean(shown & 1), told: Boolean(shown & 2) });
  }
  return frames;
}

// The words that a step changed, as trace.changed() tells them: without the machine's own, and with births and deaths.
function changesOf(doc, step) {
  return step.changes.flatMap(([word, before, after]) => {
    const [name, show, hidden] = doc.words[word], shown = (value) => SHOW[show](value, doc.types);
    if (!hidden) return [{ word, name, before: shown(before), after: shown(after) }];
    if (!name.endsWith(" (object)")) return [];
    const life = (value) => (value > 0 ? "allocated" : "freed");
    return [{ word, name: name.slice(0, -" (object)".length), before: life(before), after: after < 0 ? "freed" : "allocated" }];
  });
}

// A schedule as the document has it, [thread, steps, ...], as one thread a step.
function unrolled(runs) {
  const schedule = [];
  for (let i = 0; i < runs.length; i += 2) for (let n = 0; n < runs[i + 1]; n += 1) schedule.push(runs[i]);
  return schedule;
}

function rolled(schedule) {
  const runs = [];
  for (const t of schedule) {
    if (runs.length && runs[runs.length - 2] === t) runs[runs.length - 1] += 1;
    else runs.push(t, 1);
  }
  return runs;
}
