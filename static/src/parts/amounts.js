// Writes amounts of a quota's resources as the server does (portal/common/units.py). Pure: language and unit names are passed in.

const STEP = 1024;
const BYTES = new Set(["memory", "swap", "disk", "image_bytes"]);

/** A number without needless decimals, two at most, in the reader's language. */
function plain(amount, language, digits = 2) {
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits, useGrouping: false }).format(amount);
}

/** Bytes in the largest unit that they fill; `units` are the names from bytes on. */
export function formatBytes(size, language, units) {
  let power = 0;
  let amount = Math.trunc(size);
  while (amount >= STEP && power < units.length - 1) {
    amount /= STEP;
    power += 1;
  }
  return `${plain(amount, language, 1)}\u00a0${units[power]}`;
}

/** An amount of `resource`; `words` has `units` (names of byte units) and `perSecond` ("{amount}/s"). */
export function formatAmount(resource, amount, language, words) {
  if (BYTES.has(resource)) return formatBytes(amount, language, words.units);
  const rate = (text) => words.perSecond.replace("{amount}", text);
  if (resource.endsWith("_bps")) return rate(formatBytes(amount, language, words.units));
  return resource.endsWith("_iops") ? rate(plain(amount, language)) : plain(amount, language);
}
