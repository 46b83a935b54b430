"use strict";
// The columns of a chart are one stop of the Tab key; arrow keys, Home and End move between them. Without this file each is a stop.
(() => {
  for (const list of document.querySelectorAll("[data-columns]")) {
    const columns = [...list.children];
    const keys = {
      ArrowLeft: (at) => at - 1, ArrowRight: (at) => at + 1, Home: () => 0, End: () => columns.length - 1,
    };
    columns.slice(0, -1).forEach((column) => { column.tabIndex = -1; });
    list.addEventListener("focusin", (event) => {
      columns.forEach((column) => { column.tabIndex = column === event.target ? 0 : -1; });
    });
    list.addEventListener("keydown", (event) => {
      const to = keys[event.key] && columns[keys[event.key](columns.indexOf(event.target))];
      if (!to) return;
      event.preventDefault();
      to.focus();
    });
  }
})();
