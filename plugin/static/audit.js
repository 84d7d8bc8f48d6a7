// The chain: a station that is pointed at opens. Without this the browser opens it, or a press on its heading does.

const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const station = target?.closest("details");
  if (!station) return;
  station.open = true;
  target.scrollIntoView();
};
addEventListener("hashchange", open);
document.querySelectorAll(".stations a, .words a").forEach((link) => {
  link.addEventListener("click", () => setTimeout(open));
});
open();
