//! The statements: each is one text with `$n` in it, and the values that go there.
//!
//! No value ever becomes part of the text, so there is nothing to escape. The text is laid out for the reader: the page
//! shows it.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value as Json};
use tokio_postgres::types::{ToSql, Type};

/// What a product of `product_attributes` can be asked for; the order is that of the page.
pub const FACETS: [&str; 8] = ["colour", "sleeves", "neckline", "length", "fit", "fabric", "pattern", "occasion"];

/// How many products an answer has, unless asked for fewer or more, and at most.
pub const USUAL_LIMIT: i64 = 24;
pub const HIGHEST_LIMIT: i64 = 96;

/// What a place among the products with the words counts for, beside one among the nearest.
const WEIGHT_OF_WORDS: f64 = 1.0;

pub enum Value {
    Text(String),
    OptionalText(Option<String>),
    Int(i32),
    BigInt(i64),
    Double(f64),
    Object(Json),
    Texts(Vec<&'static str>),
}

impl Value {
    pub fn of_type(&self) -> Type {
        match self {
            Value::Text(_) | Value::OptionalText(_) => Type::TEXT,
            Value::Int(_) => Type::INT4,
            Value::BigInt(_) => Type::INT8,
            Value::Double(_) => Type::FLOAT8,
            Value::Object(_) => Type::JSONB,
            Value::Texts(_) => Type::TEXT_ARRAY,
        }
    }

    pub fn bound(&self) -> &(dyn ToSql + Sync) {
        match self {
            Value::Text(v) => v,
            Value::OptionalText(v) => v,
            Value::Int(v) => v,
            Value::BigInt(v) => v,
            Value::Double(v) => v,
            Value::Object(v) => v,
            Value::Texts(v) => v,
        }
    }

    fn shown(&self) -> String {
        match self {
            Value::Text(v) => v.clone(),
            Value::OptionalText(v) => v.clone().unwrap_or_else(|| "NULL".to_owned()),
            Value::Int(v) => v.to_string(),
            Value::BigInt(v) => v.to_string(),
            Value::Double(v) => v.to_string(),
            Value::Object(v) => v.to_string(),
            Value::Texts(v) => format!("{{{}}}", v.join(",")),
        }
    }
}

/// A parameter as the page shows it.
#[derive(Serialize)]
pub struct Shown {
    name: String,
    #[serde(rename = "type")]
    of_type: String,
    value: String,
}

#[derive(Default)]
pub struct Statement {
    pub text: String,
    pub values: Vec<Value>,
}

impl Statement {
    /// Takes a value in and gives the name it has in the text.
    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    pub fn shown(&self) -> Vec<Shown> {
        let shown = |(i, value): (usize, &Value)| Shown {
            name: format!("${}", i + 1),
            of_type: value.of_type().name().replace("_text", "text[]"),
            value: value.shown(),
        };
        self.values.iter().enumerate().map(shown).collect()
    }

    pub fn explained(self) -> Statement {
        Statement { text: format!("EXPLAIN\n{}", self.text), values: self.values }
    }
}

/// What products are ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// By how near they are to what these words mean.
    Meaning(String),
    /// By how many of these words they have, and how rare those are. Without any, a product is not wanted.
    Words(String),
    /// By both.
    Both(String),
    /// By how near they are to this product, itself left out.
    Product(i64),
    /// As they were loaded.
    Id,
}

/// Which products are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    pub order: Order,
    pub split: Option<i32>,
    /// In the order of `FACETS`.
    pub attributes: Vec<(&'static str, String)>,
    pub limit: i64,
}

/// The first of the products that are wanted, in order.
pub fn find(find: &Find) -> Statement {
    let mut statement = Statement::default();
    statement.text = match &find.order {
        Order::Meaning(words) => {
            let words = statement.bind(Value::Text(words.clone()));
            by_distance(&mut statement, find, &format!("embed_text({words})"))
        }
        Order::Product(id) => {
            let id = statement.bind(Value::BigInt(*id));
            by_distance(
                &mut statement,
                find,
                &format!("(SELECT descriptions_embeddings FROM products WHERE id = {id})"),
            )
        }
        Order::Words(words) => by_words(&mut statement, find, words),
        Order::Both(words) => by_both(&mut statement, find, words),
        Order::Id => {
            let conditions = conditions(filters(&mut statement, find), "");
            let limit = statement.bind(Value::BigInt(find.limit));
            format!("SELECT id, description, url, split\nFROM products{conditions}\nORDER BY id\nLIMIT {limit}")
        }
    };
    statement
}

/// The search of the article, with conditions where there are any. `$1` is bound: the words, or the product that is left out.
fn by_distance(statement: &mut Statement, find: &Find, vector: &str) -> String {
    let own = matches!(find.order, Order::Product(_)).then(|| "id <> $1".to_owned());
    let conditions = conditions(own.into_iter().chain(filters(statement, find)), "");
    let limit = statement.bind(Value::BigInt(find.limit));
    format!(
        "SELECT id, description, url, split,\n    \
             descriptions_embeddings <-> {vector} AS distance\n\
         FROM products{conditions}\n\
         ORDER BY descriptions_embeddings <-> {vector}\n\
         LIMIT {limit}"
    )
}

/// Which of the words count.
fn rare(words: &str) -> String {
    format!("word = ANY (tsvector_to_array(to_tsvector('english', {words})))")
}

/// The list of words in the search by both (docs/search.md), alone.
fn by_words(statement: &mut Statement, find: &Find, words: &str) -> String {
    let words = statement.bind(Value::Text(words.to_owned()));
    let conditions = conditions([rare(&words)].into_iter().chain(filters(statement, find)), "");
    let limit = statement.bind(Value::BigInt(find.limit));
    format!(
        "SELECT id, description, url, split,\n    \
             sum(idf * ts_rank(words, query, 16)) AS score\n\
         FROM rarity\n\
         JOIN products ON words @@ query{conditions}\n\
         GROUP BY id\n\
         ORDER BY score DESC, id\n\
         LIMIT {limit}"
    )
}

/// The search by both in docs/search.md, as it stands there but for the names and what is shown of a product.
fn by_both(statement: &mut Statement, find: &Find, words: &str) -> String {
    let words = statement.bind(Value::Text(words.to_owned()));
    let filters = filters(statement, find);
    let of_meaning = conditions(filters.clone(), "        ");
    let of_words = conditions([rare(&words)].into_iter().chain(filters), "        ");
    let weight = statement.bind(Value::Double(WEIGHT_OF_WORDS));
    let limit = statement.bind(Value::BigInt(find.limit));
    format!(
        "WITH by_meaning AS (
    SELECT id, row_number() OVER (ORDER BY distance, id) AS place
    FROM (
        SELECT id, descriptions_embeddings <-> (SELECT embed_text({words})) AS distance
        FROM products{of_meaning}
        ORDER BY distance
        LIMIT 100
    ) AS nearest
), by_words AS (
    SELECT id, row_number() OVER (ORDER BY score DESC, id) AS place
    FROM (
        SELECT id, sum(idf * ts_rank(words, query, 16)) AS score
        FROM rarity
        JOIN products ON words @@ query{of_words}
        GROUP BY id
        ORDER BY score DESC, id
        LIMIT 100
    ) AS best
)
SELECT id, description, url, split, m.place AS by_meaning, w.place AS by_words,
    coalesce(1 / (60.0 + m.place), 0) + coalesce({weight} / (60.0 + w.place), 0) AS score
FROM by_meaning AS m
FULL JOIN by_words AS w USING (id)
JOIN products USING (id)
ORDER BY score DESC, id
LIMIT {limit}"
    )
}

/// How many products there are of which `find` gives the first.
pub fn count(find: &Find) -> Statement {
    let mut statement = Statement::default();
    let membership = membership(&mut statement, find);
    let conditions = conditions(membership.into_iter().chain(filters(&mut statement, find)), "");
    statement.text = format!("SELECT count(*) AS found\nFROM products{conditions}");
    statement
}

/// What the order says about which products are wanted at all.
fn membership(statement: &mut Statement, find: &Find) -> Option<String> {
    match &find.order {
        Order::Product(id) => {
            let id = statement.bind(Value::BigInt(*id));
            Some(format!("id <> {id}"))
        }
        Order::Words(words) => {
            let words = statement.bind(Value::Text(words.clone()));
            Some(format!(
                "words @@ (\n    \
                     SELECT string_agg(query::text, ' | ')::tsquery FROM rarity\n    \
                     WHERE {})",
                rare(&words)
            ))
        }
        Order::Meaning(_) | Order::Both(_) | Order::Id => None,
    }
}

fn object(attributes: &[(&'static str, String)]) -> Map<String, Json> {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), Json::String(value.clone()))).collect()
}

/// The page's filters as conditions on products.
fn filters(statement: &mut Statement, find: &Find) -> Vec<String> {
    let mut conditions = Vec::new();
    if let Some(split) = find.split {
        let split = statement.bind(Value::Int(split));
        conditions.push(format!("split = {split}"));
    }
    if !find.attributes.is_empty() {
        let wanted = statement.bind(Value::Object(Json::Object(object(&find.attributes))));
        conditions.push(format!(
            "EXISTS (\n    SELECT FROM product_attributes AS a\n    WHERE a.url = products.url AND a.attributes @> {wanted})"
        ));
    }
    conditions
}

/// The lines from WHERE on, if there are any, each behind the indent.
fn conditions(conditions: impl IntoIterator<Item = String>, indent: &str) -> String {
    let mut text = String::new();
    for (i, condition) in conditions.into_iter().enumerate() {
        let condition = condition.replace('\n', &format!("\n{indent}"));
        let _ = write!(text, "\n{indent}{} {condition}", if i == 0 { "WHERE" } else { "  AND" });
    }
    text
}

pub fn product(id: i64) -> Statement {
    let mut statement = Statement::default();
    let id = statement.bind(Value::BigInt(id));
    statement.text = format!("SELECT id, description, url, split\nFROM products\nWHERE id = {id}");
    statement
}

/// A product that is not there yet.
pub struct New {
    pub description: String,
    pub url: Option<String>,
    pub attributes: Vec<(&'static str, String)>,
}

/// The vector is not mentioned: the table's trigger makes it, and RETURNING says whether it did. Attributes belong to a url,
/// so with them a product without one gets a name in its place.
pub fn add(new: New) -> Statement {
    const RETURNING: &str = "RETURNING id, description, url, split,\n    \
         descriptions_embeddings IS NOT NULL AS embedded,\n    \
         embed_token_count(description) AS tokens";
    let mut statement = Statement::default();
    let description = statement.bind(Value::Text(new.description));
    let url = statement.bind(Value::OptionalText(new.url));
    statement.text = if new.attributes.is_empty() {
        format!("INSERT INTO products (description, url)\nVALUES ({description}, {url})\n{RETURNING}")
    } else {
        let attributes = statement.bind(Value::Object(Json::Object(object(&new.attributes))));
        format!(
            "WITH named AS (\n    \
                 SELECT coalesce({url}, 'urn:uuid:' || gen_random_uuid()) AS url\n\
             ), attributed AS (\n    \
                 INSERT INTO product_attributes (url, attributes)\n    \
                 SELECT url, {attributes} FROM named\n\
             )\n\
             INSERT INTO products (description, url)\n\
             SELECT {description}, url FROM named\n\
             {RETURNING}"
        )
    };
    statement
}

/// What there is to filter by: each value of the catalogue with the number of products that fit it and the filters of the
/// other facets. Of `find`, the order says which products are wanted at all.
pub fn facets(find: &Find) -> Statement {
    let mut statement = Statement::default();
    let names = statement.bind(Value::Texts(["split"].into_iter().chain(FACETS).collect()));
    let mut wanted = object(&find.attributes);
    if let Some(split) = find.split {
        wanted.insert("split".to_owned(), split.into());
    }
    let wanted = statement.bind(Value::Object(Json::Object(wanted)));
    let wanted_at_all = conditions(membership(&mut statement, find), "    ");
    // OFFSET 0 keeps the planner from putting the expressions in place of their names, and computing them once for each pair.
    statement.text = format!(
        "SELECT facet, attributes ->> facet AS value,\n    \
             count(*) FILTER (WHERE attributes @> others) AS products\n\
         FROM (\n    \
             SELECT coalesce(attributes, '{{}}') || jsonb_build_object('split', split) AS attributes\n    \
             FROM products LEFT JOIN product_attributes USING (url){wanted_at_all}\n    \
             OFFSET 0) AS p, (\n    \
             SELECT facet, {wanted} - facet AS others\n    \
             FROM unnest({names}) AS facet\n    \
             OFFSET 0) AS f\n\
         WHERE attributes ->> facet IS NOT NULL\n\
         GROUP BY facet, attributes ->> facet\n\
         ORDER BY facet, count(*) DESC, value"
    );
    statement
}

/// The same where the table of attributes is missing. The only facet has no others.
pub fn splits(find: &Find) -> Statement {
    let mut statement = Statement::default();
    let has_split = ["split IS NOT NULL".to_owned()];
    let membership = membership(&mut statement, find);
    let conditions = conditions(has_split.into_iter().chain(membership), "");
    statement.text = format!(
        "SELECT 'split' AS facet, split::text AS value, count(*) AS products\n\
         FROM products{conditions}\n\
         GROUP BY split"
    );
    statement
}

/// Leaves the first few numbers of each vector in a plan; all 384 say no more to a reader.
pub fn shorten_vectors(plan: &str) -> String {
    const KEPT: usize = 3;
    let mut out = String::with_capacity(plan.len().min(4096));
    let mut rest = plan;
    while let Some(start) = rest.find('[') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let end = from.find(']').map_or(from.len(), |end| end + 1);
        let (list, after) = from.split_at(end);
        let inside = list.trim_start_matches('[').trim_end_matches(']');
        let count = inside.split(',').count();
        let numbers = inside.split(',').all(|n| n.parse::<f64>().is_ok());
        if numbers && count > KEPT + 1 && list.ends_with(']') {
            let kept: Vec<&str> = inside.split(',').take(KEPT).collect();
            let _ = write!(out, "[{}, … {count} numbers]", kept.join(","));
            rest = after;
        } else {
            // Not a vector: only the bracket is done with, there may be one inside.
            out.push('[');
            rest = &from[1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(order: Order) -> Find {
        Find { order, split: None, attributes: Vec::new(), limit: 3 }
    }

    fn new(description: &str, url: Option<&str>) -> New {
        New { description: description.to_owned(), url: url.map(str::to_owned), attributes: Vec::new() }
    }

    fn parameters(statement: &Statement) -> Vec<(String, String, String)> {
        statement.shown().into_iter().map(|p| (p.name, p.of_type, p.value)).collect()
    }

    fn parameter(name: &str, of_type: &str, value: &str) -> (String, String, String) {
        (name.to_owned(), of_type.to_owned(), value.to_owned())
    }

    #[test]
    fn words_alone_are_the_search_of_the_article() {
        let statement = find(&by(Order::Meaning("green sleeveless summer wear".to_owned())));
        assert_eq!(
            statement.text,
            "SELECT id, description, url, split,\n    \
                 descriptions_embeddings <-> embed_text($1) AS distance\n\
             FROM products\n\
             ORDER BY descriptions_embeddings <-> embed_text($1)\n\
             LIMIT $2"
        );
        assert_eq!(
            parameters(&statement),
            [parameter("$1", "text", "green sleeveless summer wear"), parameter("$2", "int8", "3")]
        );
    }

    #[test]
    fn filters_become_conditions_of_the_same_statement() {
        let statement = find(&Find {
            split: Some(4),
            attributes: vec![("colour", "red".to_owned()), ("sleeves", "long".to_owned())],
            ..by(Order::Meaning("gown".to_owned()))
        });
        assert_eq!(
            statement.text,
            "SELECT id, description, url, split,\n    \
                 descriptions_embeddings <-> embed_text($1) AS distance\n\
             FROM products\n\
             WHERE split = $2\n  \
               AND EXISTS (\n    \
                 SELECT FROM product_attributes AS a\n    \
                 WHERE a.url = products.url AND a.attributes @> $3)\n\
             ORDER BY descriptions_embeddings <-> embed_text($1)\n\
             LIMIT $4"
        );
        assert_eq!(parameters(&statement)[2], parameter("$3", "jsonb", r#"{"colour":"red","sleeves":"long"}"#));
    }

    #[test]
    fn a_product_is_not_like_itself() {
        let statement = find(&Find { split: Some(0), ..by(Order::Product(7)) });
        assert!(statement.text.contains("WHERE id <> $1\n  AND split = $2\nORDER BY"), "{}", statement.text);
        assert!(statement.text.contains(
            "ORDER BY descriptions_embeddings <-> (SELECT descriptions_embeddings FROM products WHERE id = $1)\nLIMIT $3"
        ));
    }

    #[test]
    fn words_are_counted_by_how_rare_they_are() {
        let wanted = Find { split: Some(4), ..by(Order::Words("gown".to_owned())) };
        assert_eq!(
            find(&wanted).text,
            "SELECT id, description, url, split,\n    \
                 sum(idf * ts_rank(words, query, 16)) AS score\n\
             FROM rarity\n\
             JOIN products ON words @@ query\n\
             WHERE word = ANY (tsvector_to_array(to_tsvector('english', $1)))\n  \
               AND split = $2\n\
             GROUP BY id\n\
             ORDER BY score DESC, id\n\
             LIMIT $3"
        );
        // Products without any of them are neither counted, nor by the numbers beside the filters.
        let some = "words @@ (\n    \
                        SELECT string_agg(query::text, ' | ')::tsquery FROM rarity\n    \
                        WHERE word = ANY (tsvector_to_array(to_tsvector('english', $1))))";
        assert_eq!(
            count(&wanted).text,
            format!("SELECT count(*) AS found\nFROM products\nWHERE {some}\n  AND split = $2")
        );
        let some = some.replace("$1", "$3").replace('\n', "\n    ");
        assert!(facets(&wanted).text.contains(&format!("USING (url)\n    WHERE {some}\n    OFFSET 0")));
    }

    #[test]
    fn both_lists_have_the_filters() {
        let wanted = Find {
            split: Some(4),
            attributes: vec![("colour", "red".to_owned())],
            ..by(Order::Both("gown".to_owned()))
        };
        let statement = find(&wanted);
        let filter = "split = $2\n          \
                        AND EXISTS (\n            \
                            SELECT FROM product_attributes AS a\n            \
                            WHERE a.url = products.url AND a.attributes @> $3)\n        ";
        assert!(statement.text.contains(&format!("FROM products\n        WHERE {filter}ORDER BY distance")));
        assert!(statement.text.contains(&format!("$1)))\n          AND {filter}GROUP BY id")));
        assert_eq!(
            parameters(&statement)[3..],
            [parameter("$4", "float8", "1"), parameter("$5", "int8", "3")],
            "the weight of the words, and the limit"
        );
        // Every product is near or far.
        assert_eq!(count(&wanted).text, count(&Find { order: Order::Id, ..wanted }).text);
    }

    #[test]
    fn without_an_order_there_is_no_distance() {
        assert_eq!(
            find(&by(Order::Id)).text,
            "SELECT id, description, url, split\nFROM products\nORDER BY id\nLIMIT $1"
        );
    }

    #[test]
    fn no_value_reaches_the_text() {
        let hostile = "'; DROP TABLE products; --<img src=x onerror=alert(1)>";
        let statements = [
            find(&Find { attributes: vec![("fabric", hostile.to_owned())], ..by(Order::Both(hostile.to_owned())) }),
            add(New { attributes: vec![("fabric", hostile.to_owned())], ..new(hostile, Some(hostile)) }),
            facets(&Find { attributes: vec![("fabric", hostile.to_owned())], ..by(Order::Id) }),
        ];
        for statement in statements {
            assert!(!statement.text.contains("DROP"), "{}", statement.text);
            assert!(statement.shown().iter().any(|p| p.value.contains(hostile)));
        }
    }

    #[test]
    fn a_missing_url_is_null() {
        assert_eq!(parameters(&add(new("a dress", None)))[1], parameter("$2", "text", "NULL"));
    }

    #[test]
    fn attributes_are_written_by_the_same_statement() {
        assert!(!add(new("a dress", None)).text.contains("product_attributes"));
        let statement = add(New { attributes: vec![("colour", "red".to_owned())], ..new("a dress", None) });
        assert_eq!(
            statement.text,
            "WITH named AS (\n    \
                 SELECT coalesce($2, 'urn:uuid:' || gen_random_uuid()) AS url\n\
             ), attributed AS (\n    \
                 INSERT INTO product_attributes (url, attributes)\n    \
                 SELECT url, $3 FROM named\n\
             )\n\
             INSERT INTO products (description, url)\n\
             SELECT $1, url FROM named\n\
             RETURNING id, description, url, split,\n    \
                 descriptions_embeddings IS NOT NULL AS embedded,\n    \
                 embed_token_count(description) AS tokens"
        );
        assert_eq!(parameters(&statement)[2], parameter("$3", "jsonb", r#"{"colour":"red"}"#));
    }

    #[test]
    fn facets_are_counted_with_the_filters_of_the_others() {
        let filters = Find { split: Some(3), attributes: vec![("sleeves", "long".to_owned())], ..by(Order::Id) };
        let statement = facets(&filters);
        assert_eq!(
            statement.text,
            "SELECT facet, attributes ->> facet AS value,\n    \
                 count(*) FILTER (WHERE attributes @> others) AS products\n\
             FROM (\n    \
                 SELECT coalesce(attributes, '{}') || jsonb_build_object('split', split) AS attributes\n    \
                 FROM products LEFT JOIN product_attributes USING (url)\n    \
                 OFFSET 0) AS p, (\n    \
                 SELECT facet, $2 - facet AS others\n    \
                 FROM unnest($1) AS facet\n    \
                 OFFSET 0) AS f\n\
             WHERE attributes ->> facet IS NOT NULL\n\
             GROUP BY facet, attributes ->> facet\n\
             ORDER BY facet, count(*) DESC, value"
        );
        assert_eq!(
            parameters(&statement),
            [
                parameter("$1", "text[]", "{split,colour,sleeves,neckline,length,fit,fabric,pattern,occasion}"),
                parameter("$2", "jsonb", r#"{"sleeves":"long","split":3}"#),
            ]
        );
        // The text is the same whatever is filtered; only a product that others are compared with is left out.
        assert_eq!(facets(&by(Order::Meaning("gown".to_owned()))).text, statement.text);
        let like = facets(&Find { order: Order::Product(7), ..filters });
        assert!(like.text.contains("USING (url)\n    WHERE id <> $3\n    OFFSET 0"), "{}", like.text);
        assert_eq!(parameters(&like)[2], parameter("$3", "int8", "7"));
    }

    #[test]
    fn facets_leave_a_missing_table_alone() {
        let statement = splits(&Find { attributes: vec![("colour", "red".to_owned())], ..by(Order::Product(7)) });
        assert!(!statement.text.contains("product_attributes"));
        assert!(statement.text.contains("WHERE split IS NOT NULL\n  AND id <> $1\nGROUP BY"), "{}", statement.text);
        assert_eq!(statement.values.len(), 1);
    }

    #[test]
    fn vectors_in_a_plan_are_shortened() {
        assert_eq!(
            shorten_vectors("Order By: (v <-> '[0.5,-1e-05,0.25,1,2,3]'::vector) and '[1,2]'::vector"),
            "Order By: (v <-> '[0.5,-1e-05,0.25, … 6 numbers]'::vector) and '[1,2]'::vector"
        );
        for plain in ["", "no bracket", "[", "a[1] = '[x,y,z,w,v]'", "[1,2,3,4,5", "[[1,2,3]]", "ü[…]"] {
            assert_eq!(shorten_vectors(plain), plain);
        }
    }
}
