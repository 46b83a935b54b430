"use strict";
// Pages work without this file. It adds what a browser alone cannot: optimistic switches, messages, quiet hidden tabs.
(() => {
  const year = 365 * 24 * 3600;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("js");

  // The server shows times in this zone.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  document.cookie = `zone=${zone}; path=/; max-age=${year}; samesite=lax`;

  // The second click of a double click is not a second wish.
  document.addEventListener("click", (event) => {
    if (event.detail > 1 && event.target.closest("[type=submit]")) event.preventDefault();
    const dismiss = event.target.closest("[data-dismiss]");
    if (dismiss) dismiss.parentElement.remove();
  }, true);

  // Messages that came with the page are put in again, because only what changes is read out.
  const toasts = document.getElementById("toasts");
  const early = all(".toast-note", toasts);
  setTimeout(() => early.filter((note) => note.isConnected).forEach((note) => toasts.append(note)), 200);

  // Who types a password alone in a room may look at it.
  for (const input of all("input[type=password][autocomplete$=password]")) {
    const show = document.createElement("button");
    show.type = "button";
    show.className = "btn btn-link btn-sm show-password";
    show.textContent = "Show the password";
    show.setAttribute("aria-pressed", "false");
    show.addEventListener("click", () => {
      const shown = input.type === "text";
      input.type = shown ? "password" : "text";
      show.setAttribute("aria-pressed", String(!shown));
    });
    input.after(show);
  }

  const summary = document.querySelector("[data-error-summary]");
  if (summary) summary.focus();

  // One tick for all the rows of a list.
  document.addEventListener("change", (event) => {
    const ticks = event.target.closest("form") ? all("tbody [type=checkbox]", event.target.closest("form")) : [];
    if (event.target.matches("[data-tick-all]")) ticks.forEach((tick) => { tick.checked = event.target.checked; });
    const one = event.target.closest("form")?.querySelector("[data-tick-all]");
    if (one && event.target.matches("tbody *")) one.checked = ticks.every((tick) => tick.checked);
  });

  // A switch shows the wanted state at once, and the old one again where the server says no.
  const flip = (event) => {
    const button = event.target.querySelector?.(":scope > [role=switch]");
    if (button) button.setAttribute("aria-checked", String(button.getAttribute("aria-checked") !== "true"));
  };
  const listen = (name, act) => document.addEventListener(name, act);
  listen("htmx:beforeSend", flip);
  listen("htmx:responseError", (event) => {
    flip(event);
    if (!event.detail.xhr.responseText.includes("toast-note")) sayOffline(event);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) listen(name, (event) => { flip(event); sayOffline(event); });

  // A page that asks by itself says nothing when it gets no good answer; it asks again.
  listen("htmx:beforeSwap", (event) => {
    if (event.detail.isError && event.detail.requestConfig.elt.matches("[data-poll]")) event.detail.shouldSwap = false;
  });
  const announcer = document.getElementById("announcer");
  listen("announce", (event) => { if (announcer.textContent !== event.detail.value) announcer.textContent = event.detail.value; });

  // What opens a window of its own may change this page: look again when it is back in front.
  let away = false;
  document.addEventListener("click", (event) => { away ||= Boolean(event.target.closest("[data-refresh-on-return]")); });
  window.addEventListener("focus", () => { if (away) location.reload(); });

  function sayOffline(event) {
    // A poll tries again by itself; only an act of a person is worth a message.
    if (event.target.matches("[data-poll]") || toasts.querySelector("[data-fallback]")) return;
    toasts.append(document.getElementById("offline").content.cloneNode(true));
  }

  // What a page asks by itself keeps nobody signed in.
  listen("htmx:configRequest", (event) => {
    if (event.target.matches("[data-poll]")) event.detail.headers["X-Poll"] = "1";
  });
  listen("htmx:beforeRequest", (event) => {
    if (document.hidden && event.target.matches("[data-poll]")) event.preventDefault();
  });
  // A question comes up in a dialog; without this file its link leads to a page that asks the same.
  const dialog = document.getElementById("dialog");
  listen("htmx:afterSwap", (event) => {
    if (event.target === dialog) dialog.showModal();
    const failed = event.target.querySelector?.("[data-error-summary]");
    if (failed) failed.focus();
  });
})();
