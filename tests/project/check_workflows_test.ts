import { linter } from "../../scripts/check_workflows.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";

const WORKFLOW = `name: ci
on: push
permissions:
  contents: read
jobs:
  deno:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v6
      - run: deno task ok
`;

Deno.test("The linter of workflows accepts a good workflow", async () => {
  const lint = await linter();
  assertEquals(lint(WORKFLOW, "ci.yml"), []);
});

Deno.test("The linter of workflows says where GitHub would fail, and which task is unknown", async () => {
  const lint = await linter();
  for (
    const [bad, said] of [
      [
        WORKFLOW.replace("contents", "content"),
        "ci.yml:4:3: unknown permission",
      ],
      [WORKFLOW.replace("ok\n", "${{ matrix.task }}\n"), "ci.yml:10:"],
      [WORKFLOW.replace("runs-on", "run-on"), "ci.yml:"],
      [WORKFLOW.replace("task ok", "task okay"), "there is no task okay"],
    ] as const
  ) {
    const faults = lint(bad, "ci.yml");
    assert(faults.length > 0, bad);
    assertStringIncludes(faults.join("\n"), said);
  }
});
