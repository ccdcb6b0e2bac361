// The outbox: a decision is written to localStorage before it is sent, under an idempotency key, so that a lost connection or a closed page loses
// nothing and sending twice counts once.

import { el, keep, newKey, PREFIX, problem } from "./dom.js";
import { call, Unreachable } from "./server.js";

const QUIET = new Set(["viewed", "consent"]); // on record, but nothing anybody waits for

/** What the rest of the screen does when something happens here; `screen.js` and `deciding.js` fill it in. */
export const hooks = { changed() {}, emptied() {}, sent() {}, refused() {} };

export const signInLink = () => el("a", { href: `/login?next=${encodeURIComponent(location.pathname)}` }, "sign in again");

/** Decisions on their way. One localStorage entry each, so that two tabs never overwrite each other; sent in order, one at a time. */
export const outbox = {
  memory: new Map(), // what could not be stored
  sending: null,
  waitMs: 0,
  timer: 0,
  signedOut: false,
  last: 0,
  changes: 0, // counts what went in and out, so that figures fetched meanwhile are not trusted

  names() {
    const stored = [];
    try {
      for (let i = 0; i < localStorage.length; i++) {
        const name = localStorage.key(i);
        if (name.startsWith(`${PREFIX}.outbox.`)) stored.push(name);
      }
    } catch {
      // Storage is switched off: everything is in memory.
    }
    return [...new Set([...stored, ...this.memory.keys()])].sort();
  },
  get(name) {
    return this.memory.get(name) ?? keep.read(localStorage, name, null);
  },
  put(op, body) {
    // Names sort by the moment they were made, so the order survives a reload.
    this.last = Math.max(Date.now(), this.last + 1);
    const entry = { op, body: { ...body, idempotency_key: newKey() }, attempted: false };
    const name = `${PREFIX}.outbox.${String(this.last).padStart(15, "0")}.${entry.body.idempotency_key}`;
    if (!keep.write(localStorage, name, entry)) this.memory.set(name, entry);
    this.changes += 1;
    this.send();
    return name;
  },
  drop(name) {
    this.changes += 1;
    this.memory.delete(name);
    try {
      localStorage.removeItem(name);
    } catch {
      // Nothing was stored.
    }
  },
  /** Take back a decision the server cannot have seen. */
  cancel(name) {
    const entry = this.get(name);
    if (!entry || entry.attempted || this.sending === name) return false;
    this.drop(name);
    return true;
  },
  /** How many decisions wait; that an item was seen is no decision. */
  get size() {
    return this.names().filter((name) => !QUIET.has(this.get(name)?.op)).length;
  },
  key: newKey,
  pending(op) {
    return this.names().filter((name) => this.get(name)?.op === op).length;
  },
  async send() {
    if (this.sending || this.signedOut) return hooks.changed();
    clearTimeout(this.timer);
    let sent = false;
    for (let name; (name = this.names()[0]); ) {
      const entry = this.get(name);
      if (!entry) {
        this.drop(name);
        continue;
      }
      this.sending = name;
      hooks.changed();
      if (!entry.attempted) {
        const tried = { ...entry, attempted: true };
        if (this.memory.has(name) || !keep.write(localStorage, name, tried)) this.memory.set(name, tried);
      }
      try {
        const told = await call("POST", entry.op, entry.body);
        this.drop(name);
        hooks.sent(entry, told);
        this.waitMs = 0;
        sent = true;
      } catch (error) {
        this.sending = null;
        if (error instanceof Unreachable) {
          this.waitMs = Math.min(30_000, this.waitMs ? this.waitMs * 2 : 500);
          this.timer = setTimeout(() => this.send(), this.waitMs * (0.75 + Math.random() / 2));
          return hooks.changed();
        }
        if (error.status === 401) {
          this.signedOut = true;
          problem("You are signed out. What you decided is kept on this machine and is sent once you ", signInLink(), ".");
          return hooks.changed();
        }
        this.drop(name);
        if (!QUIET.has(entry.op)) hooks.refused(entry, error);
        continue;
      }
      this.sending = null;
    }
    hooks.changed();
    if (sent) hooks.emptied();
  },
  flush() {
    this.waitMs = 0;
    this.signedOut = false;
    return this.send();
  },
};
