// Numbers and names for people.

const COUNTRIES = new Intl.DisplayNames(["en"], {type: "region", fallback: "code"});

export const count = (n) => n.toLocaleString("en");

export function percent(share) {
  const value = 100 * share;
  if (value < 0.5) return "<1%";
  return value > 99.5 && value < 100 ? ">99%" : `${Math.round(value)}%`;
}

export function country(code) {
  try {
    return COUNTRIES.of(code);
  } catch {
    return code; // not every code in the data is a country
  }
}

export const drawings = (n) => (n === 1 ? "1 drawing" : `${count(n)} drawings`);

export const nameOf = ({title, category}) => title ?? category ?? "no category";

/** The link of a hit if it leads to a web page, or null. */
export const webLink = ({link}) => (/^https?:\/\//.test(link ?? "") ? link : null);
