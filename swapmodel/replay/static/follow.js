// The twin of swapmodel/explain/replayed.py and of say() in standoff.py: the steps of one machine taken again by another variant,
// as far as they go, and what ends them. The two are aligned thread by thread, on the function, the operation and what it is
// about: new steps are taken when they come in the way, old ones that are gone are passed over.

const AHEAD = 100; // steps of one thread that are looked ahead for the old path
const PARTING = 10; // steps that a meeting without a common path behind it counts for

// {how, thread, step, cause, steps, said}: `how` is "blocked", "left", "violated", "through", or "unknown" where the document does not
// hold what comes next; `step` is the number of the old step, from 1, `cause` that of the new step which sent the thread another
// way, 0 for none. The new machine is left where that is, after `steps` steps.
function followSchedule(oldMachine, newMachine) {
  newMachine.reset();
  const ended = new Follower(oldMachine, newMachine).run();
  while (newMachine.steps.length > ended.steps) newMachine.undo();
  return { ...ended, said: endingOf(newMachine, ended, otherName(oldMachine.variant, newMachine.variant)) };
}

class Follower {
  constructor(oldMachine, machine) {
    this.machine = machine;
    this.old = oldMachine.steps;
    this.keys = this.old.map(({ thread, row }) => keyAt(oldMachine, thread, row));
    this.left = null;
    this.gone = new Set(); // threads that left
    this.passed = new Set(); // old steps that the new variant does not have
  }

  run() {
    for (let j = 0; j < this.old.length; j += 1) {
      const ended = this.gone.has(this.old[j].thread) ? null : this.bring(j);
      if (ended) return this.left && ended.how !== "violated" ? this.left : ended;
    }
    return this.left || { how: "through", thread: 0, step: this.old.length, cause: 0, steps: this.machine.steps.length };
  }

  // Brings the thread of old step j to its counterpart, and over it.
  bring(j) {
    const t = this.old[j].thread;
    if (this.machine.returned(t) || this.passed.has(j)) return null;
    if (keyAt(this.machine, t, this.machine.at[t]) === this.keys[j]) return this.takes(t, 1, j);
    const mine = this.old.map((_, i) => i).filter((i) => i >= j && this.old[i].thread === t).slice(0, AHEAD);
    const { keys, stuck } = aheadOf(this.machine, t), met = meetingOf(keys, mine.map((i) => this.keys[i]));
    if (!met) return stuck ? this.takes(t, AHEAD, j) : this.leaves(t, j);
    mine.slice(0, met.passed).forEach((i) => this.passed.add(i));
    return met.passed ? null : this.takes(t, met.inserted + 1, j);
  }

  takes(t, steps, j) {
    for (let n = 0; n < steps; n += 1) {
      if (!this.machine.take(t)) return this.ends(this.machine.ability(t) === "unknown" ? "unknown" : "blocked", t, j);
      if (this.machine.violation) return this.ends("violated", t, j);
    }
    return null;
  }

  // The thread goes its own way, as far as that leads by itself.
  leaves(t, j) {
    const began = this.machine.steps.length;
    this.gone.add(t);
    for (let n = 0; n < AHEAD && this.machine.take(t); n += 1);
    if (this.machine.violation) return this.ends("violated", t, j);
    this.left ||= { ...this.ends("left", t, j), cause: causeOf(this.machine, t, began) };
    return null;
  }

  ends(how, thread, j) {
    return { how, thread, step: j + 1, cause: 0, steps: this.machine.steps.length };
  }
}

// By what a step is known again: the innermost function, the operation, and what it is about.
function keyAt({ doc, graphs }, t, at) {
  const [number, stack] = graphs[t][at], operation = doc.operations[number];
  return [functionOf({ frames: framesOf(doc, stack) }), plainName(doc.names[operation[0]]), subjectOf(doc, operation)].join(" ");
}

// The steps that thread t would take now if it ran alone, and whether it would end up blocked, or where nothing more is known.
function aheadOf(machine, t) {
  const alone = Object.assign(Object.create(machine), { words: machine.words.slice(), at: machine.at.slice() }), keys = [];
  while (!alone.returned(t) && keys.length < AHEAD) {
    keys.push(keyAt(alone, t, alone.at[t]));
    const { value, violation, writes, next } = alone.attempt(t);
    if (violation) break;
    if (value === BLOCKED || next === undefined) return { keys, stuck: true };
    for (const [word, stored] of writes) alone.words[word] = stored;
    alone.at[t] = next;
  }
  return { keys, stuck: false };
}

// Where two paths meet again: how many new steps are taken first, and how many old ones passed over; as few as possible. A meeting
// after which the paths part at once counts as further away.
function meetingOf(now, old) {
  const behind = (keys, i) => keys.slice(i + 1, i + 3).join("\n");
  let best = null;
  old.forEach((key, passed) => now.forEach((other, inserted) => {
    if (other !== key || (best && inserted + passed >= best.cost)) return;
    const cost = inserted + passed + (behind(now, inserted) === behind(old, passed) ? 0 : PARTING);
    if (!best || cost < best.cost) best = { cost, inserted, passed };
  }));
  return best;
}

// Which of its steps, from 1, sent thread t another way after step `began`: the first that would have gone on elsewhere but for
// what another thread had changed; or else the first that was refused, or found a change, or the last before.
function causeOf(machine, t, began) {
  const steps = traceOf(machine), mine = steps.map((_, i) => i + 1).filter((n) => steps[n - 1].thread === t);
  const later = mine.filter((n) => n > began), changed = later.filter((n) => changedBy(machine.doc, steps, n));
  const refused = later.find((n) => steps[n - 1].value === false || steps[n - 1].value === NULL);
  return changed.find((n) => decides(machine, steps, n)) || refused || changed[0] || mine.filter((n) => n <= began).pop() || 0;
}

// Would the thread of step `number` stand elsewhere behind it, had it found what was there before the word's last change?
function decides(machine, steps, number) {
  const { thread, row, value } = machine.steps[number - 1], { name, words } = steps[number - 1], graph = machine.graphs[thread];
  if (!LOADS.has(name)) return false;
  const changes = machine.steps.slice(0, number - 1).flatMap((step) => step.changes);
  const last = changes.findLast(([word]) => word === words[0].word);
  return last !== undefined && placeOf(machine, graph[follow(graph[row], last[1], row)]) !== placeOf(machine, graph[follow(graph[row], value, row)]);
}

const placeOf = ({ doc }, row) => (row && row[0] >= 0 ? `${doc.operations[row[0]][0]} ${row[1]}` : String(row));

// Who last changed what step `number` looked at, if that was another thread.
function changedBy(doc, steps, number) {
  const { thread, subject } = steps[number - 1];
  const isOfIt = ({ name }) => name === subject || name.startsWith(`${subject}.`);
  const n = steps.slice(0, number - 1).findLastIndex((step) => step.changes.some(isOfIt));
  if (n < 0 || steps[n].thread === thread) return "";
  return `${showChange(steps[n].changes.find(isOfIt))}: ${doc.threads[steps[n].thread]} made that of it in ${functionOf(steps[n])}, step ${n + 1}`;
}

// ---- what ends it, in a sentence -------------------------------------------------------------------------------------

// What the new variant is called: its fix alone where the kernel is the same.
function otherName(old, { kernel, fix }) {
  return [kernel !== old.kernel || !fix ? kernel : "", fix].filter(Boolean).join(" with ");
}

function endingOf(machine, { how, thread, step, cause }, other) {
  const name = machine.doc.threads[thread];
  if (how === "unknown") return `this page does not hold what ${name} does before the old step ${step}`;
  if (how === "blocked") return `${name} ${waitsFor(machine, thread)}: the old step ${step} can't come now`;
  if (how === "violated") return `it still goes wrong: ${failureSentence(machine)}`;
  if (how === "through") return `every step of the old schedule that ${other} has can be taken, and nothing goes wrong`;
  if (!cause) return `${name} never comes to the old step ${step}: ${other} begins differently`;
  const steps = traceOf(machine), sent = steps[cause - 1], changed = changedBy(machine.doc, steps, cause), loaded = loadedBy(machine.doc, sent);
  const returns = loaded === null ? sent.text : `${sent.text} returns ${loaded}`;
  return `${name} goes another way: ${returns} in ${functionOf(sent)}${changed && ` (${changed})`}; the old step ${step} never comes`;
}

// What thread t waits for, who holds it, and where that was taken; "" if it can go on.
function waitsFor(machine, t) {
  const told = machine.waits(t), steps = traceOf(machine);
  if (!told) return told;
  if (machine.doc.names[machine.operation(t)[0]] === "wait_for_completion") return referencesIn(machine.doc, steps) || told;
  const taken = takenWhere(machine.doc, steps, told);
  return taken ? `${told} (${taken})` : told;
}

// The references to a percpu_ref that threads took and did not drop.
function referencesIn(doc, steps) {
  const held = new Map();
  steps.forEach(({ thread, name, subject, value }, i) => {
    const key = `${thread} ${subject}`;
    if (name === "percpu_ref_tryget_live" && value) held.set(key, i);
    else if (name === "percpu_ref_put") held.delete(key);
  });
  const told = [...held.values()].map((i) => `the reference to ${steps[i].subject} that ${doc.threads[steps[i].thread]} took in ${functionOf(steps[i])}, step ${i + 1}`);
  return told.length ? `waits in wait_for_completion() for ${told.join(" and ")}` : "";
}

// Where the lock was taken, or the RCU section begun, that `told` names.
function takenWhere(doc, steps, told) {
  const isIt = ({ thread, name, subject }) => told.includes(doc.threads[thread]) && name.includes("lock") && !name.includes("unlock")
    && ((subject && told.includes(subject)) || (told.includes("rcu_read_lock") && name === "rcu_read_lock"));
  const number = told.includes(" and ") ? -1 : steps.findLastIndex(isIt);
  return number < 0 ? "" : `taken in ${functionOf(steps[number])}, step ${number + 1}`;
}
