/** A program that asks once, prints the answer, and should end then. */

import process from "node:process";
import { keepAliveFetch } from "../../node.ts";

const fetch = keepAliveFetch();
const response = await fetch(`http://127.0.0.1:${process.argv[2]}/`);
console.log(await response.text());
