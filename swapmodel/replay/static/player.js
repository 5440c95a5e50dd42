// The player: controls around a session, its lanes and its picture. All of it works by keyboard, and only while it has the focus.

const SPEEDS = [1, 2, 5, 20];
const KEYS = [
  ["→ ←", "one step forward, back"],
  ["Page Down, Page Up", "next, previous context switch"],
  ["Home, End", "the beginning, the end"],
  ["v", "the violation"],
  ["Space", "play, pause"],
  ["0 to 9", "let the thread of that CPU take one step; with Shift: run on until it waits"],
  ["r", "back to the recorded schedule"],
  ["p", "predict: questions before each step, on and off; Escape leaves a question"],
  ["?", "this list"],
];

class Player {
  // `live` is what a notebook's kernel can do besides: {choices: [[kernel, fix]], ask(message)}; null in a page without one.
  constructor(doc, live = null) {
    this.doc = doc;
    this.live = live;
    this.session = new Session(doc);
    this.listeners = [];
    this.predict = false;
    this.asked = new Set(); // what a reader has answered, or been told, since predict was switched on
    this.build();
    this.show("");
  }

  // ---- the page

  build() {
    const { doc } = this;
    this.lanes = new Lanes(this.session, (what, t) => this.act(what, t));
    this.picture = new Picture(doc);
    this.strip = new Strip(doc, (step) => this.do(() => this.session.go(step)));
    this.now = h("p", { class: "smr-now" });
    this.said = h("p", { class: "smr-said", role: "status", "aria-live": "polite" });
    this.note = h("p", { class: "smr-note smr-box", hidden: true });
    this.alarm = h("div", { class: "smr-alarm smr-box", hidden: true });
    this.answer = h("p", { class: "smr-answer smr-box", hidden: true });
    this.question = new QuestionBox({ leave: () => this.node.focus({ preventScroll: true }), say: (text) => this.announce(text) });
    this.node = h(
      "div",
      { class: "smr", tabindex: "0", role: "group", "aria-label": `Replay of ${doc.scenario}`, [NO_SHORTCUTS]: "true", onkeydown: (event) => this.key(event) },
      this.heading(),
      this.controls(),
      this.slider(),
      this.strip.node,
      this.said,
      this.question.node,
      this.answer,
      this.now,
      this.alarm,
      this.note,
      this.lanes.node,
      this.picture.node,
      this.exchange(),
      this.help(),
    );
  }

  heading() {
    const { doc } = this;
    this.select = h("select", { onchange: () => this.chooseVariant(Number(this.select.value)) });
    this.fillVariants();
    this.told = h("span", { class: "smr-told" });
    const sizes = Object.entries(doc.machine).map(([name, value]) => `${name} ${typeof value === "boolean" ? (value ? "on" : "off") : value}`);
    return h(
      "div",
      { class: "smr-head" },
      h("p", { class: "smr-title" }, h("strong", {}, doc.scenario), `: ${doc.title}`),
      h("p", { class: "smr-sizes" }, sizes.join(", ")),
      h("p", { class: "smr-pick" }, h("label", {}, "Kernel and fix ", this.select), " ", this.told),
    );
  }

  fillVariants() {
    const held = this.doc.variants.map(({ kernel, fix }) => labelOf(kernel, fix));
    const more = (this.live?.choices || []).filter(([kernel, fix]) => !held.includes(labelOf(kernel, fix)));
    this.more = more;
    this.select.replaceChildren(
      ...held.map((label, i) => h("option", { value: i }, label)),
      ...more.map(([kernel, fix], i) => h("option", { value: held.length + i }, `${labelOf(kernel, fix)} …`)),
    );
    this.select.value = String(this.session.machine.number);
  }

  chooseVariant(number) {
    const held = this.doc.variants.length;
    if (number >= held) {
      const [kernel, fix] = this.more[number - held];
      this.inform(`${labelOf(kernel, fix)} is being prepared by the kernel of this notebook.`);
      this.live.ask({ ask: "variant", kernel, fix });
      return;
    }
    this.do(() => this.session.switchTo(number));
  }

  controls() {
    const step = (label, title, action) => button(label, title, () => this.do(action));
    this.play = button("Play", "Play or pause (Space)", () => this.toggle());
    this.speed = h("select", { "aria-label": "Steps a second", onchange: () => this.timer && this.toggle(true) }, SPEEDS.map((n) => h("option", { value: n, selected: n === 2 }, `${n}/s`)));
    this.restore = step("↺ Recorded", "Back to the recorded schedule (r)", () => this.session.restore());
    this.toViolation = step("✖ Violation", "Go to the violation (v)", () => this.session.toViolation());
    this.asks = h("input", { type: "checkbox", onchange: () => this.setPredict(this.asks.checked) });
    return h(
      "div",
      { class: "smr-controls", role: "group", "aria-label": "Steps" },
      step("|◀", "To the beginning (Home)", () => this.session.go(0)),
      step("◀◀", "Previous context switch (Page Up)", () => this.session.previousSwitch()),
      step("◀", "One step back (Left)", () => this.session.go(this.session.at - 1)),
      button("▶", "One step forward (Right)", () => this.forward()),
      step("▶▶", "Next context switch (Page Down)", () => this.session.nextSwitch()),
      step("▶|", "To the end (End)", () => this.session.go(Infinity)),
      this.toViolation,
      this.restore,
      this.play,
      this.speed,
      h("label", { class: "smr-check" }, this.asks, " Predict"),
    );
  }

  slider() {
    this.range = h("input", { type: "range", min: 0, value: 0, oninput: () => this.do(() => this.session.go(Number(this.range.value))) });
    this.count = h("span", { class: "smr-count" });
    return h("label", { class: "smr-slider" }, h("span", {}, "Step "), this.range, this.count);
  }

  exchange() {
    const copy = (label, text) => button(label, `Copy ${label.toLowerCase()}`, () => this.copy(text()));
    this.copied = h("textarea", { class: "smr-copied", rows: 8, readonly: true, "aria-label": "What was copied", hidden: true });
    const file = h("input", { type: "file", accept: ".json,application/json", onchange: () => this.load(file.files[0]) });
    return h(
      "details",
      { class: "smr-exchange" },
      h("summary", {}, "Send on, load"),
      h(
        "div",
        { class: "smr-controls" },
        copy("Commit message", () => storyColumns(this.session.whole())),
        copy("JSON", () => JSON.stringify(this.session.data())),
        !this.live && copy("Link", () => location.href.replace(/#.*$/, "") + "#" + this.session.link()),
        h("label", { class: "smr-file" }, "Load a trace ", file),
      ),
      this.copied,
    );
  }

  help() {
    this.keys = h("details", { class: "smr-help" }, h("summary", {}, "Keys"), h("dl", {}, KEYS.map(([name, what]) => [h("dt", {}, h("kbd", {}, name)), h("dd", {}, what)])));
    return this.keys;
  }

  // ---- what a reader does

  do(action) {
    this.question.shut();
    action();
    this.show();
  }

  act(what, t) {
    const { ability, waits } = this.session.choices()[t];
    if (ability !== "ready") {
      if (ability === "unknown" && this.live) this.extend(t);
      else this.inform(`${this.doc.threads[t]} ${waits || badgeOf(ability, this.session, t)}.`);
      return;
    }
    if (what === "choose" && this.predict && this.askFirst(t, () => this.session.choose(t))) return;
    this.do(() => this.session[what](t));
  }

  forward() {
    const { session } = this, t = session.plan[session.at];
    if (t === undefined) {
      this.inform(session.machine.violation ? "Nothing comes after the violation." : "The schedule ends here: choose who runs next.");
      return;
    }
    if (this.predict && this.askFirst(t, () => session.go(session.at + 1))) return;
    this.do(() => session.go(session.at + 1));
  }

  extend(t) {
    this.inform("The kernel of this notebook is asked what comes next.");
    const schedule = rolled([...this.session.plan.slice(0, this.session.at), t]);
    this.live.ask({ ask: "extend", variant: this.session.machine.number, schedule });
  }

  toggle(on = !this.timer) {
    clearInterval(this.timer);
    this.timer = 0;
    if (on) {
      this.timer = setInterval(() => {
        if (!this.node.isConnected || this.session.at >= this.session.plan.length) this.toggle(false);
        else this.forward();
        if (this.question.isOpen) this.toggle(false);
      }, 1000 / Number(this.speed.value));
    } else if (!this.question.isOpen) this.announce(this.where);
    setText(this.play, this.timer ? "Pause" : "Play");
    this.play.setAttribute("aria-pressed", String(Boolean(this.timer)));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // a notebook has keys of its own: d d deletes a cell
    const action = this.action(event);
    if (!action) return;
    event.preventDefault();
    action();
  }

  action({ key, code, shiftKey, target }) {
    const typed = target.matches("textarea, select, input:not([type=range])"), pressed = target.matches("button, summary");
    if (typed || (pressed && (key === " " || key === "Enter"))) return null;
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(code);
    if (digit && Number(digit[1]) < this.doc.threads.length) return () => this.act(shiftKey ? "run" : "choose", Number(digit[1]));
    const { session } = this;
    const actions = {
      ArrowRight: () => this.forward(),
      ArrowLeft: () => this.do(() => session.go(session.at - 1)),
      PageDown: () => this.do(() => session.nextSwitch()),
      PageUp: () => this.do(() => session.previousSwitch()),
      Home: () => this.do(() => session.go(0)),
      End: () => this.do(() => session.go(Infinity)),
      " ": () => this.toggle(),
      v: () => this.do(() => session.toViolation()),
      r: () => this.do(() => session.restore()),
      p: () => this.setPredict(!this.predict),
      "?": () => this.showKeys(),
    };
    return Object.hasOwn(actions, key) ? actions[key] : null;
  }

  showKeys() {
    this.keys.open = !this.keys.open;
    if (this.keys.open) this.keys.scrollIntoView({ block: "nearest" });
  }

  async copy(text) {
    this.copied.hidden = false;
    this.copied.value = text;
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      this.copied.select();
      done = document.execCommand("copy");
    }
    this.announce(done ? "Copied." : "Select the text below and copy it.");
  }

  async load(file) {
    if (!file) return;
    const refused = file.size > LARGEST_FILE ? `${file.name}: is larger than the ${LARGEST_FILE >> 20} MB that a trace may have.` : this.session.open(await file.text(), file.name);
    this.show(refused ? undefined : `${file.name} is loaded.`);
    if (refused) this.inform(refused);
  }

  // ---- predict

  setPredict(on, asked = new Set()) {
    this.predict = on;
    this.asked = asked;
    this.asks.checked = on;
    this.do(() => {});
    this.announce(on ? "Predict: each step asks first." : "Predict is off.");
  }

  // Asks about the step that thread t takes next. False if there is nothing to ask.
  askFirst(t, reveal) {
    const question = questionAbout(this.session, t, this.asked);
    if (!question) return false;
    this.question.open(question, (words) => {
      this.asked.add(question.key);
      this.do(reveal);
      setText(this.answer, `${words} ${question.told}`);
      this.answer.hidden = false;
      this.announce(`${words} ${question.told}`);
    });
    return true;
  }

  // ---- showing

  announce(text) {
    setText(this.said, text);
  }

  // While it plays, only where another thread goes on: nobody can listen to 20 steps a second.
  announceStep(said) {
    const [before, last] = this.session.machine.steps.slice(-2), sameThread = last && before.thread === last.thread;
    if (said || !this.timer || !sameThread || this.session.machine.violation) this.announce(said || this.where);
  }

  // A sentence that stays until the next step.
  tell(text) {
    this.note.hidden = !text;
    setText(this.note, text);
  }

  inform(text) {
    this.announce(text);
    this.tell(text);
  }

  show(said) {
    const { session, doc } = this, { machine } = session, last = machine.steps[session.at - 1];
    const words = last ? stepInWords(machine, last) : "The beginning: no step has been taken.";
    const place = last ? `Step ${session.at} of ${session.plan.length}, ${doc.threads[last.thread]}` : `Step 0 of ${session.plan.length}`;
    this.range.max = session.plan.length;
    this.range.value = session.at;
    this.range.setAttribute("aria-valuetext", `${place}: ${words}`);
    setText(this.count, ` ${session.at} / ${session.plan.length}`);
    refill(this.now, [place, words], () => [h("strong", {}, place), " ", words]);
    this.where = `${place}: ${words}`;
    this.announceStep(said);
    this.answer.hidden = true;
    this.tell(session.note);
    this.showAlarm();
    this.restore.setAttribute("aria-disabled", String(session.recorded));
    this.toViolation.hidden = session.facts.violation < 0;
    this.select.value = String(machine.number);
    setText(this.told, session.recorded ? session.variant.told || "not searched here" : "a schedule of your own");
    this.strip.show(session);
    this.lanes.show(session, this.predict && hidesRunners(session, this.asked));
    this.picture.show(machine);
    for (const listener of this.listeners) listener(session);
  }

  showAlarm() {
    const { machine } = this.session, { violation } = machine;
    this.alarm.hidden = !violation;
    if (violation) refill(this.alarm, [violation.kind, failureSentence(machine), this.session.at], () => [h("strong", {}, `✖ ${violation.kind}`), h("p", {}, failureSentence(machine)), h("p", {}, livesOf(machine, violation))]);
  }
}

const labelOf = (kernel, fix) => (fix ? `${kernel} with ${fix}` : kernel);

// What a step did: its changes, or the operation and the value it returned.
function stepInWords(machine, step) {
  const { doc } = machine, operation = doc.operations[machine.graphs[step.thread][step.row][0]], changes = changesOf(doc, step);
  const told = changes.slice(0, 3).map((c) => (["freed", "allocated"].includes(c.after) ? `${c.name} is ${c.after}` : `${c.name} ${c.before} → ${c.after}`));
  const more = changes.length > 3 ? `, and ${changes.length - 3} more` : "";
  const value = step.value === null ? "" : ` = ${text(doc.types, step.value)}`;
  return `${textOf(doc, operation)}${value}${told.length ? `: ${told.join(", ")}${more}` : ""}`;
}

// Birth and death of the object that a violation is about.
function livesOf(machine, violation) {
  const life = violation.address?.[1], object = machine.doc.objects.find((each) => each[1] >= 0 && each[1] === life);
  if (!object) return "";
  const turns = machine.steps.flatMap((step, i) => step.changes.filter(([word]) => word === life).map(([, , after]) => [i, step.thread, after]));
  const told = turns.map(([i, t, after]) => `${after > 0 ? "allocated" : "freed"} by ${machine.doc.threads[t]} at step ${i + 1}`);
  const born = turns[0]?.[2] > 0 ? "" : "allocated before the scenario begins";
  return `${object[0]}: ${[born, ...told].filter(Boolean).join(", ")}.`;
}

// Puts a player into `root` and keeps the text that was there for those who want to read it.
function mount(root) {
  const data = root.querySelector("script[type='application/json']"), shown = root.querySelector(".smr-text");
  let player;
  try {
    player = new Player(parsed(data.textContent));
  } catch (error) {
    root.prepend(h("p", { class: "smr-note" }, `The replay can't be shown: ${error.message}`));
    return;
  }
  const details = h("details", { class: "smr-steps" }, h("summary", {}, "The steps as text"));
  root.insertBefore(player.node, shown);
  root.insertBefore(details, shown);
  details.append(shown);
  const restore = () => {
    const refused = player.session.follow(location.hash);
    if (refused) player.inform(refused);
    else if (location.hash.startsWith(`#${LINK}=`)) player.show();
  };
  window.addEventListener("hashchange", restore);
  restore();
}
