/**
 * Peers that have gone wrong: they know the secret, and open links.
 *
 * @module
 */

import { ASK } from "../../protocol/link.ts";
import { delay } from "../chaos/origin.ts";
import { concat, framesBy, rawFrame } from "../support/links.ts";
import {
  type Attack,
  chunk,
  head,
  oneOf,
  peerHeaders,
  randomBytes,
  randomText,
  type Target,
} from "./attack.ts";
import { Connection } from "./connection.ts";
import { KEYS } from "./values.ts";

const PATIENCE_MS = 40_000;
const QUESTIONS = 2_000;

const PING = framesBy((to) => to.head(ASK.ping, 0));
const PLAIN = framesBy((to) => to.text(ASK.group, 0, "plain"));

/** Opens a link, and runs. */
function link(
  target: Target,
  run: (connection: Connection) => Promise<void>,
): Promise<void> {
  return Connection.within(PATIENCE_MS, target.port, async (connection) => {
    const headers = ["Geecache-Link: 1", "Transfer-Encoding: chunked"];
    await connection.send(
      head("POST /_geecache/", [...peerHeaders(target), ...headers]),
    );
    await connection.send(chunk(PING));
    await run(connection);
  });
}

/** Frames that end a link. */
function broken(): Uint8Array {
  return oneOf([
    () => randomBytes(1_000),
    () => rawFrame(99, 1),
    () => rawFrame(ASK.get, 1, [0, 0, 0, 0, 65], 0xffffffff),
    () => rawFrame(ASK.get, 1, [0]),
    () => rawFrame(ASK.get, 1, [0, 9, 0, 0, 65]),
    () => rawFrame(ASK.group, 7, [65]),
    () => rawFrame(ASK.group, 0, [0xff, 0xfe]),
    () => rawFrame(ASK.list, 0, Array.from({ length: 16_000 }, () => 65)),
    // One number for two questions.
    () =>
      concat(
        PLAIN,
        ...[0, 0].map(() =>
          framesBy((to) => to.question(ASK.get, 5, 0, 0, randomText(30)))
        ),
      ),
    // More groups than there are numbers.
    () =>
      framesBy((to) => {
        for (let i = 0; i < 1_100; i++) to.text(ASK.group, i, randomText(40));
      }),
    // Names that are too long in all.
    () =>
      framesBy((to) => {
        for (let i = 0; i < 200; i++) to.text(ASK.group, i, randomText(16_000));
      }),
  ])();
}

export const LINK_ATTACKS: readonly Attack[] = [{
  name: "broken frames of links",
  clients: 4,
  pauseMs: 150,
  run: (target) =>
    link(target, async (connection) => {
      const read = connection.drop();
      await connection.send(chunk(broken()));
      // Some break off in the middle of a frame, or of a chunk.
      if (Math.random() < 0.3) await connection.send("fff\r\nabc");
      await connection.sendEnd();
      await read;
    }),
}, {
  name: "links that say nothing",
  clients: 10,
  pauseMs: 1_000,
  run: (target) => link(target, (connection) => connection.drop()),
}, {
  name: "links that are never read",
  clients: 4,
  pauseMs: 2_000,
  run: (target) =>
    link(target, async (connection) => {
      await connection.send(chunk(PLAIN));
      for (let round = 0; round < 8 && !connection.isOver; round++) {
        await connection.send(chunk(framesBy((to) => {
          for (let i = 0; i < QUESTIONS; i++) {
            const key = oneOf(KEYS.plain);
            to.question(ASK.get, round * QUESTIONS + i, 0, 0, key);
          }
        })));
      }
      await delay(10_000);
    }),
}, {
  name: "links that ask for what is not there",
  clients: 2,
  pauseMs: 500,
  run: (target) =>
    link(target, async (connection) => {
      const read = connection.drop();
      const [group, length] = oneOf(
        [
          ["plain", 20],
          ["absent", 20],
          ["absent", 8_000],
          ["no such group", 20],
        ] as const,
      );
      await connection.send(chunk(framesBy((to) => {
        to.text(ASK.group, 0, group);
        for (let i = 0; i < 40; i++) {
          to.question(ASK.get, i, 0, 0, randomText(length));
          if (i % 3 === 0) to.head(ASK.cancel, i);
        }
      })));
      await delay(200);
      await connection.sendEnd();
      await read;
    }),
}];
