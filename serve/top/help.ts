/**
 * What the key `?` shows.
 *
 * @module
 */

/** At most 78 columns, and 21 lines. */
export const HELP: readonly string[] = [
  "q, Ctrl-C   quit                      ↑ ↓ Tab   choose a node",
  "p           pause, go on              Esc       choose none",
  "s           sort the nodes            ?         close this help",
  "",
  "Gets/s      keys asked for, each once, even if two nodes counted it",
  "Hit ratio   gets that needed no load, of the last ten seconds",
  "Loads/s     calls of getters that ended",
  "Peer req/s  keys asked of other nodes",
  "p50, p99    within what time half of them, and 99 of 100, were done",
  "Memory      heads, keys and values, against the budgets of all groups",
  "",
  "SHARE       which part of all keys the node owns",
  "GETS/S      what this node counted, also for other nodes",
  "LINK        how it is asked: open, idle, opens, or none: a request for a key",
  "OWED        removals that it missed and is to be told",
  "",
  "up          it answers, and is asked",
  "coming back it answers, and is asked after its next probe",
  "silent      nothing comes, as from a process that is frozen",
  "down        its port refuses; others stand in for its keys",
];
