// The answering loop: shows one item at a time, keeps the next ones ready, and sends what the person decides until the server has acknowledged it.

import { fetchHistory } from "./history.js";
import { refill } from "./desk.js";
import { PREFIX } from "./dom.js";
import "./keys.js";
import { outbox } from "./outbox.js";
import { show, status } from "./screen.js";

addEventListener("online", () => {
  outbox.flush();
  refill();
});
addEventListener("offline", status);
addEventListener("storage", (event) => event.key?.startsWith(`${PREFIX}.outbox.`) && status());
addEventListener("beforeunload", (event) => outbox.memory.size && event.preventDefault());

show();
outbox.send();
await refill({ takeOver: new URLSearchParams(location.search).has("held") }); // ?held: to go on with what was put into one's hands elsewhere
fetchHistory();
