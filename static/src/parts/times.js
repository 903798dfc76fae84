// Writes moments in the clock and language of whoever looks. They stay true on a page that is left open, unlike "2 minutes ago".

/** Hour and minute of `moment`, with the day before them unless it is the day of `now`. */
export function formatMoment(moment, now, language, timeZone) {
  const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone });
  const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hour12: false, timeZone });
  const isToday = day.format(moment) === day.format(now);
  return isToday ? clock.format(moment) : `${day.format(moment)}, ${clock.format(moment)}`;
}

/** Write all moments in `content`, which the server wrote in its own clock. */
export function writeTimes(content) {
  const language = document.documentElement.lang;
  for (const time of content.querySelectorAll?.("time[data-local]") ?? []) {
    const moment = new Date(time.dateTime);
    time.textContent = formatMoment(moment, new Date(), language);
    time.title = moment.toLocaleString(language);
  }
}

export function startTimes(htmx) {
  htmx.onLoad(writeTimes);
}
