// Time worked on the current item, never shown: time between signs of life, with long pauses and hidden tabs left out; and how long until the first key.

export const IDLE_MS = 30_000; // a longer pause is not counted as work

export const clock = {
  ms: 0,
  last: Date.now(),
  shownAt: Date.now(),
  firstKeyMs: null,

  sign(key) {
    const now = Date.now();
    const pause = now - this.last;
    if (pause > 0 && pause <= IDLE_MS) this.ms += pause;
    this.last = now;
    if (key && this.firstKeyMs == null) this.firstKeyMs = Math.max(0, now - this.shownAt);
  },
  restart() {
    this.ms = 0;
    this.last = this.shownAt = Date.now();
    this.firstKeyMs = null;
  },
  /** What goes with a decision. */
  told() {
    this.sign(false);
    return { active_ms: Math.min(this.ms, 86_400_000), first_key_ms: this.firstKeyMs == null ? null : Math.min(this.firstKeyMs, 86_400_000) };
  },
};

for (const kind of ["keydown", "pointermove", "pointerdown", "wheel", "touchmove", "focusin"]) {
  addEventListener(kind, () => !document.hidden && clock.sign(kind === "keydown" || kind === "pointerdown"), { passive: true, capture: true });
}
document.addEventListener("visibilitychange", () => (document.hidden ? clock.sign(false) : (clock.last = Date.now())));
