"""A document of swapmodel.replay in an embedded V8: what a browser would make of it."""

import json

import pytest

from swapmodel.replay.assets import model_script

RUN = """
function load(text) { globalThis.doc = parsed(text); }
function made(step) { return key(step.value); }
function run(variant, schedule) {
  const machine = new Machine(doc, variant), told = [];
  for (const t of schedule) {
    const operation = machine.operation(t), ability = machine.ability(t);
    const took = machine.take(t);
    if (took !== (ability === "ready")) throw new Error(`it says ${ability}, but take() says ${took}`);
    const last = machine.steps[machine.steps.length - 1];
    told.push(took ? [textOf(doc, operation), made(last), changesOf(doc, last).map((c) => [c.name, c.before, c.after])]
                   : [null, machine.violation ? "" : machine.waits(t), ability]);
  }
  const violation = machine.violation && [machine.violation.kind, machine.violation.message];
  const all = { told, words: machine.words.slice(), violation };
  while (machine.steps.length) machine.undo();
  all.back = equal(machine.words, doc.initial) && machine.at.every((row) => row === 0);
  return JSON.stringify(all);
}
"""


class JavaScript:
    """V8 with our interpreter in it. `run(variant, schedule)` takes the steps and gives back what happened."""

    def __init__(self, more=""):
        mini_racer = pytest.importorskip(
            "py_mini_racer", reason="mini-racer, the embedded V8 of the test extra, is not installed"
        )
        self.v8 = mini_racer.MiniRacer()
        self.v8.eval(model_script() + more + RUN)

    def load(self, document):
        self.v8.eval(f"load({json.dumps(json.dumps(document))})")

    def eval(self, text):
        return self.v8.eval(text)

    def run(self, variant, schedule):
        return json.loads(self.v8.eval(f"run({variant}, {json.dumps(list(schedule))})"))
