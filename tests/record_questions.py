"""The recorded results of the questions' cases: swapmodel/questions/recorded.json. `python -m tests.record_questions [CASE...]`
writes them anew, all or those whose name contains one of the words, and QUESTIONS.md after them.

A changed count is reviewed as one reviews a golden file: say in the commit what changed it."""

from __future__ import annotations

import json
import sys

from swapmodel.questions.answers import RECORDED, markdown, recorded_answers
from swapmodel.questions.table import all_cases

MARKDOWN = RECORDED.with_name("QUESTIONS.md")


def main(words: list[str]) -> None:
    known = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    results = {}
    for name, case in all_cases().items():
        wanted = not words or name not in known or any(word in name for word in words)
        results[name] = case.run()._asdict() if wanted else known[name]
        if wanted:
            print(name, results[name]["verdict"], results[name]["states"], flush=True)
    lines = [f" {json.dumps(name)}: {json.dumps(result)}" for name, result in results.items()]
    RECORDED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    MARKDOWN.write_text(markdown(recorded_answers()))


if __name__ == "__main__":
    main(sys.argv[1:])
