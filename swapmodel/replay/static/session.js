// What a reader does with a document: a schedule, a place in it, other choices, another variant. Nothing of the page is here.

const LINK = "swp";
const LARGEST_FILE = 10 << 20; // bytes of a trace that is loaded

class Session {
  constructor(doc) {
    this.doc = doc;
    this.use(0);
  }

  // Begins on variant `number` with its recorded schedule.
  use(number) {
    this.machine = new Machine(this.doc, number);
    this.setPlan(unrolled(this.machine.variant.schedule));
    this.note = "";
  }

  get variant() {
    return this.machine.variant;
  }

  get at() {
    return this.machine.steps.length;
  }

  // `plan` is the schedule as far as it is known: one thread a step. `facts` says where in it something happens.
  setPlan(plan) {
    this.plan = plan;
    this.facts = factsOf(taken(this.doc, this.machine.number, plan));
    this.plan = plan.slice(0, this.facts.steps);
  }

  get recorded() {
    return equal(rolled(this.plan), this.variant.schedule);
  }

  // A machine at the end of the schedule.
  whole() {
    return taken(this.doc, this.machine.number, this.plan);
  }

  // ---- going along the schedule

  go(step) {
    const to = Math.max(0, Math.min(step, this.plan.length));
    while (this.at > to) this.machine.undo();
    while (this.at < to && this.machine.take(this.plan[this.at]));
    this.note = "";
  }

  // The beginnings of turns: where another thread begins to run, and the end.
  nextSwitch() {
    this.go(this.facts.switches.find((step) => step > this.at) ?? this.plan.length);
  }

  previousSwitch() {
    this.go(this.facts.switches.findLast((step) => step < this.at) ?? 0);
  }

  toViolation() {
    if (this.facts.violation >= 0) this.go(this.facts.violation);
  }

  // ---- choosing

  // What each thread can do now: {ability, waits}.
  choices() {
    return this.doc.threads.map((_, t) => ({ ability: this.machine.ability(t), waits: this.machine.violation ? "" : this.machine.waits(t) }));
  }

  // Thread t takes the next step, whatever the schedule says. False if it can't.
  choose(t) {
    if (this.plan[this.at] === t) {
      this.go(this.at + 1);
      return true;
    }
    const before = this.plan.slice(0, this.at);
    if (!this.machine.take(t)) return false;
    this.replan([...before, t]);
    return true;
  }

  // Thread t runs on until it waits, returns, comes to what the page does not hold, or goes round in circles.
  run(t) {
    const taken = this.plan.slice(0, this.at), most = this.graphSize(t);
    let ran = 0;
    while (ran < most && this.machine.take(t)) ran += 1;
    if (ran) this.replan([...taken, ...Array(ran).fill(t)]);
    return ran;
  }

  graphSize(t) {
    return 4 * this.machine.graphs[t].length;
  }

  // The schedule so far is now the plan.
  replan(plan) {
    this.plan = plan;
    this.facts = factsOf(this.machine);
    this.note = "";
  }

  // Back to the recorded schedule, at the last step that this one has in common with it.
  restore() {
    const recorded = unrolled(this.variant.schedule), mine = this.plan;
    let same = 0;
    while (same < recorded.length && same < mine.length && recorded[same] === mine[same]) same += 1;
    this.go(Math.min(same, this.at));
    this.setPlan(recorded);
  }

  // The same schedule on another variant, as far as it goes; `note` says what ends it.
  switchTo(number) {
    const next = new Machine(this.doc, number), ended = followSchedule(this.whole(), next), wasAt = this.at;
    this.machine = next;
    this.replan(next.steps.map((step) => step.thread));
    if (ended.how === "through" || ended.how === "violated") this.go(Math.min(wasAt, this.plan.length));
    this.note = ended.said;
  }

  // ---- to send on, and back

  // A schedule as data: what a file holds, and `swapmodel replay` reads.
  data() {
    const { kernel, fix, source } = this.variant, names = this.doc.threads;
    const schedule = rolled(this.plan).reduce((all, n, i, runs) => (i % 2 ? [...all, [names[runs[i - 1]], n]] : all), []);
    return { swapmodel: "schedule", scenario: this.doc.scenario, kernel, fix, machine: this.doc.machine, source, schedule, step: this.at };
  }

  // The part of an address behind "#".
  link() {
    const runs = rolled(this.plan), turns = [];
    for (let i = 0; i < runs.length; i += 2) turns.push(`${runs[i]}x${runs[i + 1]}`);
    const parts = [this.doc.scenario, this.variant.kernel, this.variant.fix || "", this.recorded ? "" : turns.join("."), this.at, sizesOf(this.doc)];
    return `${LINK}=${parts.map(encodeURIComponent).join(":")}`;
  }

  // Goes where a link leads. Returns why not, in a sentence, or "" (also where the link is about something else).
  follow(hash) {
    const text = hash.replace(/^#/, "");
    if (!text.startsWith(`${LINK}=`)) return "";
    let parts;
    try {
      parts = text.slice(LINK.length + 1).split(":").map(decodeURIComponent);
    } catch {
      return "The link can't be read: it has been cut or changed.";
    }
    const [scenario, kernel, fix, turns, step, sizes] = parts;
    if (scenario !== this.doc.scenario || (parts.length === 6 && sizes !== sizesOf(this.doc))) return "";
    if (parts.length !== 6 || !/^(\d{1,2}x\d{1,6}(\.\d{1,2}x\d{1,6})*)?$/.test(turns) || !/^\d{1,6}$/.test(step)) return "The link can't be read: it has been cut or changed.";
    const runs = turns ? turns.split(/[x.]/).map(Number) : null;
    return this.load({ kernel, fix: fix || null, runs, step: Number(step) });
  }

  // A trace or a schedule from a file's text. Returns why it is refused, in a sentence, or "".
  open(textOfFile, name) {
    if (textOfFile.length > LARGEST_FILE) return `${name}: is larger than the ${LARGEST_FILE >> 20} MB that a trace may have.`;
    let data;
    try {
      data = JSON.parse(textOfFile);
    } catch {
      return `${name}: is not JSON.`;
    }
    const refused = this.unfit(data);
    if (refused) return `${name}: ${refused}`;
    const turns = data.trace ? data.trace.map((step) => [step.thread, 1]) : data.schedule;
    const runs = turns.flatMap(([thread, count]) => [this.doc.threads.indexOf(thread), count]);
    return this.load({ kernel: data.kernel, fix: data.fix ?? null, runs, step: data.step ?? 0, source: data.source }, `${name}: `);
  }

  // Why a parsed file is no trace or schedule of this scenario; "" if it is.
  unfit(data) {
    if (typeof data !== "object" || data === null || Array.isArray(data)) return "is not a trace: an object was expected.";
    if (data.scenario !== this.doc.scenario) return `is about ${short(data.scenario)}; this page is about ${this.doc.scenario}.`;
    const machine = this.doc.machine, odd = Object.keys(machine).find((name) => data.machine?.[name] !== machine[name]);
    if (odd) return `machine.${odd} is ${short(data.machine?.[odd])}, but ${short(machine[odd])} in this page.`;
    if (typeof data.kernel !== "string") return "lacks the name of a kernel.";
    const given = data.trace ?? data.schedule;
    if (!Array.isArray(given)) return "has neither a trace nor a schedule.";
    const bad = given.findIndex((turn) => !this.isTurn(data.trace ? [turn?.thread, 1] : turn));
    if (bad >= 0) return `${data.trace ? "trace" : "schedule"}[${bad}] is not a turn of one of the threads ${this.doc.threads.join(", ")}.`;
    if (data.step !== undefined && !(Number.isInteger(data.step) && data.step >= 0)) return `step is ${short(data.step)}, not a number of steps.`;
    return "";
  }

  isTurn(turn) {
    return Array.isArray(turn) && turn.length === 2 && this.doc.threads.includes(turn[0]) && Number.isInteger(turn[1]) && turn[1] > 0 && turn[1] < 1e6;
  }

  // `runs` as rolled() gives them; null for the recorded schedule.
  load({ kernel, fix, runs, step, source }, where = "") {
    const number = this.doc.variants.findIndex((v) => v.kernel === kernel && (v.fix || null) === (fix || null));
    if (number < 0) return `${where}this page does not hold ${short(kernel)}${fix ? ` with ${short(fix)}` : ""}.`;
    const variant = this.doc.variants[number];
    if (source !== undefined && source !== variant.source) return `${where}was made from other source text (${short(source)}; here it is ${variant.source}).`;
    if (runs && (runs.length % 2 || runs.some((n) => !(n >= 0)))) return `${where}is no schedule: a thread and its number of steps by turns.`;
    if (runs?.some((t, i) => i % 2 === 0 && !(t < this.doc.threads.length))) return `${where}names a thread that there is not.`;
    const wanted = (runs || []).reduce((sum, n, i) => (i % 2 ? sum + n : sum), 0);
    if (wanted > 1e6) return `${where}is longer than a million steps.`;
    this.use(number);
    if (runs) {
      this.setPlan(unrolled(runs));
      if (this.plan.length < wanted) this.note = `The schedule has ${wanted} steps; only ${this.plan.length} can be taken here.`;
    }
    const note = this.note;
    this.go(step);
    this.note = note;
    return "";
  }
}

const sizesOf = (doc) => Object.values(doc.machine).join(".");

const short = (value) => {
  const told = JSON.stringify(value) ?? "nothing";
  return told.length > 60 ? `${told.slice(0, 57)}...` : told;
};

// A machine that has taken a schedule, as far as it goes.
function taken(doc, number, plan) {
  const machine = new Machine(doc, number);
  for (const t of plan) if (!machine.take(t)) break;
  return machine;
}

// {steps, switches: after how many steps another thread goes on, violation: after how many steps something is wrong, or -1}
function factsOf(machine) {
  const steps = machine.steps, switches = [];
  for (let i = 1; i < steps.length; i += 1) if (steps[i].thread !== steps[i - 1].thread) switches.push(i);
  return { steps: steps.length, switches, violation: machine.violation ? steps.length : -1 };
}
