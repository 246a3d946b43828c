use std::io::Write;
use std::path::Path;

use super::*;

fn set(ending: &str, text: &str, order: Order, at_end: AtEnd) -> Result<DataSet, DataError> {
    load(ending, text.as_bytes(), |spec| DataSpec { order, at_end, ..spec })
}

fn load(ending: &str, bytes: &[u8], adjust: impl FnOnce(DataSpec) -> DataSpec) -> Result<DataSet, DataError> {
    let mut file = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
    file.write_all(bytes).unwrap();
    DataSet::load(&adjust(spec(file.path())))
}

fn spec(path: &Path) -> DataSpec {
    DataSpec {
        name: "users".into(),
        path: path.to_owned(),
        format: None,
        delimiter: None,
        columns: None,
        order: Order::Sequential,
        at_end: AtEnd::Wrap,
    }
}

fn table(set: &DataSet) -> Vec<Vec<String>> {
    let field = |row, column| {
        let mut out = Vec::new();
        set.field(row, column, &mut out);
        String::from_utf8(out).unwrap()
    };
    (0..set.rows()).map(|row| (0..set.columns().len() as u32).map(|c| field(row, c)).collect()).collect()
}

#[test]
fn csv_is_read_as_the_csv_crate_reads_it() {
    let text = "name,quote,n\r\nann,\"a, \"\"b\"\"\",1\n\n\"two\nlines\",,2\r\nlast,x,3";
    let set = set(".csv", text, Order::Sequential, AtEnd::Wrap).unwrap();
    assert_eq!(set.columns(), ["name", "quote", "n"]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<Vec<String>> =
        reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
    assert_eq!(table(&set), rows);
}

/// What programs write that do not keep to RFC 4180: rows are found and fields are read by the same rules.
#[test]
fn csv_that_is_written_otherwise_is_read_the_same_way_twice() {
    let long = "x\"\"".repeat(1000);
    for text in [
        "a,b\r\n1,\"x\"y\r\n\r\n\n2,y\"z\"\n".to_owned(),
        "a,b\r1,2\r3,4".to_owned(),
        "\u{feff}a,b\n\u{feff}1,\"\"\n \"q\" , \n,\n".to_owned(),
        format!("a,b\n\"{long}\",\"{long}\"\n{long},open\"\n"),
        format!("a,b\n\"{}\",\"{}\"\n", "y".repeat(256), "z".repeat(512)),
    ] {
        let set =
            set(".csv", &text, Order::Sequential, AtEnd::Wrap).unwrap_or_else(|e| panic!("{text:?}: {e}"));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<Vec<String>> =
            reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(table(&set), rows, "{text:?}");
    }
}

#[test]
fn a_large_file_is_mapped_and_reads_the_same() {
    let mut text = String::from("id,text\n");
    for n in 0..50_000 {
        text.push_str(&format!("{n},\"row {n}, as it is\"\n"));
    }
    let set = set(".csv", &text, Order::Sequential, AtEnd::Wrap).unwrap();
    assert!(matches!(&set.rows, Rows::Csv { file: MappedFile::Mapped(_), .. }));
    let mut out = Vec::new();
    set.field(49_999, 1, &mut out);
    assert_eq!(out, b"row 49999, as it is");
    set.field(50_000, 1, &mut out);
    set.field(0, 7, &mut out);
    assert_eq!(out.len(), 19, "what does not exist is nothing");
}

#[test]
fn json_lines_have_the_keys_of_the_first() {
    let text = "{\"a\":\"x y\",\"b\":1}\n\n{\"b\":[1,2],\"a\":null,\"c\":0}\n";
    let set = set(".jsonl", text, Order::Sequential, AtEnd::Wrap).unwrap();
    assert_eq!(table(&set), [["x y", "1"], ["null", "[1,2]"]]);
}

/// C5: whatever the type of a value, it goes on as it stands, and its type is known.
#[test]
fn json_values_are_as_they_stand() {
    let row = "{\"n\":1.10,\"big\":12345678901234567890123,\"e\":1E5,\"o\":{\"b\": 1, \"a\": 2},\"s\":\"7\"}";
    let lines = set(".jsonl", &format!("\u{feff}{row}\n"), Order::Sequential, AtEnd::Wrap).unwrap();
    let array = load(".json", format!("[\n {row},\n{row} ]").as_bytes(), |spec| spec).unwrap();
    assert_eq!((lines.rows(), array.rows()), (1, 2));
    for set in [lines, array] {
        assert_eq!(set.columns(), ["big", "e", "n", "o", "s"]);
        assert_eq!(table(&set)[0], ["12345678901234567890123", "1E5", "1.10", "{\"b\": 1, \"a\": 2}", "7"]);
        let is_json: Vec<bool> = (0..5).map(|column| set.field(0, column, &mut Vec::new())).collect();
        assert_eq!(is_json, [true, true, true, true, false]);
    }
}

#[test]
fn csv_may_have_other_delimiters_and_no_line_of_names() {
    let wanted = [["1,5", "a;b"], ["2", "c"]];
    let semicolons = |spec| DataSpec { delimiter: Some(b';'), ..spec };
    let named = |spec| DataSpec { columns: Some(vec!["n".into(), "t".into()]), ..spec };
    for (ending, text, set) in [
        (".csv", "n;t\n1,5;\"a;b\"\n2;c\n", load(".csv", b"n;t\n1,5;\"a;b\"\n2;c\n", semicolons)),
        (".tsv", "", load(".tsv", b"n\tt\n1,5\ta;b\n2\tc\n", |spec| spec)),
        (".csv", "no names", load(".csv", b"\xef\xbb\xbf\"1,5\",a;b\n2,c\n", named)),
        (".tsv", "no names", load(".tsv", b"1,5\ta;b\n2\tc", named)),
    ] {
        let set = set.unwrap_or_else(|e| panic!("{ending} {text}: {e}"));
        assert_eq!(set.columns(), ["n", "t"]);
        assert_eq!(table(&set), wanted, "{ending} {text}");
    }
    let error = load(".csv", b"1,2,3\n", named).unwrap_err().to_string();
    assert!(error.ends_with("line 1 has 3 fields, but `columns` has 2 names"), "{error}");
    let error = load(".json", b"[]", named).unwrap_err().to_string();
    assert!(error.contains("leave out `delimiter` and `columns`"), "{error}");
}

#[test]
fn rows_come_in_their_order_and_run_out_as_told() {
    let of = |order, at_end| set(".csv", "a\n1\n2\n3\n", order, at_end).unwrap();
    let mut rng = Rng::new(1);
    let wrap = of(Order::Sequential, AtEnd::Wrap);
    let rows: Vec<_> = (0..5).map(|iteration| wrap.row_for(iteration, 0, &mut rng)).collect();
    assert_eq!(rows, [Some(0), Some(1), Some(2), Some(0), Some(1)]);
    let stop = of(Order::Sequential, AtEnd::Stop);
    assert_eq!((stop.row_for(2, 9, &mut rng), stop.row_for(3, 9, &mut rng)), (Some(2), None));
    let unique = of(Order::Unique, AtEnd::Wrap);
    assert_eq!((unique.row_for(7, 2, &mut rng), unique.row_for(7, 3, &mut rng)), (Some(2), None));
    let random = of(Order::Random, AtEnd::Stop);
    for (set, sequential, is_unique) in
        [(&wrap, true, false), (&stop, true, false), (&unique, false, true), (&random, false, false)]
    {
        assert_eq!((set.is_sequential(), set.is_unique(), set.is_known()), (sequential, is_unique, true));
        assert_eq!((set.is_used_up(2), set.is_used_up(3)), (false, std::ptr::eq(set, &stop)));
    }
    assert!(!DataSet::unknown("lost").is_known());
    assert!((0..100).all(|iteration| random.row_for(iteration, 0, &mut rng).is_some_and(|row| row < 3)));
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    for (ending, text, part) in [
        (".csv", "", "no rows"),
        (".csv", "a,b\n", "no rows"),
        (".csv", "a,b\n1\n", "line: 2"),
        (".csv", "a,a\n1,2\n", "`a` comes twice"),
        (".csv", "a,b\n0,0\n1,\"x\n2,y\n", "line 3 opens a quote that nothing closes"),
        (".jsonl", "{\"a\":1}\n{\"b\":1}\n", ":2: the key `a`"),
        (".jsonl", "{\"a\":1}\nnonsense\n", ":2: not a JSON object"),
        (".json", "{\"a\":1}", "not a JSON array"),
        (".json", "[{\"a\":1}, 5]", "row 2: not a JSON object"),
        (".json", "[]", "no rows"),
        (".txt", "a\n1\n", "ending"),
    ] {
        let error = set(ending, text, Order::Sequential, AtEnd::Wrap).expect_err(text).to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    let wide = load(".csv", b"\xff\xfen\0\n\0", |spec| spec).unwrap_err().to_string();
    assert!(wide.ends_with(" is UTF-16: save it as UTF-8"), "{wide}");
    let nowhere = spec(Path::new("/nonexistent/rows.csv"));
    assert!(DataSet::load(&nowhere).unwrap_err().to_string().contains("/nonexistent/rows.csv"));
}
