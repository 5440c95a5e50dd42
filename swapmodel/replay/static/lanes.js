// A lane for each CPU: its call stack, the line it stands at, what it holds, and the buttons that let it run.

class Lanes {
  constructor(session, act) {
    this.doc = session.doc;
    this.lanes = this.doc.threads.map((name, t) => this.lane(name, t, act));
    this.node = h("div", { class: "smr-lanes" }, this.lanes.map((lane) => lane.node));
  }

  lane(name, t, act) {
    const parts = { badge: h("span", { class: "smr-badge" }), stack: h("ol", { class: "smr-stack" }), state: h("div", { class: "smr-state" }) };
    parts.step = button("Step", `${name}: take one step`, () => act("choose", t), { class: "smr-choose" });
    parts.run = button("Run", `${name}: run on until it waits or returns`, () => act("run", t), { class: "smr-choose" });
    const head = h("div", { class: "smr-lanehead" }, h("span", { class: "smr-cpu", "aria-hidden": "true" }, t), h("strong", {}, `CPU${t} ${name}`), parts.badge);
    const node = h("div", { class: "smr-lane", role: "group", "aria-label": `CPU${t}, ${name}`, style: `--thread: var(--smr-t${t % 8})` }, head, h("div", { class: "smr-choices" }, parts.step, parts.run), parts.stack, parts.state);
    return { ...parts, node };
  }

  // `hidden`: not who can run, nor what the next steps store, since the reader is to say that.
  show(session, hidden) {
    const choices = session.choices(), next = session.plan[session.at];
    this.lanes.forEach((lane, t) => {
      const { ability, waits } = choices[t], frames = framesOf(this.doc, session.machine.row(t)[1]);
      const open = hidden && ["ready", "blocked"].includes(ability);
      setText(lane.badge, open ? "can it run?" : badgeOf(ability, session, t, next));
      lane.node.classList.toggle("smr-ran", session.at > 0 && session.machine.steps[session.at - 1].thread === t);
      for (const each of [lane.step, lane.run]) each.setAttribute("aria-disabled", String(ability !== "ready" && !open));
      const calls = callsOf(frames);
      refill(lane.stack, calls, () => calls.map(callNode));
      const state = stateOf(session, t, frames, open ? "" : waits, ability, open);
      refill(lane.state, state, () => state.map(stateNode));
    });
  }
}

function badgeOf(ability, session, t, next) {
  if (ability === "returned") return "has returned";
  if (ability === "blocked") return "waits";
  if (ability === "unknown") return "not in this page";
  if (ability === "over") return session.machine.steps[session.at - 1].thread === t ? "failed here" : "stopped";
  return next === t ? "next in the schedule" : "can run";
}

// The kernel's own functions, innermost last, each with the file and version that it follows.
function callsOf(frames) {
  return frames.filter((frame) => frame.shown).map(({ name, kernelFile, version }) => ({ name, origin: kernelFile ? `${kernelFile}, ${version}` : "" }));
}

function callNode({ name, origin }) {
  return h("li", {}, h("code", {}, `${name}()`), origin ? h("span", { class: "smr-origin" }, origin) : "");
}

function stateOf(session, t, frames, waits, ability, open) {
  const { machine, doc } = session, operation = machine.operation(t), last = frames[frames.length - 1], rows = [];
  if (last && last.text) rows.push(["line", last.text]);
  if (operation) rows.push([machine.violation ? "stands at" : "next", open ? outlineOf(doc, operation) : textOf(doc, operation)]);
  if (waits) rows.push(["why", waits]);
  if (ability === "unknown") rows.push(["why", "This page holds the steps of the interleavings that were explored for it; what comes next here is not among them."]);
  const held = doc.locks.filter(([word, isSemaphore]) => holds(machine.words[word], t, isSemaphore)).map(([, , name]) => name);
  if (held.length) rows.push(["holds", held.join(", ")]);
  if (machine.words[doc.context[t]] >= RCU) rows.push(["RCU reader", "a grace period that begins now waits for it"]);
  return rows;
}

// An operation without the values that it stores.
const outlineOf = (doc, operation) => `${doc.names[operation[0]]}(${[subjectOf(doc, operation), operation[1].length > 1 ? "…" : ""].filter(Boolean).join(", ")})`;

function stateNode([name, text]) {
  const value = name === "line" || name === "next" || name === "stands at" ? h("code", {}, text) : text;
  return h("p", { class: `smr-${name.replace(" ", "-")}` }, h("span", { class: "smr-key" }, name === "line" ? "" : name), " ", value);
}

// ---- the strip: a row for each CPU, time from left to right

const STRIP = { width: 1000, row: 14 };

class Strip {
  constructor(doc, go) {
    this.doc = doc;
    this.node = svg("svg", { class: "smr-strip", viewBox: `0 0 ${STRIP.width} ${STRIP.row * doc.threads.length + 4}`, preserveAspectRatio: "none", style: `height: ${STRIP.row * doc.threads.length + 4}px`, "aria-hidden": "true" });
    this.node.addEventListener("click", (event) => {
      const { left, width } = this.node.getBoundingClientRect();
      go(Math.round(((event.clientX - left) / width) * this.steps));
    });
  }

  show(session) {
    const { plan, facts, at } = session;
    this.steps = plan.length;
    const signature = [plan.length, facts, rolled(plan).slice(0, 400)];
    if (this.signature !== JSON.stringify(signature)) {
      this.signature = JSON.stringify(signature);
      this.cursor = svg("rect", { class: "smr-cursor", y: 0, width: 3, height: STRIP.row * this.doc.threads.length + 4 });
      this.node.replaceChildren(...this.turns(plan, facts), this.cursor);
    }
    this.cursor.setAttribute("x", Math.max(0, this.x(at) - 1.5));
  }

  x(step) {
    return this.steps ? (step / this.steps) * STRIP.width : 0;
  }

  turns(plan, facts) {
    const bars = this.doc.threads.map((_, t) => svg("line", { class: "smr-rail", x1: 0, x2: STRIP.width, y1: this.y(t), y2: this.y(t) }));
    let step = 0;
    const runs = rolled(plan);
    for (let i = 0; i < runs.length; i += 2) {
      const width = Math.max(2, this.x(runs[i + 1]));
      bars.push(svg("rect", { class: "smr-turn", x: this.x(step), y: this.y(runs[i]) - 5, width, height: 10, style: `--thread: var(--smr-t${runs[i] % 8})` }));
      step += runs[i + 1];
    }
    if (facts.violation >= 0) bars.push(svg("path", { class: "smr-cross", d: crossAt(this.x(facts.violation) - 7, this.y(plan[facts.violation - 1])) }));
    return bars;
  }

  y(t) {
    return STRIP.row * t + STRIP.row / 2 + 2;
  }
}

const crossAt = (x, y) => `M${x - 6} ${y - 6}l12 12m0 -12l-12 12`;
