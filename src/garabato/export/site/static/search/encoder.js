// The encoder: drawings -> probabilities and embeddings, with ONNX Runtime in WebAssembly.

import * as ort from "./onnxruntime.mjs";
import {render} from "./render.js";

const here = (name) => new URL(name, import.meta.url).href;

export class Encoder {
  #session;
  #about;

  /** `about`: {render, categories, temperature, unsure_below}. */
  static async load(about) {
    ort.env.wasm.numThreads = 1; // threads need headers that static hosts do not send
    ort.env.wasm.wasmPaths = {wasm: here("onnxruntime.wasm")};
    const encoder = new Encoder();
    encoder.#about = about;
    encoder.#session = await ort.InferenceSession.create(here("encoder.onnx"), {executionProviders: ["wasm"]});
    await encoder.encode([[[0, 1], [0, 1]]]); // the first run is the slowest
    return encoder;
  }

  /** A drawing -> {probabilities (C), embedding (D) of length 1}, both Float32Array. */
  async encode(drawing) {
    const {size_px: size, order} = this.#about.render;
    const shape = order ? [1, size, size, 3] : [1, size, size];
    const images = new ort.Tensor("uint8", render(drawing, this.#about.render), shape);
    const {logits, embeddings} = await this.#session.run({images});
    return {probabilities: this.#softmax(logits.data), embedding: embeddings.data};
  }

  /** {predictions: the `k` most probable, best first, unsure}. */
  predict(probabilities, k) {
    const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a]);
    const predictions = order
      .slice(0, k)
      .map((i) => ({category: this.#about.categories[i], probability: round(probabilities[i])}));
    return {predictions, unsure: probabilities[order[0]] < this.#about.unsure_below};
  }

  #softmax(logits) {
    const most = logits.reduce((a, b) => Math.max(a, b));
    const powers = logits.map((value) => Math.exp((value - most) / this.#about.temperature));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((value) => value / sum);
  }
}

export const round = (value) => Math.round(value * 1e6) / 1e6;
