// The token that a server open to others asks of writers and operators; forgotten with the tab.

const KEY = "garabato.token";

export const token = () => sessionStorage.getItem(KEY) ?? "";

export function setToken(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}
