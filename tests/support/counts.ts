/** What a group counted, apart from its memory. */

import type { Group, GroupCounts } from "../../mod.ts";

export function countsOf(group: Group): GroupCounts {
  const { main: _1, hot: _2, bytes: _3, maxBytes: _4, ...counts } = group
    .stats();
  return counts;
}
