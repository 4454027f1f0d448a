// Questions while the pen moves: one under way at a time, the latest kept, stale answers dropped.

/** Between an answer and the next question, so that a finished stroke mostly finds the server idle. */
const PAUSE_MS = 60;

export class Live {
  #ask;
  #deliver;
  #fail;
  #number = 0;
  #shown = 0;
  #underWay = null;
  #timer = 0;
  #waiting = null;

  /** `ask(query, signal)` -> answer; `deliver(answer, query)`; `fail(error)`; all others are dropped. */
  constructor(ask, deliver, fail) {
    this.#ask = ask;
    this.#deliver = deliver;
    this.#fail = fail;
  }

  /** The pen is still moving: ask soon, and not while another question is under way. */
  soon(query) {
    this.#waiting = query;
    if (!this.#underWay) this.#timer ||= setTimeout(() => this.#send(), PAUSE_MS);
  }

  /** The stroke is finished: ask now; an answer to anything older is no longer wanted. */
  now(query) {
    this.cancel();
    this.#waiting = query;
    this.#send();
  }

  /** Nothing is asked any more, and no answer will be delivered. */
  cancel() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#waiting = null;
    this.#underWay?.abort();
    this.#underWay = null;
    this.#shown = this.#number;
  }

  async #send() {
    this.#timer = 0;
    const query = this.#waiting;
    this.#waiting = null;
    const number = ++this.#number;
    const control = (this.#underWay = new AbortController());
    try {
      const answer = await this.#ask(query, control.signal);
      if (number > this.#shown) {
        this.#shown = number;
        this.#deliver(answer, query);
      }
    } catch (error) {
      if (error.name !== "AbortError" && number > this.#shown) this.#fail(error);
    }
    if (this.#underWay !== control) return;
    this.#underWay = null;
    if (this.#waiting) this.soon(this.#waiting);
  }
}
