/** A drawing: for each stroke its xs and its ys, in any units; y grows downwards. */
export type Strokes = [xs: number[], ys: number[]][];

export interface StoredDrawing {
  key_id: string;
  category: string | null;
  country?: string;
  recognized?: boolean;
  /** Whether the strokes were traced from a picture, so that their order is unknown. */
  traced?: boolean;
  title?: string;
  tags?: string[];
  link?: string;
  /** The original file as a data URL for `<img src>`, where the gallery keeps it. */
  original?: string;
  drawing: Strokes;
}

export interface Hit extends StoredDrawing {
  /** The cosine of the two embeddings: 1 for the same drawing. More if a gallery with categories of its
   * own names the drawing as the encoder does the query. */
  score: number;
  /** The predicted category that its title or tags name, if that raised the score. */
  name_match?: string;
}

export interface Prediction {
  category: string;
  probability: number;
}

export interface Predictions {
  predictions: Prediction[];
  /** Whether the best prediction is too improbable to rely on. */
  unsure: boolean;
  /** Whether the drawing seems to show no category of the encoder. Never with `among`. */
  unknown: boolean;
}

export interface QueryResult extends Predictions {
  hits: Hit[];
  /** Who says best what the drawing shows: `predictions`, or the `votes` of a gallery whose categories
   * the encoder does not know. */
  headline: "encoder" | "gallery";
  votes?: {category: string; share: number}[];
  votes_unsure?: boolean;
  took_ms: number;
}

export interface Where {
  category?: string | string[];
  country?: string | string[];
  /** Each of its words begins a word of the title, category or a tag. */
  text?: string;
}

export interface QueryOptions {
  k?: number;
  /** Whether the strokes were traced from a picture, so that their order is unknown. */
  traced?: boolean;
  signal?: AbortSignal;
}

export declare class GarabatoError extends Error {
  /** 404 for what does not exist, 400 for bad input, otherwise 0 or an HTTP status. */
  status: number;
}

export declare class Garabato {
  /** Load a gallery: the URL of the folder that `garabato export web` wrote, or of `gallery/` in it. */
  static create(options: {gallery: string | URL}): Promise<Garabato>;
  /** Start loading; `ready` resolves once it has. If only the encoder fails to load, `ready` rejects, but
   * all methods but `search`, `classify` and `query` work. */
  constructor(options: {gallery: string | URL});
  readonly ready: Promise<void>;

  /** The `k` (10) most similar drawings, best first. */
  search(drawing: Strokes, options?: QueryOptions & {where?: Where}): Promise<Hit[]>;
  /** The `k` (5) most probable categories, of all or of those in `among`. */
  classify(drawing: Strokes, options?: QueryOptions & {among?: string[]}): Promise<Predictions>;
  /** `search` and `classify` at once, for the price of one. */
  query(
    drawing: Strokes,
    options?: QueryOptions & {where?: Where; predictions?: number},
  ): Promise<QueryResult>;

  drawing(keyId: string): Promise<StoredDrawing>;
  /** `n` drawings of a category, or that match a `where`; `next`, null at the end, is the `after` of the
   * page that follows. */
  list(
    where: string | Where,
    n: number,
    after?: string | null,
    signal?: AbortSignal,
  ): Promise<{drawings: StoredDrawing[]; next: string | null}>;
  categories(): Promise<{categories: {category: string; n_drawings: number}[]; countries: string[]; known: string[]}>;
  category(name: string): Promise<{
    category: string;
    n_drawings: number;
    typical: StoredDrawing[];
    odd: StoredDrawing[];
    confused_with?: {category: string; share: number}[];
  }>;
  map(): Promise<{n: number; categories: string[]; category: number[]; x: number[]; y: number[]; key_id: string[]}>;
  /** Stop its web worker. */
  close(): void;
}

/** A drawing as SVG markup in the current text colour; `lineWidth` is a share of its side. */
export declare function toSvg(strokes: Strokes, options?: {lineWidth?: number}): string;
