// The twin of swapmodel/export/calls.py: the rows of the story, its events each inside the calls that a reader needs to see.

const LANDMARKS = wordsIn("free_swap_and_cache free_swap_and_cache_nr __try_to_reclaim_swap folio_free_swap try_to_unuse do_swap_page swapoff swapon");

// {thread, kind, text, depth, inside}: `inside` is the number of the row of the innermost call around it, -1 for none.
function storyRows(machine) {
  const steps = traceOf(machine), events = tellingOf(machine, steps), paths = pathsOf(steps, events), shown = shownCalls(paths);
  const printed = {}, rowOf = new Map(), rows = [];
  events.forEach(({ thread, kind, text }, number) => {
    const around = paths[number].filter((call) => shown.has(call)), before = printed[thread] || [];
    let inside = -1;
    around.forEach((call, depth) => {
      if (!before.includes(call)) {
        rowOf.set(call, rows.length);
        rows.push({ thread, kind: "call", text: `${call.name}()`, depth, inside });
      }
      inside = rowOf.get(call);
    });
    rows.push({ thread, kind, text, depth: around.length, inside });
    printed[thread] = around;
  });
  return rows;
}

// The calls around each event: {name, depth, line}. Two events are inside the same call, one object, if the thread did not
// leave it in between.
function pathsOf(steps, events) {
  const at = {};
  const known = steps.map(({ thread, frames }) => {
    const { calls, stack: before } = at[thread] || { calls: [], stack: [] };
    const stack = frames.filter((frame) => frame.told), same = sameCalls(before, stack);
    const entered = stack.slice(same).map(({ name }, i) => ({ name, depth: same + i }));
    at[thread] = { calls: [...calls.slice(0, same), ...entered], stack };
    return at[thread].calls;
  });
  return events.map(({ step, thread, frames }) => (step < steps.length ? known[step] : stillOn(at[thread].calls, frames)));
}

function stillOn(calls, stack) {
  const gone = calls.findIndex(({ name, depth }) => depth >= stack.length || name !== stack[depth].name);
  return gone < 0 ? calls : calls.slice(0, gone);
}

// How many calls are the same: the functions are, and each was called from the same line.
function sameCalls(before, now) {
  let same = 0;
  while (same < Math.min(before.length, now.length) && before[same].name === now[same].name) {
    if (same && before[same - 1].line !== now[same - 1].line) break;
    same += 1;
  }
  return same;
}

// The outermost call of each thread, the innermost around each event, and those inside which the events part.
function shownCalls(paths) {
  const shown = new Set(), inside = new Map();
  paths.forEach((path, number) => {
    path.forEach((call, i) => {
      if (!i || i === path.length - 1 || LANDMARKS.has(call.name)) shown.add(call);
      inside.set(call, (inside.get(call) || new Set()).add(path[i + 1] || number));
    });
  });
  for (const [call, parts] of inside) if (parts.size > 1) shown.add(call);
  return shown;
}
