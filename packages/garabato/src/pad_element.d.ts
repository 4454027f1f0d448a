import type {Garabato, QueryResult, StoredDrawing, Strokes} from "./index.js";

export interface GarabatoPadEventMap {
  ready: CustomEvent<{garabato: Garabato}>;
  /** After every change; `finished` is false while the pen is down. */
  change: CustomEvent<{strokes: Strokes; traced: boolean; finished: boolean}>;
  /** After every search; empty lists for an empty pad. */
  hits: CustomEvent<QueryResult>;
  failure: CustomEvent<{error: Error}>;
}

/** `<garabato-pad gallery="URL" k="24">` */
export declare class GarabatoPad extends HTMLElement {
  k: number;
  garabato: Garabato | null;
  strokes: Strokes;
  /** Whether the drawing, or a part of it, was traced from a picture. */
  readonly traced: boolean;
  /** Put a drawing on the pad, such as a hit, and search with it. */
  show(drawing: Pick<StoredDrawing, "drawing" | "traced">): void;
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
