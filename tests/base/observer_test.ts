import { Observer } from "../../base/observer.ts";
import { assertEquals } from "../support/assert.ts";

const eviction = { group: "g", store: "hot" } as const;

Deno.test("Observer tells all who listen to an event, in order, until they stop", () => {
  const observer = new Observer();
  const heard: string[] = [];
  const stop = observer.on("eviction", ({ store }) => heard.push(`a ${store}`));
  observer.on("eviction", ({ store }) => heard.push(`b ${store}`));
  observer.on("list", () => heard.push("list"));
  observer.emit("eviction", eviction);
  stop();
  observer.emit("eviction", { ...eviction, store: "main" });
  assertEquals(heard, ["a hot", "b hot", "b main"]);
});

Deno.test("A listener that was given twice is called twice, and each registration ends by itself", () => {
  const observer = new Observer();
  let calls = 0;
  const listener = () => void calls++;
  const stop = observer.on("eviction", listener);
  observer.on("eviction", listener);
  observer.emit("eviction", eviction);
  assertEquals(calls, 2);
  stop();
  stop();
  observer.emit("eviction", eviction);
  assertEquals(calls, 3);
});

Deno.test("Observer.hears() is true only while somebody listens", () => {
  const observer = new Observer();
  assertEquals(observer.hears("eviction"), false);
  const stop = observer.on("eviction", () => {});
  assertEquals(observer.hears("eviction"), true);
  assertEquals(observer.hears("load"), false);
  stop();
  assertEquals(observer.hears("eviction"), false);
});

Deno.test("A listener that throws disturbs neither the others nor what it listens to", () => {
  const observer = new Observer();
  const heard: string[] = [];
  observer.on("eviction", () => {
    throw new Error("no");
  });
  observer.on("eviction", () => heard.push("heard"));
  observer.emit("eviction", eviction);
  assertEquals(heard, ["heard"]);
});
