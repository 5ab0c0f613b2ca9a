import { Observer } from "../../base/observer.ts";
import { assertEquals } from "../support/assert.ts";

const missing = { peer: "http://a", what: "hot" };

Deno.test("Observer tells all who listen to an event, in order, until they stop", () => {
  const observer = new Observer();
  const heard: string[] = [];
  const stop = observer.on("noGroup", ({ what }) => heard.push(`a ${what}`));
  observer.on("noGroup", ({ what }) => heard.push(`b ${what}`));
  observer.on("list", () => heard.push("list"));
  observer.emit("noGroup", missing);
  stop();
  observer.emit("noGroup", { ...missing, what: "main" });
  assertEquals(heard, ["a hot", "b hot", "b main"]);
});

Deno.test("A listener that was given twice is called twice, and each registration ends by itself", () => {
  const observer = new Observer();
  let calls = 0;
  const listener = () => void calls++;
  const stop = observer.on("noGroup", listener);
  observer.on("noGroup", listener);
  observer.emit("noGroup", missing);
  assertEquals(calls, 2);
  stop();
  stop();
  observer.emit("noGroup", missing);
  assertEquals(calls, 3);
});

Deno.test("A listener that throws disturbs neither the others nor what it listens to", () => {
  const observer = new Observer();
  const heard: string[] = [];
  observer.on("noGroup", () => {
    throw new Error("no");
  });
  observer.on("noGroup", () => heard.push("heard"));
  observer.emit("noGroup", missing);
  assertEquals(heard, ["heard"]);
});
