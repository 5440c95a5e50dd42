// The twin of swapmodel/export/telling.py and holds.py: which steps of a trace tell its story, and what is said of them.

const QUIET = wordsIn("flags data lowest_bit highest_bit mm_users mmlist refcount mapcount uptodate dirty index users");
const QUIET_GLOBALS = wordsIn("nr_swap_pages total_swap_pages swap_active_head swap_avail_head least_priority");
const ALWAYS = wordsIn("inuse_pages content");
const HAS_CACHE = 0x40;
const COUNT = /^(.*\.)?swap_map\[\d+\]$/;
const SPINS = /^(spin_lock|rcu_read_lock|local_irq_disable)/;

// The events in the order of the trace: {step, thread, kind, text, frames}; those of its end have the number of its steps.
function tellingOf(machine, steps) {
  if (!steps.length) return [];
  const { doc } = machine, waits = finalWaits(machine, steps), shared = sharedWords(doc, steps);
  const told = toldSteps(machine, steps, shared, waits);
  const events = told.flatMap((i) => saidOf(machine, steps, i, shared).map((said) => eventAt(i, steps[i].thread, said, steps[i].frames)));
  const begun = new Set(steps.map((step) => step.thread));
  const waiting = [...waits].filter(([t]) => begun.has(t));
  return [...events, ...waiting.map(([t, text]) => eventAt(steps.length, t, ["wait", text], framesOf(doc, machine.row(t)[1])))];
}

const eventAt = (step, thread, [kind, text], frames) => ({ step, thread, kind, text, frames: frames.filter((frame) => frame.told) });

// What each thread waits for at the end, as a Map, if nothing has failed.
function finalWaits(machine, steps) {
  if (steps[steps.length - 1].fault) return new Map();
  return new Map(machine.at.map((_, t) => [t, machine.waits(t)]).filter(([, text]) => text));
}

// The numbers of the steps that tell, in order.
function toldSteps(machine, steps, shared, waits) {
  const sentences = [...waits.values()], touched = machine.violation && machine.violation.address;
  const victim = touched ? objectOf(machine.doc, touched) : "";
  const tells = (step) => step.fault || RCU_WAIT[step.name]
    || step.changes.some((change) => tellsOf(change, shared) || isNamed(change.name, sentences) || (change.after === "freed" && change.name === victim))
    || (step.name === "percpu_ref_kill" && isNamed(step.subject, sentences));
  const told = new Set([...firstReads(steps, shared), ...staleEntries(steps)]);
  steps.forEach((step, i) => tells(step) && told.add(i));
  for (const hold of heldIn(steps).filter((each) => lockTells(each, steps, [...told], waits))) told.add(hold.first);
  const last = lastOf(steps, told, waits);
  steps.forEach((step, i) => i < last[step.thread] && step.changes.some(dropsReference) && told.add(i));
  return [...told].sort((one, other) => one - other);
}

// After which step nothing more is told of each thread: the end, for one that waits there.
function lastOf(steps, told, waits) {
  const last = {};
  for (const i of told) last[steps[i].thread] = Math.max(i, last[steps[i].thread] || 0);
  for (const t of waits.keys()) last[t] = steps.length;
  return last;
}

// The words by which threads learn of each other: name -> (step that reads it -> step of another thread that changed it).
function sharedWords(doc, steps) {
  const sync = new Set(doc.sync), changedAt = new Map(), shared = new Map();
  steps.forEach((step, i) => {
    for (const { name, word } of step.words) {
      const before = changedAt.get(name);
      if (before === undefined || steps[before].thread === step.thread || sync.has(word) || isQuiet(name)) continue;
      if (!shared.has(name)) shared.set(name, new Map());
      shared.get(name).set(i, before);
    }
    for (const { name } of step.changes) changedAt.set(name, i);
  });
  return shared;
}

const lastPart = (name) => name.slice(name.lastIndexOf(".") + 1);
const isQuiet = (name) => QUIET_GLOBALS.has(name) || QUIET.has(lastPart(name));

// Of each change, the first read by each other thread.
function firstReads(steps, shared) {
  const seen = new Map();
  for (const [name, reads] of shared) {
    for (const [read, change] of reads) {
      const key = `${name} ${change} ${steps[read].thread}`;
      if (!seen.has(key)) seen.set(key, read);
    }
  }
  return seen.values();
}

// Reads of a swap entry from a slot that another thread changes later, and that the reader does not look at again. Every
// member of NULL has an address, so NULL counts as one there.
function staleEntries(steps) {
  const found = new Set(), last = new Map();
  steps.forEach((step, i) => {
    for (const read of last.values()) {
      if (read.thread !== step.thread && step.changes.some((change) => change.name === read.name)) found.add(read.step);
    }
    for (const { name } of step.words) {
      const key = `${step.thread} ${name}`;
      if (last.has(key)) found.delete(last.get(key).step);
      if (step.value === NULL || ["SwapPte", "RadixEntry"].includes(typeOf(step.value))) last.set(key, { thread: step.thread, name, step: i });
    }
  });
  return found;
}

function tellsOf({ name, before }, shared) {
  return before !== "()" && (shared.has(name) || ALWAYS.has(lastPart(name)));
}

// Does a swap entry have one user less: 0x41 -> 0x40?
function dropsReference({ name, before, after }) {
  if (!COUNT.test(name) || !before.startsWith("0x") || !after.startsWith("0x")) return false;
  return (Number(after) & ~HAS_CACHE) < (Number(before) & ~HAS_CACHE);
}

// Is the word named in one of the sentences about who waits for whom?
function isNamed(name, sentences) {
  const pattern = new RegExp(`(?<![\\w.])${name.replace(/[^\w ]/g, "\\$&")}(?![\\w.\\[])`);
  return sentences.some((sentence) => pattern.test(sentence));
}

// ---- locks -----------------------------------------------------------------------------------------------------------

function takesLock({ name, value, fault }) {
  return !fault && ((TAKES.test(name) && value !== false) || (name.startsWith("spin_trylock") && value));
}

// Every lock and RCU section: {thread, first, last, name}; `last` is the number of steps where it is still held.
function heldIn(steps) {
  const all = [], open = new Map();
  steps.forEach((step, i) => {
    const key = `${step.thread} ${step.subject}`, held = open.get(key) || [];
    if (takesLock(step)) {
      all.push({ thread: step.thread, first: i, last: steps.length, name: step.subject });
      open.set(key, [...held, all[all.length - 1]]);
    } else if (DROPS.test(step.name) && held.length) held.pop().last = i;
  });
  return all;
}

// Named in a wait at the end; or a spinlock held while others go through their part, by a thread that then goes on.
function lockTells({ thread, first, last, name }, steps, told, waits) {
  const others = [...waits].filter(([t]) => t !== thread).map(([, text]) => text);
  if (last === steps.length && isNamed(name || "rcu_read_lock", others)) return true;
  if (!SPINS.test(steps[first].name)) return false;
  const end = Math.min(last, steps.length - 1);
  return told.some((i) => first < i && i < last && steps[i].thread !== thread) && told.some((i) => i >= end && steps[i].thread === thread);
}

// ---- what is said of a step ------------------------------------------------------------------------------------------

function saidOf(machine, steps, i, shared) {
  const step = steps[i], { name } = step;
  if (step.fault) return [["failure", `*** ${machine.violation.kind}: ${step.text}`]];
  if (RCU_WAIT[name]) return [["grace", RCU_WAIT[name]]];
  if (takesLock(step)) return [["lock", `${plainName(name)}(${step.subject})`]];
  if (WAITS.has(name)) return [["grace", `${name}(${step.subject})`]];
  if (step.changes.length) return changesThatTell(step, shared).map((change) => [change.after === "freed" ? "free" : "change", showChange(change)]);
  return [["read", readThatTells(machine.doc, steps, i, shared)]];
}

function changesThatTell({ changes }, shared) {
  const births = changes.filter((change) => change.after === "allocated");
  if (births.length) return births;
  const own = changes.filter((change) => tellsOf(change, shared) || (COUNT.test(change.name) && change.before !== "()"));
  return own.length ? own : changes;
}

function readThatTells(doc, steps, i, shared) {
  const { name, words, value, text } = steps[i], seen = (each) => shared.has(each.name) && shared.get(each.name).has(i);
  const word = words.find(seen) || words[0];
  if (!LOADS.has(name)) return `${text} = ${shownValue(doc, word.word, value)}`;
  const change = seen(word) && steps[shared.get(word.name).get(i)].changes.find((each) => each.name === word.name);
  return `${word.name} == ${change ? change.after : shownValue(doc, word.word, value)}`;
}

// A value as the word shows its own; as it is, where the word can't hold such.
function shownValue(doc, word, value) {
  const show = word < 0 ? "str" : doc.words[word][1];
  try {
    return value === null && ["show_byte", "show_flags", "show_cluster"].includes(show) ? "None" : SHOW[show](value, doc.types);
  } catch {
    return text(doc.types, value);
  }
}
