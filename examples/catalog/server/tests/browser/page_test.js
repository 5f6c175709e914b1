// The catalogue's page in a real browser: page_test.js URL
//   CHROMIUM        the browser's program
//   SCREENSHOTS     a directory for pictures of the page (none are taken without it)
//   STOP_DATABASE, START_DATABASE
//                   shell commands; each returns when it is done
// The catalogue is the sample, with its attributes, its pictures and the trigger. Prints a line "ok - ..." or
// "not ok - ..." for each check. Needs Node.js 18 and playwright-core.
'use strict';

const assert = require('assert');
const { execSync } = require('child_process');
const fs = require('fs');
const http = require('http');
const path = require('path');
const { chromium } = require('playwright-core');

const BASE = new URL(process.argv[2]);
const TRUTH = JSON.parse(fs.readFileSync(path.join(__dirname, '../../../sample.attributes.json'), 'utf8'));
const FACETS = ['colour', 'sleeves', 'neckline', 'length', 'fit', 'fabric', 'pattern', 'occasion'];
const HOSTILE = '\'; DROP TABLE products; --<img src=x onerror=alert(1)>';
const GREEN = 'green sleeveless summer wear';
const DESKTOP = { viewport: { width: 1280, height: 900 } };
const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
// Slow machines take their time; nothing here is about speed.
const PATIENCE = 60000;

let browser;
let failed = 0;

// --- the tools

// What no page may ever do: open a dialog, throw, ask for what a hostile text names, break its own rules.
function watch(page, wrongs) {
	page.on('dialog', async (dialog) => {
		wrongs.push(`a dialog: ${dialog.message()}`);
		await dialog.dismiss();
	});
	page.on('pageerror', (error) => wrongs.push(`an error: ${error.message}`));
	page.on('request', (request) => {
		if (new URL(request.url()).pathname === '/x') wrongs.push(`a request for ${request.url()}`);
	});
	page.on('console', (message) => {
		// The browser itself reports each answer that is not a success.
		if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) wrongs.push(message.text());
	});
}

async function check(what, options, body) {
	const wrongs = [];
	const context = await browser.newContext(options);
	context.setDefaultTimeout(PATIENCE);
	const page = await context.newPage();
	watch(page, wrongs);
	try {
		await body(page);
		assert.deepStrictEqual(wrongs, [], 'the page did what it may not');
		console.log(`ok - ${what}`);
	} catch (error) {
		failed += 1;
		console.log(`not ok - ${what}`);
		console.log(String(error.stack).replace(/^/gm, '# '));
		await screenshot(page, `failed-${failed}`).catch(() => {});
	}
	await context.close();
}

async function screenshot(page, name) {
	if (process.env.SCREENSHOTS) await page.screenshot({ path: path.join(process.env.SCREENSHOTS, `${name}.png`) });
}

async function settled(page) {
	await page.waitForFunction(() => document.getElementById('grid').getAttribute('aria-busy') === 'false');
}

async function open(page, address = '/') {
	await page.goto(new URL(address, BASE).href);
	await settled(page);
}

async function search(page, words) {
	await page.getByRole('searchbox').fill(words);
	await page.getByRole('button', { name: 'Search' }).click();
	await settled(page);
}

async function filter(page, label, value) {
	const filters = page.locator('#filters');
	await filters.waitFor();
	if (!await filters.evaluate((details) => details.open)) await filters.locator('summary').click();
	const select = filters.getByLabel(label, { exact: true });
	await select.focus();
	await select.selectOption(value);
	await settled(page);
}

async function add(page, description, { url, attributes = {} } = {}) {
	await page.getByRole('button', { name: 'Add a dress' }).click();
	await page.getByLabel('Description').fill(description);
	if (url !== undefined) await page.getByLabel('Address of a picture').fill(url);
	const given = page.getByRole('group', { name: 'Attributes' });
	for (const [label, value] of Object.entries(attributes)) await given.getByLabel(label).selectOption(value);
	await page.getByRole('button', { name: 'Add', exact: true }).click();
}

async function added(page) {
	await page.locator('#add').waitFor({ state: 'hidden' });
	await settled(page);
}

const status = (page) => page.getByRole('status').textContent();
const title = (page) => page.locator('#results-title').textContent();

// What is in the grid.
function cards(page) {
	return page.locator('.card').evaluateAll((found) => found.map((card) => ({
		id: Number(card.dataset.id),
		title: card.querySelector('h3').textContent,
		text: card.textContent,
		distance: Number(/Distance ([\d.]+)/.exec(card.textContent)?.[1]),
	})));
}

// decode() fails for a picture that is none.
function widths(page) {
	return page.locator('.card img').evaluateAll((images) => Promise.all(images.map(async (image) => {
		image.loading = 'eager';
		await image.decode();
		return image.naturalWidth;
	})));
}

function inOrder(found) {
	const distances = found.map((card) => card.distance);
	assert.ok(distances.every(Number.isFinite), 'every dress has a distance');
	assert.deepStrictEqual(distances, [...distances].sort((a, b) => a - b), 'the nearest first');
}

async function noSidewaysScroll(page, where) {
	const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
	assert.ok(content <= window, `${where}: ${content} pixels wide on a screen of ${window}`);
}

const focused = (page) => page.evaluate(() => {
	const { activeElement: at } = document;
	return at.id || at.getAttribute('aria-label') || (at.type === 'radio' ? at.value : at.textContent.trim());
});

async function tabTo(page, wanted) {
	for (let i = 0; i < 60; i += 1) {
		await page.keyboard.press('Tab');
		if (wanted.test(await focused(page))) return;
	}
	assert.fail(`the tab key does not lead to ${wanted}`);
}

// Without a browser, for what a browser would not send.
function request(method, target, headers = {}, body = '') {
	return new Promise((resolve, reject) => {
		const sent = http.request({ host: BASE.hostname, port: BASE.port, method, path: target, headers }, (answer) => {
			let text = '';
			answer.setEncoding('utf8');
			answer.on('data', (part) => { text += part; });
			answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
		});
		sent.on('error', reject);
		sent.end(body);
	});
}

async function countDresses() {
	const { facets } = JSON.parse((await request('GET', '/api/facets')).text);
	return facets.find((facet) => facet.name === 'split').values.reduce((sum, value) => sum + value.products, 0);
}

// Relative luminance and contrast as WCAG defines them.
function contrastOf(page, selector) {
	return page.locator(selector).first().evaluate((element) => {
		const channels = (colour) => /rgba?\(([^)]+)\)/.exec(colour)[1].split(',').map(Number);
		const luminance = (colour) => channels(colour).slice(0, 3)
			.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
			.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
		let behind = element;
		while (behind && channels(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
		const [a, b] = [luminance(getComputedStyle(element).color), luminance(getComputedStyle(behind).backgroundColor)];
		return { contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), ground: b };
	});
}

// --- the checks

async function withBrowser() {
	await check('the catalogue is there, with its pictures', DESKTOP, async (page) => {
		await open(page);
		assert.strictEqual(await page.title(), 'The dress catalogue');
		assert.strictEqual((await cards(page)).length, 24);
		const found = await widths(page);
		assert.strictEqual(found.length, 24);
		assert.ok(found.every((width) => width > 0), `widths: ${found}`);
		await screenshot(page, 'catalogue');
		await page.getByRole('button', { name: 'Show more' }).click();
		await page.waitForFunction(() => document.querySelectorAll('.card').length === 48);
		await page.waitForFunction(() => document.activeElement.closest('.card')?.dataset.id === '25');
	});

	await check('a search shows the nearest first', DESKTOP, async (page) => {
		await open(page);
		await search(page, GREEN);
		assert.strictEqual(new URL(page.url()).search, '?q=green+sleeveless+summer+wear');
		assert.strictEqual(await title(page), `Nearest to “${GREEN}”`);
		assert.strictEqual(await status(page), `24 of ${TRUTH.length} dresses, those nearest to “${GREEN}” first.`);
		const found = await cards(page);
		inOrder(found);
		for (const { id } of found.slice(0, 3)) assert.strictEqual(TRUTH[id - 1].colour, 'green', `no. ${id}`);
		assert.ok((await widths(page)).every((width) => width > 0));
		await screenshot(page, 'search');
		await page.reload();
		await settled(page);
		assert.deepStrictEqual((await cards(page)).map(({ id }) => id), found.map(({ id }) => id), 'after a reload');
		assert.strictEqual(await page.getByRole('searchbox').inputValue(), GREEN);
	});

	await check('a search goes by meaning, by words, or by both', DESKTOP, async (page) => {
		const way = (name) => page.getByRole('radiogroup', { name: 'Search by' }).getByRole('radio', { name });
		const go = async (name) => {
			await way(name).check();
			await page.waitForFunction((by) => new URLSearchParams(location.search).get('by') === by, name === 'Meaning' ? null : name.toLowerCase());
			await settled(page);
		};
		const ranks = async () => (await cards(page)).map(({ text }) => /Distance [\d.]+|Score [\d.]+|Meaning (?:\d+|–), words (?:\d+|–)/.exec(text)?.[0]);
		const sql = () => page.locator('#sql-statements section').first().locator('pre').textContent();

		// Without words there is nothing to search for yet; the choice is kept.
		await open(page);
		assert.ok(await way('Meaning').isChecked());
		await go('Words');
		assert.strictEqual(new URL(page.url()).search, '?by=words');
		assert.strictEqual((await cards(page))[0].id, 1, 'the catalogue as it was');
		await search(page, 'red gown');
		assert.strictEqual(new URL(page.url()).search, '?q=red+gown&by=words');
		assert.strictEqual(await title(page), 'With words of “red gown”');
		assert.match(await status(page), /^24 of \d+ dresses, those with the rarest words of “red gown” first\.$/);
		const scores = (await ranks()).map((rank) => Number(rank.replace('Score ', '')));
		assert.ok(scores.every(Number.isFinite), `scores: ${scores}`);
		assert.deepStrictEqual(scores, [...scores].sort((a, b) => b - a), 'the highest first');
		const worded = await cards(page);
		assert.ok(worded.every(({ text }) => /\b(red|gown)/i.test(text)));
		await page.locator('#sql > summary').click();
		assert.match(await sql(), /sum\(idf \* ts_rank\(words, query, 16\)\) AS score\nFROM rarity\nJOIN products/);

		await go('Both');
		assert.strictEqual(await title(page), 'Best for “red gown”');
		assert.match(await status(page), /^24 of \d+ dresses, the best for “red gown” first, by meaning and by words\.$/);
		const places = await ranks();
		assert.ok(places.every((rank) => rank?.startsWith('Meaning')), `places: ${places}`);
		assert.ok(places.includes(`Meaning ${/\d+/.exec(places[0])[0]}, words ${/\d+$/.exec(places[0])[0]}`), 'the first is in both lists');
		assert.match(await sql(), /WITH by_meaning AS \([\s\S]+FULL JOIN by_words AS w USING \(id\)/);
		await page.locator('#plan > summary').click();
		await page.waitForFunction(() => document.getElementById('plan-text').textContent !== '');
		assert.match(await page.locator('#plan-text').textContent(), /rarity/, 'its plan');
		await page.locator('#results-title').scrollIntoViewIfNeeded();
		await screenshot(page, 'both');

		await go('Meaning');
		assert.strictEqual(new URL(page.url()).search, '?q=red+gown');
		inOrder(await cards(page));
		await page.goBack();
		await page.waitForFunction(() => document.getElementById('results-title').textContent.startsWith('With words'));
		await settled(page);
		assert.ok(await way('Words').isChecked(), 'choices in a row were one step');
		assert.deepStrictEqual((await cards(page)).map(({ id }) => id), worded.map(({ id }) => id));

		// A word that is in none of them, or in most.
		await search(page, 'dress zeppelin');
		assert.strictEqual(await status(page), 'No dress has a word of “dress zeppelin” that counts.');
		assert.strictEqual(await page.locator('.card').count(), 0);
		await page.getByRole('link', { name: 'red sleeveless summer wear' }).click();
		await settled(page);
		assert.strictEqual(new URL(page.url()).search, '?q=red+sleeveless+summer+wear&by=words', 'examples, too');
	});

	await check('by both, with filters and dresses that are like one', DESKTOP, async (page) => {
		await open(page, '/?q=gown&by=both');
		await filter(page, 'Colour', 'red');
		const reds = TRUTH.filter(({ colour }) => colour === 'red').length;
		assert.strictEqual(await status(page), `${reds} dresses, the best for “gown” first, by meaning and by words.`);
		const found = await cards(page);
		assert.strictEqual(found.length, reds);
		assert.ok(found.every(({ id }) => TRUTH[id - 1].colour === 'red'));
		assert.match(page.url(), /\?q=gown&by=both&colour=red$/);
		await page.locator('.card .like').first().click();
		await page.waitForFunction(() => document.getElementById('results-title').textContent.startsWith('More like'));
		await settled(page);
		inOrder(await cards(page));
		assert.match(page.url(), /by=both/, 'kept for the next search');
		await page.goBack();
		await page.waitForFunction(() => document.getElementById('results-title').textContent.startsWith('Best'));
		await settled(page);
		assert.deepStrictEqual((await cards(page)).map(({ id }) => id), found.map(({ id }) => id));

		// The numbers beside the filters are of dresses with the words.
		await open(page, '/?q=velvet&by=words');
		await page.waitForFunction(() => document.querySelectorAll('#sql-statements section').length === 3);
		const number = /\((\d+)\)/.exec(await page.locator('#filter-colour option:enabled').nth(1).textContent())[1];
		const colour = await page.locator('#filter-colour option:enabled').nth(1).getAttribute('value');
		await filter(page, 'Colour', colour);
		assert.strictEqual((await cards(page)).length, Number(number));
	});

	await check('an example is a link to its search', DESKTOP, async (page) => {
		await open(page);
		assert.strictEqual(await page.locator('#examples a:visible').count(), 5);
		assert.ok(!await page.locator('#examples-more').isVisible(), 'all are there');
		await page.getByRole('link', { name: 'red sleeveless summer wear' }).click();
		await settled(page);
		assert.strictEqual(await title(page), 'Nearest to “red sleeveless summer wear”');
		assert.strictEqual(TRUTH[(await cards(page))[0].id - 1].colour, 'red');
	});

	await check('the SQL, its parameters, its time and its plan are shown', DESKTOP, async (page) => {
		await open(page, '/?q=red+gown&colour=red&split=3');
		const summary = page.locator('#sql > summary');
		// The search, how many there are, and the numbers beside the filters.
		await page.waitForFunction(() => document.querySelectorAll('#sql-statements section').length === 3);
		assert.match(await summary.textContent(), /^The SQL that ran \(3 statements, [\d.]+ ms\)$/);
		await summary.click();
		const [shown, counted, numbers] = await page.locator('#sql-statements section').all();
		assert.match(await shown.locator('pre').textContent(),
			/^SET hnsw.ef_search = '100';\n(?:SET hnsw.iterative_scan = 'strict_order';\n)?SELECT id[\s\S]+WHERE split = \$2\s+AND EXISTS[\s\S]+ORDER BY descriptions_embeddings <-> embed_text\(\$1\)\nLIMIT \$4$/);
		assert.deepStrictEqual(await shown.locator('dd').allTextContents(), ['red gown', '3', '{"colour":"red"}', '24']);
		assert.match(await counted.locator('pre').textContent(), /^SELECT count\(\*\) AS found\nFROM products\nWHERE split = \$1/);
		assert.match(await numbers.locator('pre').textContent(), /^SELECT facet, attributes ->> facet AS value/);
		assert.strictEqual(await numbers.locator('dd').nth(1).textContent(), '{"colour":"red","split":3}');
		await page.locator('#plan > summary').click();
		await page.waitForFunction(() => document.getElementById('plan-text').textContent !== '');
		const plan = await page.locator('#plan-text').textContent();
		assert.match(plan, /^Limit/);
		assert.match(plan, /384 numbers\]'::vector/);
		await page.locator('#results-title').scrollIntoViewIfNeeded();
		await screenshot(page, 'sql');
	});

	await check('filters and the back button', DESKTOP, async (page) => {
		await open(page);
		await search(page, 'gown');
		const all = await cards(page);
		await filter(page, 'Colour', 'red');
		await filter(page, 'Sleeves', 'long');
		const wanted = TRUTH.filter(({ colour, sleeves }) => colour === 'red' && sleeves === 'long').length;
		const found = await cards(page);
		assert.ok(wanted > 0 && wanted < 24);
		assert.strictEqual(found.length, wanted);
		inOrder(found);
		for (const { id } of found) {
			assert.deepStrictEqual([TRUTH[id - 1].colour, TRUTH[id - 1].sleeves], ['red', 'long'], `no. ${id}`);
		}
		assert.strictEqual(await status(page), `${wanted} ${wanted === 1 ? 'dress' : 'dresses'}, those nearest to “gown” first.`);
		assert.deepStrictEqual(await page.locator('#chips li').allTextContents(), ['Without colour: red ×', 'Without sleeves: long ×']);
		assert.match(page.url(), /\?q=gown&colour=red&sleeves=long$/);
		assert.strictEqual(await page.locator('#filters-count').textContent(), '(2)');
		assert.strictEqual(await page.evaluate(() => document.activeElement.name), 'sleeves', 'the focus stays');

		await page.goBack();
		await page.waitForFunction(() => document.querySelector('#filter-sleeves').value === '');
		await settled(page);
		assert.strictEqual(await page.locator('#filter-colour').inputValue(), 'red');
		assert.ok((await cards(page)).every(({ id }) => TRUTH[id - 1].colour === 'red'));

		await page.getByRole('button', { name: 'Clear the filters' }).click();
		await settled(page);
		assert.deepStrictEqual(await cards(page), all);

		await filter(page, 'Split', '7');
		assert.ok((await cards(page)).every(({ text }) => text.includes('Split 7')));

		// A chip takes its filter off; choices in a row within a filter are one step.
		await filter(page, 'Colour', 'red');
		await filter(page, 'Colour', 'blue');
		await page.locator('#chips a').first().click();
		await settled(page);
		assert.deepStrictEqual(await page.locator('#chips li').allTextContents(), ['Without colour: blue ×']);
		await page.goBack();
		await page.goBack();
		await page.waitForFunction(() => document.querySelector('#filter-colour').value === '');
		await settled(page);
		assert.match(page.url(), /\?q=gown&split=7$/);
	});

	await check('the numbers beside a filter follow the other filters', DESKTOP, async (page) => {
		// As the page shows them: of each facet, its values with their numbers.
		const expected = (filters) => Object.fromEntries(FACETS.map((facet) => {
			const fits = (dress) => Object.entries(filters).every(([name, value]) => name === facet || dress[name] === value);
			const values = [...new Set(TRUTH.map((dress) => dress[facet]))].sort();
			return [facet, values.map((value) => `${value} (${TRUTH.filter((dress) => dress[facet] === value && fits(dress)).length})`)];
		}));
		const numbers = async (filters) => {
			await page.waitForFunction(() => document.querySelectorAll('#sql-statements section').length === 3);
			const found = await page.locator('#filters select:not(#filter-split)').evaluateAll((selects) => Object.fromEntries(
				selects.map(({ name, options }) => [name, [...options].slice(1).map(({ textContent }) => textContent).sort()])));
			assert.deepStrictEqual(found, expected(filters));
		};
		const options = (name, of) => page.locator(`#filter-${name} option${of}`).allTextContents();

		await open(page, '/?q=gown');
		await numbers({});
		assert.deepStrictEqual(await page.locator('#filters option:disabled').count(), 0);
		await filter(page, 'Sleeves', 'short');
		await numbers({ sleeves: 'short' });
		await filter(page, 'Colour', 'orange');
		await numbers({ sleeves: 'short', colour: 'orange' });
		// What would find nothing cannot be chosen.
		const none = await options('fabric', ':disabled');
		assert.ok(none.length > 0 && none.every((text) => text.endsWith(' (0)')), `disabled: ${none}`);
		assert.ok((await options('fabric', ':enabled')).every((text) => !text.endsWith(' (0)')));
		// A number is what its choice finds.
		const some = (await options('fabric', ':enabled'))[1];
		await filter(page, 'Fabric', some.replace(/ \(.*/, ''));
		assert.strictEqual((await cards(page)).length, Number(/\((\d+)\)$/.exec(some)[1]));
		await page.getByRole('button', { name: 'Clear the filters' }).click();
		await settled(page);
		await numbers({});

		// A dress is not like itself, and is not counted.
		await open(page, '/?like=1');
		await page.waitForFunction(() => document.querySelectorAll('#sql-statements section').length === 4);
		const { colour } = TRUTH[0];
		assert.ok((await options('colour', '')).includes(`${colour} (${TRUTH.filter((dress) => dress.colour === colour).length - 1})`));
	});

	await check('filters that nothing fits', DESKTOP, async (page) => {
		await open(page, '/?q=gown&colour=no+such+colour');
		assert.strictEqual(await status(page), 'No dress fits these filters.');
		assert.strictEqual(await page.locator('.card').count(), 0);
		await page.getByRole('button', { name: 'Clear the filters' }).click();
		await settled(page);
		assert.strictEqual(await page.locator('.card').count(), 24);
	});

	await check('more like this, and back', DESKTOP, async (page) => {
		await open(page, '/?q=long+brown+velvet+dress');
		const [, second] = await cards(page);
		await page.locator('.card .like').nth(1).click();
		await page.waitForFunction(() => document.getElementById('results-title').textContent.startsWith('More like'));
		await settled(page);
		assert.strictEqual(await title(page), `More like no. ${second.id}`);
		assert.strictEqual(await focused(page), 'results-title');
		assert.ok((await page.locator('#anchor').textContent()).startsWith(second.title));
		const found = await cards(page);
		inOrder(found);
		assert.strictEqual(found.length, 24);
		assert.ok(found.every(({ id }) => id !== second.id), 'itself left out');
		assert.strictEqual(TRUTH[found[0].id - 1].colour, TRUTH[second.id - 1].colour);
		await screenshot(page, 'more-like-this');
		await page.goBack();
		await page.waitForFunction(() => document.getElementById('results-title').textContent.startsWith('Nearest'));
		await settled(page);
		assert.match(await focused(page), new RegExp(`^More like this \\(no\\. ${second.id}\\)$`));
		await open(page, '/?like=123456789');
		assert.match(await page.getByRole('alert').textContent(), /There is no dress 123456789/);
	});

	await check('a search that nothing is near to says so', DESKTOP, async (page) => {
		await open(page);
		await search(page, 'kernel panic in the file system');
		assert.match(await status(page), / Even the nearest is far from it\.$/);
		assert.match(await page.locator('.card img').first().getAttribute('alt'), /^[A-Z].{19,}[.!?]$/, 'a picture is described');
	});

	await check('a new dress is found at once', DESKTOP, async (page) => {
		await open(page);
		await add(page, 'A cape of violet feathers over a mirror-bright jumpsuit. Made for the stage.',
			{ url: 'https://catalog.example/dresses/0005.svg' });
		await added(page);
		const [first] = await cards(page);
		assert.ok(first.id > TRUTH.length);
		assert.strictEqual(first.title, 'A cape of violet feathers over a mirror-bright jumpsuit.');
		assert.strictEqual(first.distance, 0);
		assert.match(first.text, /New/);
		assert.match(await status(page), new RegExp(`^Dress no\\. ${first.id} was added and embedded in [\\d.]+ ms\\. It was given no attributes`));
		assert.strictEqual(await focused(page), 'results-title');
		assert.ok((await widths(page))[0] > 0, 'its picture');
		await page.locator('#sql > summary').click();
		assert.match(await page.locator('#sql-statements').textContent(), /INSERT INTO products \(description, url\)/);
		await screenshot(page, 'added');
		await page.reload();
		await settled(page);
		assert.doesNotMatch(await status(page), /was added/, 'it is said once');
		await open(page);
		await search(page, 'something with feathers for a performance');
		assert.strictEqual((await cards(page))[0].id, first.id, 'by other words');
	});

	await check('filters find a new dress by the attributes that it was given', DESKTOP, async (page) => {
		await open(page, '/?q=gown');
		await page.locator('#filters').waitFor();
		await page.getByRole('button', { name: 'Add a dress' }).click();
		const given = page.getByRole('group', { name: 'Attributes' });
		const colours = await given.getByLabel('Colour').locator('option').allTextContents();
		assert.deepStrictEqual([colours[0], [...colours.slice(1)].sort()],
			['none', [...new Set(TRUTH.map(({ colour }) => colour))].sort()], 'those that are known');
		assert.strictEqual(await given.getByLabel('Split').count(), 0);
		await page.keyboard.press('Escape');
		await page.locator('#add').waitFor({ state: 'hidden' });

		const text = 'A frock of tinfoil for a parade of robots';
		await add(page, text, { attributes: { Colour: 'orange', Sleeves: 'long' } });
		await added(page);
		assert.match(await status(page), /^Dress no\. \d+ was added and embedded in [\d.]+ ms\. Here it is/);
		const [{ id }] = await cards(page);
		await page.locator('#sql > summary').click();
		assert.match(await page.locator('#sql-statements').textContent(), /INSERT INTO product_attributes/);
		await filter(page, 'Colour', 'orange');
		await filter(page, 'Sleeves', 'long');
		const found = await cards(page);
		assert.strictEqual(found[0].id, id);
		assert.strictEqual(found.length, TRUTH.filter(({ colour, sleeves }) => colour === 'orange' && sleeves === 'long').length + 1);
		await filter(page, 'Colour', 'red');
		assert.ok((await cards(page)).every((card) => card.id !== id));
		await page.getByRole('button', { name: 'Add a dress' }).click();
		assert.strictEqual(await given.getByLabel('Colour').inputValue(), '', 'the next one starts without');
		await page.keyboard.press('Escape');

		// The attributes of a picture are those of the dress that has it.
		await add(page, text, { url: 'https://catalog.example/dresses/0005.svg', attributes: { Colour: 'orange' } });
		await page.locator('#add-problem').getByText('A dress with this picture has attributes already').waitFor();
		assert.strictEqual(await focused(page), 'add-url');
		await page.keyboard.press('Escape');
	});

	await check('without attributes in the catalogue, none can be given', DESKTOP, async (page) => {
		await page.route('**/api/facets*', (route) => route.fulfill({ json: {
			facets: [{ name: 'split', values: [{ value: '0', products: 1 }] }],
			ran: { sql: 'SELECT', parameters: [], ms: 1 },
		} }));
		await open(page);
		await page.locator('#filters').waitFor();
		assert.strictEqual(await page.locator('#filters select').count(), 1);
		await page.getByRole('button', { name: 'Add a dress' }).click();
		assert.ok(await page.getByLabel('Description').isVisible());
		assert.ok(!await page.locator('#add-attributes').isVisible());
		await page.keyboard.press('Escape');
		await add(page, 'A frock that nobody has sorted');
		await added(page);
		assert.match(await status(page), / ms\. Here it is/, 'nothing is said of attributes');
	});

	await check('a hostile text is a text', DESKTOP, async (page) => {
		const before = await countDresses();
		await open(page);
		await search(page, HOSTILE);
		assert.strictEqual(await title(page), `Nearest to “${HOSTILE}”`);
		assert.strictEqual(await page.locator('.card').count(), 24);
		await page.locator('#sql > summary').click();
		assert.strictEqual(await page.locator('#sql-statements dd').first().textContent(), HOSTILE);
		await add(page, HOSTILE);
		await added(page);
		const [first] = await cards(page);
		assert.strictEqual(first.title, HOSTILE);
		assert.strictEqual(first.distance, 0);
		assert.match(first.text, /No picture/);
		await page.locator('.card .like').first().click();
		await page.waitForFunction(() => document.getElementById('anchor').textContent !== '');
		assert.ok((await page.locator('#anchor').textContent()).includes(HOSTILE));
		await open(page, `/?like=${encodeURIComponent(HOSTILE)}`);
		assert.match(await page.getByRole('alert').textContent(), /no such product/);
		await open(page, `/?q=x&colour=${encodeURIComponent(HOSTILE)}`);
		assert.strictEqual(await page.locator('#filter-colour').inputValue(), HOSTILE);
		assert.strictEqual(await page.locator('img[src="x"]').count(), 0);
		assert.strictEqual(await countDresses(), before);
		await screenshot(page, 'hostile');
	});

	await check('mistakes are answered with sentences', DESKTOP, async (page) => {
		await open(page);
		await search(page, '   ');
		const alert = page.locator('#problem');
		await alert.getByText('Type a few words').waitFor();
		assert.strictEqual(await focused(page), 'q');
		assert.strictEqual(await page.locator('.card').count(), 24, 'the dresses stay');
		await search(page, 'gown');
		assert.strictEqual(await alert.textContent(), '', 'the sentence goes');
		await search(page, 'x'.repeat(2001));
		assert.match(await alert.textContent(), /^The query is too long; at most 2000 characters fit\./);

		await open(page);
		await add(page, ' ');
		await page.getByText('A product needs a description').waitFor();
		assert.strictEqual(await focused(page), 'add-description');
		await page.getByLabel('Description').fill('A dress with a bad address');
		await page.getByLabel('Address of a picture').fill('javascript:alert(1)');
		await page.getByRole('button', { name: 'Add', exact: true }).click();
		await page.getByText('starts with https:// or http://').waitFor();
		assert.strictEqual(await focused(page), 'add-url');
		await page.keyboard.press('Escape');
		await page.locator('#add').waitFor({ state: 'hidden' });
	});

	await check('an unreachable picture leaves a placeholder', DESKTOP, async (page) => {
		await page.route('https://pictures.invalid/**', (route) => route.abort());
		await open(page);
		await add(page, 'A dress whose picture has gone', { url: 'https://pictures.invalid/gone.jpg' });
		await added(page);
		await page.locator('.card').first().getByText('No picture').waitFor();
	});

	await check('the database stops and comes back', DESKTOP, async (page) => {
		await open(page, '/?q=gown');
		execSync(process.env.STOP_DATABASE, { stdio: 'ignore' });
		try {
			await search(page, GREEN);
			assert.match(await page.getByRole('alert').first().textContent(), /^The catalogue's database does not answer; /);
			assert.strictEqual(await page.locator('.card').count(), 0);
			assert.strictEqual((await request('GET', '/api/search?q=gown')).status, 503);
			await screenshot(page, 'database-stopped');
			await add(page, 'A dress in the dark');
			await page.locator('#add-problem').getByText('does not answer').waitFor();
			assert.strictEqual(await page.getByLabel('Description').inputValue(), 'A dress in the dark', 'nothing typed is lost');
			await page.keyboard.press('Escape');
		} finally {
			execSync(process.env.START_DATABASE, { stdio: 'ignore' });
		}
		await page.getByRole('button', { name: 'Try again' }).click();
		await page.waitForFunction(() => document.querySelectorAll('.card').length === 24);
		await settled(page);
		assert.strictEqual(await title(page), `Nearest to “${GREEN}”`);
		assert.strictEqual(await page.locator('#problem').textContent(), '');
	});

	await check('the keyboard is enough', DESKTOP, async (page) => {
		await open(page);
		await page.locator('#filters').waitFor();
		await page.keyboard.press('Tab');
		assert.strictEqual(await focused(page), 'Skip to the dresses');
		await page.keyboard.press('Enter');
		assert.strictEqual(await focused(page), 'results-title');
		await page.waitForFunction(() => document.getElementById('results-title').getBoundingClientRect().top < 100);

		await open(page);
		await page.locator('#filters').waitFor();
		await tabTo(page, /^q$/);
		await page.keyboard.type('red gown');
		await page.keyboard.press('Enter');
		await page.waitForFunction(() => document.getElementById('results-title').textContent === 'Nearest to “red gown”');
		await settled(page);
		assert.strictEqual(await focused(page), 'q', 'the focus stays for a better question');
		// Arrows choose what the search goes by; the focus stays there.
		await tabTo(page, /^meaning$/);
		await page.keyboard.press('ArrowRight');
		await page.waitForFunction(() => document.getElementById('results-title').textContent === 'With words of “red gown”');
		assert.strictEqual(await focused(page), 'words');
		const ring = await page.evaluate(() => getComputedStyle(document.activeElement.nextElementSibling).outlineStyle);
		assert.strictEqual(ring, 'solid', 'the focus can be seen');
		await page.keyboard.press('ArrowLeft');
		await page.waitForFunction(() => document.getElementById('results-title').textContent === 'Nearest to “red gown”');
		await settled(page);
		await tabTo(page, /^filter-split$/);
		await page.keyboard.press('Shift+Tab');
		assert.strictEqual(await focused(page), 'Filters', 'the filters can be folded');
		await tabTo(page, /^filter-colour$/);
		// Typing chooses.
		await page.keyboard.type('re');
		await page.waitForFunction(() => location.search.includes('colour=red'));
		await settled(page);
		await tabTo(page, /^The SQL that ran/);
		await page.keyboard.press('Enter');
		await page.locator('#sql-statements').waitFor();
		await tabTo(page, /^More like this/);
		const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
		assert.strictEqual(outline, 'solid', 'the focus can be seen');
		await screenshot(page, 'keyboard');
		await page.keyboard.press('Enter');
		await page.waitForFunction(() => document.activeElement.id === 'results-title');
		assert.match(await title(page), /^More like no\. \d+$/);

		await open(page);
		await tabTo(page, /^open-add$/);
		await page.keyboard.press('Enter');
		assert.strictEqual(await focused(page), 'add-description');
		await page.keyboard.press('Escape');
		assert.strictEqual(await focused(page), 'open-add', 'the focus returns');
		await page.keyboard.press('Enter');
		await page.keyboard.type('A dress that nobody pointed at');
		await tabTo(page, /^Add$/);
		await page.keyboard.press('Enter');
		await added(page);
		assert.strictEqual((await cards(page))[0].title, 'A dress that nobody pointed at');
	});

	await check('a screen reader finds its way', DESKTOP, async (page) => {
		await open(page, '/?like=2');
		await page.locator('#filters').waitFor();
		const found = await page.evaluate(() => {
			const all = (selector) => [...document.querySelectorAll(selector)];
			const unnamed = all('input, textarea, select').filter((field) => field.labels.length === 0);
			const levels = all('h1, h2, h3, h4').filter((heading) => heading.checkVisibility()).map((h) => Number(h.tagName[1]));
			return {
				language: document.documentElement.lang,
				unnamed: unnamed.map((field) => field.outerHTML),
				withoutAlt: all('img').filter((image) => !image.alt).length,
				h1: all('h1').length,
				skipped: levels.some((level, i) => level > (levels[i - 1] ?? 0) + 1),
				twice: all('[id]').map(({ id }) => id).filter((id, i, ids) => ids.indexOf(id) !== i),
				likes: new Set(all('.like').map((link) => link.textContent)).size,
			};
		});
		assert.deepStrictEqual(found, { language: 'en', unnamed: [], withoutAlt: 0, h1: 1, skipped: false, twice: [], likes: 24 });
		for (const role of ['banner', 'main', 'contentinfo', 'search', 'status']) {
			assert.strictEqual(await page.getByRole(role).count(), 1, role);
		}
		assert.strictEqual(await page.getByRole('region', { name: 'More like no. 2' }).count(), 1);
	});

	await check('on a phone, what was searched for and what is found fit together', { ...PHONE, viewport: { width: 375, height: 740 } },
		async (page) => {
			await open(page);
			const more = page.locator('#examples-more');
			const examples = page.locator('#examples a:visible');
			assert.strictEqual(await examples.count(), 2);
			assert.strictEqual(await more.getAttribute('aria-expanded'), 'false');
			await more.click();
			assert.strictEqual(await examples.count(), 5);
			assert.strictEqual(await more.getAttribute('aria-expanded'), 'true');
			await noSidewaysScroll(page, 'examples');
			await more.click();
			assert.strictEqual(await examples.count(), 2);

			// The switch takes a line of its own; fingers find each of the three.
			for (const box of await Promise.all((await page.locator('.switch label').all()).map((label) => label.boundingBox()))) {
				assert.ok(box.width >= 90 && box.height >= 44, `${box.width} by ${box.height} pixels`);
			}
			await page.getByRole('radio', { name: 'Both' }).check();
			await noSidewaysScroll(page, 'the switch');

			// The dress that others are like: its picture beside the beginning of its text, no taller than that needs.
			await open(page, '/?like=2');
			const [picture, heading, article] = await Promise.all(['#anchor .plate', '#anchor h3', '#anchor article']
				.map((selector) => page.locator(selector).boundingBox()));
			assert.ok(heading.x >= picture.x + picture.width, 'beside');
			assert.ok(Math.abs(heading.y - picture.y) < 10, 'from the top on');
			assert.ok(article.height < 200, `${article.height} pixels high`);
			assert.ok(await page.locator('.card').first().isVisible());
			await page.locator('#anchor summary').click();
			await noSidewaysScroll(page, 'the whole description');
		});

	await check('a phone of 360 pixels', PHONE, async (page) => {
		await open(page, '/?q=green+sleeveless+summer+wear');
		await noSidewaysScroll(page, 'results');
		await screenshot(page, 'phone');
		await filter(page, 'Colour', 'green');
		await noSidewaysScroll(page, 'filters');
		await page.locator('#sql > summary').click();
		await page.locator('#plan > summary').click();
		await page.waitForFunction(() => document.getElementById('plan-text').textContent !== '');
		await noSidewaysScroll(page, 'SQL');
		await page.locator('.card summary').first().click();
		await noSidewaysScroll(page, 'description');
		await page.locator('.card .like').first().click();
		await page.waitForFunction(() => document.activeElement.id === 'results-title');
		await noSidewaysScroll(page, 'more like this');
		await screenshot(page, 'phone-more-like-this');
		await page.getByRole('button', { name: 'Add a dress' }).click();
		await noSidewaysScroll(page, 'dialog');
		await screenshot(page, 'phone-add');
		await page.keyboard.press('Escape');
		// One long word.
		await add(page, `${'w'.repeat(300)} ${HOSTILE}`);
		await added(page);
		assert.match((await cards(page))[0].title, /^w{300}/);
		await noSidewaysScroll(page, 'a long word');
	});

	// For whoever looks at them.
	if (process.env.SCREENSHOTS) {
		for (const colorScheme of ['light', 'dark']) {
			for (const width of [375, 1280]) {
				const options = { viewport: { width, height: width === 375 ? 812 : 900 }, colorScheme };
				await check(`pictures of ${width} pixels, ${colorScheme}`, options, async (page) => {
					const shoot = (name) => screenshot(page, `${name}-${width}-${colorScheme}`);
					await open(page, '/?q=green+sleeveless+summer+wear');
					await shoot('search');
					await open(page, '/?q=green+sleeveless+summer+wear&by=both');
					await shoot('both');
					await page.locator('.card .meta').first().scrollIntoViewIfNeeded();
					await shoot('places');
					await open(page, '/?like=2');
					await page.locator('#filters').waitFor();
					await shoot('like');
					await open(page, '/?q=gown&sleeves=short&colour=blue');
					const filters = page.locator('#filters');
					await filters.waitFor();
					if (!await filters.evaluate((details) => details.open)) await filters.locator('summary').click();
					await shoot('filters');
					await page.locator('#sql > summary').click();
					await page.evaluate(() => document.getElementById('sql').scrollIntoView());
					await shoot('sql');
					await page.getByRole('button', { name: 'Add a dress' }).click();
					await shoot('add');
				});
			}
		}
	}

	const schemes = { light: (ground) => ground > 0.8, dark: (ground) => ground < 0.05 };
	for (const [colorScheme, fits] of Object.entries(schemes)) {
		await check(`${colorScheme} mode can be read`, { ...DESKTOP, colorScheme }, async (page) => {
			await open(page, '/?q=elegant+black+evening+gown+with+long+sleeves&colour=black');
			await page.locator('#filters').waitFor();
			await page.locator('#sql > summary').click();
			const texts = ['#results-title', '#status', '.meta span', '.rank', '.card h3', '.card summary', '.like', '#clear',
				'.examples a', '.examples h2', '.line button', '#by-title', '.switch :checked + span', '.switch label:last-child span', '#open-add', '.filters label', 'select.set', 'select:not(.set)',
				'.sql .keyword', '.sql dt span', '.sql header span', 'footer p'];
			for (const selector of texts) {
				const { contrast, ground } = await contrastOf(page, selector);
				assert.ok(contrast >= 4.5, `${selector}: a contrast of ${contrast.toFixed(2)}`);
				// These are filled.
				if (!/button|:checked/.test(selector)) assert.ok(fits(ground), `${selector}: on a ground of ${ground.toFixed(2)}`);
			}
			await page.locator('#sql > summary').click();
			await screenshot(page, colorScheme);
		});
	}
}

// --- the server by itself

async function server(what, body) {
	try {
		await body();
		console.log(`ok - ${what}`);
	} catch (error) {
		failed += 1;
		console.log(`not ok - ${what}`);
		console.log(String(error.stack).replace(/^/gm, '# '));
	}
}

async function withoutBrowser() {
	const json = { 'Content-Type': 'application/json' };
	const dress = JSON.stringify({ description: 'never added' });

	await server('foreign names are turned away', async () => {
		for (const Host of ['evil.example', `evil.example:${BASE.port}`, '127.0.0.1.evil.example']) {
			assert.strictEqual((await request('GET', '/', { Host })).status, 421, Host);
			assert.strictEqual((await request('GET', '/api/search?q=gown', { Host })).status, 421, Host);
		}
		assert.strictEqual((await request('GET', '/', { Host: `localhost:${BASE.port}` })).status, 200);
	});

	await server('only the page itself may write', async () => {
		const before = await countDresses();
		const own = { ...json, Origin: BASE.origin };
		assert.strictEqual((await request('POST', '/api/products', { ...json, Origin: 'http://evil.example' }, dress)).status, 403);
		assert.strictEqual((await request('POST', '/api/products', { ...json, Origin: 'null' }, dress)).status, 403);
		assert.strictEqual((await request('POST', '/api/products', { ...json, 'Sec-Fetch-Site': 'cross-site' }, dress)).status, 403);
		assert.strictEqual((await request('POST', '/api/products', { Origin: BASE.origin, 'Content-Type': 'text/plain' }, dress)).status, 415);
		assert.strictEqual((await request('POST', '/api/products', own, '{')).status, 400);
		assert.strictEqual((await request('POST', '/api/products', own, ' '.repeat(100000))).status, 413);
		assert.strictEqual((await request('DELETE', '/api/products', own)).status, 405);
		const nul = await request('POST', '/api/products', own, '{"description": "a\\u0000b"}');
		assert.deepStrictEqual([nul.status, /cannot store/.test(nul.text)], [400, true]);
		assert.strictEqual(await countDresses(), before);
	});

	await server('pictures stay in their directory', async () => {
		assert.strictEqual((await request('GET', '/pictures/0001.svg')).headers['content-type'], 'image/svg+xml');
		for (const target of ['/pictures/..%2f..%2fetc%2fpasswd', '/pictures/%2e%2e%2fx.svg', '/pictures/../page.js', '/pictures/',
			'/pictures/%2fetc%2fpasswd', '/pictures/0001.svg%00', '/pictures/..', '/pictures/none.svg', '/pictures/%ff.svg']) {
			const { status: code, text } = await request('GET', target);
			assert.ok(code === 404 || code === 400, `${target}: ${code}`);
			assert.doesNotMatch(text, /root:|addEventListener/);
		}
	});

	await server('every answer has its headers', async () => {
		for (const target of ['/', '/page.js', '/api/facets', '/api/search?q=', '/nothing', '/pictures/0001.svg']) {
			const { headers } = await request('GET', target);
			assert.match(headers['content-security-policy'], /^default-src '(self|none)'/, target);
			assert.strictEqual(headers['x-content-type-options'], 'nosniff', target);
		}
		assert.match((await request('GET', '/')).headers['content-security-policy'], /img-src 'self' https: http: data:/);
	});

	await server('what is not asked right gets a sentence', async () => {
		for (const target of ['/api/search', '/api/search?q=', '/api/search?q=x&limit=1000', '/api/search?q=x&size=L',
			'/api/search?q=x&split=a', '/api/search?q=x&by=luck', '/api/search?q=%00', '/api/products/x', '/api/products/0', '/api/explain?q=x&like=1',
			'/api/products/9999999999999999999/similar', '/nothing']) {
			const { status: code, text } = await request('GET', target);
			assert.ok(code === 400 || code === 404, `${target}: ${code}`);
			assert.match(JSON.parse(text).problem, /^[A-Z].+\.$/, target);
		}
	});
}

async function main() {
	if (process.env.SCREENSHOTS) fs.mkdirSync(process.env.SCREENSHOTS, { recursive: true });
	await withoutBrowser();
	// launch() gives the browser a user data directory of its own.
	browser = await chromium.launch({
		executablePath: process.env.CHROMIUM,
		timeout: PATIENCE,
		args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
			'--disable-background-networking', '--disable-component-update', '--disable-sync'],
	});
	await withBrowser();
	await browser.close();
	process.exitCode = failed ? 1 : 0;
}

main().catch((error) => {
	console.log(`not ok - the test itself\n${String(error.stack).replace(/^/gm, '# ')}`);
	process.exit(1);
});
