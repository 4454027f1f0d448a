// The encoder: drawings -> probabilities and embeddings, with ONNX Runtime in WebAssembly.

import {render} from "./render.js";

/** The best predictions of a drawing of a known category are together at least `unknown_below`. */
const N_TO_KNOW = 5;

export class Encoder {
  #ort;
  #session;
  #about;

  /** `about`: encoder.json; `ort`: the module of ONNX Runtime; `wasm`, `network`: Uint8Array. */
  static async load(about, {ort, wasm, network}) {
    ort.env.wasm.numThreads = 1; // threads need headers that static hosts do not send
    ort.env.wasm.wasmBinary = wasm;
    const encoder = new Encoder();
    encoder.#ort = ort;
    encoder.#about = about;
    encoder.#session = await ort.InferenceSession.create(network, {executionProviders: ["wasm"]});
    await encoder.encode([[[0, 1], [0, 1]]]); // the first run is the slowest
    return encoder;
  }

  /** A drawing -> {logits (C), embedding (D) of length 1}, both Float32Array. */
  async encode(drawing, traced) {
    const {size_px: size, order, path} = this.#about.render;
    const shape = order ? [1, size, size, path ? 4 : 3] : [1, size, size];
    const images = new this.#ort.Tensor("uint8", render(drawing, this.#about.render, traced), shape);
    const {logits, embeddings} = await this.#session.run({images});
    return {logits: this.#withAdded(logits.data), embedding: embeddings.data};
  }

  /** The logits, centred, and those of categories that were added from a few drawings (few_shot.py). */
  #withAdded(logits) {
    if (!this.#about.added) return logits;
    const {weights, offset} = this.#about.added;
    const mean = logits.reduce((a, b) => a + b) / logits.length;
    const centred = logits.map((value) => value - mean);
    const length = Math.max(Math.hypot(...centred), 1e-12);
    const cosines = weights.map((row) => row.reduce((sum, w, i) => sum + w * centred[i], 0) / length);
    return Float32Array.from([...centred, ...cosines.map((value) => value + offset)]);
  }

  /** {predictions: the `k` most probable, best first, unsure, unknown}, of all categories or those in `among`. */
  predict(logits, k, among = this.#about.categories) {
    const names = [...new Set(among)];
    const probabilities = softmax(this.#rowsOf(names).map((row) => logits[row]), this.#about.temperature);
    const order = names.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
    const predictions = order
      .slice(0, k)
      .map((i) => ({category: names[i], probability: round(probabilities[i])}));
    const known = order.slice(0, N_TO_KNOW).reduce((sum, i) => sum + probabilities[i], 0);
    const unknown = among === this.#about.categories && known < this.#about.unknown_below;
    return {predictions, unsure: probabilities[order[0]] < this.#about.unsure_below, unknown};
  }

  #rowsOf(names) {
    const refuse = (message) => {
      throw Object.assign(new Error(message), {status: 400});
    };
    if (!names.length) refuse("`among` is empty; name at least one category");
    const rows = names.map((name) => this.#about.categories.indexOf(name));
    const unknown = names.filter((_, i) => rows[i] < 0);
    if (unknown.length) refuse(`the encoder does not know ${unknown.join(", ")}; categories() lists what it knows`);
    return rows;
  }
}

function softmax(logits, temperature) {
  const most = Math.max(...logits);
  const powers = logits.map((value) => Math.exp((value - most) / temperature));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((value) => value / sum);
}

export const round = (value) => Math.round(value * 1e6) / 1e6;
