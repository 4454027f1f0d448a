// What drawings are called: as garabato.gallery.explore in Python, where the weights are explained.

const [NAME_WEIGHT, WHOLE_TITLE, PART_OF_TITLE, IN_TAG] = [0.9, 1, 0.85, 0.7];
const MIN_PROBABILITY = 0.01;
const NOT_COUNTED = new Set(["the", "of"]);
export const N_NAMED = 5;

export class Names {
  #nTitleWords = [];
  #inTitles = new Map();
  #inTags = new Map();

  /** `titles`: a text for each row; `tags`: for each row a list, or null. */
  constructor(titles, tags) {
    const put = (index, word, row) => {
      if (!index.has(word)) index.set(word, new Set());
      index.get(word).add(row);
    };
    titles.forEach((title, row) => {
      const words = wordsOf(title);
      this.#nTitleWords.push(words.length);
      for (const word of words) put(this.#inTitles, word, row);
      (tags[row] ?? []).forEach((tag, number) => {
        for (const word of wordsOf(tag)) put(this.#inTags, word, `${row} ${number}`);
      });
    });
  }

  /** Row -> {boost, category} for the rows that a predicted category names: how far towards 1 their score moves. */
  boosts(predictions) {
    const boosts = new Map();
    for (const {category, probability} of predictions.slice(0, N_NAMED)) {
      const words = wordsOf(category);
      if (probability < MIN_PROBABILITY || !words.length) continue;
      for (const [row, match] of this.#matches(words)) {
        const boost = NAME_WEIGHT * match * Math.sqrt(probability);
        if (!(boost <= boosts.get(row)?.boost)) boosts.set(row, {boost, category});
      }
    }
    return boosts;
  }

  #matches(words) {
    const matches = new Map();
    for (const place of withAll(this.#inTags, words)) matches.set(parseInt(place, 10), IN_TAG);
    for (const row of withAll(this.#inTitles, words))
      matches.set(row, this.#nTitleWords[row] === words.length ? WHOLE_TITLE : PART_OF_TITLE);
    return matches;
  }
}

function withAll(index, words) {
  const [first, ...others] = words.map((word) => index.get(word) ?? new Set());
  return [...first].filter((place) => others.every((places) => places.has(place)));
}

function wordsOf(text) {
  const words = text.normalize("NFC").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.filter((word) => !NOT_COUNTED.has(word)).map(singular);
}

function singular(word) {
  return word.length > 3 && word.endsWith("s") && !word.endsWith("ss") ? word.slice(0, -1) : word;
}
