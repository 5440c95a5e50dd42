// The twins of swapmodel/oracle.py: (doc, words, ...numbers of words) -> Violation or null. What is asked at the end alone was
// asked in Python, of every end that there is: the document lists the memories in which something is wrong then.

const addressOf = (word) => [word, -1, 1, -1, 0]; // where it is wrong, as the document has addresses

const ORACLES = {
  swap_map_underflow(doc, words, first, last) {
    for (let word = first; word < last; word += 1) {
      if (words[word] < 0 || words[word] > 0xff) {
        return new Violation("swap_map underflow", `a reference to ${doc.words[word][0]} is dropped that nobody had`, addressOf(word));
      }
    }
    return null;
  },

  inuse_pages(doc, words, first, last, lock, count, live, bad) {
    if (words[lock] || words[live] < 0) return null;
    const used = words.slice(first, last).filter((byte) => byte !== 0 && byte !== bad).length;
    if (used === words[count]) return null;
    return new Violation("accounting", `inuse_pages is ${words[count]}, but ${used} bytes are in use`, addressOf(count));
  },

  no_entry_left(doc, words, map, pairs) {
    if (words[map] !== NULL) return null;
    const left = pairs.find(([slot, lock]) => ["SwapPte", "RadixEntry"].includes(typeOf(words[slot])) && !words[lock]);
    if (!left) return null;
    return new Violation("lost page", `swapoff takes the device away while ${doc.words[left[0]][0]} still refers to it`, addressOf(left[0]));
  },
};

// What is wrong with these words, while `returned` says whether all threads have returned; null if nothing is.
function wrong(doc, variant, words, returned) {
  for (const [name, ...numbers] of variant.oracles) {
    const violation = ORACLES[name](doc, words, ...numbers);
    if (violation) return violation;
  }
  const ends = variant.ends.filter(([late]) => returned || !late);
  if (!ends.length) return null;
  const differing = pairsThatDiffer(doc, words);
  const end = ends.find(([, , , pairs]) => key(pairs) === differing);
  return end ? new Violation(end[1], end[2], end[4] === undefined ? null : addressOf(end[4])) : null;
}

function pairsThatDiffer(doc, words) {
  const skipped = new Set([...doc.context, ...doc.grace]), pairs = [];
  words.forEach((value, word) => {
    if (!skipped.has(word) && !equal(value, doc.initial[word])) pairs.push(word, value);
  });
  return key(pairs);
}
