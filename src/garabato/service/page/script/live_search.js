// Searches while the pen moves: one at a time, only the latest is kept, stale responses are dropped.

/** The pause between searches, so that a finished stroke usually finds the server idle. */
const PAUSE_MS = 60;
/** The pause before a search is repeated. */
const RETRY_MS = 1500;

export class LiveSearch {
  #search;
  #deliver;
  #fail;
  #running = null;
  #timer = 0;
  #waiting = null;

  /** `search(query, signal)` resolves to a result, passed on to `deliver(result, query)`; errors to `fail(error)`.
   * After an error that is `temporary`, the search is repeated. */
  constructor(search, deliver, fail) {
    this.#search = search;
    this.#deliver = deliver;
    this.#fail = fail;
  }

  /** The pen is moving: search soon, but not while another search is running. */
  soon(query, pauseMs = PAUSE_MS) {
    this.#waiting = query;
    if (!this.#running) this.#timer ||= setTimeout(() => this.#send(), pauseMs);
  }

  /** The stroke is finished: search now and drop any older search. */
  now(query) {
    this.cancel();
    this.#waiting = query;
    this.#send();
  }

  /** Stop searching; nothing more is delivered. */
  cancel() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#waiting = null;
    this.#running?.abort();
    this.#running = null;
  }

  async #send() {
    this.#timer = 0;
    const query = this.#waiting;
    this.#waiting = null;
    const control = (this.#running = new AbortController());
    const isWanted = () => this.#running === control;
    let pauseMs = PAUSE_MS;
    try {
      const result = await this.#search(query, control.signal);
      if (isWanted()) this.#deliver(result, query);
    } catch (error) {
      if (!isWanted()) return;
      this.#fail(error);
      if (error.temporary) [this.#waiting, pauseMs] = [this.#waiting ?? query, RETRY_MS];
    }
    if (!isWanted()) return;
    this.#running = null;
    if (this.#waiting) this.soon(this.#waiting, pauseMs);
  }
}
