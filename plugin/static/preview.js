// A form that is only looked at is the respondent's own page. What its script asks of the server is answered here: nothing leaves
// this page, and nothing is kept when it closes.

const ask = globalThis.fetch.bind(globalThis);
const form = document.querySelector("#form");
const ASK_AFTER = 5000; // ms
const kept = {};
let asked = -Infinity;

// A browser may show this page again without asking. Whoever has the device meanwhile would answer here for nothing: with an
// answer it is asked whether the clinician still has it, and if not, the lock is shown.
async function check(signal) {
  if (performance.now() - asked < ASK_AFTER) return;
  const answer = await ask(form.dataset.address, { cache: "no-store", redirect: "manual", signal });
  if (answer.status >= 500 || answer.status === 429) throw answer;
  if (!answer.ok) {
    (globalThis.openPage ?? ((to) => location.replace(to)))(form.dataset.lock);
    await new Promise(() => {}); // the page is left
  }
  asked = performance.now();
}

const answers = {
  form: () => form.textContent,
  answers({ answers: given, removed }) {
    check().catch(() => {}); // at the end, for certain
    Object.assign(kept, given);
    removed.forEach((id) => { delete kept[id]; });
    return JSON.stringify({ answered: Object.keys(kept), mark: "" });
  },
  async submit(_, signal) {
    await check(signal);
    return "{}";
  },
};

globalThis.fetch = async (address, options = {}) => {
  const answer = answers[String(address).match(/^\/fill\/(\w+)$/)?.[1]];
  return answer ? new Response(await answer(JSON.parse(options.body ?? null), options.signal)) : ask(address, options);
};

try { history.replaceState(null, "", "#preview"); } catch { /* the script of the form says that it cannot be opened */ }
