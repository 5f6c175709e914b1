// node-postgres and pg_embed: node_client.js SOCKET_DIRECTORY PORT DATABASE USER
// The table products is there and empty. Stops at the first difference.
// Without results in binary format: this client decodes every value as text first. The language is that of Node 12.
'use strict';

const assert = require('assert');
const { Client } = require('pg');
const { from: copyFrom } = require('pg-copy-streams');

const JOINED = "embed_text(concat_ws(' ', title, description))";
const INSERT = 'INSERT INTO products (id, title, description, price) VALUES ($1, $2, $3, $4)';
const SEARCH = 'SELECT id FROM products ORDER BY embedding <-> embed_text($1) LIMIT 3';
const ROWS = [
	[1, 'Red dress', 'sleeveless', 40],
	[2, 'Leather boots', null, 120],
	[3, 'Coffee machine', 'makes espresso', 300],
	[4, 'Garden hose', '20 m\tgreen', 25],
	[5, 'Acoustic guitar', 'six strings', 180],
	[6, 'Office chair', "it's adjustable", 90],
	[7, 'Winter coat', 'wool \\ cashmere', 150],
	[8, null, 'caf\u00e9 table', 60],
	[9, 'Tent', 'for two\nor three', 110],
];
const WANTED = [['espresso', 3], ['musical instrument', 5], ['furniture for the office', 6]];

// As COPY's text format has them: a tab and a line break in a value, and NULL.
const COPIED = '10\tKitchen knife\ttab\\there\t15\n11\tPillow\t\\N\t20\n12\tBicycle\tline\\nbreak\t400\n13\t\\N\tdesk lamp\t35\n';

const [host, port, database, user] = process.argv.slice(2);
const client = new Client({ host, port: Number(port), database, user });

function check(found, wanted, what) {
	assert.deepStrictEqual(found, wanted, `not ok - ${what}: found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`);
	console.log(`ok - ${what}`);
}

// All rows, as arrays. With a name, the statement is prepared under it; without values, it is a simple one.
async function run(text, values, options) {
	return (await client.query(Object.assign({ text, values, rowMode: 'array' }, options))).rows;
}

// Puts the values into the text.
function simple(text, values) {
	const literal = (value) => (typeof value === 'string' ? client.escapeLiteral(value) : String(value));
	return run(text.replace(/\$(\d)/g, (_, n) => literal(values[n - 1])));
}

function copy(lines) {
	return new Promise((resolve, reject) => {
		const stream = client.query(copyFrom('COPY products (id, title, description, price) FROM STDIN'));
		stream.on('error', reject).on('finish', resolve);
		stream.end(lines);
	});
}

async function checkVectors(count, what) {
	const query = `SELECT count(*)::int, count(*) FILTER (WHERE embedding = ${JOINED})::int FROM products`;
	check(await run(query), [[count, count]], what);
}

// The server keeps the prepared statement, and ran it with a generic plan.
async function checkGeneric(name, count) {
	const query = 'SELECT generic_plans >= $1 FROM pg_prepared_statements WHERE name = $2';
	check(await run(query, [count, name]), [[true]], `${name}: prepared, with a generic plan`);
}

async function main() {
	await client.connect();
	for (const row of ROWS.slice(0, 2)) await simple(INSERT, row);
	await checkVectors(2, 'INSERT, simple');
	for (const row of ROWS.slice(2)) await run(INSERT, row, { name: 'insert' });
	await checkVectors(9, 'INSERT, prepared');
	await checkGeneric('insert', 1);

	const query = `SELECT id, title, description, price, embedding, ${JOINED}::text FROM products WHERE id <= $1 ORDER BY id`;
	for (const rows of [await simple(query, [9]), await run(query, [9])]) {
		check(rows.map((row) => row.slice(0, 4)), ROWS, 'rows');
		check(rows.map((row) => row[4]), rows.map((row) => row[5]), 'vectors');
	}

	// A vector that no text has: it would not survive being computed again.
	const marker = JSON.stringify(new Array(384).fill(0.5));
	const marked = 'SELECT embedding = $1 FROM products WHERE id = 1';
	await run('UPDATE products SET embedding = $1 WHERE id = 1', [marker]);
	const setPrice = 'UPDATE products SET price = $1 WHERE id = $2';
	await simple(setPrice, [1, 1]);
	check(await run(marked, [marker]), [[true]], 'UPDATE of the price, simple: same vector');
	for (const row of ROWS) await run(setPrice, [row[3] + 1, row[0]], { name: 'price' });
	check(await run(marked, [marker]), [[true]], 'UPDATE of the price, prepared: same vector');
	await checkGeneric('price', 1);

	await simple('UPDATE products SET title = $1 WHERE id = $2', ['Blue dress', 1]);
	await checkVectors(9, 'UPDATE of the text, simple: new vector');
	const setText = 'UPDATE products SET description = $1 WHERE id = $2';
	for (const row of ROWS) await run(setText, [`edition ${row[0]}`, row[0]], { name: 'text' });
	await checkVectors(9, 'UPDATE of the text, prepared: new vectors');
	await checkGeneric('text', 1);

	await copy(COPIED);
	await checkVectors(13, 'COPY');

	for (const [text, wanted] of WANTED) {
		check((await simple(SEARCH, [text]))[0], [wanted], `search for ${text}, simple`);
		check((await run(SEARCH, [text]))[0], [wanted], `search for ${text}, bound`);
	}
	// Left alone, the planner makes a new plan each time: it is cheaper with the query's vector as a constant.
	for (const mode of ['auto', 'force_generic_plan']) {
		await run(`SET plan_cache_mode = ${mode}`);
		for (const [text, wanted] of WANTED) {
			for (let n = 0; n < 7; n++) {
				const rows = await run(SEARCH, [text], { name: 'search' });
				check([rows[0][0], rows.length], [wanted, 3], `search for ${text}, prepared, ${mode}, ${n}`);
			}
		}
	}
	await checkGeneric('search', 21);
	await client.end();
}

main().catch((error) => {
	console.error(error.message);
	process.exit(1);
});
