// Follows a task's output: each request is held by the server until there is more, or the task has ended.

const HOLD_SECONDS = 20;
const LONGEST_TEXT = 4_000_000; // characters; beyond that a browser gets slow, and the API has all of it
const pre = document.getElementById("output");
const note = document.getElementById("output-state");
const task = pre.dataset.task;

let offset = pre.dataset.offset;
let run = pre.dataset.run;
let pause = 1000;

const isAtEnd = () => pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;

async function next() {
  const query = new URLSearchParams({ offset, wait_secs: HOLD_SECONDS });
  const answer = await fetch(`/api/swarming/v1/task/${task}/stdout?${query}`);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer.json();
}

function show(answer) {
  if (answer.run_id && run && answer.run_id !== run) {
    pre.textContent = ""; // the task was tried again, and its output starts anew
    [run, offset] = [answer.run_id, "0"];
    return false;
  }
  run = answer.run_id ?? run;
  const follow = isAtEnd();
  if (answer.output) pre.append(answer.output);
  offset = answer.next_offset;
  if (follow) pre.scrollTop = pre.scrollHeight;
  return !answer.output && !["PENDING", "RUNNING"].includes(answer.state);
}

pre.scrollTop = pre.scrollHeight;
let state = note.textContent.startsWith("Nothing yet") ? "PENDING" : "";
for (;;) {
  try {
    const answer = await next();
    if (show(answer)) {
      if (pre.dataset.final !== "yes") location.reload(); // it has ended: show the facts of its end
      note.textContent = "";
      break;
    }
    if (state === "PENDING" && answer.state !== "PENDING") location.reload();
    state = answer.state;
    note.textContent = state === "PENDING" ? "Nothing yet: it waits for a bot." : "Live: more may come.";
    pause = 1000;
    if (pre.textContent.length > LONGEST_TEXT) {
      note.textContent = "There is more than a page can show: the API has all of it.";
      break;
    }
  } catch (error) {
    note.textContent = `The server is away (${error.message}); trying again.`;
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 1.5, 15000);
  }
}
