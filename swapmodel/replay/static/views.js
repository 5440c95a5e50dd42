// The twin of what swapmodel/views.py and explain/steps.py say of one step, and of the failure.

const wordsIn = (text) => new Set(text.split(" "));
const TAKES = /^(spin_lock(_irq)?(_not_rcu)?|mutex_lock|down_read|down_write|folio_lock|folio_trylock|rcu_read_lock|local_irq_disable)$/;
const DROPS = /^(spin_unlock(_irq)?(_not_rcu)?|mutex_unlock|up_read|up_write|folio_unlock|rcu_read_unlock|local_irq_enable)$/;
const WAITS = wordsIn("wait_for_completion percpu_ref_kill");
const RCU_WAIT = { start_poll_synchronize_rcu: "a grace period begins", cond_synchronize_rcu: "the grace period is over" };
const LOADS = wordsIn("read READ_ONCE");
const plainName = (operation) => operation.replace("_not_rcu", "");

// A step of a machine as trace.TraceStep has it: the name of its operation, that as text, what it is about ("" if nothing),
// the words among its arguments, what it returned, changed words as people see them, and the call stack.
function traceStep(machine, { thread, row, value, changes, fault }) {
  const { doc } = machine, [number, stack] = machine.graphs[thread][row], operation = doc.operations[number];
  const told = { thread, value, fault, name: doc.names[operation[0]], text: textOf(doc, operation), subject: subjectOf(doc, operation) };
  return { ...told, words: wordsOf(doc, operation), changes: changesOf(doc, { changes }), frames: framesOf(doc, stack) };
}

const traceOf = (machine) => machine.steps.map((step) => traceStep(machine, step));

// The words that an operation names: {name, word}, word -1 where nothing is.
function wordsOf(doc, [name, given]) {
  const addresses = given.filter((_, i) => isAddressAt(doc.names[name], i)).map((p) => doc.addresses[p]);
  return addresses.map((address) => ({ name: nameOfAddress(doc, address), word: address[0] }));
}

function showChange({ name, before, after }) {
  return after === "freed" || after === "allocated" ? `${name} is ${after}` : `${name} ${before} -> ${after}`;
}

// What a step returned; a number that it read, as its word shows it. null for nothing.
function loadedBy(doc, { name, value, words }) {
  const isNumber = typeof value === "number" || (typeof value === "string" && value[0] === "i");
  if (LOADS.has(name) && isNumber) return shownValue(doc, words[0].word, value);
  if (!Array.isArray(value) || ["SwapPte", "RadixEntry", "PagePte"].includes(typeOf(value))) return value === null ? null : text(doc.types, value);
  return `(${value.slice(typeOf(value) ? 1 : 0).map((part) => repr(doc.types, part)).join(", ")})`;
}

// ---- the failure in one sentence -------------------------------------------------------------------------------------

function failureSentence(machine) {
  const { violation, doc } = machine, steps = traceOf(machine), fault = steps[steps.length - 1];
  if (!violation) return "";
  if (!fault || !fault.fault) return violation.message;
  const who = `${doc.threads[fault.thread]}, in ${functionOf(fault)},`;
  if (violation.kind === "NULL dereference") {
    const source = steps.findLast((step) => step.thread === fault.thread && step.value === NULL);
    const word = source && (source.subject || "None");
    if (source) return `${who} dereferences ${word}, which it read as NULL: ${whoChanged(doc, steps, word, "NULL")}`;
  }
  if (violation.kind === "use after free" && violation.address) {
    const { address } = violation;
    return `${who} touches ${nameOfAddress(doc, address)}: ${whoChanged(doc, steps, objectOf(doc, address), "freed")}`;
  }
  return `${who} fails: ${violation.message}`;
}

// The object that an address lies in; a global variable is one of its own.
function objectOf(doc, address) {
  const around = doc.objects.find(([, , , first, count]) => first <= address[0] && address[0] < first + count);
  return around ? around[0] : nameOfAddress(doc, address);
}

function functionOf(step) {
  const shown = step.frames.filter((frame) => frame.shown);
  return shown.length ? `${shown[shown.length - 1].name}()` : "the scenario";
}

function whoChanged(doc, steps, name, to) {
  const number = steps.findLastIndex((step) => step.changes.some((change) => change.name === name && change.after === to));
  if (number < 0) return `it was ${to} from the start`;
  const verb = to === "freed" ? "freed it" : `stored ${to} there`;
  return `${doc.threads[steps[number].thread]} ${verb} in ${functionOf(steps[number])}, step ${number + 1}`;
}
