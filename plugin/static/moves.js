// For switches that know two keys: beside a visual analogue line a button towards each of its ends, in the end's own words.
// The mark moves from the middle, where an unmarked line stands; no number is shown, as the line shows none. Where it came to
// is said by screen readers as of the line itself, which they tell only to who is on it.

const PARTS = 20; // of the line, or the instrument's own step where that is larger

export function begin(form, towards) {
  form.querySelectorAll(".slider:not(:has(.moves))").forEach((slider) => {
    const line = slider.querySelector("[type=range]");
    const steps = Math.max(1, Math.round((line.max - line.min) / PARTS / line.step));
    const moves = document.createElement("div");
    moves.className = "moves";
    const place = Object.assign(document.createElement("output"), { className: "hidden-words" });
    line.addEventListener("input", () => { place.value = ""; });
    slider.querySelectorAll(".ends span").forEach((end, isHigh) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "button" });
      const words = Object.assign(document.createElement("span"), { textContent: towards.text, lang: form.lang, dir: towards.dir });
      button.append(words, " ", end.cloneNode(true));
      button.addEventListener("click", () => {
        if (isHigh) line.stepUp(steps);
        else line.stepDown(steps);
        ["input", "change"].forEach((told) => line.dispatchEvent(new Event(told, { bubbles: true })));
        place.value = line.value;
      });
      moves.append(button);
    });
    slider.append(moves, place);
  });
}
