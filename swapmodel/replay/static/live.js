// The player as a Jupyter widget (anywidget): the schedule and the place in it are traits that Python can read and set.

function render({ model, el }) {
  let player;
  const choices = model.get("choices");
  const begin = () => {
    const old = player, focused = old && placeOfFocus(old);
    old?.toggle(false);
    player = new Player(parsed(model.get("document")), { choices, ask: (message) => model.send(message) });
    const [first, ...rest] = model.get("head");
    el.replaceChildren(h("p", { class: "smr-verdict" }, h("strong", {}, first), ` ${rest.join(" ")}`), player.node);
    if (old) resume(player, old, model.get("wanted"));
    else take(); // a second view, or what Python chose before the first
    focused?.(player).focus({ preventScroll: true });
    player.listeners.push(publish);
    publish(player.session);
  };
  const publish = (session) => {
    const { kernel, fix } = session.variant;
    model.set({ kernel, fix: fix || "", schedule: rolled(session.plan), step: session.at });
    model.save_changes();
  };
  const take = () => {
    const { session } = player, kernel = model.get("kernel"), fix = model.get("fix") || null, runs = model.get("schedule"), step = model.get("step");
    if (equal([kernel, fix, runs, step], [session.variant.kernel, session.variant.fix, rolled(session.plan), session.at])) return;
    const refused = session.load({ kernel, fix, runs, step });
    player.show();
    if (refused) player.inform(refused);
  };
  const told = ({ refused }) => refused && player.inform(refused);
  const heard = { "change:document": begin, "change:schedule": take, "change:step": take, "msg:custom": told };
  for (const [event, action] of Object.entries(heard)) model.on(event, action);
  begin();
  return () => {
    player.toggle(false);
    for (const [event, action] of Object.entries(heard)) model.off(event, action);
  };
}

// After the kernel sent a larger document: the same place as before, on the variant that was asked for.
function resume(player, old, wanted) {
  const { kernel, fix } = old.session.variant;
  player.session.load({ kernel, fix, runs: rolled(old.session.plan), step: old.session.at });
  if (wanted >= 0 && wanted !== player.session.machine.number) player.session.switchTo(wanted);
  player.speed.value = old.speed.value;
  if (old.predict) player.setPredict(true, old.asked);
  player.show();
}

// Where the focus goes in the next player: it must not fall back to the notebook, where `d d` deletes a cell.
function placeOfFocus(player) {
  const focused = document.activeElement;
  if (!player.node.contains(focused)) return null;
  return (next) => (focused === player.select ? next.select : next.node);
}
