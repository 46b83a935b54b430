"use strict";
// Pages work without this file. It adds optimistic switches, messages, and polls that pause in hidden tabs and behind dialogs.
(() => {
  const year = 365 * 24 * 3600;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("js");

  // The server formats times in this zone.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  document.cookie = `zone=${zone}; path=/; max-age=${year}; samesite=lax`;

  // The second click of a double click sends nothing.
  document.addEventListener("click", (event) => {
    if (event.detail > 1 && event.target.closest("[type=submit]")) event.preventDefault();
    const dismiss = event.target.closest("[data-dismiss]");
    if (dismiss) dismiss.parentElement.remove();
  }, true);

  // What was sent is not sent again while its answer is awaited, by Enter or by a second click. Files come without a new page, so this ends.
  const patience = 5000;
  let sent = new WeakMap();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.matches("[hx-post]")) return;
    const before = sent.get(form);
    const now = { to: event.submitter?.formAction || form.action, what: event.submitter?.value, at: Date.now() };
    if (before && before.to === now.to && before.what === now.what && now.at - before.at < patience) event.preventDefault();
    else sent.set(form, now);
  });
  window.addEventListener("pageshow", () => { sent = new WeakMap(); });

  // Messages that came with the page are inserted again, because screen readers announce only changes.
  const toasts = document.getElementById("toasts");
  const early = all(".toast-note", toasts);
  setTimeout(() => early.filter((note) => note.isConnected).forEach((note) => toasts.append(note)), 200);

  // A button that shows the password.
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

  // The box that selects every row of a list, and the number of selected rows.
  const announcer = document.getElementById("announcer");
  const say = (text) => { if (announcer.textContent !== text) announcer.textContent = text; };
  // Works without https too, where the clipboard of the browser does not.
  document.addEventListener("click", ({ target }) => {
    if (!target.matches("[data-copy]")) return;
    document.getElementById(target.dataset.copy).select();
    say(target.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl-C");
    target.focus();
  });
  const count = (form) => {
    const every = form?.querySelector("[data-select-all]");
    if (!every) return;
    const boxes = all("tbody .tick [type=checkbox]", form);
    const selected = boxes.filter((box) => box.checked).length;
    every.checked = selected > 0 && selected === boxes.length;
    every.indeterminate = selected > 0 && selected < boxes.length;
    form.querySelector("[data-selected]").textContent = `${selected} selected`;
    say(`${selected} selected`);
  };
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form");
    if (event.target.matches("[data-select-all]")) {
      all("tbody .tick [type=checkbox]", form).forEach((box) => { box.checked = event.target.checked; });
    }
    if (event.target.matches("[data-select-all], tbody .tick [type=checkbox]")) count(form);
  });
  document.addEventListener("reset", (event) => setTimeout(() => count(event.target)));
  window.addEventListener("pageshow", () => all("[data-list]").filter((form) => form.querySelector("tbody .tick :checked")).forEach(count));

  // Menus close when the focus or a click goes elsewhere, and on Escape.
  const open_menus = () => all("[data-menu][open]");
  for (const name of ["click", "focusin"]) {
    document.addEventListener(name, (event) => open_menus().filter((menu) => !menu.contains(event.target)).forEach((menu) => { menu.open = false; }));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open_menus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Enter in a text field presses the button of its group, where a form has several.
  document.addEventListener("keydown", (event) => {
    const group = event.key === "Enter" && !event.isComposing && event.target.tagName === "INPUT" && event.target.closest("[data-enter]");
    if (!group) return;
    event.preventDefault();
    document.querySelector(group.dataset.enter).click();
  });

  // The review sheet: Enter (also a scanner's) goes on to the next row, a pasted column fills the rows below, and one carrier goes to all.
  const sheet = document.querySelector("[data-sheet]");
  if (sheet) {
    const numbers = all("[data-tracking]", sheet);
    const carriers = all("[data-carrier]", sheet);
    const ship = sheet.querySelector("[data-ship]");
    const next = (input) => numbers[numbers.indexOf(input) + 1] || ship;
    const over = document.querySelector("[data-left-over]");
    const sayOver = (left) => { over.hidden = !left.length; over.querySelector("span").textContent = left.join(", "); };
    sheet.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
      event.preventDefault();
      const at = carriers.indexOf(event.target);
      const to = event.target.matches("[data-tracking]") ? next(event.target) : numbers[Math.max(at, 0)];
      to.focus();
      if (to.select) to.select();
    });
    sheet.addEventListener("paste", (event) => {
      const lines = event.clipboardData.getData("text").split(/[\r\n]+/).map((line) => line.trim());
      while (lines.length && !lines[lines.length - 1]) lines.pop();
      if (lines.length < 2 || !event.target.matches("[data-tracking]")) return;
      event.preventDefault();
      const rows = numbers.slice(numbers.indexOf(event.target));
      rows.forEach((input, at) => { if (at < lines.length) input.value = lines[at]; });
      sayOver(lines.slice(rows.length).filter(Boolean));
      next(rows[Math.min(lines.length, rows.length) - 1]).focus();
    });
    // One more scan than there are rows comes to the button: it is named, and its Enter ships nothing. Nor does an Enter that is held down.
    const extra = [];
    let scanned = "";
    ship.addEventListener("keydown", (event) => {
      const enter = event.key === "Enter";
      const text = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && (scanned || event.key !== " ");
      if (enter ? !scanned && !event.repeat : !text) return;
      event.preventDefault();
      if (!enter) scanned += event.key;
      if (!enter || !scanned) return;
      extra.push(scanned);
      scanned = "";
      sayOver(extra);
      over.scrollIntoView({ block: "nearest" });
    });
    ship.addEventListener("blur", () => { scanned = ""; });
    const every = sheet.querySelector("[data-carrier-all]");
    if (every) every.addEventListener("input", () => carriers.forEach((input) => { input.value = every.value; }));
  }

  // A switch shows the new state at once, and the old one again if the server refuses.
  const flip = (event) => {
    const button = event.target.querySelector?.(":scope > [role=switch]");
    if (button) button.setAttribute("aria-checked", String(button.getAttribute("aria-checked") !== "true"));
  };
  const dialog = document.getElementById("dialog");
  const listen = (name, act) => document.addEventListener(name, act);
  listen("htmx:beforeSend", flip);
  listen("htmx:responseError", (event) => {
    flip(event);
    if (event.target.matches("[data-filters]") && event.detail.xhr.status === 429) return;
    if (!event.detail.xhr.responseText.includes("toast-note")) sayOffline(event);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) listen(name, (event) => { flip(event); sayOffline(event); });

  // A failed poll shows no message. The next poll tries again.
  listen("htmx:beforeSwap", (event) => {
    if (event.detail.isError && event.detail.requestConfig.elt.matches("[data-poll]")) event.detail.shouldSwap = false;
  });
  listen("announce", (event) => say(event.detail.value));

  // The filters of a list apply at once: empty ones stay out of the address, the result is read out, and who types faster than the server
  // searches is searched for once more instead of being told to wait.
  listen("htmx:configRequest", (event) => {
    if (!event.target.matches("[data-filters]")) return;
    const sent = event.detail.parameters;
    for (const field of event.target.elements) {
      // The days of a report count where they are in sight: with *Other days*.
      const aside = field.type === "date" && !field.offsetParent;
      if (field.name && (aside || sent[field.name] === (field.dataset.default || ""))) delete sent[field.name];
    }
  });
  listen("htmx:beforeSwap", (event) => {
    const form = event.detail.requestConfig.elt;
    if (event.detail.xhr.status !== 429 || !form.matches("[data-filters]")) return;
    event.detail.shouldSwap = false;
    setTimeout(() => window.htmx.trigger(form, "again"), 1000);
  });
  listen("htmx:afterSettle", (event) => {
    if (event.target.id === "list") say((event.target.querySelector("caption, h2") || event.target).textContent);
  });

  // What was typed into a row and is not saved looks like it, and is not left without a question.
  const rowForm = "form.cell-form";
  document.addEventListener("input", ({ target }) => {
    const form = target.closest(rowForm);
    if (form) form.toggleAttribute("data-unsaved", all("input", form).some((each) => each.value !== each.defaultValue));
  });
  document.addEventListener("submit", (event) => {
    if (!event.defaultPrevented) event.target.removeAttribute("data-unsaved");
  });
  window.addEventListener("beforeunload", (event) => {
    if (document.querySelector(`${rowForm}[data-unsaved]`)) event.preventDefault();
  });

  // A page in another window may change this one: reload it when it is in front again.
  let away = false;
  document.addEventListener("click", (event) => { away ||= Boolean(event.target.closest("[data-refresh-on-return]")); });
  window.addEventListener("focus", () => { if (away) location.reload(); });

  function sayOffline(event) {
    // Only a person's action gets a message; polls try again.
    if (event.target.matches("[data-poll]") || toasts.querySelector("[data-fallback]")) return;
    toasts.append(document.getElementById("offline").content.cloneNode(true));
  }

  // Polls do not keep a session alive.
  listen("htmx:configRequest", (event) => {
    if (event.target.matches("[data-poll]")) event.detail.headers["X-Poll"] = "1";
  });
  listen("htmx:beforeRequest", (event) => {
    // Behind an open dialog too: what it does may end what the page asks about, and that answer would take the place of its own.
    // What would replace an open menu waits until it is closed.
    const paused = document.hidden || document.querySelector("dialog[open]") || event.target.querySelector("[data-menu][open]");
    if (paused && event.target.matches("[data-poll]")) event.preventDefault();
    // What an earlier act complained of is over with the next one.
    if (!event.target.matches("[data-poll]")) all(".toast-danger", toasts).forEach((note) => note.remove());
  });
  // The main menu of narrow windows.
  const bar = document.getElementById("bar-menu");
  const opener = document.querySelector("[data-main-menu]");
  const unfold = (open) => {
    opener.setAttribute("aria-expanded", String(open));
    bar.classList.toggle("bar-open", open);
  };
  if (opener) {
    opener.addEventListener("click", () => unfold(opener.getAttribute("aria-expanded") !== "true"));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && bar.classList.contains("bar-open")) { unfold(false); opener.focus(); }
    });
    document.addEventListener("focusin", (event) => { if (!opener.parentElement.contains(event.target)) unfold(false); });
  }

  // A step of a set-up begins at its heading, and a page after shipping at what was shipped, with Undo next, unless something else has the
  // focus already.
  const step = document.querySelector("[data-step-heading], [data-news]");
  if (step && !summary && !document.querySelector("[autofocus]")) step.focus({ preventScroll: true });

  // Shortcuts. Those of one key can be turned off, and none works while somebody types.
  const everything = document.querySelector("[data-everything]");
  const types = (target) => target.closest("select, textarea, dialog, [contenteditable], input:not([type=checkbox], [type=radio])");
  const single_keys = () => { try { return localStorage.getItem("single-keys") !== "off"; } catch { return true; } };
  const find = (event) => {
    event.preventDefault();
    if (opener.offsetParent) unfold(true);
    everything.focus();
    everything.select();
  };
  const show_shortcuts = () => {
    dialog.replaceChildren(document.getElementById("shortcuts").content.cloneNode(true));
    dialog.querySelector("[data-single-keys]").checked = single_keys();
    dialog.showModal();
  };
  document.addEventListener("click", (event) => { if (event.target.closest("[data-shortcuts]")) show_shortcuts(); });
  document.addEventListener("keydown", (event) => {
    if (!everything || event.altKey || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && !event.shiftKey) return find(event);
    if (event.ctrlKey || event.metaKey || types(event.target)) return;
    if (event.key === "/" && single_keys()) return find(event);
    if (event.key === "?" && single_keys()) {
      event.preventDefault();
      show_shortcuts();
    }
    // From row to row: to what is at the same place of the next one.
    const row = (event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.closest("tbody tr");
    const other = row && (event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling);
    if (!other) return;
    const reachable = (each) => all("a[href], button, input:not([type=hidden])", each);
    const goal = reachable(other)[reachable(row).indexOf(event.target)] || reachable(other)[0];
    if (!goal) return;
    event.preventDefault();
    goal.focus();
  });
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-single-keys]")) return;
    try { localStorage.setItem("single-keys", event.target.checked ? "on" : "off"); } catch { /* Without a store they stay on. */ }
  });

  // Confirmations open in a dialog. Without this file the link opens a page instead.
  listen("htmx:afterSwap", (event) => {
    if (event.target === dialog) dialog.showModal();
    const failed = event.target.querySelector?.("[data-error-summary]");
    if (failed) failed.focus();
  });
})();
