function followSchedule(old, next) { for (const s of old.steps) if (!next.take(s.thread)) return {how:"blocked", said:`${next.doc.threads[s.thread]} ${next.waits(s.thread)}`}; return {how: next.violation?"violated":"through", said:"through"}; }
function storyColumns(m) { return "columns"; }
function failureSentence(m) { return m.violation.message; }
