// On the way to the EHR's sign-in and back: finds out whether this frame keeps cookies, and where it does not, remembers
// in the frame's name which launch was begun here, so that no other one can come back into it.

(() => {
  const MARK = "rapport:";
  const isOpaque = self.origin === "null"; // a sandboxed frame: cookies may come, but nothing else works with them
  const probe = document.querySelector("[data-probe]"), way = document.querySelector("[data-depart]");
  const arrival = document.querySelector("[data-arrive]");

  if (probe) location.replace(isOpaque ? probe.dataset.none : probe.dataset.kept);

  if (way) {
    if (way.dataset.binding) self.name = `${MARK}${way.dataset.binding}:${self.name.startsWith(MARK) ? "" : self.name}`;
    if (way.tagName === "FORM") way.submit();
    else location.replace(way.href);
  }

  if (arrival && self.name.startsWith(MARK)) {
    const [, session, ...name] = self.name.split(":");
    self.name = name.join(":");
    arrival.querySelector("[name=session]").value = session;
    arrival.querySelector("[name=to]").value = location.pathname + location.search;
    arrival.submit();
  }
})();
