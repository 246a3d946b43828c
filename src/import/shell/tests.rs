use proptest::prelude::*;

use super::*;

fn texts(command: &Command) -> Vec<&str> {
    command.words.iter().map(|word| std::str::from_utf8(word).unwrap()).collect()
}

#[track_caller]
fn words(text: &str, wanted: &[&[&str]]) {
    let found = commands(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let found: Vec<Vec<&str>> = found.commands.iter().map(|command| texts(command)).collect();
    assert_eq!(found, wanted, "{text}");
}

#[test]
fn words_are_those_of_a_shell() {
    words("", &[]);
    words("curl  a\tb", &[&["curl", "a", "b"]]);
    words("'a b'c \"d e\"", &[&["a bc", "d e"]]);
    words("'' \"\"", &[&["", ""]]);
    words(r#"'\n$x`' "\"\\\$\n""#, &[&[r"\n$x`", r#""\$\n"#]]);
    words("a \\\n b\\\r\n c\\ d", &[&["a", "b", "c d"]]);
    words("\"a\\\nb\"", &[&["ab"]]);
    words("a # b 'c\nd#e", &[&["a"], &["d#e"]]);
    words("a; b && c & d\ne", &[&["a"], &["b"], &["c"], &["d"], &["e"]]);
    words("$ 5$", &[&["$", "5$"]]);
    words("ü 'é'", &[&["ü", "é"]]);
}

#[test]
fn ansi_c_quotes_are_bashs() {
    words(r"$'a\'b\n\t\\\u0021\x41\101\U0001F600\q'", &[&["a'b\n\t\\!AA😀\\q"]]);
    words(r"$'\xc3\xbc'x", &[&["üx"]]);
    words(r"$''", &[&[""]]);
    words(r"$'x\ud83d\ude00y' $'\uD83D\uDE00'", &[&["x😀y", "😀"]]);
    words(r#"$"a b" $'\cAb'"#, &[&["a b", "\x01b"]]);
    assert_eq!(commands(r"$'caf\xe9'").unwrap().commands[0].words, [b"caf\xe9"]);
}

#[test]
fn a_blank_behind_a_lines_backslash_is_said() {
    for text in ["curl a \\ \n -b", "curl a \\\t \r\n -b", "curl a -b \\ "] {
        words(text, &[&["curl", "a", "-b"]]);
        let warnings = commands(text).unwrap().warnings;
        assert_eq!(warnings.len(), 1, "{text}");
        assert!(warnings[0].starts_with("line 1, column 9: a blank behind the `\\`") || text.ends_with(' '));
    }
    words("a\\ b", &[&["a b"]]);
}

#[test]
fn what_is_written_for_cmd_is_read_as_there() {
    words(
        "curl ^\"http://h/?a=1^&b=^%^2F^\" ^\r\n  -H ^\"A: ^\\^\"b^\\^\"^\"",
        &[&["curl", "http://h/?a=1&b=%2F", "-H", "A: \"b\""]],
    );
    // A line break within a text, and two commands.
    words("curl ^\"a^\n\nb^\" &\r\ncurl ^\"c^\r\n\r\nd^\"", &[&["curl", "a\nb"], &["curl", "c\nd"]]);
    // Older ones: quotes that cmd.exe sees.
    words(
        "curl \"http://h/?a=$b\" ^\n  --data-raw \"{\\\"a\\\":\\\\\"\"}\"",
        &[&["curl", "http://h/?a=$b", "--data-raw", "{\"a\":\\\"}"]],
    );
    words(r#"curl ^"a\\b\\^" c"#, &[&["curl", r"a\b\", "c"]]);
    words("curl 'a^\"b'", &[&["curl", "a^\"b"]]);
    words("curl a^b", &[&["curl", "a^b"]]);
}

#[test]
fn what_needs_a_shell_is_refused_by_name_and_place() {
    for (text, wanted) in [
        ("curl 'a", "line 1, column 6: this `'`"),
        ("curl \\\n \"a", "line 2, column 2: this `\"`"),
        ("curl \"a\\", "column 6"),
        ("curl $'a", "column 6: this `$'`"),
        ("curl $'\\", "column 6: this `$'`"),
        ("curl \"$TOKEN x\"", "column 7: `$TOKEN` is a shell's variable"),
        ("curl $(x)", "`$(` needs a shell"),
        ("curl ${x}", "`${` needs a shell"),
        ("curl `x`", "column 6: `…` runs"),
        ("curl x | jq", "column 8: `|` needs a shell"),
        ("curl x > y", "`>` needs a shell"),
        ("curl `", "PowerShell's"),
        ("curl a `\n -X POST", "column 8: a backtick at a line's end is PowerShell's"),
        (r"curl $'\ud800'", r"column 8: `\ud800` is half of a character, and its other half is missing"),
        (r"curl $'\ud83d\u0041'", r"`\ud83d` is half of a character"),
        (r"curl $'\ude00'", r"`\ude00` is half of a character"),
        (r"curl $'\U110000'", r"`\U110000` names no character"),
        ("curl \"a ^\nb", "the command: its last `\"` has no second one"),
        ("curl ^\"x^\" | more", "column 12: `|` needs a shell"),
        (r"curl $'\xg'", "no hexadecimal digit"),
    ] {
        let error = commands(text).unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in r#"[ a'"\\$&|;#^u0-9x\n\rü`{(]{0,40}"#) {
        let _ = commands(&text);
    }

    #[test]
    fn quoted_words_come_back(words in prop::collection::vec(any::<String>(), 1..5)) {
        let quoted: Vec<String> = words.iter().map(|w| format!("'{}'", w.replace('\'', r"'\''"))).collect();
        let found = commands(&quoted.join(" ")).unwrap();
        prop_assert_eq!(texts(&found.commands[0]), words);
    }
}
