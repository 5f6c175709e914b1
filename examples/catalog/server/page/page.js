// The page: what is shown follows from the address, so that links, reload and the back button work.
// Texts from outside get into the page as text nodes and attributes only.

const EXAMPLES = [
	'green sleeveless summer wear',
	'red sleeveless summer wear',
	'elegant black evening gown with long sleeves',
	'something warm and knitted for the office',
	'flowing white dress for a wedding on the beach',
];
const FACETS = ['split', 'colour', 'sleeves', 'neckline', 'length', 'fit', 'fabric', 'pattern', 'occasion'];
// What a search goes by, and what it then says. The first goes without saying.
const WAYS = {
	meaning: {
		hint: 'whatever the words are',
		title: (q) => `Nearest to “${q}”`,
		order: (q) => `those nearest to “${q}” first.`,
	},
	words: {
		hint: 'the rare ones count most',
		title: (q) => `With words of “${q}”`,
		order: (q) => `those with the rarest words of “${q}” first.`,
	},
	both: {
		hint: 'places in both lists count',
		title: (q) => `Best for “${q}”`,
		order: (q) => `the best for “${q}” first, by meaning and by words.`,
	},
};
const STEP = 24;
const MOST = 96;
const NAME = document.title;
// The model reads no more.
const MOST_TOKENS = 256;
// From here on, a description has little to do with the words: the cosine is below 0.25.
const FAR = 1.225;

const $ = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
	const made = Object.assign(document.createElement(name), properties);
	made.append(...children.filter((child) => child !== null));
	return made;
}

// --- what the address says

function wanted() {
	const given = new URLSearchParams(location.search);
	const filters = {};
	for (const name of FACETS) {
		if (given.get(name)) filters[name] = given.get(name);
	}
	const show = Number(given.get('show'));
	return {
		q: given.get('q')?.trim() ?? '',
		by: Object.hasOwn(WAYS, given.get('by')) ? given.get('by') : 'meaning',
		like: given.get('like') ?? '',
		filters,
		show: Number.isInteger(show) && show > STEP && show <= MOST ? show : STEP,
	};
}

function address({ q = '', by = 'meaning', like = '', filters = {}, show = STEP }) {
	const parts = new URLSearchParams();
	if (like) parts.set('like', like);
	else if (q) parts.set('q', q);
	// Kept for the next search, too.
	if (by !== 'meaning') parts.set('by', by);
	for (const name of FACETS) {
		if (filters[name]) parts.set(name, filters[name]);
	}
	if (show !== STEP) parts.set('show', show);
	return parts.size ? `/?${parts}` : '/';
}

function filterQuery({ filters, show }, more = {}) {
	return new URLSearchParams({ ...more, ...filters, limit: show });
}

// What is searched for, as the server wants it.
function orderQuery({ q, by, like }) {
	return like ? { like } : q ? { q, by } : {};
}

// --- the server

class Problem extends Error {
	// `field` is the part of what was sent that is not right; `missing` says that there is nothing to be had again.
	constructor(sentence, field, missing = false) {
		super(sentence);
		this.field = field;
		this.missing = missing;
	}
}

async function ask(path, options = {}) {
	let response;
	try {
		response = await fetch(path, options);
	} catch (error) {
		if (error.name === 'AbortError') throw error;
		throw new Problem('The server of this page does not answer. Is catalog-server still running?');
	}
	const answer = await response.json().catch(() => null);
	if (!response.ok || answer === null) {
		throw new Problem(answer?.problem ?? 'The server of this page gave an answer that cannot be read.', answer?.field,
			response.status === 404);
	}
	return answer;
}

const forget = new WeakMap();

// A newer question of the same kind makes the older one pointless.
function askOnly(kind) {
	forget.get(kind)?.abort();
	const control = new AbortController();
	forget.set(kind, control);
	return control.signal;
}

// --- going somewhere

history.scrollRestoration = 'manual';

// `from` is the product whose link was followed: coming back, the focus returns to it. A step that `replaces` another of
// its kind takes its place.
function go(target, { state = {}, from = null, replaces = false, ...options } = {}) {
	if (replaces) {
		history.replaceState(state, '', target);
	} else {
		history.replaceState({ ...history.state, y: scrollY, from }, '');
		history.pushState(state, '', target);
	}
	show(options);
}

document.addEventListener('click', (event) => {
	const link = event.target.closest('a[data-go]');
	if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
	event.preventDefault();
	const from = link.closest('.card')?.dataset.id ?? null;
	go(link.getAttribute('href'), { from, focus: from !== null });
});

// The skip link changes nothing but what follows the #.
addEventListener('popstate', () => {
	if (location.search !== shown) show({ back: true });
});

$('ask').addEventListener('submit', (event) => {
	event.preventDefault();
	const q = $('q').value.trim();
	// The server has the sentence for this case.
	if (q === '') {
		ask('/api/search?q=').catch(report);
		$('q').focus();
		return;
	}
	// Closes the keyboard on the screen.
	if (matchMedia('(pointer: coarse)').matches) $('q').blur();
	go(address({ ...wanted(), q, like: '', show: STEP }));
});

$('by').addEventListener('change', ({ target: { value: by } }) => {
	const now = wanted();
	const q = $('q').value.trim();
	// Each arrow key is a change: all in a row are one step. Without words, it is only kept for when there are some.
	const replaces = q === '' || (history.state?.way === true && q === now.q);
	go(address(q ? { ...now, q, by, like: '', show: STEP } : { ...now, by }), { state: { way: true }, replaces });
});

$('clear').addEventListener('click', () => go(address({ ...wanted(), filters: {}, show: STEP }), { focus: true }));

$('more').addEventListener('click', async () => {
	const now = wanted();
	const before = $('grid').children.length;
	history.replaceState(history.state, '', address({ ...now, show: Math.min(now.show + STEP, MOST) }));
	await show();
	$('grid').children[before]?.querySelector('a').focus();
});

// --- showing

const current = {};
let shown;

async function show({ focus = false, back = false } = {}) {
	const signal = askOnly(current);
	// Numbers that are still on their way belong to what was shown before.
	askOnly($('filters'));
	const now = wanted();
	shown = location.search;
	const { added } = history.state ?? {};
	$('q').value = now.q;
	markWay(now);
	markFilters(now);
	$('grid').setAttribute('aria-busy', 'true');
	try {
		let answer;
		let anchor = null;
		if (now.like) {
			const id = encodeURIComponent(now.like);
			[anchor, answer] = await Promise.all([
				ask(`/api/products/${id}`, { signal }),
				ask(`/api/products/${id}/similar?${filterQuery(now)}`, { signal }),
			]);
		} else if (now.q) {
			answer = await ask(`/api/search?${filterQuery(now, orderQuery(now))}`, { signal });
		} else {
			answer = await ask(`/api/products?${filterQuery(now)}`, { signal });
		}
		settle(now, answer, anchor, added);
		// It was added once: neither a reload nor the way back says so again.
		if (added) history.replaceState({ ...history.state, added: undefined }, '');
		loadFacets(now);
	} catch (error) {
		if (error.name === 'AbortError') return;
		settleNothing();
		report(error, () => show({ focus: true }));
	}
	$('grid').setAttribute('aria-busy', 'false');
	if (back) {
		scrollTo(0, history.state?.y ?? 0);
		const from = history.state?.from;
		if (from) document.querySelector(`.card[data-id="${CSS.escape(from)}"] .like`)?.focus({ preventScroll: true });
	} else if (focus) {
		$('results-title').focus({ preventScroll: true });
		$('results-title').scrollIntoView();
	}
}

function settle(now, { products, found, ran, counted }, anchor, added) {
	const filtered = Object.keys(now.filters).length > 0;
	const title = now.like ? `More like no. ${anchor.product.id}` : now.q ? WAYS[now.by].title(now.q) : 'The catalogue';
	$('results-title').textContent = title;
	document.title = now.like || now.q ? `${title.slice(0, 80)} · ${NAME}` : NAME;
	$('problem').replaceChildren();
	$('anchor').replaceChildren(...(anchor ? [anchorCard(anchor.product)] : []));
	$('grid').replaceChildren(...products.map((product, i) => card(product, i, added?.id)));
	$('more').hidden = products.length < now.show || now.show >= MOST;
	$('clear').hidden = !filtered;
	$('status').textContent = summary(products, found, now, filtered, added);
	const statements = [];
	if (added) statements.push(['The new dress', added.ran]);
	if (anchor) statements.push(['The dress itself', anchor.ran]);
	statements.push([now.like ? 'Dresses like it' : now.q ? 'The search' : 'The catalogue', ran], ['How many there are', counted]);
	showSql(statements);
}

function settleNothing() {
	for (const id of ['grid', 'anchor']) $(id).replaceChildren();
	for (const id of ['more', 'clear', 'sql']) $(id).hidden = true;
	$('status').textContent = '';
	$('results-title').textContent = 'Dresses';
	document.title = NAME;
}

function summary(products, found, now, filtered, added) {
	const count = products.length;
	const of = count < found ? `${count} of ${found} dresses` : `${count} ${count === 1 ? 'dress' : 'dresses'}`;
	const dresses = count === MOST && count < found ? `${of}, no more are shown here` : of;
	if (added) return `${added.sentence} Here it is, with what is nearest to it: ${dresses}.`;
	if (count === 0 && now.q && now.by === 'words') {
		return `No dress ${filtered ? 'that fits these filters ' : ''}has a word of “${now.q}” that counts.`;
	}
	if (count === 0) return filtered ? 'No dress fits these filters.' : 'The catalogue is empty.';
	if (!now.q && !now.like) return `${dresses}, in the order they came`;
	// Said by a screen reader, where the title is not.
	const order = now.like ? `those nearest to no. ${now.like} first.` : WAYS[now.by].order(now.q);
	const far = products[0].distance > FAR ? ' Even the nearest is far from it.' : '';
	return `${dresses}, ${order}${far}`;
}

const milliseconds = ({ ms }) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;

function report(error, again) {
	if (!(error instanceof Problem)) console.error(error);
	const sentence = error instanceof Problem ? error.message : 'Something went wrong in this page.';
	const parts = [element('p', { textContent: sentence })];
	if (error.missing) {
		const link = element('a', { href: '/', textContent: 'To the catalogue' });
		link.dataset.go = '';
		parts.push(link);
	} else if (again) {
		const button = element('button', { type: 'button', className: 'quiet', textContent: 'Try again' });
		button.addEventListener('click', again);
		parts.push(button);
	}
	$('problem').replaceChildren(...parts);
}

// --- one dress

function picture({ id, description, picture: source }, eager) {
	const plate = element('div', { className: 'plate' });
	const none = () => plate.replaceChildren(element('p', { className: 'none', textContent: 'No picture' }));
	if (source) {
		const image = element('img', {
			alt: firstSentence(description ?? '') || `Dress no. ${id}`,
			decoding: 'async',
			loading: eager ? 'eager' : 'lazy',
			referrerPolicy: 'no-referrer',
		});
		image.addEventListener('error', none);
		image.src = source;
		plate.append(image);
	} else {
		none();
	}
	return plate;
}

// Several people describe each dress; the first sentence serves as its title.
function firstSentence(text) {
	const sentence = /^[\s\S]{20,}?[.!?](?=\s)/.exec(text);
	return sentence ? sentence[0] : text;
}

// A short text is in the title.
function wholeText({ id, description }) {
	const text = description ?? '';
	if (text.length <= 60) return null;
	return element('details', {},
		element('summary', {}, 'Description', element('span', { className: 'unseen', textContent: ` of no. ${id}` })),
		element('p', { textContent: text }));
}

// What its place follows from.
function rankOf({ distance, score, by_meaning: meaning, by_words: words }) {
	if (distance !== undefined) return `Distance ${distance.toFixed(3)}`;
	if (meaning !== undefined || words !== undefined) return `Meaning ${meaning ?? '–'}, words ${words ?? '–'}`;
	return score !== undefined ? `Score ${score.toFixed(3)}` : '';
}

function card(product, i, newest) {
	const text = product.description ?? '';
	const title = firstSentence(text);
	const meta = element('p', { className: 'meta' }, element('span', { textContent: `No. ${product.id}` }));
	if (product.id === newest) meta.append(element('span', { className: 'new', textContent: 'New' }));
	if (product.split !== null) meta.append(element('span', { textContent: `Split ${product.split}` }));
	const rank = rankOf(product);
	if (rank) meta.append(element('span', { className: 'rank', textContent: rank }));
	const { filters, by } = wanted();
	const like = element('a', { className: 'like', href: address({ like: product.id, filters, by }) },
		'More like this', element('span', { className: 'unseen', textContent: ` (no. ${product.id})` }));
	like.dataset.go = '';
	const made = element('li', { className: 'card' }, picture(product, i < 8), meta,
		element('h3', { textContent: title || 'Without a description' }), wholeText(product), like);
	made.dataset.id = product.id;
	return made;
}

function anchorCard(product) {
	const text = product.description ?? '';
	return element('article', {}, picture(product, true),
		element('div', {}, element('h3', { textContent: firstSentence(text) || 'Without a description' }), wholeText(product)));
}

// --- the SQL

const WORDS = new RegExp('(\\$\\d+)|\\b(SET|WITH|SELECT|FROM|LEFT JOIN|FULL JOIN|JOIN|ON|USING|OVER|WHERE|FILTER|AND|EXISTS|GROUP BY|ORDER BY|DESC|LIMIT|OFFSET|AS|'
	+ 'INSERT INTO|VALUES|RETURNING|IS NOT NULL|ANY)\\b', 'g');

function coloured(sql) {
	const pre = element('pre');
	let end = 0;
	for (const found of sql.matchAll(WORDS)) {
		pre.append(sql.slice(end, found.index));
		pre.append(element('span', { className: found[1] ? 'parameter' : 'keyword', textContent: found[0] }));
		end = found.index + found[0].length;
	}
	pre.append(sql.slice(end));
	return pre;
}

function statement([title, ran]) {
	const parameters = element('dl');
	for (const { name, type, value } of ran.parameters) {
		parameters.append(element('dt', {}, `${name} `, element('span', { textContent: type })), element('dd', { textContent: value }));
	}
	// Whoever copies the statement finds the same with the same settings alone.
	const text = [...ran.settings ?? [], ran.sql].join('\n');
	return element('section', {},
		element('header', {}, element('h4', { textContent: title }), element('span', { textContent: milliseconds(ran) })),
		coloured(text), parameters);
}

// How long each took.
let times = [];

function showSql(statements) {
	$('sql').hidden = false;
	$('sql-statements').replaceChildren();
	times = [];
	addSql(...statements);
	// A plan that is still on its way belongs to the statement before.
	askOnly($('plan'));
	$('plan-text').textContent = '';
	showPlan();
}

function addSql(...statements) {
	$('sql-statements').append(...statements.map(statement));
	times.push(...statements.map(([, ran]) => ran.ms));
	const ms = times.reduce((sum, one) => sum + one, 0);
	$('sql-time').textContent = `(${times.length} statements, ${milliseconds({ ms })})`;
}

// Only if somebody looks at it.
async function showPlan() {
	if (!$('plan').open || !$('sql').open || $('plan-text').textContent !== '') return;
	const now = wanted();
	try {
		const { plan } = await ask(`/api/explain?${filterQuery(now, orderQuery(now))}`, { signal: askOnly($('plan')) });
		$('plan-text').textContent = plan;
	} catch (error) {
		if (error.name !== 'AbortError') $('plan-text').textContent = error.message;
	}
}
$('plan').addEventListener('toggle', showPlan);
$('sql').addEventListener('toggle', showPlan);

// --- filters

// Each number says how many dresses fit it and the other filters.
async function loadFacets(now) {
	const query = new URLSearchParams({ ...orderQuery(now), ...now.filters });
	let answer;
	try {
		answer = await ask(`/api/facets?${query}`, { signal: askOnly($('filters')) });
	} catch {
		// The dresses are there without them; the next search tries again.
		return;
	}
	const { facets, ran } = answer;
	if ($('filters-form').children.length === 0) {
		$('filters-form').append(...facets.map(({ name }) => filterField(name)));
		$('filters').hidden = facets.length === 0;
		$('filters').open = matchMedia('(min-width: 64rem)').matches;
		markFilters(wanted());
	}
	const attributes = facets.filter(({ name }) => name !== 'split');
	if ($('attributes-fields').children.length === 0) {
		$('attributes-fields').append(...attributes.map(({ name }) => field(`add-${name}`, name, 'none')));
		$('add-attributes').hidden = attributes.length === 0;
	}
	for (const { name, values } of facets) fill($(`filter-${name}`), values);
	for (const { name, values } of attributes) fill($(`add-${name}`), values.map(({ value }) => ({ value })));
	addSql(['The numbers beside the filters', ran]);
}

function field(id, name, nothing) {
	const select = element('select', { id, name }, element('option', { value: '', textContent: nothing }));
	const label = element('label', { htmlFor: id, textContent: name[0].toUpperCase() + name.slice(1) });
	return element('div', {}, label, select);
}

function filterField(name) {
	const made = field(`filter-${name}`, name, 'any');
	const select = made.querySelector('select');
	select.addEventListener('change', () => {
		const now = wanted();
		// Each arrow key is a change: all in a row are one step.
		go(address({ ...now, filters: { ...now.filters, [name]: select.value }, show: STEP }),
			{ state: { filter: name }, replaces: history.state?.filter === name });
	});
	return made;
}

// Options stay the elements that they are: the list may be open. What nothing fits cannot be chosen.
function fill(select, values) {
	for (const { value, products } of values) {
		const option = optionOf(select, value);
		option.textContent = products === undefined ? value : `${value} (${products})`;
		option.disabled = products === 0 && value !== select.value;
	}
}

function optionOf(select, value) {
	const there = [...select.options].find((option) => option.value === value);
	if (there) return there;
	const made = element('option', { value, textContent: value });
	select.append(made);
	return made;
}

$('filters-form').addEventListener('submit', (event) => event.preventDefault());

function markWay({ by }) {
	for (const radio of $('by').querySelectorAll('input')) radio.checked = radio.value === by;
	$('by-hint').textContent = WAYS[by].hint;
	for (const link of $('examples').querySelectorAll('a')) link.href = address({ q: link.textContent, by });
}

function markFilters(now) {
	const { filters } = now;
	const count = Object.keys(filters).length;
	$('filters-count').textContent = count ? `(${count})` : '';
	$('chips').replaceChildren(...Object.entries(filters).map(([name, value]) => {
		const { [name]: off, ...others } = filters;
		const link = element('a', { href: address({ ...now, filters: others, show: STEP }), title: 'Take it off' },
			element('span', { className: 'unseen', textContent: 'Without ' }), `${name}: ${value}`,
			element('span', { ariaHidden: 'true', textContent: ' ×' }));
		link.dataset.go = '';
		return element('li', {}, link);
	}));
	$('chips').hidden = count === 0;
	for (const select of $('filters-form').querySelectorAll('select')) {
		const value = filters[select.name] ?? '';
		// An address may ask for a value that no dress has.
		optionOf(select, value).disabled = false;
		select.value = value;
		select.classList.toggle('set', value !== '');
	}
}

// --- a new dress

function cleanAdd() {
	$('add-problem').textContent = '';
	for (const field of [$('add-description'), $('add-url')]) field.removeAttribute('aria-invalid');
}

$('open-add').addEventListener('click', () => {
	cleanAdd();
	$('add').showModal();
	$('add-description').focus();
});
$('add-cancel').addEventListener('click', () => $('add').close());

$('add-form').addEventListener('submit', async (event) => {
	event.preventDefault();
	const send = event.submitter ?? $('add-form').querySelector('[type="submit"]');
	const description = $('add-description').value.trim();
	const url = $('add-url').value.trim();
	const chosen = [...$('attributes-fields').querySelectorAll('select')].filter(({ value }) => value !== '');
	const attributes = Object.fromEntries(chosen.map(({ name, value }) => [name, value]));
	cleanAdd();
	send.disabled = true;
	try {
		const added = await ask('/api/products', {
			method: 'POST',
			headers: { 'Content-Type': 'application/json' },
			body: JSON.stringify({ description, ...url && { url }, attributes }),
		});
		$('add').close();
		$('add-form').reset();
		const { product: { id }, ran } = added;
		go(address({ q: description }), { state: { added: { id, ran, sentence: said(added, chosen.length) } }, focus: true });
	} catch (error) {
		const field = error.field === 'url' ? $('add-url') : $('add-description');
		field.setAttribute('aria-invalid', 'true');
		field.focus();
		$('add-problem').textContent = error.message;
	} finally {
		send.disabled = false;
	}
});

function said({ product, embedded, tokens, ran }, attributes) {
	if (!embedded) return `Dress no. ${product.id} was added, but no trigger gave it a vector, so no search finds it.`;
	const cut = tokens > MOST_TOKENS ? ` The first ${MOST_TOKENS} of its ${tokens} tokens are in its vector.` : '';
	const without = attributes === 0 && !$('add-attributes').hidden ? ' It was given no attributes for filters to find.' : '';
	return `Dress no. ${product.id} was added and embedded in ${milliseconds(ran)}.${without}${cut}`;
}

// ---

$('examples').append(...EXAMPLES.map((words) => {
	const link = element('a', { href: address({ q: words }), textContent: words });
	link.dataset.go = '';
	return element('li', {}, link);
}));
// On a narrow screen, the first of them stand for all until somebody asks.
$('examples-more').addEventListener('click', () => {
	const open = $('examples').classList.toggle('all');
	$('examples-more').setAttribute('aria-expanded', open);
	$('examples-more').textContent = open ? 'Fewer examples' : 'More examples';
});

show();
