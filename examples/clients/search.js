// node search.js 'green sleeveless summer wear'   (node-postgres; the PG* variables say where the database is)
const { Client } = require('pg');

const SEARCH = `
    SELECT id, descriptions_embeddings <-> embed_text($1) AS distance, description
    FROM products
    ORDER BY descriptions_embeddings <-> embed_text($1)
    LIMIT 3`;

async function main() {
    const client = new Client();
    await client.connect();
    const { rows } = await client.query(SEARCH, [process.argv[2]]);
    for (const { id, distance, description } of rows) {
        console.log(`${id}  ${distance.toFixed(4)}  ${description.slice(0, 60)}`);
    }
    await client.end();
}

main();
