//! Markdown and HTML to chunks: sections, blocks, paths of headings, and what no document may do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::cell::Cell;

use common::embedder;
use embedder::{Chunk, Chunking, Split};

/// The tokens of a text, those that enclose it included.
fn count(text: &str) -> usize {
    embedder().tokenizer().count(text).map(|step| step.unwrap()).sum()
}

/// The chunks of a text, which fit and say rightly how many tokens they have.
fn cut(text: &str, split: Split, max_tokens: usize, overlap: i64, headings: bool) -> Vec<Chunk<'_>> {
    let tokenizer = embedder().tokenizer();
    let chunking = Chunking::new(max_tokens as i64, overlap, tokenizer.max_tokens()).unwrap().of(split);
    let chunking = if headings { chunking.with_headings() } else { chunking };
    let chunks: Vec<Chunk> = chunking.chunks(tokenizer, text, || ()).map(|chunk| chunk.unwrap()).collect();
    for chunk in &chunks {
        assert_eq!(chunk.tokens, count(&chunk.text), "{:?}", chunk.text);
        assert!(chunk.tokens <= max_tokens, "{} tokens: {:?}", chunk.tokens, chunk.text);
        assert!(text.is_char_boundary(chunk.start));
    }
    assert!(chunks.iter().zip(chunks.iter().skip(1)).all(|(one, next)| one.start < next.start));
    chunks
}

fn texts<'t>(chunks: &'t [Chunk<'_>]) -> Vec<&'t str> {
    chunks.iter().map(|chunk| &*chunk.text).collect()
}

/// The chunks of a Markdown text, of which nothing is lost.
fn markdown(text: &str, max_tokens: usize) -> Vec<String> {
    let chunks = cut(text, Split::Markdown, max_tokens, 0, false);
    assert_eq!(texts(&chunks).concat(), text);
    let mut start = 0;
    for chunk in &chunks {
        assert_eq!(chunk.start, start);
        start += chunk.text.len();
    }
    chunks.into_iter().map(|chunk| chunk.text.into_owned()).collect()
}

fn html(text: &str) -> Vec<String> {
    cut(text, Split::Html, 256, 0, false).into_iter().map(|chunk| chunk.text.into_owned()).collect()
}

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn words(&mut self, most: usize) -> String {
        let words = ["coat", "of", "wool", "grün", "中文", "Kleid.", "sleeves,", "Evening", "e\u{301}", "👗", "1,299"];
        (0..=self.below(most)).map(|_| self.pick(&words)).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn a_section_is_a_chunk_of_its_own() {
    let text =
        "Before.\n\n# One\n\nText of one.\n\nMore of one.\n\n## Two\nText of two.\n\nThree\n-----\n\nText of three.\n";
    assert_eq!(
        markdown(text, 256),
        [
            "Before.\n\n",
            "# One\n\nText of one.\n\nMore of one.\n\n",
            "## Two\nText of two.\n\n",
            "Three\n-----\n\nText of three.\n"
        ]
    );
    assert_eq!(
        html(
            "Before.<h1>One</h1><p>Text of one.<p>More of one.<h2>Two</h2>Text of two.<H3 id=x>Three</H3>Text of three."
        ),
        ["Before.", "One\n\nText of one.\n\nMore of one.", "Two\n\nText of two.", "Three\n\nText of three."]
    );
}

#[test]
fn what_looks_like_a_heading_and_is_none_begins_no_section() {
    for text in [
        "```sh\n# a comment\nls\n```\n\ntext\n",
        "~~~\n# a comment\n\n# another\n~~~\n",
        "    # indented\n\ntext",
        "<pre>\n# within HTML\n</pre>\n\ntext\n",
        "<!--\n# commented out\n\n# that too\n-->\n\ntext\n",
        "#hashtag\n\ntext\n",
        "> # of a quotation\n>\n> text\n",
        "- # of an item\n- text\n",
        "---\ntitle: of settings\n# a comment\n---\n\ntext\n",
        "+++\n# a comment\n+++\ntext\n",
        "\\# escaped\n",
        "text\n\n---\n\ntext after a rule\n",
        "```\n# never ends\n",
        "[reference]: /url \"title\"\n\ntext\n",
        "| a | b |\n|---|---|\n| # | - |\n\ntext\n",
        " \n\n \n",
    ] {
        assert_eq!(markdown(text, 256), [text]);
    }
}

#[test]
fn headings_of_every_form_begin_sections() {
    for heading in [
        "# A b",
        "###### A b",
        "   ## A b ##",
        "A b\n===",
        "A\nb\n---",
        "# A b {#id .class}",
        "# *A* [b](/x)",
        "# A `b`",
        "#\tA b",
    ] {
        for end in ["\n", "\r\n"] {
            let heading = heading.replace('\n', end);
            let text = format!("Text.{end}{end}{heading}{end}{end}Text of it.{end}{end}{heading}{end}Text.");
            let first = format!("{heading}{end}{end}Text of it.{end}{end}");
            let expected = [format!("Text.{end}{end}"), first, format!("{heading}{end}Text.")];
            assert_eq!(markdown(&text, 256), expected);
            let chunks = cut(&text, Split::Markdown, 16, 0, true);
            assert_eq!(chunks.last().unwrap().text, expected[2]);
        }
    }
}

#[test]
fn documents_with_nothing_in_them() {
    let none: [&str; 0] = [];
    for split in Split::ALL {
        assert_eq!(texts(&cut("", split, 256, 0, split != Split::Text)), none);
    }
    for page in
        ["<p></p>", " \n ", "<!-- nothing -->", "<script>let it = '<p>be</p>'</script>", "<h1></h1><br>", "&nbsp;", "<"]
    {
        assert_eq!(html(page), if page == "<" { vec!["<"] } else { vec![] }, "{page}");
    }
    assert_eq!(markdown("# One\n# Two\n# Three", 256), ["# One\n", "# Two\n", "# Three"]);
    assert_eq!(markdown("#\n\n#\n\ntext", 256), ["#\n\n", "#\n\ntext"]);
    assert_eq!(html("<h1>One</h1><h1>Two</h1>"), ["One", "Two"]);
}

/// A title alone says little: where nothing stands between a heading and one below it, they stay together.
#[test]
fn a_heading_stays_with_what_follows_it() {
    assert_eq!(markdown("# One\n\n## Two\n\ntext\n\n# Three\n", 256), ["# One\n\n## Two\n\ntext\n\n", "# Three\n"]);
    assert_eq!(html("<h1>One</h1><h2>Two</h2><p>text</p><h1>Three</h1>"), ["One\n\nTwo\n\ntext", "Three"]);
    // Not even where the first block would fit without it.
    let block = "eight words that are a paragraph of text";
    let text = format!("# A heading\n\n{block}\n\n{block}\n");
    assert_eq!(count(block), 10);
    assert_eq!(markdown(&text, 14), [format!("# A heading\n\n{block}\n\n"), format!("{block}\n")]);
    assert!(markdown(&text, 10)[0].starts_with("# A heading\n\neight words"));
}

#[test]
fn chunks_are_filled_with_whole_blocks() {
    let text =
        "One two three.\n\n- four\n- five\n  - six\n\nseven eight nine\n\n| a | b |\n|---|---|\n| c | d |\n\nten";
    let most = 14;
    let chunks = markdown(text, most);
    let blocks = [
        "One two three.\n\n",
        "- four\n",
        "- five\n",
        "  - six\n\n",
        "seven eight nine\n\n",
        "| a | b |\n|---|---|\n| c | d |\n\n",
        "ten",
    ];
    let mut rest = blocks.iter().peekable();
    for chunk in &chunks {
        // As many as fit, and not one more.
        let mut held = String::new();
        while let Some(block) = rest.next_if(|block| count(&format!("{held}{block}")) <= most) {
            held += block;
        }
        if held.is_empty() {
            break;
        }
        assert_eq!(*chunk, held);
    }
    assert_eq!(chunks[0], "One two three.\n\n- four\n- five\n  - six\n\n");
}

#[test]
fn a_block_that_is_too_long_is_cut_as_a_text() {
    let sentence = "A sentence of seven words is here. ";
    let text = format!("Short.\n\n{}\n\nLast.", sentence.repeat(4).trim_end());
    let chunks = markdown(&text, 20);
    assert_eq!(chunks[0], "Short.\n\n");
    assert_eq!(chunks[1], sentence.repeat(2));
    // What is left of it is filled up.
    assert_eq!(chunks[2..].concat(), format!("{}\n\nLast.", sentence.repeat(2).trim_end()));
    let code = format!("```\n{}```\n", "let it = be;\n".repeat(40));
    let chunks = markdown(&code, 32);
    assert!(chunks.len() > 3 && chunks.iter().all(|chunk| chunk.ends_with('\n')), "{chunks:?}");
}

#[test]
fn overlap_stays_in_its_section_and_keeps_blocks_whole() {
    let text = "# One\n\none two three four five six\n\nseven eight nine ten eleven twelve\n\n# Two\n\nthirteen";
    let chunks = cut(text, Split::Markdown, 12, 3, false);
    assert_eq!(
        texts(&chunks),
        [
            "# One\n\none two three four five six\n\n",
            "four five six\n\nseven eight nine ten eleven twelve\n\n",
            "# Two\n\nthirteen"
        ]
    );
    // It does not have room beside a block that has room alone.
    let chunks = cut(text, Split::Markdown, 10, 3, false);
    assert!(texts(&chunks).contains(&"seven eight nine ten eleven twelve\n\n"), "{chunks:?}");
}

#[test]
fn paths_of_headings_stand_before_chunks() {
    let text = "Before.\n\n# The *guide*\n\ntext\n\n## `Install`\n\n### Linux\n\none two three four five six seven eight.\n\nnine\n\n## Use\n\ntext\n\n# End\n";
    let chunks = cut(text, Split::Markdown, 22, 0, true);
    assert_eq!(
        texts(&chunks),
        [
            "Before.\n\n",
            "# The *guide*\n\ntext\n\n",
            "The guide\n\n## `Install`\n\n### Linux\n\none two three four five six seven eight.\n\n",
            "The guide > Install > Linux\n\nnine\n\n",
            "The guide\n\n## Use\n\ntext\n\n",
            "# End\n"
        ]
    );
    assert!(text[chunks[3].start..].starts_with("nine"));
    let page = "<h1>The <i>guide</i></h1><h2>A &amp; B</h2><p>one two three four five six seven.<p>eight";
    let chunks = cut(page, Split::Html, 15, 0, true);
    let expected = ["The guide\n\nA & B\n\none two three four five six seven.", "The guide > A & B\n\neight"];
    assert_eq!(texts(&chunks), expected);
    assert!(page[chunks[1].start..].starts_with("eight"));
}

#[test]
fn a_path_takes_no_more_than_half_of_a_chunk() {
    let text = format!("# {}\n\n## inner\n\n{}", "outer ".repeat(20), "word ".repeat(100));
    let chunks = cut(&text, Split::Markdown, 32, 0, true);
    assert!(texts(&chunks)[2..].iter().all(|text| text.starts_with("inner\n\nword")), "{chunks:?}");
    // Nor is it shown where there is no room beside it for any character.
    let text = format!("# one two three four\n\n{}", "word ".repeat(100));
    assert!(texts(&cut(&text, Split::Markdown, 8, 0, true))[2..].iter().all(|text| !text.contains("one")));
    for title in ["outer ".repeat(50_000), "x".repeat(1_000_000)] {
        let text = format!("# {title}\n\n{}", "## inner\n\ntext\n\n".repeat(1000));
        assert_eq!(cut(&text, Split::Markdown, 32, 0, true).last().unwrap().text, "## inner\n\ntext\n\n");
    }
}

#[test]
fn html_is_what_a_browser_shows() {
    for (page, shown) in [
        ("a <b>bold</b> word,<br>and\n a  line", "a bold word,\nand a line"),
        ("un<b>brok</b>en", "unbroken"),
        ("<title>Shop</title><style>p {}</style><body>text<script>1 < 2</script> more", "text more"),
        ("<SCRIPT>x</SCRIPT><P>upper</P>", "upper"),
        ("&lt;p&gt; &amp;amp; &eacute;&#233;&#xE9; &nosuch; & &copy", "<p> &amp; \u{e9}\u{e9}\u{e9} &nosuch; & \u{a9}"),
        ("<pre>\n  two\n    four</pre>text", "two\n    four\n\ntext"),
        ("<ul><li>one<li>two<ul><li>three</ul></ul>", "one\ntwo\n\nthree"),
        ("<table><tr><td>a<td>b</tr><tr><td>c</td><td>d</td></table>", "a\tb\nc\td"),
        ("a<!-- b -->c<!-- never ends", "ac"),
        ("<p>one<div>two</span></div></p></p>three", "one\ntwo\n\nthree"),
        ("<p title='a > b' hidden>text</p>", "text"),
        ("a < b and c > d, 1 <2", "a < b and c > d, 1 <2"),
        ("text <a href", "text"),
        ("<svg><title/><text>shown</text></svg> text", "shown text"),
        ("<math><![CDATA[<x>]]></math>", "<x>"),
        ("<template><p>not shown</p></template>shown<noscript>nor this</noscript>", "shown"),
        ("<textarea>not <b> shown</textarea>shown", "shown"),
        ("<!DOCTYPE html><html><head><meta charset=utf-8></head><body>text</body></html>", "text"),
        ("line\r\nline\rline", "line line line"),
        ("<pre>line\r\nline\rline</pre>", "line\nline\nline"),
        ("中&nbsp;文", "中\u{a0}文"),
        ("<![if IE]>text<?php echo 1 ?>", "text"),
    ] {
        assert_eq!(html(page), [shown], "{page}");
    }
}

#[test]
fn headings_that_are_malformed_end_somewhere() {
    assert_eq!(html("<h1>One<p>text<h2>Two</h3>text</h1>"), ["One\n\ntext", "Two\n\ntext"]);
    let chunks = cut(
        "<h1><div>One</div><div>text text text text text text</div></h1><p>more and more",
        Split::Html,
        10,
        0,
        true,
    );
    assert_eq!(texts(&chunks)[0], "One\ntext text text text text text");
    assert_eq!(texts(&chunks)[1], "One\n\nmore and more");
    assert_eq!(html("text<h1></h1>more"), ["text", "more"]);
    assert_eq!(html("<h1>One</h1></h1></h2><h7>text</h7>"), ["One\n\ntext"]);
}

/// Documents of known headings and blocks, put together by chance.
#[test]
fn no_chunk_of_markdown_reaches_beyond_its_section() {
    let mut dice = Dice(1);
    for round in 0..300 {
        let (mut text, mut headings) = (String::new(), Vec::new());
        let end = if round % 2 == 0 { "\n" } else { "\r\n" };
        for _ in 0..dice.below(40) {
            match dice.below(6) {
                0 | 1 => {
                    headings.push((text.len(), text.len()));
                    text += &format!("{} {}{end}", "#".repeat(1 + dice.below(6)), dice.words(4));
                    headings.last_mut().unwrap().1 = text.len();
                }
                2 => text += &format!("```{end}# {}{end}{end}{}{end}```{end}", dice.words(9), dice.words(40)),
                3 => (0..=dice.below(5)).for_each(|_| text += &format!("- {}{end}", dice.words(12))),
                _ => text += &format!("{}{end}", dice.words(60)),
            }
            text += end;
        }
        let (max_tokens, overlap) = (dice.pick(&[8, 24, 64, 256]), dice.pick(&[0, 3]));
        let chunks = cut(&text, Split::Markdown, max_tokens, overlap, false);
        let mut end = 0;
        for chunk in &chunks {
            assert_eq!(chunk.text, text[chunk.start..chunk.start + chunk.text.len()]);
            assert!(chunk.start <= end && (overlap > 0 || chunk.start == end), "a gap");
            end = chunk.start + chunk.text.len();
            let within = headings.iter().filter(|(at, _)| (chunk.start + 1..end).contains(at));
            for &(at, _) in within {
                // Nothing stands before it but headings.
                let before = headings.iter().rev().find(|(before, _)| *before < at).copied();
                let between = before.map_or("text", |(_, ended)| &text[ended.min(at)..at]);
                assert!(between.trim().is_empty(), "{:?} reaches beyond {:?}", chunk.text, &text[at..]);
            }
        }
        assert_eq!(end, text.len());
        markdown(&text, max_tokens);
        // With paths, what follows them is the same text.
        let mut rest = &*text;
        for chunk in cut(&text, Split::Markdown, max_tokens, 0, true) {
            assert_eq!(chunk.start, text.len() - rest.len());
            let piece = match rest.starts_with(&*chunk.text) {
                true => &*chunk.text,
                false => chunk.text.split_once("\n\n").unwrap().1,
            };
            rest = rest.strip_prefix(piece).unwrap_or_else(|| panic!("{piece:?} is not how {rest:?} begins"));
        }
        assert_eq!(rest, "");
    }
}

#[test]
fn what_html_shows_is_found_where_a_chunk_says() {
    let mut dice = Dice(2);
    let tags = [
        "<p>",
        "</p>",
        "<div class=a>",
        "</div>",
        "<li>",
        "<h1>",
        "</h1>",
        "<h2>",
        "</h2>",
        "<b>",
        "</b>",
        "<br/>",
        "<td>",
        "<tr>",
        "<pre>",
        "</pre>",
        "<!-- # -->",
        "<",
        "\r\n",
        "\n",
        " ",
        "<script>x</script>",
        "<svg>",
        "</svg>",
        "<hr>",
        "<p title=\"&amp;>\">",
        "</x y>",
    ];
    for _ in 0..500 {
        // The words are shown in their order, wherever they stand.
        let (mut page, mut words) = (String::new(), Vec::new());
        for number in 0..dice.below(60) {
            page += dice.pick(&tags);
            page += " ";
            let word = format!("{}{number}x", dice.pick(&["coat", "grün", "中", "👗"]));
            page += &word;
            words.push(word);
            page += dice.pick(&[" ", " &lt; ", " &eacute; ", " &#x4e2d; ", " &nosuch; "]);
        }
        let max_tokens = dice.pick(&[16, 40, 256]);
        let chunks = cut(&page, Split::Html, max_tokens, 0, false);
        let shown: String = texts(&chunks).concat().split_whitespace().collect();
        let mut rest = &*shown;
        for word in &words {
            let at = rest.find(&**word).unwrap_or_else(|| panic!("{word} is lost: {page}"));
            rest = &rest[at + word.len()..];
        }
        for chunk in &chunks {
            let (first, found) = (chunk.text.chars().next().unwrap(), &page[chunk.start..]);
            let is_reference = found.starts_with('&') && "<é中".contains(first);
            assert!(found.starts_with(first) || is_reference, "{first:?} at {found:?} of {page}");
        }
        cut(&page, Split::Html, max_tokens, 3, true);
    }
}

/// Or it would not come to an end; nor does one that is nested deeply end the process.
#[test]
fn repetitions_of_what_markup_begins_with_are_cut() {
    const BYTES: usize = 5_000_000;
    for (split, part) in [
        (Split::Html, "<div>"),
        (Split::Html, "<h1>"),
        (Split::Html, "<"),
        (Split::Html, "</"),
        (Split::Html, "&"),
        (Split::Html, "&amp;"),
        (Split::Html, "<!--"),
        (Split::Html, "<a b"),
        (Split::Html, "<textarea></x"),
        (Split::Html, "<table><tr><td>"),
        (Split::Html, "<template>"),
        (Split::Html, "<pre> "),
        (Split::Markdown, "#"),
        (Split::Markdown, "# "),
        (Split::Markdown, "#\n"),
        (Split::Markdown, "["),
        (Split::Markdown, "]"),
        (Split::Markdown, "[a]("),
        (Split::Markdown, "![["),
        (Split::Markdown, "[a]: b\n"),
        (Split::Markdown, "*"),
        (Split::Markdown, "*a "),
        (Split::Markdown, "*a_"),
        (Split::Markdown, "`"),
        (Split::Markdown, "` `` "),
        (Split::Markdown, ">"),
        (Split::Markdown, "- "),
        (Split::Markdown, "+ "),
        (Split::Markdown, "1. a\n"),
        (Split::Markdown, "<"),
        (Split::Markdown, "<!--"),
        (Split::Markdown, "<a b=\""),
        (Split::Markdown, "&"),
        (Split::Markdown, "\\"),
        (Split::Markdown, "|"),
        (Split::Markdown, "|a\n|-\n"),
        (Split::Markdown, "a\n\n"),
        (Split::Markdown, "---\n"),
        (Split::Markdown, "\n"),
    ] {
        let text = part.repeat(BYTES / part.len());
        let tokenizer = embedder().tokenizer();
        let asked = Cell::new(0);
        let chunking = Chunking::new(256, 0, 256).unwrap().of(split).with_headings();
        let mut before = None;
        // It is a long way to the last chunk of some, which is like the others.
        for chunk in chunking.chunks(tokenizer, &text, || asked.set(asked.get() + 1)).take(100) {
            let chunk = chunk.unwrap();
            assert!(chunk.tokens <= 256 && Some(chunk.start) > before, "{split:?} {part:?}");
            before = Some(chunk.start);
        }
        assert!(asked.get() > 1, "{split:?} {part:?}");
    }
}
