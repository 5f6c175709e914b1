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

pub enum Value {
    Text(String),
    OptionalText(Option<String>),
    Int(i32),
    BigInt(i64),
    Object(Json),
    Texts(Vec<&'static str>),
}

impl Value {
    pub fn of_type(&self) -> Type {
        match self {
            Value::Text(_) | Value::OptionalText(_) => Type::TEXT,
            Value::Int(_) => Type::INT4,
            Value::BigInt(_) => Type::INT8,
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
    /// By how near they are to these words.
    Words(String),
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

/// The search of the article, with conditions where there are any.
pub fn find(find: &Find) -> Statement {
    let mut statement = Statement::default();
    let distance = match &find.order {
        Order::Words(words) => {
            let words = statement.bind(Value::Text(words.clone()));
            Some(format!("descriptions_embeddings <-> embed_text({words})"))
        }
        Order::Product(id) => {
            let id = statement.bind(Value::BigInt(*id));
            Some(format!("descriptions_embeddings <-> (SELECT descriptions_embeddings FROM products WHERE id = {id})"))
        }
        Order::Id => None,
    };
    let own = matches!(find.order, Order::Product(_)).then(|| "$1".to_owned());
    let conditions = conditions(&mut statement, find, own);
    let limit = statement.bind(Value::BigInt(find.limit));

    let mut text = String::from("SELECT id, description, url, split");
    if let Some(distance) = &distance {
        let _ = write!(text, ",\n    {distance} AS distance");
    }
    text.push_str("\nFROM products");
    text.push_str(&conditions);
    let _ = write!(text, "\nORDER BY {}\nLIMIT {limit}", distance.as_deref().unwrap_or("id"));
    statement.text = text;
    statement
}

/// How many products there are of which `find` gives the first.
pub fn count(find: &Find) -> Statement {
    let mut statement = Statement::default();
    let own = own(&mut statement, find);
    let conditions = conditions(&mut statement, find, own);
    statement.text = format!("SELECT count(*) AS found\nFROM products{conditions}");
    statement
}

/// The product that is left out, where there is one.
fn own(statement: &mut Statement, find: &Find) -> Option<String> {
    match &find.order {
        Order::Product(id) => Some(statement.bind(Value::BigInt(*id))),
        Order::Words(_) | Order::Id => None,
    }
}

fn object(attributes: &[(&'static str, String)]) -> Map<String, Json> {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), Json::String(value.clone()))).collect()
}

/// The lines from WHERE on; `own` is the product that is left out.
fn conditions(statement: &mut Statement, find: &Find, own: Option<String>) -> String {
    let mut conditions: Vec<_> = own.iter().map(|id| format!("id <> {id}")).collect();
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
    let mut text = String::new();
    for (i, condition) in conditions.iter().enumerate() {
        let _ = write!(text, "\n{} {condition}", if i == 0 { "WHERE" } else { "  AND" });
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
/// other facets. Of `find`, the order says which product is left out.
pub fn facets(find: &Find) -> Statement {
    let mut statement = Statement::default();
    let names = statement.bind(Value::Texts(["split"].into_iter().chain(FACETS).collect()));
    let mut wanted = object(&find.attributes);
    if let Some(split) = find.split {
        wanted.insert("split".to_owned(), split.into());
    }
    let wanted = statement.bind(Value::Object(Json::Object(wanted)));
    let own = own(&mut statement, find).map(|id| format!("\n    WHERE id <> {id}")).unwrap_or_default();
    // OFFSET 0 keeps the planner from putting the expressions in place of their names, and computing them once for each pair.
    statement.text = format!(
        "SELECT facet, attributes ->> facet AS value,\n    \
             count(*) FILTER (WHERE attributes @> others) AS products\n\
         FROM (\n    \
             SELECT coalesce(attributes, '{{}}') || jsonb_build_object('split', split) AS attributes\n    \
             FROM products LEFT JOIN product_attributes USING (url){own}\n    \
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
    let own = own(&mut statement, find).map(|id| format!("\n  AND id <> {id}")).unwrap_or_default();
    statement.text = format!(
        "SELECT 'split' AS facet, split::text AS value, count(*) AS products\n\
         FROM products\n\
         WHERE split IS NOT NULL{own}\n\
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
        let statement = find(&by(Order::Words("green sleeveless summer wear".to_owned())));
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
            ..by(Order::Words("gown".to_owned()))
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
            find(&Find { attributes: vec![("fabric", hostile.to_owned())], ..by(Order::Words(hostile.to_owned())) }),
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
        assert_eq!(facets(&by(Order::Words("gown".to_owned()))).text, statement.text);
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
