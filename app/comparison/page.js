"use strict";

const PAGE = 50;
const LISTED = 3;
const element = (id) => document.getElementById(id);
const filters = ["role", "school", "permission", "change", "reason"];

const differences = JSON.parse(element("differences").textContent);
const rows = differences.flatMap((difference) =>
  ["lost", "gained"].flatMap((change) => difference[change].map((entry) => ({ ...entry, change, difference }))),
);

// Of each row what a filter compares; a school is that of the place, a role any that was or is held.
const values = {
  role: (row) => [...row.difference.roles, ...(row.difference.account ? [row.difference.account.role] : [])],
  school: (row) => row.schools,
  permission: (row) => [row.permission],
  change: (row) => [row.change],
  reason: (row) => [row.reason],
};

let shown = rows;
let page = 0;

function made(name, text, className) {
  const node = document.createElement(name);
  node.textContent = text ?? "";
  if (className) node.className = className;
  return node;
}

function ids(list) {
  const cell = made("span", list.slice(0, LISTED).join(", "), "id");
  if (list.length <= LISTED) return [cell];
  const more = document.createElement("details");
  more.append(made("summary", `${list.length - LISTED} more`), made("span", list.slice(LISTED).join(", "), "id"));
  return [cell, more];
}

function line(row) {
  const { user, account, roles } = row.difference;
  const cells = document.createElement("tr");
  const who = made("th");
  who.scope = "row";
  who.append(user ? made("span", user, "id") : made("em", "no user any more"));
  if (account) {
    const old = made("small", `${account.role} account `);
    old.append(made("span", account.id, "id"));
    who.append(old);
  }
  const where = made("td");
  where.append(made("small", row.scope), ...ids(row.places));
  const schools = made("td");
  schools.append(...ids(row.schools));
  const why = made("td", row.detail);
  if (row.conditional) why.append(made("small", "Only if a request meets the policy's condition."));
  const permission = made("td");
  permission.append(made("code", row.permission));
  cells.append(who, made("td", roles.join(", ")), made("td", row.change, row.change), permission, where, schools, why);
  return cells;
}

function users(change) {
  return new Set(shown.filter((row) => row.change === change).map((row) => row.difference)).size;
}

function show() {
  const last = Math.max(0, Math.ceil(shown.length / PAGE) - 1);
  page = Math.min(page, last);
  element("rows").replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map(line));
  element("counts").textContent =
    `${shown.length} of ${rows.length} changes: ${users("lost")} users or accounts lose something, ` +
    `${users("gained")} gain something.`;
  element("page").textContent = `Page ${page + 1} of ${last + 1}`;
  element("previous").disabled = page === 0;
  element("next").disabled = page === last;
}

function filter() {
  const wanted = filters.map((name) => [values[name], element(name).value]).filter(([, value]) => value);
  const who = element("who").value.trim();
  shown = rows.filter(
    (row) =>
      wanted.every(([valuesOf, value]) => valuesOf(row).includes(value)) &&
      (!who || [row.difference.user, row.difference.account?.id].some((id) => id?.includes(who))),
  );
  page = 0;
  show();
}

function turn(pages) {
  page += pages;
  show();
}

for (const name of ["role", "school", "permission"]) {
  const found = [...new Set(rows.flatMap(values[name]))].sort();
  element(name).append(...found.map((value) => new Option(value, value)));
}
element("filters").addEventListener("input", filter);
element("filters").addEventListener("submit", (event) => event.preventDefault());
element("filters").addEventListener("reset", () => setTimeout(filter));
element("previous").addEventListener("click", () => turn(-1));
element("next").addEventListener("click", () => turn(1));
show();
