// Tables of three columns or more are lists on a phone (see pages.css): give each cell the head of its column. The roles keep what the
// display property takes away: assistive programs would no longer announce a table.
"use strict";

for (const table of document.querySelectorAll("table.docutils")) {
  const heads = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
  if (heads.length < 3) {
    continue;
  }
  table.classList.add("listed");
  table.setAttribute("role", "table");
  for (const group of table.querySelectorAll("thead, tbody")) {
    group.setAttribute("role", "rowgroup");
  }
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    [...row.cells].forEach((cell, number) => {
      cell.setAttribute("role", cell.tagName === "TH" ? "columnheader" : "cell");
      if (cell.tagName === "TD" && number > 0) {
        cell.dataset.head = heads[number];
      }
    });
  }
}
// Two areas beside the text, with names of their own.
document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "Pages");
document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
// What scrolls sideways can be reached by keyboard, and the rest is no stop of it.
function reach() {
  for (const box of document.querySelectorAll(".columns, .table-wrapper, .drawing")) {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", box.matches(".drawing") ? "Drawing" : "Table");
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) {
        box.removeAttribute(name);
      }
    }
  }
}
reach();
window.addEventListener("resize", reach);
// Escape closes the lists of pages and of sections, however they were opened.
document.addEventListener("keydown", (event) => {
  const opened = document.querySelectorAll("#__navigation:checked, #__toc:checked");
  const area = document.activeElement.closest(".sidebar-drawer, .toc-drawer");
  if (event.key === "Escape" && (opened.length || area)) {
    opened.forEach((box) => box.click());
    document.activeElement.blur();
  }
});
