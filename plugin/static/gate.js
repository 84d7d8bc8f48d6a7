// What a caregiver is asked before a young person's form opens. Whoever does not agree is asked once more.

export function begin(gate, { call, open, showEnd }) {
  const alert = gate.querySelector("[data-alert]");
  const statements = [...gate.querySelectorAll(".stated input")];
  const agree = gate.querySelector("[data-agree]");
  const heading = gate.querySelector("h1");

  document.documentElement.lang = gate.lang;
  document.title = heading.textContent;
  const end = (told) => showEnd(gate.querySelector("[data-refused]"), told);
  if ("over" in gate.dataset) return end({ return_url: gate.dataset.over });

  let isSending = false;
  async function say(agreed, press) {
    if (isSending) return undefined;
    const wish = press.textContent;
    const send = (is) => {
      isSending = is;
      press.textContent = is ? gate.dataset.sending : wish;
      gate.querySelectorAll("button").forEach((each) => (is ? each.setAttribute("aria-disabled", "true") : each.removeAttribute("aria-disabled")));
    };
    let answer, counts;
    alert.textContent = "";
    send(true);
    const stated = statements.filter((each) => each.checked).map((each) => each.value);
    try {
      answer = await call("consent", "POST", { agreed, stated });
      if (answer.ok) counts = await answer.json();
    } catch { answer = null; }
    send(false);
    // Behind the lock nothing opens by itself: said once more, it counts as it stands.
    if (!gate.isConnected) return undefined;
    if (answer?.status === 410) return open(); // it ended meanwhile: shows how
    if (!answer?.ok) { alert.textContent = gate.dataset.failed; return undefined; }
    // Of two caregivers whoever refuses is heard, whatever this one said.
    return counts.state === "agreed" ? open() : end(counts);
  }

  agree.addEventListener("click", () => {
    const missing = statements.find((each) => !each.checked);
    if (isSending) return undefined;
    if (!missing) return say(true, agree);
    alert.textContent = agree.dataset.needs;
    return missing.focus();
  });
  const refuse = gate.querySelector("[data-refuse]");
  const sure = gate.querySelector("[data-sure]");
  if (sure) {
    const [no, yes] = sure.querySelectorAll("button");
    const ask = (wanted) => { sure.hidden = !wanted; refuse.hidden = wanted; };
    const leave = () => { ask(false); refuse.focus(); };
    // A refusal cannot be taken back here.
    refuse.addEventListener("click", () => { if (isSending) return; alert.textContent = ""; ask(true); sure.querySelector("p").focus(); });
    no.addEventListener("click", () => { if (!isSending) leave(); });
    yes.addEventListener("click", () => say(false, yes));
    sure.addEventListener("keydown", ({ key }) => { if (key === "Escape" && !isSending) leave(); });
  } else {
    refuse.addEventListener("click", () => { if (!isSending) end({}); });
  }
  gate.addEventListener("submit", (event) => event.preventDefault());
  heading.focus();
  return gate.dispatchEvent(new CustomEvent("form-opened", { bubbles: true }));
}
