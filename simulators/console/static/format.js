// Durations and times for people.

/** Return milliseconds as "12 ms", "1.24 s" or "2:05 min". */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${countdown(ms / 1000)} min`;
}

/** Return milliseconds between two stages as "+12 ms", "+1.24 s" or, from a minute on, "+10 min". */
export function since(ms) {
  return ms < 60_000 ? `+${duration(ms)}` : `+${Math.round(ms / 60_000)} min`;
}

/** Return seconds as "14:59". */
export function countdown(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Return epoch milliseconds as "14:59:07", or "14:59" without seconds. */
export function clock(ms, seconds = true) {
  return new Date(ms).toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds ? { second: "2-digit" } : {}),
  });
}

/** Return the day of epoch milliseconds as "2026-11-22". */
export function day(ms) {
  const date = new Date(ms);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
