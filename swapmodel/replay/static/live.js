// The player as a Jupyter widget (anywidget): the schedule and the place in it are traits that Python can read and set.

function render({ model, el }) {
  let player;
  const choices = model.get("choices");
  const begin = () => {
    const old = player?.session;
    player = new Player(parsed(model.get("document")), { choices, ask: (message) => model.send(message) });
    const [first, ...rest] = model.get("head");
    el.replaceChildren(h("p", { class: "smr-verdict" }, h("strong", {}, first), ` ${rest.join(" ")}`), player.node);
    if (old) resume(player, old, model.get("wanted"));
    player.listeners.push(publish);
    publish(player.session);
  };
  const publish = (session) => {
    const { kernel, fix } = session.variant;
    model.set({ kernel, fix: fix || "", schedule: rolled(session.plan), step: session.at });
    model.save_changes();
  };
  const take = () => {
    const { session } = player, runs = model.get("schedule"), step = model.get("step");
    if (equal(runs, rolled(session.plan)) && step === session.at) return;
    const refused = session.load({ kernel: model.get("kernel"), fix: model.get("fix") || null, runs, step });
    player.show();
    if (refused) player.tell(refused);
  };
  model.on("change:document", begin);
  model.on("change:schedule", take);
  model.on("change:step", take);
  model.on("msg:custom", ({ refused }) => refused && player.tell(refused));
  begin();
}

// After the kernel sent a larger document: the same place as before, on the variant that was asked for.
function resume(player, old, wanted) {
  const { kernel, fix } = old.variant;
  player.session.load({ kernel, fix, runs: rolled(old.plan), step: old.at });
  if (wanted >= 0 && wanted !== player.session.machine.number) player.session.switchTo(wanted);
  player.show();
}
