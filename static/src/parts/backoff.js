// How long to wait before the next attempt to connect. Pure: the caller passes chance in.

const FIRST_MS = 400;
const MOST_MS = 10_000;

/** Milliseconds before attempt number `attempt` (from 0); `chance` in [0, 1) spreads a class that was cut off all at once. */
export function delayBefore(attempt, chance) {
  const ceiling = Math.min(MOST_MS, FIRST_MS * 2 ** attempt);
  return Math.round(ceiling / 2 + (ceiling / 2) * chance);
}
