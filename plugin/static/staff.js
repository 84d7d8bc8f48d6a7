// Pages beyond one patient: shows times as here, says that something takes a while. Everything works without it too.

const lang = document.documentElement.lang;
const tellTimes = () => document.querySelectorAll("time[data-local]").forEach((time) => {
  time.textContent = new Date(time.dateTime).toLocaleString(lang === "en" ? "en-GB" : lang, {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
  });
});
tellTimes();
addEventListener("page-shown", tellTimes); // research.js

document.querySelectorAll("form[data-slow]").forEach((form) => {
  form.addEventListener("submit", () => {
    form.querySelector("[data-wait]").textContent = form.dataset.slow;
    if (!("file" in form.dataset)) form.querySelector("button").disabled = true; // else the page stays, for another file
  });
});
