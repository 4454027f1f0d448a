import type {Garabato, QueryResult, Strokes} from "./index.js";

export interface GarabatoPadEventMap {
  ready: CustomEvent<{garabato: Garabato}>;
  /** After every change; `finished` is false while the pen is down. */
  change: CustomEvent<{strokes: Strokes; finished: boolean}>;
  /** After every search; empty lists for an empty pad. */
  hits: CustomEvent<QueryResult>;
  failure: CustomEvent<{error: Error}>;
}

/** `<garabato-pad gallery="URL" k="24">` */
export declare class GarabatoPad extends HTMLElement {
  k: number;
  garabato: Garabato | null;
  strokes: Strokes;
  undo(): void;
  redo(): void;
  clear(): void;
  addEventListener<Name extends keyof GarabatoPadEventMap>(
    name: Name,
    listener: (event: GarabatoPadEventMap[Name]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(name: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "garabato-pad": GarabatoPad;
  }
}
