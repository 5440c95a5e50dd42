// The box with a question about the next step. It shuts when it is answered, and whenever the reader goes elsewhere.

class QuestionBox {
  // `leave` is called when the box shuts while the focus is in it; `say` puts words into the live region.
  constructor({ leave, say }) {
    this.leave = leave;
    this.say = say;
    this.node = h("div", { class: "smr-question smr-box", hidden: true, onkeydown: (event) => event.key === "Escape" && this.shut() });
  }

  get isOpen() {
    return !this.node.hidden;
  }

  // `done(words)` is called once the reader has answered rightly, or wants to be told.
  open(question, done) {
    const hint = h("p", { class: "smr-hint" }), field = question.choices ? boxesOf(question) : lineOf(question);
    const answer = (event) => {
      event.preventDefault();
      const wrong = question.check(field.given());
      setText(hint, wrong);
      if (wrong) this.say(wrong);
      else done("Right.");
    };
    const show = button("Show me", "Show the answer and take the step", () => done("The answer:"));
    const form = h("form", { onsubmit: answer }, field.node, h("div", { class: "smr-controls" }, h("button", { type: "submit" }, "Answer"), show), hint);
    this.node.replaceChildren(form);
    this.node.hidden = false;
    form.querySelector("input").focus();
  }

  shut() {
    if (!this.isOpen) return;
    const within = this.node.contains(document.activeElement);
    this.node.hidden = true;
    if (within) this.leave();
  }
}

function boxesOf({ prompt, choices }) {
  const boxes = choices.map((name, i) => h("label", {}, h("input", { type: "checkbox", value: i }), ` ${name}`));
  const given = () => boxes.map((box) => box.firstChild).filter((box) => box.checked).map((box) => Number(box.value));
  return { node: h("fieldset", {}, h("legend", {}, prompt), boxes), given };
}

function lineOf({ prompt }) {
  const line = h("input", { type: "text", size: 6, autocomplete: "off" });
  return { node: h("label", {}, prompt, " ", line), given: () => line.value };
}
