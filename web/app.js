// The page keeps one EventSource for a visible tab and none for a hidden one: a browser allows six connections to a
// server over HTTP/1.1, all tabs together. After a lost connection the browser reconnects, at the pace the server asked
// for. Where it gives up (after a 204 or an error status), this page connects again, with backoff, from the last id.
'use strict';

const maxRows = 200; // rows in the log
const maxShown = 4000; // characters shown of one message
const maxMessage = 64 * 1024; // bytes of a message, as the server has it
const minDelay = 250; // ms between two attempts
const maxDelay = 30_000; // ms between two attempts, unless the server asks for more
const settled = 5_000; // ms after which a connection counts as a success
const quiet = 1_000; // ms of silence after which a resumed stream has no gap: the server would have told of it first
const patience = 3; // lost connections in a row that are left to the browser

const $ = (id) => document.getElementById(id);
const base = findBase();

let stream = 'stream-sse'; // the path of the stream shown
let source = null; // the one EventSource
let lastId = ''; // where to resume
let resumedFrom = ''; // the position where the connection resumed, until it is known whether something is missing
let judging = 0; // the timer that ends resumedFrom
let openedAt = Infinity; // when the connection was opened, or Infinity
let failures = 0; // failed attempts in a row
let wanted = true; // false once paused by hand, or complete
let finished = false; // the stream has completed
let timer = 0; // for the next attempt
let dueAt = 0; // when the next attempt is due, or 0

// ---- where the streams are ----

// findBase returns the URL that the paths of the service are relative to: the page's own, or ?api=. It returns null if that is unusable.
function findBase() {
  const api = new URLSearchParams(location.search).get('api') ?? '.';
  if (!URL.canParse(api, document.baseURI)) return null;
  const url = new URL(api, document.baseURI);
  if (!/^https?:$/.test(url.protocol)) return null;
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  url.search = url.hash = url.username = url.password = '';
  return url;
}

// ---- the connection ----

// follow opens or closes the connection as wanted. It is called when the tab is shown or hidden, and when the user pauses or resumes.
function follow() {
  const visible = document.visibilityState === 'visible';
  if (!wanted || !visible) {
    disconnect();
    setState('closed', finished ? 'Complete' : wanted ? 'Paused while hidden' : 'Paused');
  } else if (!source && !timer) {
    connect();
  }
}

function connect() {
  disconnect();
  const url = new URL(stream, base);
  if (lastId) url.searchParams.set('lastEventId', lastId); // a new EventSource cannot set the header
  const es = new EventSource(url);
  source = es;
  openedAt = Infinity;
  setState('connecting', 'Connecting');

  let sawId = false;
  const receive = (e) => {
    if (es !== source) return;
    judge(e);
    // A new EventSource has no id yet: an empty id clears lastId only if this one had an id before.
    if (e.lastEventId || sawId) {
      sawId = true;
      lastId = e.lastEventId;
    }
    const control = controls[e.type];
    const kind = control ? 'control' : e.type === 'pong' || stream === 'events' ? 'pong' : 'tick';
    add(kind, e.type, control ? control(parse(e.data), e.data) : describe(e), e.lastEventId);
  };
  for (const name of ['message', 'periodic-event', 'pong', 'sse event - mvc', ...Object.keys(controls)]) {
    es.addEventListener(name, receive);
  }
  es.onopen = (e) => {
    if (e instanceof MessageEvent) return receive(e); // an event named "open"
    openedAt = performance.now();
    setState('open', 'Open');
    // Only a topic resumes where it left off, and only its ids are positions.
    resumedFrom = position(lastId) ? lastId : '';
    if (resumedFrom) judging = setTimeout(() => resumed('nothing'), quiet);
  };
  es.onerror = (e) => {
    if (e instanceof MessageEvent) return receive(e); // an event named "error"
    if (es !== source) return;
    forget();
    const delay = backoff();
    if (es.readyState === EventSource.CLOSED || failures > patience) {
      retryIn(delay);
    } else {
      setState('waiting', 'Reconnecting'); // the browser reconnects, and does not say when
    }
  };
}

function disconnect() {
  source?.close();
  source = null;
  clearTimeout(timer);
  timer = dueAt = 0;
  forget();
}

// judge shows, by the first event e of a resumed stream, whether something is missing.
function judge(e) {
  if (!resumedFrom) return;
  const [was, is] = [position(resumedFrom), position(e.lastEventId)];
  forget();
  if (e.type === 'stream.gap') {
    resumed(howMany(parse(e.data)?.missed));
  } else if (!controls[e.type] && is?.stamp === was.stamp && is.number === was.number + 1n) {
    resumed('nothing');
  }
}

function resumed(what) {
  forget();
  setState('open', `Open: resumed, ${what} missed`);
}

function forget() {
  clearTimeout(judging);
  resumedFrom = '';
}

// position reads an id of a topic, such as 42.k3x: a number, and the stamp of one incarnation of the topic.
function position(id) {
  const parts = /^(\d+)\.([0-9a-z]+)$/.exec(id);
  return parts && { number: BigInt(parts[1]), stamp: parts[2] };
}

const howMany = (missed) => (missed == null ? 'some events' : missed === 1 ? '1 event' : `${missed} events`);

function retryIn(ms) {
  disconnect();
  timer = setTimeout(connect, ms);
  dueAt = performance.now() + ms;
  setState('waiting', 'Reconnecting');
}

// backoff counts a failure and returns the ms to wait after it, in part at random, so that not all pages come back at once.
function backoff() {
  failures = performance.now() - openedAt > settled ? 1 : failures + 1;
  openedAt = Infinity;
  return Math.min(maxDelay, 1000 * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
}

// start starts a stream again: from now on, with no counts and nothing shown.
function start(name) {
  stream = name;
  lastId = '';
  failures = total = missed = 0;
  missedUnknown = finished = false;
  lastAt = 0;
  beats.fill(0);
  drawBeats();
  wanted = true;
  clear();
  disconnect();
  follow();
}

// ---- what the server says about the stream itself ----

const controls = {
  'stream.gap'(gap, raw) {
    if (Number.isSafeInteger(gap?.missed)) missed += gap.missed;
    else missedUnknown = true;
    if (!gap) return raw;
    const some = (gap.missed == null ? 'Some events' : howMany(gap.missed)) + (gap.missed === 1 ? ' was' : ' were');
    const range = gap.from && gap.to ? `, ${gap.from} to ${gap.to}` : '';
    return `${some} missed${range} (${gap.reason ?? 'no reason given'})`;
  },
  'stream.bye'(bye, raw) {
    // Wait as long as the server asked for, in ms, within bounds: a bad answer must not make the page connect all the time, or never.
    retryIn(Number.isFinite(bye?.retry) ? Math.min(Math.max(bye.retry, minDelay), 10 * maxDelay) : backoff());
    return bye ? `The server says goodbye (${bye.reason ?? 'no reason given'})` : raw;
  },
  'stream.complete'(_, raw) {
    finished = true;
    wanted = false;
    follow();
    return raw && raw !== '{}' ? `The stream is complete: ${raw}` : 'The stream is complete';
  },
  'stream.error'(problem, raw) {
    retryIn(backoff());
    return `The stream failed: ${explain(problem) || raw}`;
  },
};

function parse(json) {
  try {
    const value = JSON.parse(json);
    return value !== null && typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

const explain = (problem) => [problem?.title, problem?.detail].filter(Boolean).join(': ');

function describe(e) {
  const tick = e.type === 'periodic-event' ? parse(e.data) : null;
  return typeof tick?.text === 'string' ? `${tick.text}  #${tick.sequence}` : e.data;
}

// ---- what is shown ----

let total = 0;
let missed = 0;
let missedUnknown = false;
let lastAt = 0; // when the last event came
let pending = []; // rows for the next frame
let frame = 0;
let saidAt = -Infinity;
const beats = new Array(60).fill(0); // events in each of the last 60 seconds
let beat = Math.floor(performance.now() / 1000); // the second that the last number is for
const calm = matchMedia('(prefers-reduced-motion: reduce)');

// setState shows the state. A screen reader says it once, without the countdown.
function setState(state, text) {
  $('toggle').textContent = finished ? 'Start again' : !wanted ? 'Resume' : state === 'waiting' ? 'Retry now' : 'Pause';
  if ($('state').dataset.state !== state || $('state').dataset.text !== text) say(text);
  $('state').dataset.state = state;
  $('state').dataset.text = text;
  clock();
}

function say(text) {
  $('announce').textContent = text;
}

// add takes one event. Rows are made once a frame, so that a thousand events a second cost sixty updates.
function add(kind, type, text, id) {
  total++;
  lastAt = performance.now();
  advance();
  beats[beats.length - 1]++;
  if (text.length > maxShown) text = `${text.slice(0, maxShown)}… (${text.length} characters)`;
  pending.push({ kind, type, text, id, at: new Date() });
  if (pending.length > 2 * maxRows) pending.splice(0, maxRows);
  frame ||= requestAnimationFrame(flush);
}

function flush() {
  frame = 0;
  const events = pending.splice(0).slice(-maxRows);
  const log = $('log');
  const first = log.firstElementChild;
  const before = first?.offsetTop;
  log.prepend(...events.map(row).reverse());
  if (first && log.scrollTop > 0) log.scrollTop += first.offsetTop - before; // do not move the row that is being read
  while (log.childElementCount > maxRows) log.lastElementChild.remove();
  if (!calm.matches) $('dot').animate([{ transform: 'scale(1.7)' }, { transform: 'none' }], 400);

  const control = events.findLast((e) => e.kind === 'control');
  const pong = events.findLast((e) => e.kind === 'pong');
  if (control) {
    say(control.text);
  } else if (pong && performance.now() - saidAt > 3000) {
    saidAt = performance.now();
    say(`Received: ${pong.text.slice(0, 100)}`);
  }
  clock();
}

function row({ kind, type, text, id, at }) {
  const el = document.createElement('div');
  el.className = `event ${kind}`;
  el.dataset.event = type;
  el.dataset.id = id;
  const time = document.createElement('time');
  time.dateTime = at.toISOString();
  time.textContent = at.toLocaleTimeString([], { hour12: false });
  const name = document.createElement('span');
  name.className = 'name';
  name.textContent = type;
  const data = document.createElement('span');
  data.className = 'text';
  data.dir = 'auto';
  data.textContent = text;
  el.append(time, name, data);
  return el;
}

function clear() {
  pending = [];
  $('log').replaceChildren();
}

// advance moves the window of beats up to this second.
function advance() {
  const now = Math.floor(performance.now() / 1000);
  for (let i = Math.min(now - beat, beats.length); i > 0; i--) {
    beats.shift();
    beats.push(0);
  }
  beat = now;
}

// clock shows everything that changes with time or with the counts.
function clock() {
  const wait = Math.ceil((dueAt - performance.now()) / 1000);
  $('state-text').textContent = $('state').dataset.text + (dueAt ? ` in ${Math.max(wait, 0)} s` : '');
  $('count').textContent = total;
  $('missed').textContent = missed + (missedUnknown ? '+' : '');
  $('missed').classList.toggle('some', missed > 0 || missedUnknown);
  $('last-id').textContent = lastId;
  $('since').textContent = lastAt ? ago(performance.now() - lastAt) : '';
}

function drawBeats() {
  advance();
  const most = Math.max(4, ...beats);
  beats.forEach((n, i) => {
    const height = n === 0 ? 1 : Math.max(3, (28 * n) / most);
    $('beats').children[i].setAttribute('height', height);
    $('beats').children[i].setAttribute('y', 28 - height);
  });
}

function ago(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 1) return 'just now';
  if (s < 60) return `${s} s ago`;
  return s < 3600 ? `${Math.floor(s / 60)} min ago` : `${Math.floor(s / 3600)} h ago`;
}

// ---- pings ----

async function ping(message) {
  const body = message === undefined ? undefined : new URLSearchParams({ message });
  result('Sending…');
  try {
    const answer = await fetch(new URL('ping', base), { method: 'POST', body, signal: AbortSignal.timeout(15_000) });
    const text = await answer.text();
    if (answer.ok) {
      if ($('message').value === message) $('message').value = '';
      measure();
      return result(text.slice(0, 200));
    }
    result(`Not sent: ${explain(parse(text)) || `the server answered ${answer.status}`}`, true);
  } catch (err) {
    result(err.name === 'TimeoutError' ? 'No answer within 15 s' : 'Not sent: the server cannot be reached', true);
  }
}

function result(text, failed = false) {
  $('sent').textContent = text;
  $('sent').classList.toggle('failed', failed);
}

function measure() {
  const n = new TextEncoder().encode($('message').value).length;
  $('bytes').textContent = n ? `${n} of ${maxMessage} bytes` : 'Up to 64 KiB';
  $('message').setCustomValidity(n > maxMessage ? `At most ${maxMessage} bytes; this is ${n}.` : '');
}

// ---- wiring ----

function choose(radio) {
  $('about').textContent = radio.dataset.about;
  $('no-pongs').hidden = 'pongs' in radio.dataset;
  start(radio.value);
}

function toggle() {
  if (finished) return start(stream);
  if (wanted && $('state').dataset.state === 'waiting') return connect();
  wanted = !wanted;
  failures = 0;
  follow();
}

async function copy(button) {
  const code = button.parentElement.nextElementSibling;
  getSelection().selectAllChildren(code);
  let done = 'Selected'; // plain HTTP has no clipboard
  try {
    await navigator.clipboard.writeText(code.textContent);
    done = 'Copied';
  } catch {}
  button.firstChild.data = done;
  say(done);
  setTimeout(() => (button.firstChild.data = 'Copy'), 2000);
}

function begin() {
  for (let i = 0; i < beats.length; i++) {
    const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    bar.setAttribute('x', i * 3);
    bar.setAttribute('width', 2);
    $('beats').append(bar);
  }
  if (!base) {
    setState('closed', '?api= is not an http or https address');
    document.querySelectorAll('button, fieldset, textarea').forEach((el) => (el.disabled = true));
    return;
  }
  if (new URLSearchParams(location.search).has('api')) {
    $('origin').hidden = false;
    $('origin').textContent = `from ${base.href}`;
  }
  for (const code of document.querySelectorAll('code[data-curl]')) {
    const url = new URL(code.dataset.path, base).href.replaceAll("'", '%27');
    code.textContent = `curl ${code.dataset.curl} '${url}'`;
  }

  $('streams').addEventListener('change', (e) => {
    history.replaceState(null, '', `#${e.target.value}`); // a reload, or a link, shows the same stream
    choose(e.target);
  });
  $('bare').addEventListener('submit', (e) => (e.preventDefault(), ping()));
  $('form').addEventListener('submit', (e) => (e.preventDefault(), ping($('message').value)));
  $('message').addEventListener('input', measure);
  $('message').addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) $('form').requestSubmit();
  });
  $('toggle').addEventListener('click', toggle);
  $('clear').addEventListener('click', clear);
  document.querySelectorAll('.copy').forEach((button) => button.addEventListener('click', () => copy(button)));
  document.addEventListener('visibilitychange', follow);
  addEventListener('pageshow', follow);
  addEventListener('online', () => $('state').dataset.state === 'waiting' && connect());
  setInterval(() => (clock(), drawBeats()), 1000);
  measure(); // the browser may have kept the text over a reload
  const radio = document.querySelector(`#streams [value="${CSS.escape(location.hash.slice(1))}"]`);
  if (radio) radio.checked = true;
  choose(radio ?? document.querySelector('#streams :checked'));
}

begin();
