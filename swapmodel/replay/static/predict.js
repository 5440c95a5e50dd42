// Questions about the next step, asked before it is shown: who can run, and what a byte of swap_map will be.

// {key, prompt, choices or null, check(given) -> "" if right, else a hint, told} about the step that thread t takes next; null if
// there is nothing to ask, or if `asked` holds the key of what there is.
function questionAbout(session, t, asked) {
  return [byteQuestion(session, t), runnersQuestion(session)].find((question) => question && !asked.has(question.key)) || null;
}

// Should the page keep to itself who can run and what the next steps store?
function hidesRunners(session, asked) {
  const question = runnersQuestion(session);
  return !question || !asked.has(question.key);
}

function byteQuestion(session, t) {
  const { machine, doc } = session;
  if (machine.returned(t) || machine.violation) return null;
  const write = [...machine.attempt(t).writes].find(([word, value]) => isByte(doc, word) && !equal(machine.words[word], value));
  if (!write) return null;
  const [word, value] = write, before = machine.words[word], name = doc.words[word][0], where = innermost(machine, t);
  return {
    key: [machine.number, ...rolled([...session.plan.slice(0, session.at), t])].join(" "),
    prompt: `${doc.threads[t]} is about to store to ${name} in ${where}(). It is ${SHOW.show_byte(before)} now. What will it be?`,
    choices: null,
    told: `${name} ${SHOW.show_byte(before)} -> ${SHOW.show_byte(value)}: ${byteMeaning(value)}`,
    check: (given) => byteHint(given, before, value),
  };
}

const isByte = (doc, word) => doc.words[word][1] === "show_byte";

function innermost(machine, t) {
  const frames = framesOf(machine.doc, machine.row(t)[1]).filter((frame) => frame.shown);
  return frames.length ? frames[frames.length - 1].name : "the scenario";
}

// "" if `given` is the byte that comes; else what to think about, without the answer.
function byteHint(given, before, value) {
  const number = byteGiven(given);
  if (number === null) return "A byte is written as 0x and two hex digits, or as a number from 0 to 255.";
  if (number === value) return "";
  const cached = before & 0x40 ? "is set" : "is not set";
  const counts = `Bits 0 to 5 are the count, bit 6 is SWAP_HAS_CACHE, which ${cached} now; the byte says: ${byteMeaning(before)}.`;
  if (number === before) return `${counts} The step changes it.`;
  if (value === 0x40 && number === 0) return `${counts} When the last reference goes the slot is not free yet: who still counts it?`;
  if ((number ^ value) === 0x40) return `${counts} Think about the cache bit again: does this step add or take the swap cache's claim?`;
  return `${counts} Is one reference added or dropped, or does the slot become free?`;
}

function byteGiven(given) {
  const text = String(given).trim().toLowerCase();
  const number = /^0x[0-9a-f]{1,2}$/.test(text) ? parseInt(text, 16) : /^\d{1,3}$/.test(text) ? parseInt(text, 10) : NaN;
  return number >= 0 && number <= 255 ? number : null;
}

function runnersQuestion(session) {
  const abilities = session.choices(), able = abilities.map(({ ability }) => ability === "ready");
  if (!abilities.some(({ ability }) => ability === "blocked")) return null;
  const waits = abilities.map(({ waits }, t) => (waits ? `${session.doc.threads[t]} ${waits}` : "")).filter(Boolean);
  const told = `Able to run: ${session.doc.threads.filter((_, t) => able[t]).join(", ") || "nobody"}. ${waits.join("; ")}.`;
  return {
    key: told,
    prompt: "Who is able to run now?",
    choices: session.doc.threads,
    told,
    check: (given) => runnersHint(session, able, given, abilities),
  };
}

function runnersHint(session, able, given, abilities) {
  const names = session.doc.threads, wrong = names.findIndex((_, t) => given.includes(t) !== able[t]);
  if (wrong < 0) return "";
  const { ability } = abilities[wrong];
  if (ability === "returned") return `${names[wrong]} has returned.`;
  if (able[wrong]) return `Look at ${names[wrong]} again: is what it is about to take held by somebody?`;
  return `Look at what ${names[wrong]} does next. Who holds that, or who is inside of what it waits for?`;
}
