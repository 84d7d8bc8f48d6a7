// A visual analogue scale: no mark stands on the line before it is touched, and the middle can be chosen too.

// Its looks come first: a browser's own slider stands in the middle, as if somebody had chosen that.
const looks = () => new Promise((tell) => {
  const link = document.createElement("link");
  link.onload = () => tell(true);
  link.onerror = () => { link.remove(); tell(false); };
  Object.assign(link, { rel: "stylesheet", href: new URL(import.meta.url).hash.slice(1) });
  document.head.append(link);
});
while (!await looks()) await new Promise((go) => { setTimeout(go, 2000); });

export function begin(form, tools) {
  // Looked over as a place on the line, not as a number that the instrument does not show.
  tools.picture = (question, answer, place) => {
    const line = question.querySelector("[type=range]")?.cloneNode();
    if (!line || typeof answer !== "string") return;
    const ends = question.querySelector(".ends").cloneNode(true);
    [line, ends].forEach((each) => ["id", "aria-labelledby", "aria-describedby"].forEach((name) => each.removeAttribute(name)));
    line.setAttribute("aria-label", question.querySelector("[data-text]").textContent);
    line.disabled = true;
    place.dir = question.closest("[dir]").dir;
    place.replaceChildren(line, ends);
  };

  form.querySelectorAll("[type=range]").forEach((line) => {
    const question = line.closest("[data-question]");
    const unmarked = line.getAttribute("aria-valuetext");
    let before, scrolled = false;
    // A browser tells no change where the place stays the same: in the middle, where an unmarked line stands.
    const mark = () => {
      scrolled = false;
      if ("untouched" in line.dataset) line.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const tell = () => {
      if ("untouched" in line.dataset) line.setAttribute("aria-valuetext", unmarked);
      else line.removeAttribute("aria-valuetext");
    };
    line.form.addEventListener("reset", tell);
    line.addEventListener("click", mark); // by what speaks for a pointer
    line.addEventListener("pointerup", mark); // by a finger, which clicks no line
    line.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      mark();
    });
    line.addEventListener("input", () => { scrolled = false; delete line.dataset.untouched; tell(); });
    // A finger that begins to scroll on a line moves its mark in some browsers, and answers nothing.
    line.addEventListener("pointerdown", () => { before = [line.value, "untouched" in line.dataset]; });
    line.addEventListener("pointercancel", () => {
      [line.value] = before;
      if (before[1]) line.dataset.untouched = "";
      scrolled = true;
      tell();
    });
    line.addEventListener("change", (event) => { if (scrolled) event.stopPropagation(); });
    question.addEventListener("change", ({ target }) => {
      if (target.matches("[data-decline]:checked")) line.dataset.untouched = "";
      queueMicrotask(tell);
    });
    tell();
  });
}
