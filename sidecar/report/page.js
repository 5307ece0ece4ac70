/* Polls /status and shows it. Whatever comes may be hostile, or missing: it becomes text nodes
 * only, and every field is read through text(), list() and fields(). */
'use strict';

const POLL_MS = 1000, POLL_MAX_MS = 10000, PATIENCE_MS = 5000;
const BYTES_PER_MS = 400; // 1,000 clusters are 2 MB: asked for every 5 s, not every second
const ALARMS_SHOWN = 5;

// level, glyph, and what it means for clients; any other state is to be looked at
const STATES = {
	current: ['good', '✓', 'all targets lead to the primary'],
	moving: ['busy', '→', 'a target is not there yet'],
	waiting: ['watch', '…', 'nothing can be applied yet'],
	kept: ['watch', '=', 'the last primary stays'],
	pinned: ['watch', '◆', 'an operator has chosen the primary'],
	frozen: ['watch', '◆', 'an operator has stopped all moves'],
	overruled: ['bad', '≠', 'the servers say otherwise than the store'],
	refused: ['bad', '!', 'what the store says is not followed'],
	held: ['bad', '‖', 'clients wait for a primary'],
	fenced: ['bad', '⊘', 'nobody reaches the last primary'],
	lost: ['bad', '✕', 'clients get errors'],
};
const LEVELS = ['good', 'busy', 'watch', 'bad'];

const $ = (id) => document.getElementById(id);
const cards = new Map(); // by cluster: {node, drawn}
const open = new Set(), closedMoves = new Set(), openMoves = new Set();
let latest = null, heardAt = Date.now(), skew = 0, failures = 0, timer = 0, asking = false;

/* --- what came --- */

const text = (v) => typeof v === 'string' || typeof v === 'number' ? String(v) : '';
const number = (v) => typeof v === 'number' && isFinite(v) ? v : 0;
const fields = (v) => v !== null && typeof v === 'object' && !Array.isArray(v) ? v : {};
const list = (v) => Array.isArray(v) ? v.map(fields) : [];
const stateName = (c) => text(c.state) || 'unknown';
const stateOf = (c) => (Object.hasOwn(STATES, stateName(c)) ? STATES[stateName(c)] : ['watch', '?', 'this page does not know that state']);
const endpoint = (s) => text(s.address).includes(':') ? `[${text(s.address)}]:${text(s.port)}` : `${text(s.address)}:${text(s.port)}`;
const targetLevel = (t) => text(t.problem) ? 'bad' : t.in_sync === true ? 'good' : 'busy';

const headlines = (c) => (Array.isArray(c.headlines) ? c.headlines.map(text) : []);

function levelOf(c) {
	const levels = [stateOf(c)[0], LEVELS.includes(c.level) ? c.level : 'good'];

	return LEVELS[Math.max(...levels.map((level) => LEVELS.indexOf(level)))];
}

/* --- words --- */

function milliseconds(ms) {
	if (ms >= 10000)
		return (ms / 1000).toFixed(1) + ' s';
	return ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0) + ' ms';
}

function age(ms) {
	const s = Math.max(0, Math.round(ms / 1000)), m = Math.floor(s / 60), h = Math.floor(m / 60);

	return s < 60 ? `${s} s` : m < 60 ? `${m} min` : h < 48 ? `${h} h ${m % 60} min` : `${Math.floor(h / 24)} days`;
}

function bytes(n) {
	let unit = 0;

	for (; n >= 1024 && unit < 4; unit++)
		n /= 1024;
	return (unit && n < 10 ? n.toFixed(1) : Math.round(n)) + ' ' + ['B', 'kB', 'MB', 'GB', 'TB'][unit];
}

const clock = (when) => text(when).slice(11, 19);
const plural = (n, word) => `${n.toLocaleString('en')} ${word}${n === 1 ? '' : 's'}`;

/* --- building: h('p.soft', {id: ...}, kids); a kid that is no node is shown as text --- */

function h(what, attributes, ...kids) {
	const [tag, ...classes] = what.split('.'), node = document.createElement(tag);

	if (classes.length)
		node.className = classes.join(' ');
	for (const [name, value] of Object.entries(attributes || {}))
		if (value !== undefined)
			node.setAttribute(name, value);
	node.append(...kids.flat().filter((kid) => kid !== null && kid !== ''));
	return node;
}

const badge = (level, glyph, word, title) => h(`span.badge.${level}`, {title}, h('span', {'aria-hidden': 'true'}, glyph), word);
const value = (v, classes = '') => h('span.value' + classes, {}, text(v));
const address = (v) => value(v, '.address');
const word = (level, ...kids) => h(`span.word.${level}`, {}, ...kids);

function ago(when) {
	return h('time', {datetime: text(when), title: text(when), 'data-since': Date.parse(text(when)) || undefined});
}

// The bar's place is set here and not as an attribute, which the page's own policy forbids.
function bar(start, ms, scale, title) {
	const node = h('i', {title});

	node.style.left = `${scale > 0 ? Math.min(100, start / scale * 100) : 0}%`;
	node.style.width = `${scale > 0 ? Math.min(100, ms / scale * 100) : 0}%`;
	return node;
}

// Makes `old` what `fresh` is with the fewest changes: focus, selection and hover stay where they are.
function morph(old, fresh) {
	if (old.nodeName !== fresh.nodeName)
		return old.replaceWith(fresh);
	if (old.nodeType === Node.TEXT_NODE) {
		if (old.data !== fresh.data)
			old.data = fresh.data;
		return undefined;
	}
	for (const {name} of [...old.attributes])
		if (!fresh.hasAttribute(name) && name !== 'style')
			old.removeAttribute(name);
	for (const {name, value: wanted} of fresh.attributes)
		if (name !== 'style' && old.getAttribute(name) !== wanted)
			old.setAttribute(name, wanted);
	if (old.style.cssText !== fresh.style.cssText)
		old.style.cssText = fresh.style.cssText;
	return morphKids(old, fresh);
}

function morphKids(old, fresh) {
	const wanted = [...fresh.childNodes];

	wanted.forEach((kid, i) => i < old.childNodes.length ? morph(old.childNodes[i], kid) : old.append(kid));
	while (old.childNodes.length > wanted.length)
		old.lastChild.remove();
}

/* --- a cluster's head: the line that is always there --- */

function overrideText(c) {
	const o = fields(c.override);

	if (!text(o.kind))
		return '';
	return `${o.kind === 'pin' ? `pinned to ${endpoint(o)}` : 'frozen'} by ${text(o.by) || 'somebody'} since ${text(o.since)}; ends with: segue release ${text(c.name)}`;
}

function holdText(c) {
	const left = number(fields(c.hold).left_ms);

	if (!text(fields(c.hold).since))
		return '';
	if (fields(c.hold).policy === 'fence')
		return 'no client is let through';
	return left > 0 ? `clients wait, ${age(left)} more, then they get errors` : 'the wait is over: clients get errors';
}

function note(c) {
	const level = levelOf(c), said = headlines(c).join('; ') || (level === 'good' ? '' : stateOf(c)[2]);

	return said ? h(`span.note.${level}`, {}, said) : null;
}

function who(c) {
	const applied = fields(c.applied);

	if (!text(applied.primary))
		return h('span.who.soft', {}, 'no primary yet');
	return h('span.who', {}, h('span.unseen', {}, 'primary '), text(applied.name) ? [h('b', {}, value(applied.name)), ' '] : null, address(applied.primary));
}

function syncWord(c) {
	const targets = list(c.targets), done = targets.filter((t) => t.in_sync === true).length;

	if (!targets.length)
		return h('span.sync.soft', {}, 'no targets');
	return h('span.sync', {}, word(done === targets.length ? 'good' : 'bad', `${done} of ${targets.length}`), ' in sync');
}

function head(c, id, isOpen) {
	const [, glyph, meaning] = stateOf(c), applied = fields(c.applied);

	return h('h2', {}, h('button.head', {type: 'button', 'aria-expanded': isOpen, 'aria-controls': id},
		badge(stateOf(c)[0], glyph, stateName(c), meaning), value(c.name, '.title'), who(c),
		h('span.soft', {}, applied.timeline ? `timeline ${text(applied.timeline)}` : ''),
		h('span.soft', {}, applied.since ? ['for ', ago(applied.since)] : ''), syncWord(c), note(c)));
}

/* --- a cluster's body: only of an open one --- */

function row(name, ...kids) {
	return [h('dt', {}, name), h('dd', {}, ...kids)];
}

function storeRow(c) {
	const store = fields(c.store), applied = fields(c.applied), differs = text(store.primary) !== text(applied.primary);

	return row('Store says', text(store.primary) ? [address(store.primary), differs ? word('watch', ' (not the one applied)') : ''] : text(store.state) || 'nothing',
		store.zxid ? h('span.soft', {}, `, zxid ${text(store.zxid)}`) : '', text(store.problem) ? h('div.word.watch', {}, text(store.problem)) : '');
}

function facts(c) {
	const applied = fields(c.applied), about = [text(c.about), text(c.why)].filter(Boolean).join(': ');

	return h('section', {}, h('h3', {}, 'Decision'), h('dl', {},
		row('State', stateName(c), h('span.soft', {}, [': ', text(c.reason) || stateOf(c)[2]].join('')), about ? h('div', {}, about) : ''),
		text(c.alarm) ? row('Alarm', word('bad', text(c.alarm))) : null,
		holdText(c) ? row('Hold', holdText(c)) : null,
		overrideText(c) ? row('Operator', word('watch', overrideText(c))) : null,
		row('Applied', text(applied.primary) ? [address(applied.primary), h('span.soft', {}, applied.zxid ? `, zxid ${text(applied.zxid)}` : '',
			applied.since ? `, since ${text(applied.since).replace('T', ' ').replace(/\.\d+/, '')}` : '',
			applied.in_this_run === false ? ', by an earlier run' : '')] : 'nothing yet'),
		storeRow(c)));
}

function server(s) {
	const why = text(s.why) || text(s.problem), answered = s['class'] === 'answered';

	return h('tr', {}, h('td.wide', {}, text(s.name) ? [h('b', {}, value(s.name)), ' '] : null, address(endpoint(s))),
		h('td', {}, s.role === 'primary' ? h('b', {}, 'primary') : text(s.role)),
		h('td', {}, word(answered ? 'good' : 'watch', text(s['class']) || 'not asked'), answered && s.in_recovery === true ? h('span.soft', {}, 'in recovery') : ''),
		h('td.number', {'data-label': 'timeline'}, text(s.timeline) || '–'),
		h('td.number', {'data-label': 'lag'}, typeof s.lag_bytes === 'number' ? bytes(s.lag_bytes) : '–'),
		h('td.wide', {'data-label': 'as primary'}, s.admitted === true ? word('good', '✓ yes') : s.role === 'primary' ? word('bad', '✕ no') : 'no', why ? h('span.soft', {}, why) : ''));
}

function servers(c) {
	const all = list(c.servers), title = (name, more = '') => h('th' + more, {scope: 'col'}, name);

	return h('section', {}, h('h3', {}, 'Servers'), !all.length ? h('p.soft', {}, 'None is asked (verify = disable).') :
		h('table', {}, h('thead', {}, h('tr', {}, title('Server'), title('Role'), title('Answers'), title('Timeline', '.number'), title('Lag', '.number'), title('As primary'))),
			h('tbody', {}, all.map(server))));
}

// What is wanted beside what is live, by name: one address where they agree.
function pairs(t) {
	const wanted = new Map(list(t.desired).map((p) => [text(p.name), text(p.address)]));
	const live = new Map(list(t.live).map((p) => [text(p.name), text(p.address)]));
	const names = [...new Set([...wanted.keys(), ...live.keys()])];
	const both = (name) => wanted.get(name) === live.get(name) ? [address(wanted.get(name)), word('good', ' ✓ live')] :
		[word('bad', '≠ live '), address(live.get(name) || 'nothing'), ', wanted ', address(wanted.get(name) || 'nothing')];

	const more = Math.max(number(t.desired_count) - wanted.size, number(t.live_count) - live.size);

	return names.length ? h('ul.pairs', {}, names.map((name) => h('li', {}, value(name, '.soft'), h('span', {}, both(name)))),
		more > 0 ? h('li.soft', {}, `and ${more} more`) : '') : null;
}

function target(c, t) {
	const level = targetLevel(t), old = number(t.old_sessions);
	const said = {good: ['✓', 'in sync'], busy: ['→', text(t.step) || 'moving'], bad: ['✕', 'not in sync']}[level];

	return h('div.target', {}, h('div.target-head', {}, badge(level, said[0], said[1]), h('b', {}, value(`${text(t.kind)}/${text(t.name)}`)),
		h('span.soft', {}, t.zxid ? `zxid ${text(t.zxid)}` : '', level === 'bad' && text(t.step) ? `, ${text(t.step)}` : ''),
		old > 0 ? word('watch', `${plural(old, 'session')} still on a former primary`) : ''),
	text(t.problem) ? h('p.word.bad', {}, text(t.problem)) : '', pairs(t), moves(c, t) || '');
}

function targets(c) {
	const all = list(c.targets);

	return h('section', {}, h('h3', {}, 'Targets'), all.length ? all.map((t) => target(c, t)) : h('p.soft', {}, 'None is configured.'));
}

/* --- the waterfall --- */

const stepEnd = (s) => number(s.start_ms) + number(s.ms);
const totalOf = (m) => Math.max(number(m.total_ms), ...list(m.steps).map(stepEnd));
const stepText = (s) => `${text(s.name)}: ${milliseconds(number(s.ms))}, from ${milliseconds(number(s.start_ms))} on`;
const bars = (m, scale) => list(m.steps).map((s) => bar(number(s.start_ms), number(s.ms), scale, stepText(s)));
const axis = (scale, parts) => h('span.axis.soft', {'aria-hidden': 'true'}, parts.map((part) => h('span', {}, part ? milliseconds(scale * part) : '0')));

function steps(m) {
	const scale = totalOf(m);

	return h('div.steps', {}, h('ol', {}, list(m.steps).map((s) => h('li', {}, value(s.name),
		h('span.track', {}, bar(number(s.start_ms), number(s.ms), scale, stepText(s))),
		h('span.ms.number', {}, milliseconds(number(s.ms)), h('span.soft', {}, ` at ${milliseconds(number(s.start_ms))}`))))), axis(scale, [0, .5, 1]));
}

// The newest is open until it is closed, the others are closed until they are opened.
function move(m, key, scale, isNewest) {
	const isOpen = isNewest ? !closedMoves.has(key) : openMoves.has(key);

	return h('li', {}, h('button.lane', {type: 'button', 'data-move': key, 'data-newest': isNewest, 'aria-expanded': isOpen, title: text(m.what)},
		h('time.soft', {datetime: text(m.at), title: text(m.at)}, clock(m.at)), value(m.what || 'moved', '.what'),
		h('span.track', {}, bars(m, scale)), h('span.ms.number', {}, milliseconds(totalOf(m)))), isOpen ? steps(m) : '');
}

function moves(c, t) {
	const all = list(t.moves), scale = Math.max(0, ...all.map(totalOf));
	const key = (m) => JSON.stringify([c.name, t.kind, t.name, m.zxid, m.at]);

	return all.length ? h('div.moves', {}, h('h3', {}, `Last moves, all on 0 to ${milliseconds(scale)}`), h('ol', {}, all.map((m, i) => move(m, key(m), scale, i === 0)))) : null;
}

/* --- all of them --- */

function card(c, id) {
	const isOpen = open.has(text(c.name));

	return h(`article.cluster.${levelOf(c)}${isOpen ? '.open' : ''}`, {'data-name': text(c.name)}, head(c, id, isOpen),
		isOpen ? h('div.body', {id}, h('div', {}, facts(c), servers(c)), h('div', {}, targets(c))) : '');
}

function drawCard(c, index) {
	const known = cards.get(text(c.name)), drawn = JSON.stringify([c, open.has(text(c.name))]);

	if (!known) {
		const id = `cluster-${cards.size}`;

		cards.set(text(c.name), {id, drawn, node: card(c, id), index});
	} else if (known.drawn !== drawn || open.has(text(c.name))) {
		known.drawn = drawn;
		morph(known.node, card(c, known.id));
	}
	return cards.get(text(c.name)).node;
}

function matches(c, words) {
	const all = [c.name, stateName(c), fields(c.applied).primary, fields(c.applied).name, fields(c.store).primary].map(text).join(' ').toLowerCase();

	return words.every((one) => all.includes(one));
}

// Puts the cards in this order, moving none that stands right already.
function place(nodes) {
	const focused = document.activeElement;
	let at = $('list').firstChild;

	for (const node of nodes)
		if (node === at)
			at = at.nextSibling;
		else
			$('list').insertBefore(node, at);
	while (at) {
		const next = at.nextSibling;

		at.remove();
		at = next;
	}
	if (focused !== document.activeElement && focused.isConnected)
		focused.focus({preventScroll: true});
}

function drawList(clusters) {
	const words = $('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
	const shown = clusters.filter((c) => matches(c, words)).map((c) => [LEVELS.indexOf(levelOf(c)), c]);
	const names = new Set(clusters.map((c) => text(c.name)));

	shown.sort(([a, x], [b, y]) => b - a || (text(x.name) < text(y.name) ? -1 : 1));
	place(shown.map(([, c]) => drawCard(c)));
	for (const name of cards.keys())
		if (!names.has(name))
			cards.delete(name);
	$('shown').textContent = words.length ? `${shown.length.toLocaleString('en')} of ${plural(clusters.length, 'cluster')}` : '';
}

function drawCounts(clusters) {
	const counts = new Map(), chosen = $('filter').value.trim();

	for (const c of clusters)
		counts.set(stateName(c), (counts.get(stateName(c)) || 0) + 1);
	const states = [...counts.keys()].sort((a, b) => LEVELS.indexOf(stateOf({state: b})[0]) - LEVELS.indexOf(stateOf({state: a})[0]) || (a < b ? -1 : 1));
	const chip = (state, count) => h('button', {type: 'button', 'data-state': state, 'aria-pressed': chosen === state},
		state ? word(stateOf({state})[0], stateOf({state})[1], ' ') : '', `${count.toLocaleString('en')} ${state || (count === 1 ? 'cluster' : 'clusters')}`);

	$('tools').hidden = clusters.length < 2;
	morphKids($('counts'), h('div', {}, chip('', clusters.length), states.map((state) => chip(state, counts.get(state)))));
}

// Read aloud only when it is news: the seconds that an alarm counts are none.
function say(alarms) {
	const news = alarms.join('. ').replace(/\d+ s\b/g, ''), said = $('say');

	if (said.dataset.news === news || (!news && !said.dataset.news))
		return;
	said.dataset.news = news;
	said.textContent = alarms.length ? `Alarm. ${alarms.slice(0, ALARMS_SHOWN).join('. ')}` : 'No alarm any more.';
}

function drawAlarms(doc, clusters) {
	const loud = clusters.filter((c) => levelOf(c) === 'bad');
	const words = (c) => [text(c.name), headlines(c)[0] || stateName(c)].join(': ');
	const refused = text(doc.config_refused);
	const away = fields(doc.store).connected === false ? `The store is not connected: ${text(fields(doc.store).description)}` : '';

	morphKids($('alarms'), h('div', {}, refused ? h('div.banner.bad', {}, refused) : '', away ? h('div.banner.watch', {}, away) : '', !loud.length ? '' : h('div.banner.bad', {},
		loud.slice(0, ALARMS_SHOWN).map((c) => h('button', {type: 'button', 'data-goto': text(c.name)}, h('span', {'aria-hidden': 'true'}, '▲ '), words(c))),
		loud.length > ALARMS_SHOWN ? h('p.more', {}, `and ${plural(loud.length - ALARMS_SHOWN, 'cluster')} more`) : '')));
	say([refused, ...loud.map(words), away].filter(Boolean));
	return loud.length + (refused ? 1 : 0) + (away ? 1 : 0);
}

function drawHead(doc, problems) {
	const colour = problems ? '%23d22' : '%232a6';

	$('name').textContent = text(doc.name);
	$('store').textContent = 'store' in doc && fields(doc.store).connected === true ? '✓ store connected' : '';
	$('store').title = text(fields(doc.store).description);
	$('pulse').title = `segue ${text(doc.segue)}`;
	document.title = `${problems ? `(${problems} !) ` : ''}segue ${text(doc.name)}`;
	document.querySelector('link[rel=icon]').href = `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><circle cx='4.5' cy='4.5' r='4' fill='${colour}'/></svg>`;
}

function tick() {
	for (const node of document.querySelectorAll('time[data-since]')) {
		const said = age(Date.now() + skew - node.dataset.since);

		if (node.textContent !== said)
			node.textContent = said;
	}
}

function draw() {
	const clusters = list(latest.clusters);

	drawCounts(clusters);
	drawList(clusters);
	drawHead(latest, drawAlarms(latest, clusters));
	tick();
}

/* --- asking --- */

function heard(doc) {
	const first = latest === null, now = Date.parse(text(doc.now));

	latest = doc;
	heardAt = Date.now();
	skew = now ? now - heardAt : 0;
	failures = 0;
	if (first && list(doc.clusters).length === 1)
		open.add(text(list(doc.clusters)[0].name));
	document.body.classList.remove('stale');
	$('silence').hidden = true;
	$('pulse').textContent = `live, ${new Date(heardAt + skew).toISOString().slice(11, 19)} UTC`;
	draw();
}

function missed(error) {
	const since = new Date(heardAt + skew).toISOString().slice(11, 19);
	const why = error.name === 'AbortError' ? `nothing within ${PATIENCE_MS / 1000} s` : error.message;

	failures++;
	document.body.classList.add('stale');
	$('silence').hidden = false;
	$('pulse').textContent = `not live: as of ${since} UTC`;
	morphKids($('silence'), h('div', {}, `segue does not answer since ${since} UTC`, h('span', {'aria-hidden': 'true'}, ` (${age(Date.now() - heardAt)})`),
		h('p.more', {}, latest ? 'What is below is old. ' : '', `Tried again all the time; the last time: ${why}`)));
	document.title = '(!) segue does not answer';
}

async function ask() {
	const abort = new AbortController(), patience = setTimeout(() => abort.abort(), PATIENCE_MS);

	try {
		const reply = await fetch('status', {signal: abort.signal, cache: 'no-store'});
		const body = await reply.text();

		if (!reply.ok)
			throw new Error(`HTTP ${reply.status}`);
		heard(fields(JSON.parse(body)));
		return Math.min(POLL_MAX_MS, Math.max(POLL_MS, body.length / BYTES_PER_MS));
	} catch (error) {
		missed(error);
		return Math.min(POLL_MAX_MS, POLL_MS * 2 ** (failures - 1));
	} finally {
		clearTimeout(patience);
	}
}

async function poll() {
	clearTimeout(timer);
	if (document.hidden || asking)
		return;
	asking = true;
	const wait = await ask();

	asking = false;
	timer = setTimeout(poll, wait);
}

/* --- the person --- */

function toggle(set, key) {
	if (!set.delete(key))
		set.add(key);
}

function filterBy(words) {
	$('filter').value = words;
	draw();
}

function goTo(name) {
	open.add(name);
	filterBy('');
	const node = cards.get(name).node;

	node.scrollIntoView({block: 'start'});
	node.querySelector('button').focus({preventScroll: true});
}

function onClick(event) {
	const button = event.target.closest('button');

	if (!button || !latest)
		return;
	if (button.dataset.move)
		toggle(button.dataset.newest === 'true' ? closedMoves : openMoves, button.dataset.move);
	else if (button.classList.contains('head'))
		toggle(open, button.closest('article').dataset.name);
	else if (button.dataset.goto !== undefined)
		return goTo(button.dataset.goto);
	else if (button.dataset.state !== undefined)
		return filterBy(button.dataset.state);
	return draw();
}

function onKey(event) {
	if (event.key === '/' && event.target !== $('filter') && !$('tools').hidden) {
		event.preventDefault();
		$('filter').focus();
	} else if (event.key === 'Escape' && $('filter').value) {
		filterBy('');
	}
}

const system = matchMedia('(prefers-color-scheme: dark)');

// A browser that keeps nothing for this page throws at the first look.
function kept(theme) {
	try {
		if (theme)
			localStorage.setItem('segue-theme', theme);
		return localStorage.getItem('segue-theme');
	} catch {
		return null;
	}
}

function setTheme(theme) {
	document.documentElement.dataset.theme = theme;
	$('theme').textContent = theme === 'dark' ? '☀ light' : '☾ dark';
}

const systemTheme = () => system.matches ? 'dark' : 'light';

$('theme').addEventListener('click', () => {
	const other = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';

	kept(other);
	setTheme(other);
});
system.addEventListener('change', () => kept() || setTheme(systemTheme()));
setTheme(kept() || systemTheme());
$('filter').addEventListener('input', () => latest && draw());
document.addEventListener('click', onClick);
document.addEventListener('keydown', onKey);
document.addEventListener('visibilitychange', poll);
poll();
